"""The handlers of the control routes."""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain

from mockserver.api import Api, load
from mockserver.contract.source import read_source
from mockserver.control.access import HEALTH
from mockserver.control.admin import LONGEST_STATE, NOTHING, ControlRequest, ControlResponse, Route
from mockserver.control.checks import check
from mockserver.control.feed import JournalFeed, exchange_value
from mockserver.control.operations import judged_value, operation_value
from mockserver.control.records import ROUTES as RECORDS
from mockserver.data import CONTROL as DOCUMENT
from mockserver.data import data_dir, packed
from mockserver.errors import ContractError, MockserverError, StubError, UsageError
from mockserver.journal.exchange import as_json, calls_of
from mockserver.journal.har import as_har
from mockserver.journal.verify import answer_question, nearest
from mockserver.messages import CONTROL, OPENAPI, Json
from mockserver.page.bundle import live_page
from mockserver.settings import Settings
from mockserver.store.snapshot import dump_state, restore_state
from mockserver.stub.rules import entry_spec


def not_found(text: str) -> ControlResponse:
    """Answer 404."""
    return ControlResponse(404, {"detail": text})


def _openapi(request: ControlRequest) -> ControlResponse:
    try:
        return ControlResponse(value=request.mock.document(request.query.get("contract")))
    except UsageError as error:
        return not_found(f"{error.what}; {error.fix}")


def control_document(api: Api | None = None) -> Json:
    """Return the document of the control routes, with those of the pack.

    A ContractError names what the pack's document describes differently.
    """
    document = read_source(packed(data_dir() / "schemas" / DOCUMENT / "1.yaml")).data
    if api is None or api.control is None:
        return document
    own, where = read_source(packed(api.control)).data, str(api.control)
    components = dict(document["components"])
    for kind, named in own.get("components", {}).items():
        components[kind] = _joined(components.get(kind, {}), named, f"{where}#/components/{kind}")
    return {**document, "paths": _joined(document["paths"], own["paths"], f"{where}#/paths"), "components": components}


def _joined(there: Json, more: Json, where: str) -> Json:
    """Merge two maps in which a name must mean the same thing."""
    for name in there.keys() & more.keys():
        if there[name] != more[name]:
            raise ContractError(
                f"the control document of the API pack describes {name!r} anew",
                where=where,
                why="the document of all mocks describes it otherwise",
                fix="give it another name",
            )
    return {**there, **more}


def _own_openapi(request: ControlRequest) -> ControlResponse:
    return ControlResponse(value=control_document(request.mock.api))


def health(request: ControlRequest) -> ControlResponse:
    """Report what is served, and how much is stored; StoreError if the store cannot be reached."""
    mock = request.mock
    contracts = mock.served.contracts
    return ControlResponse(
        value={
            "status": "ok",
            "api": None if mock.api is None else mock.api.name,
            "contracts": [contract.name for contract in contracts],
            "operations": sorted({each.id for contract in contracts for each in contract.operations}),
            "answers": mock.settings.answers,
            "state": mock.settings.memory,
            "keys": _keys(mock.settings),
            "seed": mock.seed,
            "store": mock.store.url,
            "records": len(mock.store),
        }
    )


def _keys(settings: Settings) -> str:
    """Return which keys are taken: any, one, or none is asked for."""
    if not settings.auth:
        return "none"
    return "any" if settings.api_key is None else "one"


def _contract(request: ControlRequest) -> ControlResponse:
    """List the operations in force, and the names that their requests may use."""
    mock = request.mock
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
        for name, each in mock.served.stubs.fields.items()
    }
    api = None if mock.api is None else mock.api.name
    return ControlResponse(
        value={"api": api, "contracts": contracts, "fields": fields, "journal_size": mock.settings.journal_size}
    )


def _operation(request: ControlRequest) -> ControlResponse:
    name = request.path["name"]
    found = operation_value(request.mock, name, _after(request.query.get("turn", "0")))
    return not_found(f"There is no operation {name}.") if found is None else ControlResponse(value=found)


def _judge(request: ControlRequest) -> ControlResponse:
    return ControlResponse(value=judged_value(request.mock, request.scope, request.value))


# -- journal


def _journal(request: ControlRequest) -> ControlResponse:
    exchanges = request.mock.exchanges(request.scope, _after(request.query.get("after", "0")))
    if "operation" in request.query:
        operation = request.mock.served.stubs.fields.id_of(request.query["operation"])
        exchanges = [each for each in exchanges if each.operation == operation]
    kind = request.query.get("format", "json")
    if kind == "har":
        return ControlResponse(value=as_har(exchanges))
    if kind != "json":
        raise UsageError(f"there is no format {kind!r}", fix="the formats are json and har")
    return ControlResponse(
        value={
            "scope": request.scope,
            "exchanges": [as_json(each) for each in exchanges],
            "calls": [[each.number for each in call] for call in calls_of(exchanges)],
        }
    )


