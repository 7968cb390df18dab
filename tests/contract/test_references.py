"""References lead anywhere: into paths, into other files and back, by anchors and identifiers, in circles."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.contract.load import convert
from mockserver.contract.openapi import Contract
from mockserver.contract.reader import read_file
from mockserver.contract.schema import Schema
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import Json
from mockserver.settings import Settings
from tests.talk import ask

LIST = {
    "$id": "https://x.test/list",
    "type": "array",
    "items": {"$dynamicRef": "#item"},
    "$defs": {"any": {"$dynamicAnchor": "item"}},
}
TREE = {
    "$id": "https://x.test/tree",
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {"data": True, "children": {"type": "array", "items": {"$dynamicRef": "#node"}}},
}
GENERIC: dict[str, Any] = {
    "List": LIST,
    "Tree": TREE,
    "Strict": {
        "$id": "https://x.test/strict",
        "$dynamicAnchor": "node",
        "$ref": "tree",
        "unevaluatedProperties": False,
    },
    "Numbers": {
        "$id": "https://x.test/numbers",
        "$ref": "list",
        "$defs": {"own": {"$dynamicAnchor": "item", "type": "number"}},
    },
    "Words": {
        "$id": "https://x.test/words",
        "$ref": "list",
        "$defs": {"own": {"$dynamicAnchor": "item", "type": "string"}},
    },
    "Both": {
        "$id": "https://x.test/both",
        "properties": {"a": {"$ref": "numbers"}, "b": {"$ref": "words"}, "c": {"$ref": "list"}},
    },
    "Outer": {
        "$id": "https://x.test/outer",
        "$ref": "both",
        "$defs": {"own": {"$dynamicAnchor": "item", "type": "boolean"}},
    },
}
"""Schemas that mean different things by the same name."""


def _no_file(name: str) -> Json:
    raise ContractError(f"there is no file {name}")


def _schemas(schemas: Json) -> dict[str, Schema]:
    data = json.loads(json.dumps({"openapi": "3.1.0", "paths": {}, "components": {"schemas": schemas}}))
    document = convert(data, "api.json", _no_file)
    assert document.problems == []
    return {name: Schema(document, f"/components/schemas/{name}", "api") for name in schemas}


def _read(folder: Path, **files: Json) -> Contract:
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data))
    return read_file(folder / "api.json")


VALUES = st.recursive(
    st.booleans() | st.integers(0, 2) | st.just("w"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "data", "children"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(VALUES, st.sampled_from(sorted(GENERIC)))
def test_a_dynamic_reference_means_what_the_outermost_schema_says(value: Json, name: str) -> None:
    """For every schema and value as a validator says that knows dynamic references."""
    registry = jsonschema_rs.Registry([(each["$id"], each) for each in GENERIC.values()])
    judge = jsonschema_rs.Draft202012Validator({"$ref": GENERIC[name]["$id"]}, registry=registry)
    assert _schemas(GENERIC)[name].is_valid(value) == judge.is_valid(value)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("Numbers", [1], True),
        ("Numbers", ["w"], False),
        ("Words", ["w"], True),
        ("Words", [1], False),
        ("List", [1, "w"], True),
        ("Both", {"a": [1], "b": ["w"], "c": [1, "w"]}, True),
        ("Outer", {"a": [True], "b": [True]}, True),
        ("Outer", {"a": [1]}, False),
        ("Tree", {"more": 1, "children": [{"more": 1}]}, True),
        ("Strict", {"children": [{"more": 1}]}, False),
        ("Strict", {"children": [{"data": 1}]}, True),
    ],
)
def test_generic_schemas_are_filled_in(name: str, value: Json, right: bool) -> None:
    """A list of numbers and one of words share a schema; an extended tree is one all the way down."""
    assert _schemas(GENERIC)[name].is_valid(value) is right


def test_a_place_in_a_filled_in_schema_is_that_of_the_generic_one() -> None:
    """An error in the items names where they are declared."""
    [finding] = _schemas(GENERIC)["Words"].explain([1])
    assert finding.contract == "api#/components/schemas/Words/$defs/own/type"
    [finding] = _schemas(GENERIC)["Words"].explain(1)
    assert finding.contract == "api#/components/schemas/List/type"


def test_anchors_and_relative_identifiers_are_followed() -> None:
    """With a base of its own, a URN, and none."""
    found = _schemas(
        {
            "A": {"$anchor": "a", "type": "string"},
            "B": {"$ref": "#a"},
            "C": {"$id": "urn:x:c", "$defs": {"d": {"type": "null"}}, "properties": {"n": {"$ref": "#/$defs/d"}}},
            "D": {"$id": "https://x.test/deep/d", "properties": {"n": {"$ref": "../e#z"}, "c": {"$ref": "urn:x:c"}}},
            "E": {"$id": "https://x.test/e", "$defs": {"z": {"$anchor": "z", "const": 1}}},
        }
    )
    assert found["B"].is_valid("a")
    assert not found["B"].is_valid(1)
    assert not found["C"].is_valid({"n": 1})
    assert found["D"].is_valid({"n": 1, "c": {"n": None}})
    assert not found["D"].is_valid({"n": 2})
    assert not found["D"].is_valid({"c": {"n": 1}})


def test_what_a_value_holds_names_no_schema() -> None:
    """Neither in a list of values nor as an example; a property of such a name is a schema as any."""
    found = _schemas(
        {
            "B": {"$ref": "#a"},
            "C": {"properties": {"const": {"$anchor": "a", "type": "string"}, "enum": {"$id": "urn:x:b", "const": 1}}},
            "D": {"$ref": "urn:x:b"},
            "Z": {"enum": [{"$anchor": "a"}, {"$id": "urn:x:b"}], "examples": [{"$anchor": "a"}]},
        }
    )
    assert found["B"].is_valid("a")
    assert not found["B"].is_valid({"$anchor": "a"})
    assert found["D"].is_valid(1)
    assert not found["D"].is_valid(2)


@pytest.mark.parametrize("right", [True, False])
def test_another_file_may_be_a_boolean_schema(right: bool, tmp_path: Path) -> None:
    """It holds for every value, or for none; with no example beside it, something is made."""
    (tmp_path / "any.json").write_text(json.dumps(right), "utf-8")
    media = {"content": {"application/json": {"schema": {"$ref": "any.json"}}}}
    operation = {"requestBody": media, "responses": {"200": {"description": "", **media}}}
    document = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"post": operation}}}
    (tmp_path / "api.json").write_text(json.dumps(document), "utf-8")
    mock = Mock(Settings(contract=str(tmp_path / "api.json"), auth=False))
    assert ask(mock.handle, "POST", "/a", 1).status == (200 if right else 422)


@pytest.mark.parametrize("name", ["A b", "A%20b", "List«Pet»", "ü", "a/b~c", "{x}", "a?b", "#", "100%"])
def test_a_name_may_have_any_character(name: str, tmp_path: Path) -> None:
    """A reference to it, percent-encoded or not, is judged, generated from, and told as it stands."""
    from urllib.parse import quote

    token = quote(name.replace("~", "~0").replace("/", "~1"), safe="~«»ü{}")
    reply = {"description": "d", "content": {"a/json": {"schema": {"$ref": f"#/components/schemas/{token}"}}}}
    contract = _read(
        tmp_path,
        api={
            "openapi": "3.1.0",
            "paths": {f"/{name}": {"get": {"responses": {"200": reply}}}},
            "components": {"schemas": {name: {"properties": {"next": {"$ref": f"#/components/schemas/{token}"}}}}},
        },
    )
    schema = contract.operations[0].replies["200"].media[0].schema
    assert schema is not None
    assert contract.problems == ()
    assert schema.is_valid({"next": {"next": {}}})


def test_a_reference_leads_into_a_path() -> None:
    """Bundlers write such references."""
    schema = {"type": "object", "required": ["id"]}
    reply = {"description": "d", "content": {"application/json": {"schema": schema}}}
    data = {
        "openapi": "3.0.3",
        "paths": {"/pets/{id}": {"get": {"responses": {"200": reply}}}},
        "components": {
            "schemas": {
                "Pet": {"$ref": "#/paths/~1pets~1%7Bid%7D/get/responses/200/content/application~1json/schema"},
                "Plain": {"$ref": "#/paths/~1pets~1{id}/get/responses/200/content/application~1json/schema"},
            }
        },
    }
    document = convert(data, "api.json", _no_file)
    assert document.problems == []
    for name in ("Pet", "Plain"):
        assert not Schema(document, f"/components/schemas/{name}", "api").is_valid({})


def test_keywords_beside_a_reference_hold_too() -> None:
    """In 2020-12 both hold, at every step of a chain."""
    found = _schemas(
        {
            "Base": {"type": "object", "required": ["a"]},
            "Pair": {"$ref": "#/components/schemas/Base", "required": ["b"]},
            "Plain": {"$ref": "#/components/schemas/Pair"},
        }
    )
    for name in ("Pair", "Plain"):
        assert found[name].is_valid({"a": 1, "b": 1})
        assert not found[name].is_valid({"a": 1})
        assert not found[name].is_valid({"b": 1})


def test_files_refer_to_each_other(tmp_path: Path) -> None:
    """A file's own references are its own, also by an identifier that only it knows."""
    reply = {"description": "d", "content": {"application/json": {"schema": {"$ref": "pets.json#/Pet"}}}}
    contract = _read(
        tmp_path,
        api={
            "openapi": "3.1.0",
            "paths": {"/a": {"get": {"responses": {"200": reply}}}},
            "components": {"schemas": {"Name": {"$anchor": "n", "type": "string"}}},
        },
        pets={
            "Pet": {
                "properties": {
                    "name": {"$ref": "api.json#/components/schemas/Name"},
                    "own": {"$ref": "#n"},
                    "friend": {"$ref": "#/Pet"},
                }
            },
            "Own": {"$anchor": "n", "type": "integer"},
        },
    )
    schema = contract.operations[0].replies["200"].media[0].schema
    assert schema is not None
    assert contract.problems == ()
    assert schema.is_valid({"name": "n", "own": 1, "friend": {"own": 1}})
    assert not schema.is_valid({"friend": {"own": "n"}})
    [finding] = schema.explain({"own": "n"})
    assert finding.contract == "pets.json#/Own/type"


