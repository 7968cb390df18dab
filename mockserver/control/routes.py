"""What each control route does: for a method and a path, a function of what was asked."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from mockserver.contract.schema import load_document
from mockserver.control.access import HEALTH
from mockserver.control.admin import LocalDesk, Planned, verified
from mockserver.data import CONTROL, data_dir
from mockserver.engine import Mock
from mockserver.errors import MockserverError, PlanError, StateError, UsageError
from mockserver.journal.exchange import as_json, calls_of
from mockserver.journal.har import as_har
from mockserver.messages import OPENAPI, Json
from mockserver.store.snapshot import dump_state, restore_state

if TYPE_CHECKING:
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Asked:
    """One control request: the desk of its scope, whether it named one, and what it brings."""

    mock: Mock
    desk: LocalDesk
    named: bool
    path: dict[str, Any]
    query: dict[str, str]
    text: bytes

    @property
    def value(self) -> Json:
        """The body, decoded; a UsageError says why it cannot be read."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise UsageError("the body is not JSON", why=str(error)) from error

    @property
    def number(self) -> int:
        """The number of a planned answer, as the path has it; less than 0 for one of the plan's file, 0 for none."""
        text = str(self.path["number"])
        return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else 0


Act: TypeAlias = "Callable[[Asked], Response | Json]"
"""What a control route does; a value that is no answer is written as JSON."""


def _nothing() -> "Response":
    from starlette.responses import Response

    return Response(status_code=204)


def _openapi(asked: Asked) -> Any:
    from starlette.exceptions import HTTPException

    try:
        return asked.mock.document(asked.query.get("contract"))
    except UsageError as error:
        raise HTTPException(404, f"{error.what}; {error.mend}") from error


def control_document() -> Json:
    """Give the document of the control routes themselves."""
    folder = data_dir() / "schemas" / CONTROL
    packed = folder / "1.json"
    return load_document(packed if packed.exists() else folder / "1.yaml")


def _own_openapi(_: Asked) -> Json:
    return control_document()


def health(asked: Asked) -> Json:
    """Say what is served, and how much is kept; StoreError where the store cannot be reached."""
    mock = asked.mock
    served = mock.served
    return {
        "status": "ok",
        "contracts": [contract.name for contract in served.contracts],
        "operations": sorted({each.id for contract in served.contracts for each in contract.operations}),
        "answers": mock.settings.answers,
        "seed": mock.seed,
        "store": mock.store.url,
        "sessions": len(mock.store),
    }


def _contract(asked: Asked) -> Json:
    """Tell the operations in force, and what their requests may have."""
    mock = asked.mock
    contracts = [
        {
            "name": each.name,
            "title": each.title,
            "operations": {op.id: {"method": op.method, "path": op.path} for op in each.operations},
        }
        for each in mock.served.contracts
    ]
    fields = {
        name: {part: sorted(names) for part, names in each._asdict().items()}
        for name, each in asked.desk.fields.items()
    }
    return {"contracts": contracts, "fields": fields, "journal_size": asked.desk.journal_size}


def _journal(asked: Asked) -> Any:
    exchanges = asked.desk.exchanges()
    if "operation" in asked.query:
        exchanges = [each for each in exchanges if each.operation == asked.query["operation"]]
    kind = asked.query.get("format", "json")
    if kind == "har":
        return as_har(exchanges)
    if kind != "json":
        raise UsageError(f"there is no format {kind!r}", mend="the formats are json and har")
    return {
        "scope": asked.desk.scope,
        "exchanges": [as_json(each) for each in exchanges],
        "calls": [[each.number for each in call] for call in calls_of(exchanges)],
    }


def _clear_journal(asked: Asked) -> Any:
    asked.desk.clear_journal()
    return _nothing()


def _verify(asked: Asked) -> Any:
    from starlette.responses import JSONResponse

    verdict = verified(asked.desk, asked.value)
    return JSONResponse(verdict._asdict(), 200 if verdict.ok else 406)


def _plan(asked: Asked) -> Json:
    return {"scope": asked.desk.scope, "planned": [planned_json(each) for each in asked.desk.planned()]}


def planned_json(planned: Planned) -> Json:
    """Write what is planned, with its uses."""
    more = {"unused": list(planned.unused), "nearest": list(planned.nearest)} if planned.unused else {}
    return {"number": planned.number, "uses": planned.uses, **planned.spec, "told": planned.told, **more}


def _put_plan(asked: Asked) -> Any:
    from starlette.responses import JSONResponse

    given = asked.value
    specs = given if isinstance(given, list) else [given]
    numbers: list[int] = []
    try:
        for spec in specs:
            numbers.append(asked.desk.put(spec))
    except MockserverError:
        for number in numbers:  # all of them, or none
            asked.desk.remove(number)
        raise
    return JSONResponse({"numbers": numbers}, 201)


def _clear_plan(asked: Asked) -> Any:
    asked.desk.remove()
    return _nothing()


