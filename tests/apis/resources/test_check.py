"""The rules of state for inferred resources: a right server is not accused, and each fault is found."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from mockserver.apis.resources.check.likeness import is_like
from mockserver.apis.resources.check.part import PART
from mockserver.check import check_server
from mockserver.check.report.model import Report
from mockserver.contract.openapi import Contract
from mockserver.messages import Handler, Json, Request, Response
from mockserver.testing import open_mock
from tests.apis.resources.documents import shop
from tests.check.small_servers import Answer, checked, contract_of, operation, parameter, response, told, value_of

TEXT: Json = {"type": "string", "minLength": 1}
NEW: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": TEXT, "note": TEXT, "size": {"type": "integer"}},
    "additionalProperties": False,
}
CHANGE: Json = {**NEW, "required": []}
THING: Json = {
    "type": "object",
    "required": ["id", "name", "state"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        **NEW["properties"],
        "state": {"type": "string", "enum": ["open", "closed"], "readOnly": True},
        "version": {"type": "integer", "readOnly": True},
    },
}
LIST: Json = {"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "items": THING}}}
PAGES = [parameter(name, "query", {"type": "integer", "minimum": 0}, required=False) for name in ("limit", "offset")]
ID = [parameter("thing_id", "path", {"type": "integer"})]


def answering(name: str, schema: Json, *others: int, status: int = 200, **more: Any) -> Json:
    made = operation(name, status, 400, *others, **more)
    made["responses"][str(status)] = {"description": "x", "content": {"application/json": {"schema": schema}}}
    return made


def gone(name: str) -> Json:
    made = operation(name, 404, parameters=ID)
    made["responses"]["204"] = {"description": "x"}
    return made


PATHS: Json = {
    "/things": {
        "get": answering("list_things", LIST, parameters=PAGES),
        "post": answering("create_thing", THING, status=201, body=NEW),
    },
    "/things/{thing_id}": {
        "get": answering("get_thing", THING, 404, parameters=ID),
        "put": answering("put_thing", THING, 404, parameters=ID, body=NEW),
        "patch": answering("patch_thing", THING, 404, parameters=ID, body=CHANGE),
        "delete": gone("delete_thing"),
    },
    "/things/{thing_id}/close": {"post": answering("close_thing", THING, 404, 409, parameters=ID)},
}


class Things:
    """A right server, with a place for each fault."""

    def __init__(self, begun: int = 5) -> None:
        self.things: dict[int, dict[str, Json]] = {}
        self.number = 0
        for index in range(begun):
            self.create({"name": f"begun {index}"})

    def new_id(self) -> int:
        self.number += 1
        return self.number

    def create(self, sent: dict[str, Json]) -> Json:
        made = {**sent, "id": self.new_id(), "state": "open", "version": 1}
        self.keep(made)
        return made

    def keep(self, thing: dict[str, Json]) -> None:
        self.things[thing["id"]] = thing

    def find(self, id: int) -> dict[str, Json] | None:
        return self.things.get(id)

    def listed(self, limit: int, offset: int) -> list[Json]:
        return [dict(each) for each in self.all()][offset : offset + limit]

    def all(self) -> list[dict[str, Json]]:
        return list(self.things.values())

    def patched(self, thing: dict[str, Json], sent: dict[str, Json]) -> dict[str, Json]:
        return {**thing, **sent, "version": thing["version"] + 1}

    def replaced(self, thing: dict[str, Json], sent: dict[str, Json]) -> dict[str, Json]:
        return {**sent, "id": thing["id"], "state": thing["state"], "version": thing["version"] + 1}

    def save(self, thing: dict[str, Json]) -> None:
        self.keep(thing)

    def closed(self, thing: dict[str, Json]) -> Json:
        made = {**thing, "state": "closed"}
        self.keep(made)
        return made

    def delete(self, id: int) -> None:
        self.things.pop(id, None)

    def answer(self, method: str, parts: list[str], request: Request) -> Answer:
        if not parts:
            return self.of_all(method, request)
        id = int(parts[0]) if parts[0].lstrip("-").isdecimal() else None
        if id is None:
            return 400, {}
        found = self.find(id)
        if found is None:
            return 404, {}
        if method == "DELETE":
            self.delete(id)
            return 204, None
        if method == "GET":
            return 200, found
        if parts[1:]:
            return (409, {}) if found["state"] == "closed" else (200, self.closed(found))
        sent = right(request, NEW if method == "PUT" else CHANGE)
        if sent is None:
            return 400, {}
        made = self.replaced(found, sent) if method == "PUT" else self.patched(found, sent)
        self.save(made)
        return 200, made

    def of_all(self, method: str, request: Request) -> Answer:
        if method == "POST":
            sent = right(request, NEW)
            return (400, {}) if sent is None else (201, self.create(sent))
        query = {name: each[-1] for name, each in parse_qs(request.query, keep_blank_values=True).items()}
        if not all(query.get(name, "0").isdecimal() for name in ("limit", "offset")):
            return 400, {}
        return 200, {"items": self.listed(int(query.get("limit", "20")), int(query.get("offset", "0")))}


def right(request: Request, schema: Json) -> dict[str, Json] | None:
    """Return what was sent, if it is right."""
    sent = value_of(request)
    kinds = {"name": str, "note": str, "size": int}
    if not isinstance(sent, dict) or not sent.keys() <= kinds.keys() or not set(schema["required"]) <= sent.keys():
        return None
    for name, value in sent.items():
        if not isinstance(value, kinds[name]) or isinstance(value, bool) or value == "":
            return None
    return sent


def serving(things: Things) -> Handler:
    """Serve things."""

    def handle(request: Request) -> Response:
        parts = [unquote(each) for each in request.path.split("/")[1:]]
        path = "/".join(["", *parts[:1], *("{thing_id}" for _ in parts[1:2]), *parts[2:]])
        methods = [method.upper() for method in PATHS.get(path, {})]
        if not methods:
            return response(404, {})
        if request.method not in methods:
            return response(405, {}, {"allow": ", ".join(methods)})
        if request.body and not (request.headers.text(b"content-type") or "").startswith("application/json"):
            return response(415, {})
        return response(*things.answer(request.method, parts[1:], request))

    return handle


class NotKept(Things):
    def keep(self, thing: dict[str, Json]) -> None:
        if len(self.things) < 5:
            super().keep(thing)


class LosesField(Things):
    def keep(self, thing: dict[str, Json]) -> None:
        super().keep({name: each for name, each in thing.items() if name != "note"})


class KeepsExample(Things):
    def create(self, sent: dict[str, Json]) -> Json:
        return super().create({**sent, "name": "an example"})


class ReadsWrongItem(Things):
    def find(self, id: int) -> dict[str, Json] | None:
        return None if id not in self.things else next(iter(self.things.values()))


class FindsEverything(Things):
    def find(self, id: int) -> dict[str, Json] | None:
        return super().find(id) or {"id": id, "name": "made up", "state": "open"}


class ListsWithoutNew(Things):
    def all(self) -> list[dict[str, Json]]:
        return super().all()[:5]


class ListsTwice(Things):
    def all(self) -> list[dict[str, Json]]:
        return [*super().all(), *super().all()[-1:]]


class SkipsOnPages(Things):
    def listed(self, limit: int, offset: int) -> list[Json]:
        return super().listed(limit, offset + (1 if offset else 0))


class RepeatsOnPages(Things):
    def listed(self, limit: int, offset: int) -> list[Json]:
        return super().listed(limit, max(0, offset - 1) if limit == 2 and offset < 20 else offset)


class ListsDead(Things):
    def __init__(self) -> None:
        self.ever: dict[int, dict[str, Json]] = {}
        super().__init__()

    def keep(self, thing: dict[str, Json]) -> None:
        super().keep(thing)
        self.ever[thing["id"]] = thing

    def all(self) -> list[dict[str, Json]]:
        return list(self.ever.values())[-20:]


class PatchLost(Things):
    def answer(self, method: str, parts: list[str], request: Request) -> Answer:
        before = dict(self.things)
        made = super().answer(method, parts, request)
        self.things = before if method == "PATCH" else self.things
        return made


class PatchResetsOthers(Things):
    def patched(self, thing: dict[str, Json], sent: dict[str, Json]) -> dict[str, Json]:
        return {**super().patched(thing, sent), **({} if "name" in sent else {"name": "reset"})}


class PutMerges(Things):
    def replaced(self, thing: dict[str, Json], sent: dict[str, Json]) -> dict[str, Json]:
        return self.patched(thing, sent)


class PutLost(Things):
    def replaced(self, thing: dict[str, Json], sent: dict[str, Json]) -> dict[str, Json]:
        return thing if sent else {}


class DeleteNotDone(Things):
    def delete(self, id: int) -> None:
        assert id


class DeletesOthers(Things):
    def delete(self, id: int) -> None:
        self.things = {key: each for key, each in self.things.items() if key < id}


class ActionNotKept(Things):
    def closed(self, thing: dict[str, Json]) -> Json:
        return {**thing, "state": "closed"}


class IdsCollide(Things):
    def new_id(self) -> int:
        return len(self.things) + 1


FAULTS: Mapping[Callable[[], Things], str] = {
    NotKept: "created-is-read",
    LosesField: "created-is-read",
    KeepsExample: "created-is-read",
    ReadsWrongItem: "created-is-read",
    FindsEverything: "unknown-is-not-found",
    ListsWithoutNew: "created-is-listed",
    ListsTwice: "created-is-listed",
    SkipsOnPages: "created-is-listed",
    RepeatsOnPages: "created-is-listed",
    ListsDead: "deleted-is-gone",
    PatchLost: "changed-is-read",
    PatchResetsOthers: "changed-is-read",
    PutMerges: "replaced-is-read",
    PutLost: "replaced-is-read",
    DeleteNotDone: "deleted-is-gone",
    DeletesOthers: "deleted-is-gone",
    ActionNotKept: "action-is-kept",
    IdsCollide: "ids-are-new",
}


def contract(paths: Json = PATHS) -> Contract:
    return contract_of(paths)


def state_of(things: Things, **options: Any) -> Report:
    """Make the checks of state, and few others."""
    return checked(serving(things), contract(), part=PART, examples=1, operations=["get_thing"], **options)


def rules_of(report: Report) -> set[str]:
    return {each.rule for each in report.errors} & PART.state.keys()


def passed(report: Report) -> set[str]:
    return {name.removeprefix("things: ") for name in report.passed if name.startswith("things: ")}


class Renames(Things):
    """A right server that reads in other words: in capitals, with more fields, and the list shows little."""

    def listed(self, limit: int, offset: int) -> list[Json]:
        return [{"id": each["id"], "name": "...", "state": "open"} for each in super().listed(limit, offset)][::-1]

    def keep(self, thing: dict[str, Json]) -> None:
        super().keep({**thing, "name": thing["name"].upper(), "links": {"self": f"/things/{thing['id']}"}})


class Marks(Things):
    """A right server that keeps what is deleted, and says so."""

    def delete(self, id: int) -> None:
        self.things[id] = {**self.things[id], "deleted_at": "2026-01-01T00:00:00Z"}

    def all(self) -> list[dict[str, Json]]:
        return [each for each in super().all() if "deleted_at" not in each]


class Counts(Things):
    """A right server that counts how often a thing was read."""

    def find(self, id: int) -> dict[str, Json] | None:
        found = super().find(id)
        return None if found is None else found | {"version": self.new_id()}


@pytest.mark.parametrize("make", [Things, Renames, Marks, Counts, lambda: Things(150)])
def test_a_right_server_is_not_accused(make: Callable[[], Things]) -> None:
    report = state_of(make())
    assert [each for each in told(report) if each.partition(" ")[0] in PART.state] == []
    assert passed(report) == PART.state.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_state_is_found(fault: Callable[[], Things]) -> None:
    report = state_of(fault())
    assert FAULTS[fault] in rules_of(report)
    assert FAULTS[fault] not in passed(report)


def test_a_finding_names_its_operation_and_the_requests_that_show_it() -> None:
    (found,) = (each for each in state_of(ActionNotKept()).errors if each.rule == "action-is-kept")
    assert (found.operation, found.where) == ("close_thing", "/response/body/state")
    assert (found.expected, found.received) == ("closed", "open")
    assert found.reproduction is not None
    assert found.reproduction.curl.count("curl") == 4


def test_what_a_check_creates_is_deleted_at_its_end() -> None:
    without, things = Things(), Things()
    state_of(without, state=False)
    state_of(things)
    assert len(things.things) == len(without.things)
    assert things.number > without.number + 10


def test_a_rule_that_cannot_be_made_says_so_and_is_not_passed() -> None:
    paths = {"/things": PATHS["/things"], "/things/{thing_id}": {"get": PATHS["/things/{thing_id}"]["get"]}}
    report = checked(serving(Things()), contract(paths), part=PART, examples=1, operations=["get_thing"])
    why = {each.name: each.why for each in report.skipped}
    assert {name: why[f"things: {name}"] for name in ("changed-is-read", "deleted-is-gone", "action-is-kept")} == {
        "changed-is-read": "it has no update",
        "deleted-is-gone": "it has no delete",
        "action-is-kept": "it has no action",
    }
    assert passed(report) == {"created-is-read", "created-is-listed", "ids-are-new", "listed-is-read"} | {
        "unknown-is-not-found"
    }


def test_nothing_is_created_where_nothing_may_be() -> None:
    for options in ({"read_only": True}, {"state": False}):
        report = state_of(NotKept(), **options)
        assert rules_of(report) == set()
        assert passed(report) == set()


def test_a_contract_without_resources_says_so() -> None:
    bare = contract_of({"/word": {"get": operation("word", 200)}})
    report = checked(lambda _: response(200, "x"), bare, part=PART, examples=1)
    assert {each.name: each.why for each in report.skipped}["state"].startswith("no resource is inferred")


def test_the_command_checks_the_resources_of_any_contract(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps(contract().document))
    found = check_server(serving(DeleteNotDone()), contract=str(file), examples=1, operations=["delete_thing"])
    assert "deleted-is-gone" in {each.rule for each in found.errors}
    assert "deleted-is-gone" not in check_server(serving(DeleteNotDone()), contract=str(file), api="none").rules


@pytest.mark.parametrize("state", ["auto", "strict"])
def test_the_mock_of_a_document_keeps_the_rules_of_state(tmp_path: Path, state: str) -> None:
    file = shop(tmp_path)
    with open_mock(contract=file, state=state, live=True) as mock:
        report = check_server(mock.base_url, contract=file, examples=1)
    assert told(report) == []
    assert {f"orders: {name}" for name in PART.state if name != "unknown-is-not-found"} <= set(report.passed)
    assert ("orders: unknown-is-not-found" in report.passed) == (state == "strict")


def test_a_mock_that_remembers_nothing_is_not_held_to_the_rules_of_state(tmp_path: Path) -> None:
    file = shop(tmp_path)
    with open_mock(contract=file, state="off", live=True) as mock:
        report = check_server(mock.base_url, contract=file, examples=1, operations=["get_order"])
    assert told(report) == []
    assert "orders: created-is-read" not in report.passed


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("Ann", "ann "),
        (1, "1.0"),
        ("2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00"),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, 2], [2, 1]),
        ({"a": None}, {}),
    ],
)
def test_another_form_is_the_same_value(sent: Json, got: Json) -> None:
    assert is_like(sent, got)


@pytest.mark.parametrize(
    ("sent", "got"), [("a", "b"), (1, 2), ({"a": 1}, {}), ([1], [1, 1]), ("a", None), ({"a": 1}, "a"), (True, 1)]
)
def test_another_value_is_not_the_same(sent: Json, got: Json) -> None:
    assert not is_like(sent, got)
