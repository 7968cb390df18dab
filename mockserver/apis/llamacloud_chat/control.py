"""The control routes of the chat's sessions."""

from collections.abc import Mapping, Sequence

from mockserver.apis.llamacloud_chat.sessions import EVERYTHING, problem, summary
from mockserver.apis.llamacloud_chat.state import SESSIONS, events_of, new_session
from mockserver.clock import timestamp_of
from mockserver.control.admin import NOTHING, ControlRequest, ControlResponse, Route
from mockserver.control.routes import not_found
from mockserver.errors import StateError, StoreFullError
from mockserver.messages import Json
from mockserver.store.base import Change, Part, Record, Store

_FIELDS = (
    "generated_title",
    "last_updated_at",
    "index_ids",
    "shared_access",
    "job_metadata",
    "project_id",
    "events",
)


def _json(session: Record) -> Json:
    return {**summary(session, EVERYTHING), "project_id": session.group, "issued": session.data["issued"]}


def _whole(store: Store, scope: str, session_id: str) -> Json:
    found = store.find(scope, SESSIONS, session_id, parts=True)
    return None if found.record is None else {**_json(found.record), "events": events_of(found.parts)}


def _sessions(request: ControlRequest) -> ControlResponse:
    found: list[Record] = []
    before = None
    while page := request.mock.store.page(request.scope, SESSIONS, None, before, 1_000):
        found += page
        before = page[-1].seq
    return ControlResponse(value={"scope": request.scope, "sessions": [_json(session) for session in found]})


def _session(request: ControlRequest) -> ControlResponse:
    session_id = request.path["session_id"]
    found = _whole(request.mock.store, request.scope, session_id)
    return not_found(f"No session has the id {session_id}.") if found is None else ControlResponse(value=found)


def _put_session(request: ControlRequest) -> ControlResponse:
    """Store a session as given, as if create had made it."""
    store, scope, session_id = request.mock.store, request.scope, request.path["session_id"]
    made, parts = _read_session(request, session_id)
    number = store.count(scope, SESSIONS)
    made = made.changed(born=number)
    old = store.find(scope, SESSIONS, session_id, parts=True)
    store.update(scope, SESSIONS, session_id, lambda *_: Change(None))
    try:
        store.update(scope, SESSIONS, session_id, lambda *_: Change(made, parts))
    except StoreFullError:
        store.update(scope, SESSIONS, session_id, lambda *_: Change(old.record, old.parts, minor=True))
        raise
    return ControlResponse(value=_whole(store, scope, session_id))


def _read_session(request: ControlRequest, session_id: str) -> tuple[Record, Sequence[Part]]:
    value = request.value
    if not isinstance(value, Mapping):
        raise StateError("a session is an object", why=f"it is {value!r}")
    unknown = sorted(value.keys() - set(_FIELDS) - {"session_id"})
    if unknown:
        raise StateError(f"a session has no {unknown[0]!r}", fix=f"it has {', '.join(_FIELDS)}")
    events, project = value.get("events", []), value.get("project_id")
    wrong = ""
    if not session_id or value.get("session_id", session_id) != session_id:
        wrong = f"its id is {value.get('session_id')!r}, not {session_id!r}"
    elif not isinstance(events, list) or not isinstance(project, str | None):
        wrong = "the events are no list" if not isinstance(events, list) else "the project_id is no text"
    parts: Sequence[Part] = ((1, events),) if events and not wrong else ()
    made = new_session(
        session_id,
        value.get("last_updated_at") or timestamp_of(request.mock.now()),
        title=value.get("generated_title"),
        job_metadata=value.get("job_metadata"),
        index_ids=value.get("index_ids"),
        shared_access=value.get("shared_access"),
        project_id=project,
        issued=True,
        turns=len(parts),
    )
    if wrong := wrong or problem(request.mock.served.contracts, made, parts):
        raise StateError("this is not a session", why=wrong, fix="see the contract: GET /openapi.json")
    return made, parts


def _delete_session(request: ControlRequest) -> ControlResponse:
    store, session_id = request.mock.store, request.path["session_id"]
    found = store.find(request.scope, SESSIONS, session_id).record
    if found is None:
        return not_found(f"No session has the id {session_id}.")
    store.update(request.scope, SESSIONS, session_id, lambda *_: Change(None, gone=found.data["issued"]))
    return NOTHING


LIST = "/__mock__/sessions"
ONE = "/__mock__/sessions/{session_id}"

ROUTES = (
    Route("GET", LIST, _sessions),
    Route("GET", ONE, _session),
    Route("PUT", ONE, _put_session),
    Route("DELETE", ONE, _delete_session),
)
"""The pack's control routes."""