def _planned(asked: Asked) -> Json:
    from starlette.exceptions import HTTPException

    for each in asked.desk.planned():
        if each.number == asked.number:
            return planned_json(each)
    raise HTTPException(404, f"There is no planned answer {asked.path['number']}.")


def _of_the_file(asked: Asked) -> None:
    """Refuse to change what the plan's file says."""
    if asked.number < 0:
        raise PlanError(
            "an answer of the plan's file cannot be changed",
            why="every scope begins with it",
            mend="change the file, or plan another answer before it",
        )


def _change_plan(asked: Asked) -> Json:
    _planned(asked)
    _of_the_file(asked)
    return {"numbers": [asked.desk.put(asked.value, asked.number)]}


def _remove_plan(asked: Asked) -> Any:
    _planned(asked)
    _of_the_file(asked)
    asked.desk.remove(asked.number)
    return _nothing()


def _sessions(asked: Asked) -> Json:
    return {"scope": asked.desk.scope, "sessions": list(asked.desk.sessions())}


def _session(asked: Asked) -> Json:
    from starlette.exceptions import HTTPException

    found = asked.desk.session(asked.path["session_id"])
    if found is None:
        raise HTTPException(404, f"No session has the id {asked.path['session_id']}.")
    return found


def _put_session(asked: Asked) -> Json:
    value = asked.value
    if not isinstance(value, dict):
        raise StateError("a session is an object", why=f"it is {value!r}")
    return asked.desk.put_session(asked.path["session_id"], value)


def _delete_session(asked: Asked) -> Any:
    _session(asked)
    asked.desk.delete_session(asked.path["session_id"])
    return _nothing()


def _state(asked: Asked) -> Any:
    from starlette.responses import StreamingResponse

    lines = dump_state(asked.mock.store, asked.desk.scope if asked.named else None)
    head = next(lines)  # a store that cannot be reached is told before the answer begins
    return StreamingResponse(chain((head,), lines), media_type="application/x-ndjson")


def _restore(asked: Asked) -> Json:
    only = asked.desk.scope if asked.named else None
    return {"sessions": restore_state(asked.mock.store, asked.text, asked.desk.check, only)}


def _scopes(asked: Asked) -> Json:
    return {"scopes": [{"name": n, "sessions": count} for n, count in sorted(asked.mock.store.scopes().items())]}


def _show_scope(asked: Asked) -> Json:
    name = asked.desk.scope
    return {"name": name, "sessions": asked.mock.store.scopes().get(name, 0), "seed": asked.desk.seed}


def _give_seed(asked: Asked) -> Json:
    seed = _seed(asked)
    if seed is None:
        raise UsageError('A scope takes {"seed": <whole number of at most 63 bits>}.')
    asked.mock.store.set_seed(asked.desk.scope, seed)
    return _show_scope(asked)


def _seed(asked: Asked) -> int | None:
    """Read the seed of a scope; None where there is none."""
    try:
        body = asked.value
    except UsageError:
        return None
    seed = body.get("seed") if isinstance(body, dict) and body.keys() == {"seed"} else None
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and abs(seed) < 2**63 else None


def _drop_scope(asked: Asked) -> Any:
    asked.desk.forget()
    return _nothing()


def _reset_scope(asked: Asked) -> Json:
    asked.desk.reset()
    return _show_scope(asked)


def _reset(asked: Asked) -> Json:
    names = list(asked.mock.store.scopes())
    for name in {*names, *asked.mock.shelf.scopes()}:
        LocalDesk(asked.mock, name).forget()
    return {"dropped": sorted(names)}


_SCOPE = "/__mock__/scopes/{name}"
_PLANNED = "/__mock__/plan/{number}"
_SESSION = "/__mock__/sessions/{session_id}"

TABLE: tuple[tuple[str, str, Act], ...] = (
    ("GET", HEALTH, health),
    ("GET", "/__mock__/openapi.json", _own_openapi),
    ("GET", "/__mock__/contract", _contract),
    ("GET", "/__mock__/journal", _journal),
    ("DELETE", "/__mock__/journal", _clear_journal),
    ("POST", "/__mock__/verify", _verify),
    ("GET", "/__mock__/plan", _plan),
    ("POST", "/__mock__/plan", _put_plan),
    ("DELETE", "/__mock__/plan", _clear_plan),
    ("GET", _PLANNED, _planned),
    ("PUT", _PLANNED, _change_plan),
    ("DELETE", _PLANNED, _remove_plan),
    ("GET", "/__mock__/sessions", _sessions),
    ("GET", _SESSION, _session),
    ("PUT", _SESSION, _put_session),
    ("DELETE", _SESSION, _delete_session),
    ("GET", "/__mock__/state", _state),
    ("PUT", "/__mock__/state", _restore),
    ("GET", "/__mock__/scopes", _scopes),
    ("GET", _SCOPE, _show_scope),
    ("PUT", _SCOPE, _give_seed),
    ("DELETE", _SCOPE, _drop_scope),
    ("POST", _SCOPE + "/reset", _reset_scope),
    ("POST", "/__mock__/reset", _reset),
    ("GET", OPENAPI, _openapi),
)
"""The control routes: method, path, what it does."""