def test_a_schema_of_json_schema_itself_needs_no_network(tmp_path: Path) -> None:
    """A body may be a schema."""
    body = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    reply = {"description": "d", "content": {"application/json": {"schema": body}}}
    contract = _read(tmp_path, api={"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": {"200": reply}}}}})
    schema = contract.operations[0].replies["200"].media[0].schema
    assert schema is not None
    assert schema.is_valid({"properties": {"a": {"type": "string"}}})
    assert not schema.is_valid({"properties": {"a": {"type": "text"}}})


def test_a_document_may_name_its_own_address() -> None:
    """OpenAPI 3.2's $self is what references start from, also those that name the document itself."""
    data = {
        "openapi": "3.2.0",
        "$self": "https://x.test/api/openapi",
        "paths": {},
        "components": {
            "schemas": {
                "A": {"type": "string"},
                "B": {"$ref": "openapi#/components/schemas/A"},
                "C": {"$ref": "https://x.test/api/openapi#/components/schemas/A"},
            }
        },
    }
    document = convert(data, "api.json", _no_file)
    assert document.problems == []
    for name in ("B", "C"):
        assert not Schema(document, f"/components/schemas/{name}", "api").is_valid(1)


@pytest.mark.parametrize("version", ["2.0", "3.0.3"])
def test_keywords_beside_a_reference_are_ignored_before_3_1(version: str) -> None:
    """With a warning that says so."""
    schemas: dict[str, Any] = {
        "A": {"type": "string"},
        "B": {"$ref": "#/components/schemas/A", "maxLength": 1, "description": "d"},
    }
    data: dict[str, Any] = {"openapi": version, "paths": {}, "components": {"schemas": schemas}}
    if version == "2.0":
        schemas["B"]["$ref"] = "#/definitions/A"
        data = {"swagger": version, "paths": {}, "definitions": schemas}
    document = convert(data, "api.json", _no_file)
    [problem] = document.problems
    assert "beside a reference" in problem.what
    assert Schema(document, "/components/schemas/B", "api").is_valid("long")


