"""Which resources are found in a document, and why; real documents are held against lists that a person made."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mockserver.api import read_contracts
from mockserver.apis.resources.declared import read_declared
from mockserver.apis.resources.infer import infer
from mockserver.apis.resources.names import identity_score, is_noun, nouns_of, participles, words
from mockserver.apis.resources.resource import Inferred, Resource
from mockserver.errors import ContractError, UsageError
from mockserver.messages import Json
from tests.apis.resources.documents import shop
from tests.real_documents import DIRECTORY, installed

LISTED = Path(__file__).parent / "listed"

RECALL, PRECISION = 0.95, 0.98
"""Of what a person found, how much must be found; of what is found, how much a person must have found."""


def inferred(file: str, resources: Path | None = None) -> Inferred:
    (contract,) = read_contracts(file, None)
    return infer(contract, read_declared(contract, resources))


def named(found: Inferred) -> Mapping[str, Resource]:
    return {each.name: each for each in found.resources}


@pytest.fixture
def found(tmp_path: Path) -> Mapping[str, Resource]:
    return named(inferred(shop(tmp_path)))


def test_resources_are_named_by_their_paths(found: Mapping[str, Resource]) -> None:
    assert sorted(found) == ["customers", "notes", "orders", "settings"]


@pytest.mark.parametrize(
    ("name", "collection", "item", "identity", "place"),
    [
        ("orders", "/orders", "/orders/{order_id}", "id", ("data",)),
        ("notes", "/orders/{order_id}/notes", "/orders/{order_id}/notes/{note_id}", "note_id", ()),
        ("customers", "/customers", "/customers/{login}", "login", ()),
        ("settings", None, "/settings", None, None),
    ],
)
def test_a_resource_has_paths_an_identity_and_a_list(
    found: Mapping[str, Resource],
    name: str,
    collection: str | None,
    item: str,
    identity: str | None,
    place: tuple[str, ...] | None,
) -> None:
    resource = found[name]
    assert (resource.collection, resource.item, resource.identity, resource.list) == (collection, item, identity, place)
    assert resource.singleton is (name == "settings")


def test_each_operation_has_its_role(found: Mapping[str, Resource]) -> None:
    roles = {part.operation.id: part.role for part in found["orders"].parts.values()}
    assert roles == {
        "list_orders": "list",
        "create_order": "create",
        "get_order": "get",
        "put_order": "replace",
        "patch_order": "update",
        "delete_order": "delete",
        "ship_order": "action",
    }


def test_what_is_no_resource_says_why(tmp_path: Path) -> None:
    left = {operation.id: why for operation, why in inferred(shop(tmp_path)).left.items()}
    assert left == {"get_invoice": "its path is none of a resource"}


THING = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}


def reply(schema: Json, status: str = "200") -> Json:
    return {status: {"description": "x", "content": {"application/json": {"schema": schema}}}}


def document(folder: Path, paths: Json) -> str:
    """Write a document; a method that names a schema answers it."""
    for path, item in paths.items():
        for method, each in item.items():
            if method in ("get", "put", "post", "patch", "delete"):
                each.setdefault("responses", {"204": {"description": "x"}})
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        item["parameters"] = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
    file = folder / "api.yaml"
    file.write_text(yaml.safe_dump({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths}))
    return str(file)


def get(schema: Json) -> Json:
    return {"responses": reply(schema)}


def take(schema: Json, answer: Json = None, status: str = "200") -> Json:
    body = {"content": {"application/json": {"schema": schema}}}
    return {"requestBody": body, **({} if answer is None else {"responses": reply(answer, status)})}


def wrapped(name: str, schema: Json) -> Json:
    return {"type": "object", "properties": {name: schema}}


LISTS = {
    "bare": ({"type": "array", "items": THING}, ()),
    "data": (wrapped("data", {"type": "array", "items": THING}), ("data",)),
    "named": (wrapped("things", {"type": "array", "items": THING}), ("things",)),
    "embedded": (wrapped("_embedded", wrapped("things", {"type": "array", "items": THING})), ("_embedded", "things")),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_found_in_its_envelope(tmp_path: Path, kind: str) -> None:
    schema, place = LISTS[kind]
    paths = {"/things": {"get": get(schema), "post": take(THING, THING, "201")}, "/things/{id}": {"get": get(THING)}}
    assert named(inferred(document(tmp_path, paths)))["things"].list == place


@pytest.mark.parametrize("name", ["data", "thing", "result"])
def test_an_item_is_found_in_its_envelope(tmp_path: Path, name: str) -> None:
    whole = wrapped(name, THING)
    paths = {
        "/things": {"post": take(THING, whole, "201")},
        "/things/{id}": {"get": get(whole), "put": take(whole, whole)},
    }
    resource = named(inferred(document(tmp_path, paths)))["things"]
    assert resource.identity == "id"
    assert {part.role: part.answer for part in resource.parts.values()}["get"] == (name,)
    assert {part.role: part.body for part in resource.parts.values()}["replace"] == (name,)


THING_OF_POSTS = "#/paths/~1posts~1%7Bid%7D/get/responses/200/content/application~1json/schema"


def test_lists_below_others_belong_to_things_with_paths_of_their_own(tmp_path: Path) -> None:
    user = {"type": "object", "properties": {"id": {"type": "string"}}}
    file = document(
        tmp_path,
        {
            "/users": {"post": take(user, user, "201")},
            "/users/{user_id}": {"get": get(user), "delete": {}},
            "/users/{user_id}/posts": {
                "get": get({"type": "array", "items": {"$ref": THING_OF_POSTS}}),
            },
            "/posts/{id}": {"get": get(THING), "delete": {}},
        },
    )  # fmt: skip
    resource = named(inferred(file))["posts"]
    assert [part.above for part in resource.parts.values() if part.role == "list"] == ["/users/{user_id}"]


def test_several_parameters_name_one_thing(tmp_path: Path) -> None:
    thing = {"type": "object", "properties": {"owner": {"type": "string"}, "name": {"type": "string"}}}
    paths = {
        "/repos": {"get": get({"type": "array", "items": thing}), "post": take(thing, thing, "201")},
        "/repos/{owner}/{repo}": {"get": get(thing), "delete": {}},
    }
    resource = named(inferred(document(tmp_path, paths)))["repos"]
    assert resource.identities == ("owner", "name")
    assert resource.collection == "/repos"


SEARCH = "#/paths/~1books~1search/get/responses/200/content/application~1json/schema"
SEARCHED = {"type": "object", "properties": {"books": {"type": "array", "items": THING}}}


def test_what_only_calls_something_is_no_resource(tmp_path: Path) -> None:
    paths = {
        "/search": {"post": take({"type": "object", "properties": {"q": {"type": "string"}}}, {"type": "object"})},
        "/reports/{day}": {"get": get(THING)},
        "/tags": {"get": get({"type": "array", "items": {"type": "string"}})},
        "/things/{kind}": {"get": get({"type": "array", "items": THING})},
        "/books/search": {"get": get(SEARCHED), "post": take(THING, {"$ref": SEARCH})},
    }
    assert named(inferred(document(tmp_path, paths))) == {}


def test_a_document_that_cannot_be_read_through_stops_nothing(tmp_path: Path) -> None:
    loop = {"$ref": "#/components/schemas/none"}
    paths = {"/things": {"get": get(loop)}, "/things/{id}": {"get": get(loop), "delete": {}}}
    assert [each.identity for each in inferred(document(tmp_path, paths)).resources] in ([], [None])


# -- names


@pytest.mark.parametrize(
    ("key", "path", "best"),
    [
        ("petId", "/pets", "id"),
        ("pet_id", "/pets", "pet_id"),
        ("id", "/pets", "petId"),
        ("pet", "/pets", "id"),
        ("username", "/users", "login"),
        ("repo", "/repos", "name"),
        ("domain_name", "/verified-domains", "domain"),
        ("AssistantSid", "/v1/Assistants", "sid"),
        ("subscriber_hash", "/members", "id"),
        ("categoryUuid", "/categories", "uuid"),
    ],
)
def test_a_parameter_names_a_property(key: str, path: str, best: str) -> None:
    others = ["id", "name", "login", "status", "title", "comment", "created", "kind"]
    nouns = nouns_of(path)
    names = [best, *(each for each in others if best != "petId" or each != "id")]
    if best in ("login", "name", "domain", "sid", "uuid"):
        names = [each for each in names if each == best or each not in ("id", "name", "login")]
    assert max(names, key=lambda name: identity_score(name, key, nouns)) == best
    assert identity_score(best, key, nouns) > 0


@pytest.mark.parametrize(("name", "key"), [("name", "id"), ("title", "id"), ("id", "date"), ("status", "status_id")])
def test_a_parameter_does_not_name_just_anything(name: str, key: str) -> None:
    assert identity_score(name, key, nouns_of("/things")) == 0


def test_words_nouns_and_participles() -> None:
    assert words("userID") == words("user_id") == words("user-id") == ["user", "id"]
    assert all(is_noun(nouns_of(path), word) for path, word in (("/a/categories", "category"), ("/boxes/{id}", "box")))
    assert participles("cancel")[:2] == ("canceled", "cancelled")
    assert participles("capture")[0] == "captured"
    assert participles("deny")[0] == "denied"


# -- what is said


def test_a_file_corrects_what_is_inferred(tmp_path: Path) -> None:
    file = tmp_path / "resources.yaml"
    file.write_text("resources: {purchases: {item: '/orders/{order_id}', identity: customer}, settings: false}")
    found = named(inferred(shop(tmp_path), file))
    assert found["purchases"].identity == "customer"
    assert "settings" not in found


def test_the_document_corrects_what_is_inferred(tmp_path: Path) -> None:
    found = named(
        inferred(shop(tmp_path, __settings={"x-mock-resource": False}, __orders={"x-mock-resource": {"name": "o"}}))
    )
    assert sorted(found) == ["customers", "notes", "o"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "it holds no mapping called resources"),
        ("resources: {x: 5}", "a resource is described by a mapping"),
        ("resources: {x: {itme: /orders}}", "it has name, collection, item"),
        ("resources: {x: {item: '/order/{order_id}'}}", "no operation has the path"),
        ("resources: {x: {item: 5}}", "is a text"),
        (
            "resources: {x: {item: '/orders/{order_id}', life: {field: status}}}",
            "the life of a resource cannot be read",
        ),
        ("resources: {x: {life: {field: status, actions: {ship: 5}}}}", "the action 'ship' cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "resources.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        inferred(shop(tmp_path), file)
    assert told in str(caught.value)


def test_an_extension_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="has no 'idd'"):
        inferred(shop(tmp_path, __orders={"x-mock-resource": {"idd": "id"}}))


# -- real documents


class Score(NamedTuple):
    """How much of what a person found is found."""

    right: int = 0
    missed: int = 0
    wrong: int = 0

    def plus(self, other: "Score") -> "Score":
        return Score(*(one + more for one, more in zip(self, other, strict=True)))

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed)

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)


def scored(wanted: set[Any], found: set[Any]) -> Score:
    return Score(len(wanted & found), len(wanted - found), len(found - wanted))


def _listed(resources: Json) -> Iterator[tuple[str, Any]]:
    for each in resources:
        path = each["item"] or each["collection"]
        yield "resource", (path, bool(each.get("singleton")))
        if each["item"] and each["identity"]:
            yield "identity", (path, each["identity"])
        if each["list"] is not None:
            yield "list", (path, each["list"])


def _found(resources: tuple[Resource, ...]) -> Iterator[tuple[str, Any]]:
    for each in resources:
        path = each.item or each.collection
        yield "resource", (path, each.singleton)
        if each.item and each.identity:
            yield "identity", (path, each.identity)
        if each.list is not None:
            yield "list", (path, "".join(f"/{name}" for name in each.list))


@pytest.mark.thorough("the package of documents has 800 MB; small documents show each rule")
@pytest.mark.parametrize("kind", ["resource", "identity", "list"])
def test_what_a_person_found_in_real_documents_is_found(kind: str) -> None:
    total = Score()
    for file in sorted(LISTED.glob("*.yaml")):
        listed = yaml.safe_load(file.read_text("utf-8"))
        found = inferred(str(installed(DIRECTORY) / "api" / listed["document"]))
        wanted = {value for each, value in _listed(listed["resources"]) if each == kind}
        total = total.plus(scored(wanted, {value for each, value in _found(found.resources) if each == kind}))
    assert total.recall >= RECALL, total
    assert total.precision >= PRECISION, total