def _after(text: str) -> int:
    """Read the number of the last exchange that is left out."""
    if not re.fullmatch("[0-9]{1,15}", text):
        raise UsageError(f"{text!r} is no number of an exchange", fix="write a whole number from 0 on")
    return int(text)


def _exchange(request: ControlRequest) -> ControlResponse:
    number = request.path["number"]
    found = exchange_value(request.mock, request.scope, _after(number))
    return not_found(f"The journal has no exchange {number}.") if found is None else ControlResponse(value=found)


def _events(request: ControlRequest) -> ControlResponse:
    feed = JournalFeed(request.mock, request.scope, _after(request.query.get("after", "0")))
    return ControlResponse(feed=feed, media="text/event-stream")


def _page(_: ControlRequest) -> ControlResponse:
    page = live_page()
    headers = {"content-security-policy": page.policy, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return ControlResponse(content=(page.content,), media="text/html", headers=headers)


def _clear_journal(request: ControlRequest) -> ControlResponse:
    request.mock.store.clear_entries(request.scope)
    return NOTHING


def _verify(request: ControlRequest) -> ControlResponse:
    mock = request.mock
    if not mock.settings.journal_size:
        raise StubError("nothing can be verified: there is no journal", fix="raise --journal-size")
    verdict = answer_question(mock.exchanges(request.scope), mock.served.stubs.fields, request.value)
    return ControlResponse(200 if verdict.ok else 406, verdict._asdict())


def _metrics(request: ControlRequest) -> ControlResponse:
    if not request.mock.settings.metrics:
        return not_found("Nothing is counted here: --metrics switches it on.")
    from mockserver.control.metrics import exposition

    return exposition(request.mock)


# -- stubs


def _stubs(request: ControlRequest) -> ControlResponse:
    return ControlResponse(value={"scope": request.scope, "stubs": _listed(request)})


def _listed(request: ControlRequest) -> list[Json]:
    """Write the stubs of a scope, each with its uses; an unused one with the nearest exchanges."""
    mock, scope = request.mock, request.scope
    stubs, claims = mock.served.stubs, mock.store.claims(scope)
    unused = stubs.unused(scope)
    exchanges = mock.exchanges(scope) if unused else []
    return [
        {
            "number": entry.number,
            "uses": claims.get(str(entry.number), 0),
            **entry_spec(entry),
            "description": str(entry),
            **(
                {
                    "unused": list(unused[entry.number]),
                    "nearest": list(nearest(exchanges, entry.operation, entry.when)),
                }
                if entry.number in unused
                else {}
            ),
        }
        for entry in stubs.entries(scope)
    ]


def _create_stubs(request: ControlRequest) -> ControlResponse:
    given = request.value
    stubs, scope = request.mock.served.stubs, request.scope
    numbers: list[int] = []
    try:
        for spec in given if isinstance(given, list) else [given]:
            numbers.append(stubs.add(scope, spec).number)
    except MockserverError:
        for number in numbers:  # all or none
            request.mock.store.remove_stubs(scope, number)
        raise
    return ControlResponse(201, {"numbers": numbers})


def _remove_stubs(request: ControlRequest) -> ControlResponse:
    request.mock.store.remove_stubs(request.scope)
    return NOTHING


def _number(request: ControlRequest) -> int:
    """Read a stub's number from the path; negative for a stub of the file, 0 if invalid."""
    text = request.path["number"]
    return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else 0


def _stub(request: ControlRequest) -> ControlResponse:
    number = _number(request)
    for each in _listed(request):
        if each["number"] == number:
            return ControlResponse(value=each)
    return not_found(f"There is no stub {request.path['number']}.")


def _refuse_those_of_the_file(request: ControlRequest) -> None:
    if _number(request) < 0:
        raise StubError(
            "a stub of the file cannot be changed",
            why="every scope begins with it",
            fix="change the file, or create another stub before it",
        )


def _change_stub(request: ControlRequest) -> ControlResponse:
    found = _stub(request)
    if found.status == 404:
        return found
    _refuse_those_of_the_file(request)
    made = request.mock.served.stubs.add(request.scope, request.value, _number(request))
    return ControlResponse(value={"numbers": [made.number]})


def _remove_stub(request: ControlRequest) -> ControlResponse:
    found = _stub(request)
    if found.status == 404:
        return found
    _refuse_those_of_the_file(request)
    request.mock.store.remove_stubs(request.scope, _number(request))
    return NOTHING


# -- state and scopes


def _state(request: ControlRequest) -> ControlResponse:
    lines = dump_state(request.mock.store, request.scope if request.named else None)
    head = next(lines)  # report an unreachable store before the answer begins
    return ControlResponse(content=chain((head,), lines), media="application/x-ndjson")


def _restore(request: ControlRequest) -> ControlResponse:
    only = request.scope if request.named else None
    mock = request.mock
    count = restore_state(mock.store, request.content, mock.record_problem, mock.convert_record, only)
    return ControlResponse(value={"records": count})


def _scopes(request: ControlRequest) -> ControlResponse:
    counts = sorted(request.mock.store.scopes().items())
    return ControlResponse(value={"scopes": [{"name": name, "records": count} for name, count in counts]})


def _scope(request: ControlRequest) -> ControlResponse:
    mock, name = request.mock, request.path.get("name", request.scope)
    own = mock.store.seed(name)
    return ControlResponse(
        value={
            "name": name,
            "records": mock.store.scopes().get(name, 0),
            "seed": mock.seed if own is None else own,
        }
    )


def _set_seed(request: ControlRequest) -> ControlResponse:
    body = request.value
    seed = body.get("seed") if isinstance(body, dict) and body.keys() == {"seed"} else None
    if not isinstance(seed, int) or isinstance(seed, bool) or abs(seed) >= 2**63:
        raise UsageError('A scope takes {"seed": <whole number of at most 63 bits>}.')
    request.mock.store.set_seed(request.path["name"], seed)
    return _scope(request)


def _drop_scope(request: ControlRequest) -> ControlResponse:
    request.mock.drop(request.path["name"])
    return NOTHING


def _reset_scope(request: ControlRequest) -> ControlResponse:
    """Remove records, journal and stubs, but keep the seed."""
    store, name = request.mock.store, request.path["name"]
    own = store.seed(name)
    request.mock.drop(name)
    if own is not None:
        store.set_seed(name, own)
    return _scope(request)


def _reset(request: ControlRequest) -> ControlResponse:
    store = request.mock.store
    names = list(store.scopes())
    for name in {*names, *store.active_scopes()}:
        request.mock.drop(name)
    return ControlResponse(value={"dropped": sorted(names)})


_SCOPE = "/__mock__/scopes/{name}"
_STUB = "/__mock__/stubs/{number}"

ROUTES: tuple[Route, ...] = (
    Route("GET", CONTROL, _page, for_page=True),
    Route("GET", HEALTH, health),
    Route("GET", "/__mock__/metrics", _metrics),
    Route("GET", "/__mock__/openapi.json", _own_openapi),
    Route("GET", "/__mock__/contract", _contract),
    Route("GET", "/__mock__/operations/{name}", _operation),
    Route("POST", "/__mock__/judge", _judge),
    Route("GET", "/__mock__/journal", _journal),
    Route("DELETE", "/__mock__/journal", _clear_journal),
    Route("GET", "/__mock__/journal/{number}", _exchange),
    Route("GET", "/__mock__/events", _events, for_page=True),
    Route("POST", "/__mock__/verify", _verify),
    Route("POST", "/__mock__/check", check, for_page=True),
    Route("GET", "/__mock__/stubs", _stubs),
    Route("POST", "/__mock__/stubs", _create_stubs),
    Route("DELETE", "/__mock__/stubs", _remove_stubs),
    Route("GET", _STUB, _stub),
    Route("PUT", _STUB, _change_stub),
    Route("DELETE", _STUB, _remove_stub),
    Route("GET", "/__mock__/state", _state),
    Route("PUT", "/__mock__/state", _restore, LONGEST_STATE, reads_json=False),
    *RECORDS,
    Route("GET", "/__mock__/scopes", _scopes),
    Route("GET", _SCOPE, _scope),
    Route("PUT", _SCOPE, _set_seed),
    Route("DELETE", _SCOPE, _drop_scope),
    Route("POST", _SCOPE + "/reset", _reset_scope),
    Route("POST", "/__mock__/reset", _reset),
    Route("GET", OPENAPI, _openapi),
)
"""The generic control routes; a pack adds its own."""


@lru_cache(maxsize=16)
def table_of(api: Api | None) -> Mapping[tuple[str, str], Route]:
    """Return the control routes with those of a pack, by method and path."""
    own: tuple[Route, ...] = load(api.routes) if api is not None and api.routes else ()
    return {(each.method, each.path): each for each in (*ROUTES, *own)}