def test_examples_may_stand_in_files_beside_the_document(tmp_path: Path) -> None:
    folder = tmp_path / "api"
    (folder / "examples").mkdir(parents=True)
    (tmp_path / "secret.json").write_text('{"a": 0}')
    (folder / "one.json").write_text('{"a": 1}')
    (folder / "examples" / "two é.json").write_text('{"a": 2}')
    (folder / "bytes.json").write_bytes(b"\xff")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    names = ["one.json", "examples/two%20é.json", "examples/../one.json"]
    wrong = ["../secret.json", str(tmp_path / "secret.json"), "none.json", "bytes.json", "examples", "link.json"]
    examples = {name: {"externalValue": name} for name in [*names, *wrong]}
    text = {"text": {"externalValue": "./one.json"}}
    content = {"application/json": {"examples": examples}, "text/plain": {"examples": text}}
    api = {"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": {"200": {"content": content}}}}}}
    contract = _read(folder, api=api)
    as_json, as_text = contract.operations[0].replies["200"].media
    assert list(as_json.examples.values()) == [{"a": 1}, {"a": 2}, {"a": 1}]
    assert as_text.examples == {"text": '{"a": 1}'}
    places = [each.place.rpartition("/examples/")[2].replace("~1", "/") for each in contract.problems]
    assert places == wrong


def test_examples_may_stand_as_they_are_sent(tmp_path: Path) -> None:
    """OpenAPI 3.2's dataValue and serializedValue; one that stands elsewhere is told."""
    examples = {
        "data": {"dataValue": {"a": 1}},
        "sent": {"serializedValue": '{"a": 2}'},
        "away": {"externalValue": "https://x.test/example"},
    }
    reply = {"description": "d", "content": {"application/json": {"examples": examples}}}
    contract = _read(
        tmp_path,
        api={
            "openapi": "3.2.0",
            "jsonSchemaDialect": "https://x.test/dialect",
            "paths": {"/a": {"get": {"responses": {"200": reply}}}},
        },
    )
    [media] = contract.operations[0].replies["200"].media
    assert media.examples == {"data": {"a": 1}, "sent": {"a": 2}}
    assert [each.place for each in contract.problems] == [
        "/jsonSchemaDialect",
        "/paths/~1a/get/responses/200/content/application~1json/examples/away",
    ]
