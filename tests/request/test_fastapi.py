"""Models take all that the contract allows; of values that need no conversion, they refuse all that it does not."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.request.fastapi import Model
from tests.strategies import BODIES, Judge, body_values, judge, near, operations

TAKING_BODIES = [
    (version, name) for version in VERSIONS for name, each in operations(version).items() if each.body is not None
]
UUID = "11111111-2222-3333-4444-555555555555"


def body_schema(version: str, name: str) -> Schema:
    body = operations(version)[name].body
    assert body is not None
    return body.schema


def parameter_schemas(version: str) -> dict[str, Schema]:
    """Give the schemas of a version's parameters by the parameter's name."""
    return {each.name: each.schema for operation in operations(version).values() for each in operation.parameters}


def own(node: Json) -> Schema:
    """Give a schema of a document of one's own, read where the document holds it."""
    others = {"Short": {"type": "string", "maxLength": 3}}
    return Schema({"components": {"schemas": {"Own": node, **others}}}, "/components/schemas/Own", "own")


def takes(schema: Schema, value: Json) -> bool:
    return not Model(schema).read(value)[1]


def allows(schema: Schema, value: Json) -> bool:
    """Judge by jsonschema alone."""
    return not Judge(schema.document).errors("/components/schemas/Own", value)


# The bundled contracts


@pytest.mark.parametrize(("version", "name"), TAKING_BODIES)
@given(data=st.data())
def test_a_body_that_the_contract_allows_is_taken_as_it_is(version: str, name: str, data: st.DataObject) -> None:
    schema = body_schema(version, name)
    value = data.draw(near(schema) | body_values[name])
    if not judge(version).errors(schema.pointer, value):
        taken, details, _ = Model(schema).read(value)
        assert details == []
        assert taken == value or {key: taken[key] for key in value if key in taken}.items() <= value.items()


@pytest.mark.parametrize(("version", "name"), TAKING_BODIES)
def test_the_right_body_is_among_what_is_allowed(version: str, name: str) -> None:
    schema, value = body_schema(version, name), BODIES.get(name, {})
    assert judge(version).errors(schema.pointer, value) == []
    assert takes(schema, value)


@pytest.mark.parametrize(("version", "name"), TAKING_BODIES)
@given(data=st.data())
def test_a_body_that_is_refused_is_none_that_the_contract_allows(version: str, name: str, data: st.DataObject) -> None:
    schema = body_schema(version, name)
    value = data.draw(body_values[name])
    assert takes(schema, value) or judge(version).errors(schema.pointer, value)


@pytest.mark.parametrize("version", VERSIONS)
@given(value=st.text() | st.uuids().map(str) | st.integers() | st.none() | st.integers(-(2**53), 2**53).map(float))
@example(value="")
def test_a_parameter_that_the_contract_allows_is_taken(version: str, value: Json) -> None:
    for name, schema in parameter_schemas(version).items():
        assert judge(version).errors(schema.pointer, value) or takes(schema, value), name


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lone_surrogate_is_taken_by_the_model_and_left_to_the_judge(version: str) -> None:
    """The engine lets it in, as the service's does; what comes of it is the matter of `validate`."""
    assert takes(parameter_schemas(version)["session_id"], "\ud800")


# Documents of one's own

NUMBERS: list[Json] = [-3, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 2.5, 2.0, -0.5, 0.3, 1e3, 10**20]
# no float beyond 64 bits: the engine takes none for an integer, and the service's engine does as it does
TEXTS: list[Json] = ["", "a", "ab", "abc", "abcd", "é", "\U0001d11e\U0001d11e\U0001d11e", "x1", "1x", " ", "read", UUID]
LISTS: list[Json] = [[], [1], [1, 1], [1, 2], [1, 2, 3], ["a"], [[]], [{}, {}], [None], [{"a": 1}, {"a": 1.0}]]
OBJECTS: list[Json] = [
    {},
    {"a": 1},
    {"a": 6},
    {"b": "x"},
    {"a": 1, "b": "x"},
    {"a": 6, "b": "abcd"},
    {"c": None},
    {"a": 1, "c": 1},
]
ANY: list[Json] = [None, *NUMBERS, *TEXTS, *LISTS, *OBJECTS]
# no booleans: the engine converts them to 1 and 0, and back
AB = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}

