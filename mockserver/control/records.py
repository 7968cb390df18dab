"""The control routes of what is kept: the records of each collection."""

from mockserver.control.admin import NOTHING, ControlRequest, ControlResponse, Route
from mockserver.errors import StateError, UsageError
from mockserver.messages import Json
from mockserver.store.base import Record
from mockserver.store.records import Records, group_of

LARGEST_PAGE = 1_000
"""The most records that are listed at once."""


def _collections(request: ControlRequest) -> ControlResponse:
    store, scope = request.mock.store, request.scope
    names = [name for name in store.collections(scope) if not name.startswith("_")]
    counts = [{"name": name, "records": store.size(scope, name, None)} for name in names]
    return ControlResponse(value={"scope": scope, "collections": counts})


def _records(request: ControlRequest) -> ControlResponse:
    """Return one record, or a page of a collection, the oldest first."""
    store, scope, collection = request.mock.store, request.scope, request.path["collection"]
    if "id" in request.query:
        found = store.find(scope, collection, request.query["id"]).record
        return _missing(request) if found is None else ControlResponse(value=_json(found))
    after, size = _whole(request, "after", 0), min(_whole(request, "limit", LARGEST_PAGE), LARGEST_PAGE)
    page = store.page(scope, collection, None, after, size + 1, oldest=True)
    shown = page[:size]
    following = shown[-1].seq if len(page) > size and shown else None
    return ControlResponse(
        value={"scope": scope, "collection": collection, "records": [_json(each) for each in shown], "after": following}
    )


def _put(request: ControlRequest) -> ControlResponse:
    """Keep a value, new or in place of the one with this id."""
    mock, collection, id = request.mock, request.path["collection"], _id(request)
    if not isinstance(request.value, dict):
        raise StateError("a record is an object", why=f"it is {request.value!r}")
    data, group = request.value, group_of(id)
    wrong = mock.record_problem(Record(collection=collection, id=id, data=data, group=group), ())
    if wrong:
        raise StateError(f"this cannot be kept in {collection}", why=wrong, fix="see the contract: GET /openapi.json")

    Records(mock.store, request.scope)[collection].put(id, data)
    return _records(request)


def _delete(request: ControlRequest) -> ControlResponse:
    try:
        Records(request.mock.store, request.scope)[request.path["collection"]].delete(_id(request))
    except KeyError:
        return _missing(request)
    return NOTHING


def _json(record: Record) -> Json:
    return {"id": record.id, "group": record.group, "data": record.data}


def _missing(request: ControlRequest) -> ControlResponse:
    return ControlResponse(404, {"detail": f"{request.path['collection']} has no {request.query.get('id')!r}."})


def _id(request: ControlRequest) -> str:
    id = request.query.get("id", "")
    if not id:
        raise UsageError("no record is named", where="the query", fix="add ?id=")
    return id


def _whole(request: ControlRequest, name: str, otherwise: int) -> int:
    text = request.query.get(name, str(otherwise))
    if not text.isdecimal() or len(text) > 15:
        raise UsageError(f"{name} is a whole number", where="the query", why=f"it is {text!r}")
    return int(text)


RECORDS = "/__mock__/records"
COLLECTION = "/__mock__/records/{collection}"

ROUTES = (
    Route("GET", RECORDS, _collections),
    Route("GET", COLLECTION, _records),
    Route("PUT", COLLECTION, _put),
    Route("DELETE", COLLECTION, _delete),
)
