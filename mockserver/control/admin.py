"""What can be asked of a running mock, and done to it, in one of its scopes: journal, plan, sessions, state."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from mockserver.apis.llamacloud_chat.sessions import Traits, summary
from mockserver.engine import Mock
from mockserver.errors import PlanError, StateError
from mockserver.journal.exchange import Exchange
from mockserver.journal.verify import Verdict, nearest, read_expected, read_times, verify, verify_order
from mockserver.matching import Fields, told
from mockserver.messages import Json
from mockserver.store.base import Change, Session
from mockserver.store.snapshot import dump_state, restore_state
from mockserver.stub.rules import Entry, spec_json

RETRIEVE = ("GET", "/api/v1/chat/{session_id}")

_ALL = Traits(True, True, True, True)
_SESSION_KEYS = (
    "generated_title",
    "last_updated_at",
    "index_ids",
    "shared_access",
    "job_metadata",
    "project_id",
    "events",
)


class Planned(NamedTuple):
    """A planned answer, how often it was used, and what came nearest to it, where that is never."""

    number: int
    told: str
    spec: Json
    uses: int
    unused: Sequence[str] = ()
    """Its answers that were never used, each in words."""
    nearest: Sequence[str] = ()

    @property
    def operation(self) -> str:
        """The operation that it is for."""
        return str(self.spec["operation"])


class Desk(Protocol):
    """Asks a mock, in this process or in another; all of it concerns one scope."""

    @property
    def seed(self) -> int:
        """The seed of the scope."""

    @property
    def fields(self) -> Mapping[str, Fields]:
        """What the requests of each operation may have."""

    @property
    def journal_size(self) -> int:
        """How many exchanges are remembered; 0 for none."""

    def exchanges(self) -> Sequence[Exchange]:
        """Give the journal, the oldest first."""

    def clear_journal(self) -> None:
        """Forget it."""

    def planned(self) -> Sequence[Planned]:
        """Give what is planned."""

    def put(self, spec: Json, number: int = 0) -> int:
        """Plan an answer, or change one; give its number. A PlanError says what is wrong with it."""

    def remove(self, number: int = 0) -> None:
        """Take back one planned answer, or all."""

    def sessions(self) -> Sequence[Json]:
        """Give all sessions, without their events, the latest update first."""

    def session(self, session_id: str) -> Json:
        """Give a session with its events; None for one that there is not."""

    def put_session(self, session_id: str, value: Mapping[str, Json]) -> Json:
        """Keep a session as it is said to be, as if create had made it, and give it."""

    def delete_session(self, session_id: str) -> bool:
        """Delete a session, and say whether there was one."""

    def snapshot(self) -> bytes:
        """Give all that is kept of the sessions."""

    def restore(self, state: bytes) -> int:
        """Bring back a snapshot, and give the number of its sessions."""

    def reset(self) -> None:
        """Forget sessions, journal and plan, but not the seed."""


class LocalDesk:
    """Asks a mock in this process."""

    def __init__(self, mock: Mock, scope: str) -> None:
        self.mock, self.scope = mock, scope

    @property
    def seed(self) -> int:
        """The seed of the scope."""
        own = self.mock.store.seed(self.scope)
        return self.mock.seed if own is None else own

    @property
    def fields(self) -> Mapping[str, Fields]:
        """What the requests of each operation may have."""
        return self.mock.served.planner.fields

    @property
    def journal_size(self) -> int:
        """How many exchanges are remembered."""
        return self.mock.settings.journal_size

    def exchanges(self) -> Sequence[Exchange]:
        """Give the journal."""
        return self.mock.shelf.exchanges(self.scope)

    def clear_journal(self) -> None:
        """Forget it."""
        self.mock.shelf.clear(self.scope)

    def planned(self) -> Sequence[Planned]:
        """Give what is planned."""
        planner, claims = self.mock.served.planner, self.mock.shelf.claims(self.scope)
        unused = planner.unused(self.scope)
        exchanges = self.exchanges() if unused else []
        return [
            Planned(
                entry.number,
                f"{entry}",
                entry_spec(entry),
                claims.get(str(entry.number), 0),
                unused.get(entry.number, ()),
                nearest(exchanges, entry.operation, entry.when) if entry.number in unused else (),
            )
            for entry in planner.entries(self.scope)
        ]

    def put(self, spec: Json, number: int = 0) -> int:
        """Plan an answer, or change one."""
        return self.mock.served.planner.add(self.scope, spec, number).number

    def remove(self, number: int = 0) -> None:
        """Take back one planned answer, or all."""
        self.mock.shelf.remove(self.scope, number)

    def sessions(self) -> Sequence[Json]:
        """Give all sessions."""
        found: list[Session] = []
        before = None
        while page := self.mock.store.page(self.scope, None, before, 1_000):
            found += page
            before = page[-1].seq
        return [_session_json(session) for session in found]

    def session(self, session_id: str) -> Json:
        """Give a session with its events."""
        found = self.mock.store.find(self.scope, session_id, turns=True)
        if found.session is None:
            return None
        return {**_session_json(found.session), "events": [event for turn in found.turns for event in turn]}

    def put_session(self, session_id: str, value: Mapping[str, Json]) -> Json:
        """Keep a session as it is said to be."""
        session, events = self._read_session(session_id, value)
        store = self.mock.store

        def step(old: Session | None, _: bool) -> Change:
            born = session._replace(born=old.born if old is not None else number)
            return Change(born, (1, events) if events else None)

        number = store.birth(self.scope)
        store.change(self.scope, session_id, lambda *_: Change(None))
        store.change(self.scope, session_id, step)
        return self.session(session_id)

    def _read_session(self, session_id: str, value: Mapping[str, Json]) -> tuple[Session, Sequence[Json]]:
        unknown = sorted(value.keys() - set(_SESSION_KEYS) - {"session_id"})
        if unknown:
            raise StateError(f"a session has no {unknown[0]!r}", mend=f"it has {', '.join(_SESSION_KEYS)}")
        events, project = value.get("events", []), value.get("project_id")
        session = Session(
            session_id,
            value.get("last_updated_at") or self.mock.clock(),
            value.get("generated_title"),
            value.get("job_metadata"),
            value.get("index_ids"),
            value.get("shared_access"),
            project,
            issued=True,
            turns=1 if events else 0,
        )
        wrong = ""
        if not session_id or value.get("session_id", session_id) != session_id:
            wrong = f"its id is {value.get('session_id')!r}, not {session_id!r}"
        elif not isinstance(events, list) or not isinstance(project, str | None):
            wrong = "the events are no list" if not isinstance(events, list) else "the project_id is no text"
        if wrong := wrong or what_is_wrong(self.mock, session, events):
            raise StateError("this is no session", why=wrong, mend="see the contract: GET /openapi.json")
        return session, events

    def delete_session(self, session_id: str) -> bool:
        """Delete a session."""
        if self.mock.store.find(self.scope, session_id).session is None:
            return False
        self.mock.store.change(self.scope, session_id, lambda *_: Change(None))
        return True

    def snapshot(self) -> bytes:
        """Give all that is kept of the sessions."""
        return b"".join(dump_state(self.mock.store, self.scope))

    def restore(self, state: bytes) -> int:
        """Bring back a snapshot."""
        return restore_state(self.mock.store, state, self.check, self.scope)

    def check(self, session: Session, events: Sequence[Json]) -> str:
        """Say why a session could not be told; nothing if it can."""
        return what_is_wrong(self.mock, session, events)

    def reset(self) -> None:
        """Forget sessions, journal and plan, but not the seed."""
        own = self.mock.store.seed(self.scope)
        self.forget()
        if own is not None:
            self.mock.store.set_seed(self.scope, own)

    def forget(self) -> None:
        """Forget all of the scope."""
        self.mock.store.drop(self.scope)
        self.mock.shelf.forget(self.scope)


def entry_spec(entry: Entry) -> Json:
    """Write what is planned as JSON; a function in it by its name."""
    spec: Json = {"operation": entry.operation, "when": entry.when, "answers": [dict(s.spec) for s in entry.steps]}
    if entry.probability < 1:
        spec["probability"] = entry.probability
    try:
        return spec_json(spec)
    except PlanError:
        return {**spec, "when": told(entry.when).removeprefix(" with ")}


def verified(desk: Desk, question: Any) -> Verdict:
    """Answer a question to the journal.

    Either {"operation": ..., "when": ..., "times": ..., "attempts": ...}, or {"order": [...]}. A PlanError says what
    cannot be read.
    """
    if not isinstance(question, Mapping):
        raise PlanError("a question is an object", why=f"it is {question!r}", mend='write {"operation": "set_title"}')
    if not desk.journal_size:
        raise PlanError("nothing can be verified: there is no journal", mend="raise --journal-size")
    unknown = sorted(question.keys() - {"operation", "when", "times", "attempts", "order"})
    if unknown or ("order" in question) is ("operation" in question):
        what = f"a question has no {unknown[0]!r}" if unknown else "a question asks for an operation or for an order"
        raise PlanError(what, mend="it has operation, when, times, attempts; or order, a list of operations")
    if "order" in question:
        order = question["order"]
        if not isinstance(order, list | tuple) or not order or len(question) > 1:
            raise PlanError("an order is a list of operations, and nothing else")
        return verify_order(desk.exchanges(), [read_expected(each, desk.fields) for each in order])
    expected = read_expected({key: question[key] for key in ("operation", "when") if key in question}, desk.fields)
    attempts = None if question.get("attempts") is None else read_times(question["attempts"])
    return verify(desk.exchanges(), expected, read_times(question.get("times")), attempts)


def what_is_wrong(mock: Mock, session: Session, events: Sequence[Json]) -> str:
    """Say why a session could not be told, in the words of the newest contract that tells sessions."""
    for contract in mock.served.contracts:
        for operation in contract.operations:
            reply = operation.reply(operation.success) if (operation.method, operation.path) == RETRIEVE else None
            schema = reply.preferred.schema if reply is not None and reply.preferred is not None else None
            if schema is not None:
                value = {**summary(session, _ALL), "events": events}
                if schema.is_valid(value):
                    return ""
                finding = schema.explain(value)[0]
                return f"at {finding.where or 'the root'} of the session: {finding.message}"
    return ""


def _session_json(session: Session) -> Json:
    return {**summary(session, _ALL), "project_id": session.project_id, "issued": session.issued}