CASES: list[tuple[str, Json, list[Json]]] = [
    ("pattern", {"type": "string", "pattern": "^[a-c]+$"}, TEXTS),
    ("pattern unanchored", {"type": "string", "pattern": "[0-9]"}, TEXTS),
    ("lengths", {"type": "string", "minLength": 2, "maxLength": 3}, TEXTS),
    ("uuid", {"type": "string", "format": "uuid"}, TEXTS),
    ("uuid and pattern", {"type": "string", "format": "uuid", "pattern": "^2"}, TEXTS),
    ("minimum", {"type": "integer", "minimum": 3}, NUMBERS),
    ("maximum", {"type": "number", "maximum": 3}, NUMBERS),
    ("exclusive limits", {"type": "number", "exclusiveMinimum": 2, "exclusiveMaximum": 5}, NUMBERS),
    ("multiple", {"type": "integer", "multipleOf": 3}, NUMBERS),
    ("multiple of a fraction", {"type": "number", "multipleOf": 0.5}, NUMBERS),
    ("integer", {"type": "integer"}, NUMBERS),
    ("unique items", {"type": "array", "uniqueItems": True}, LISTS),
    ("unique items of a kind", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, LISTS[:5]),
    ("contains", {"type": "array", "contains": {"const": 1}}, LISTS),
    ("prefix items", {"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, LISTS),
    ("no items", {"type": "array", "items": False}, LISTS),
    ("sizes", {"type": "array", "minItems": 1, "maxItems": 2}, LISTS),
    ("const", {"const": 3}, ANY),
    ("const text", {"const": "abc"}, ANY),
    ("const one", {"const": 1}, ANY),
    ("const true", {"const": True}, [True, False, None, 2, "true", [True]]),
    ("const null", {"const": None}, ANY),
    ("const object", {"const": {"a": 1}}, ANY),
    ("enum", {"enum": ["read", 3, None]}, ANY),
    ("enum of a boolean", {"enum": ["read", False]}, [True, False, None, 2, "read", "false"]),
    ("enum of compounds", {"enum": [[1], {"a": 6}]}, ANY),
    ("enum and type", {"type": "string", "enum": ["read", 3]}, [*TEXTS, 3]),
    ("enum and length", {"enum": ["a", "abc"], "maxLength": 2}, TEXTS),
    ("not", {"type": "string", "not": {"const": "abc"}}, TEXTS),
    ("not any type", {"not": {"type": "string"}}, ANY),
    ("all of", {"allOf": [{"type": "string", "minLength": 2}, {"type": "string", "maxLength": 2}]}, TEXTS),
    ("any of and a limit beside it", {"anyOf": [{"type": "string"}, {"type": "null"}], "maxLength": 2}, TEXTS),
    ("one of that overlap", {"oneOf": [{"type": "integer", "minimum": 3}, {"type": "integer", "maximum": 6}]}, NUMBERS),
    ("any of null alone", {"anyOf": [{"type": "null"}]}, ANY),
    ("any of with a described null", {"anyOf": [{"type": "integer"}, {"type": "null", "title": "x"}]}, [None, 3]),
    ("if then", {"type": "integer", "if": {"minimum": 5}, "then": {"multipleOf": 5}}, NUMBERS),
    ("types", {"type": ["integer", "null"], "minimum": 3}, [None, *NUMBERS]),
    ("null", {"type": "null"}, ANY),
    ("no extra", {**AB, "additionalProperties": False}, OBJECTS),
    ("extra of a kind", {**AB, "additionalProperties": {"type": "integer"}}, OBJECTS),
    ("required", {**AB, "required": ["a"]}, OBJECTS),
    ("required but not described", {**AB, "required": ["c"]}, OBJECTS),
    ("required of a bare object", {"type": "object", "required": ["a"]}, OBJECTS),
    ("dependent", {**AB, "dependentRequired": {"a": ["b"]}}, OBJECTS),
    ("number of properties", {"type": "object", "minProperties": 1, "maxProperties": 1}, OBJECTS),
    ("number of described properties", {**AB, "minProperties": 2}, OBJECTS),
    ("names", {"type": "object", "propertyNames": {"pattern": "^[ab]$"}}, OBJECTS),
    ("nested", {"type": "object", "properties": {"b": {"type": "string", "pattern": "^x$"}}}, OBJECTS),
    ("false property", {"type": "object", "properties": {"c": False}}, OBJECTS),
    ("limit without a type", {"minimum": 3}, ANY),
    ("length without a type", {"maxLength": 2}, ANY),
    ("size without a type", {"minItems": 2}, ANY),
    ("items without a type", {"items": {"type": "integer"}}, LISTS),
    ("properties without a type", {"properties": {"a": {"maximum": 5}}}, ANY),
    ("required without a type", {"required": ["a"]}, ANY),
    ("reference", {"$ref": "#/components/schemas/Short"}, TEXTS),
    ("reference and a limit beside it", {"$ref": "#/components/schemas/Short", "minLength": 2}, TEXTS),
    (
        "property that is a reference with a limit beside it",
        {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/Short", "minLength": 2}}},
        OBJECTS,
    ),
    ("anything", {}, ANY),
    ("true", True, ANY),
    ("false", False, ANY),
]


@pytest.mark.parametrize(("node", "values"), [pytest.param(*case[1:], id=case[0].replace(" ", "-")) for case in CASES])
def test_each_keyword_refuses_exactly_what_json_schema_refuses(node: Json, values: list[Json]) -> None:
    schema = own(node)
    model = Model(schema)
    assert [value for value in values if not model.read(value)[1]] == [
        value for value in values if allows(schema, value)
    ]


def test_what_is_beyond_the_model_is_refused_with_its_place_and_reason() -> None:
    schema = own({"type": "object", "properties": {"b": {"type": "string", "pattern": "^x$"}}})
    (detail,) = Model(schema).read({"b": "y"})[1]
    assert (detail["type"], detail["loc"], detail["input"]) == ("value_error", ("b",), "y")
    assert "^x$" in detail["msg"]


def test_an_extra_field_where_none_may_be_is_refused_in_the_frameworks_words() -> None:
    (detail,) = Model(own({**AB, "additionalProperties": False})).read({"a": 1, "c": 2})[1]
    assert (detail["type"], detail["loc"], detail["input"]) == ("extra_forbidden", ("c",), 2)


def test_the_place_of_a_fault_in_a_list_is_told_by_its_number() -> None:
    schema = own({"type": "array", "items": {"type": "string", "pattern": "^x$"}})
    assert [detail["loc"] for detail in Model(schema).read(["x", "y"])[1]] == [(1,)]


def test_the_place_of_a_fault_is_told_by_the_name_that_was_sent() -> None:
    schema = own({"type": "object", "properties": {"a/b~c": {"type": "string", "pattern": "^x$"}}})
    assert [detail["loc"] for detail in Model(schema).read({"a/b~c": "y"})[1]] == [("a/b~c",)]


@pytest.mark.parametrize(
    ("kind", "sent", "taken"),
    [("integer", "7", 7), ("integer", 7.0, 7), ("number", "2.5", 2.5), ("boolean", "yes", True), ("boolean", 0, False)],
)
def test_what_the_service_would_convert_is_converted(kind: str, sent: Json, taken: Any) -> None:
    assert Model(own({"type": kind})).read(sent) == (taken, [], 0)
    assert type(Model(own({"type": kind})).read(sent)[0]) is type(taken)


@pytest.mark.parametrize(("text", "is_taken"), [("3", True), ("2", False), ("6", True), ("7", False)])
def test_what_is_beyond_the_model_is_judged_of_the_converted_value(text: str, is_taken: bool) -> None:
    schema = own({"type": "integer", "not": {"type": "integer", "not": {"multipleOf": 3}}})
    assert takes(schema, text) is is_taken
