"""Every change of a schema is seen once, weighs what it must for requests and for answers, and has a way back."""

from contextlib import suppress
from itertools import product
from random import Random
from typing import Any

import pytest

from mockserver.answer.generate import generate
from mockserver.check.changes.rules import Direction
from mockserver.contract.schema import KEYWORDS, Schema
from mockserver.errors import ContractError
from mockserver.messages import Json
from tests.drifts import BODY, WRAPS, Plant, changes, mirrored, sided, stands

DIRECTIONS: tuple[Direction, ...] = ("request", "response")


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def number(**more: Any) -> dict[str, Any]:
    return {"type": "integer", **more}


def items(**more: Any) -> dict[str, Any]:
    return {"type": "array", **more}


def record(**more: Any) -> dict[str, Any]:
    return {"type": "object", **more}


A = {"a": {"type": "string"}}

PLANTS: dict[str, Plant] = {
    "type": Plant(text(), number(), "type-changed", "breaking", "breaking"),
    "type, one less": Plant({"type": ["string", "integer"]}, text(), "type-narrowed", "breaking", "harmless"),
    "integer for number": Plant({"type": "number"}, number(), "type-narrowed", "breaking", "harmless"),
    "type where any was": Plant({}, text(), "type-narrowed", "breaking", "harmless"),
    "fields where anything was": Plant(
        {}, record(properties=A, required=["a"], maxProperties=3), "type-narrowed", "breaking", "harmless"
    ),
    "type with a limit": Plant({"maxLength": 3}, text(maxLength=3), "type-narrowed", "breaking", "harmless"),
    "null in types": Plant({"type": ["string", "null"]}, text(), "null-withdrawn", "breaking", "harmless"),
    "null as a member": Plant(
        {"anyOf": [text(), {"type": "null"}]}, {"anyOf": [text()]}, "null-withdrawn", "breaking", "harmless"
    ),
    "null by oneOf, then by type": Plant(
        {"oneOf": [text(), {"type": "null"}]}, text(), "null-withdrawn", "breaking", "harmless"
    ),
    "null among values": Plant(
        {"enum": ["a", "b", None]}, {"enum": ["a", "b"]}, "null-withdrawn", "breaking", "harmless"
    ),
    "null of a union": Plant(
        {"anyOf": [text(), number(), {"type": "null"}]},
        {"anyOf": [text(), number()]},
        "null-withdrawn",
        "breaking",
        "harmless",
    ),
    "enum": Plant(text(), text(enum=["a", "b"]), "enum-added", "breaking", "harmless"),
    "enum where any was": Plant({}, {"enum": ["a", "b"]}, "enum-added", "breaking", "harmless"),
    "a value less": Plant(text(enum=["a", "b"]), text(enum=["b"]), "enum-value-withdrawn", "breaking", "harmless"),
    "a value more": Plant(text(enum=["a"]), text(enum=["b", "a"]), "enum-value-added", "harmless", "risky"),
    "true beside 1": Plant({"enum": [1, "x"]}, {"enum": [1, "x", True]}, "enum-value-added", "harmless", "risky"),
    "const": Plant(text(const="a"), text(const="b"), "const-changed", "breaking", "breaking"),
    "const where any was": Plant(text(), text(const="a"), "enum-added", "breaking", "harmless"),
    "const for enum": Plant(text(enum=["a", "b"]), text(const="a"), "enum-value-withdrawn", "breaking", "harmless"),
    "minimum": Plant(number(minimum=1), number(minimum=2), "limit-tightened", "breaking", "harmless"),
    "minimum, excluded": Plant(
        number(minimum=1), number(exclusiveMinimum=1), "limit-tightened", "breaking", "harmless"
    ),
    "minimum of fractions, excluded": Plant(
        {"type": "number", "minimum": 1},
        {"type": "number", "exclusiveMinimum": 1},
        "limit-tightened",
        "breaking",
        "harmless",
    ),
    "maximum of fractions, excluded": Plant(
        {"type": "number", "maximum": 1},
        {"type": "number", "exclusiveMaximum": 1},
        "limit-tightened",
        "breaking",
        "harmless",
    ),
    "exclusiveMinimum": Plant(
        number(exclusiveMinimum=1), number(exclusiveMinimum=2), "limit-tightened", "breaking", "harmless"
    ),
    "maximum": Plant(number(maximum=2), number(maximum=1), "limit-tightened", "breaking", "harmless"),
    "maximum of -1": Plant(number(), number(maximum=-1), "limit-tightened", "breaking", "harmless"),
    "maximum, excluded": Plant(
        number(maximum=2), number(exclusiveMaximum=2), "limit-tightened", "breaking", "harmless"
    ),
    "exclusiveMaximum": Plant(number(), number(exclusiveMaximum=0), "limit-tightened", "breaking", "harmless"),
    "multipleOf": Plant(number(multipleOf=2), number(multipleOf=6), "limit-tightened", "breaking", "harmless"),
    "multipleOf, new": Plant(number(), number(multipleOf=2), "limit-tightened", "breaking", "harmless"),
    "multipleOf, another": Plant(number(multipleOf=4), number(multipleOf=6), "limit-changed", "breaking", "risky"),
    "minLength": Plant(text(), text(minLength=1), "limit-tightened", "breaking", "harmless"),
    "maxLength": Plant(text(maxLength=1000), text(maxLength=500), "limit-tightened", "breaking", "harmless"),
    "maxLength, new": Plant(text(), text(maxLength=0), "limit-tightened", "breaking", "harmless"),
    "pattern": Plant(text(), text(pattern="a"), "pattern-added", "breaking", "harmless"),
    "pattern, another": Plant(text(pattern="a"), text(pattern="b"), "pattern-changed", "breaking", "risky"),
    "format": Plant(text(), text(format="uuid"), "format-added", "breaking", "harmless"),
    "format, another": Plant(text(format="uuid"), text(format="date"), "format-changed", "breaking", "risky"),
    "contentEncoding": Plant(text(), text(contentEncoding="base64"), "content-changed", "risky", "risky"),
    "contentMediaType": Plant(text(), text(contentMediaType="text/x"), "content-changed", "risky", "risky"),
    "contentSchema": Plant(text(), text(contentSchema={"type": "null"}), "condition-added", "breaking", "harmless"),
    "minItems": Plant(items(), items(minItems=1), "limit-tightened", "breaking", "harmless"),
    "maxItems": Plant(items(maxItems=10), items(maxItems=9), "limit-tightened", "breaking", "harmless"),
    "uniqueItems": Plant(items(), items(uniqueItems=True), "limit-tightened", "breaking", "harmless"),
    "items": Plant(items(items=text()), items(items=number()), "type-changed", "breaking", "breaking"),
    "items, new": Plant(items(), items(items=text()), "type-narrowed", "breaking", "harmless"),
    "items, forbidden": Plant(items(), items(items=False), "closed", "breaking", "harmless"),
    "prefixItems": Plant(
        items(prefixItems=[text(), text()]),
        items(prefixItems=[text(), number()]),
        "type-changed",
        "breaking",
        "breaking",
    ),
    "prefixItems, new": Plant(items(), items(prefixItems=[text()]), "type-narrowed", "breaking", "harmless"),
    "contains": Plant(items(), items(contains={}), "condition-added", "breaking", "harmless"),
    "minContains": Plant(
        items(contains=text()), items(contains=text(), minContains=2), "condition-tightened", "breaking", "harmless"
    ),
    "maxContains": Plant(
        items(contains=text(), maxContains=3),
        items(contains=text(), maxContains=2),
        "condition-tightened",
        "breaking",
        "harmless",
    ),
    "unevaluatedItems": Plant(items(), items(unevaluatedItems=False), "condition-added", "breaking", "harmless"),
    "minProperties": Plant(record(), record(minProperties=1), "limit-tightened", "breaking", "harmless"),
    "maxProperties": Plant(record(), record(maxProperties=1), "limit-tightened", "breaking", "harmless"),
    "a field": Plant(record(), record(properties=A), "field-added", "harmless", "harmless"),
    "a field less": Plant(record(properties=A), record(), "field-withdrawn", "risky", "risky"),
    "a required field": Plant(
        record(), record(properties=A, required=["a"]), "required-field-added", "breaking", "harmless"
    ),
    "a required field less": Plant(
        record(properties=A, required=["a"]), record(), "required-field-withdrawn", "risky", "breaking"
    ),
    "a field where none may be": Plant(
        record(additionalProperties=False),
        record(additionalProperties=False, properties=A),
        "field-added",
        "harmless",
        "breaking",
    ),
    "a field less where none may be": Plant(
        record(additionalProperties=False, properties=A),
        record(additionalProperties=False),
        "field-withdrawn",
        "breaking",
        "risky",
    ),
    "required": Plant(
        record(properties=A), record(properties=A, required=["a"]), "field-required", "breaking", "harmless"
    ),
    "required no more": Plant(
        record(properties=A, required=["a"]), record(properties=A), "field-optional", "harmless", "breaking"
    ),
    "required without a schema": Plant(
        record(), record(required=["a"]), "required-field-added", "breaking", "harmless"
    ),
    "the schema of a field": Plant(
        record(properties={"a": text()}), record(properties={"a": number()}), "type-changed", "breaking", "breaking"
    ),
    "a field forbidden": Plant(
        record(properties={"a": True}), record(properties={"a": False}), "closed", "breaking", "harmless"
    ),
    "additionalProperties": Plant(record(), record(additionalProperties=False), "closed", "breaking", "harmless"),
    "additionalProperties, a schema": Plant(
        record(additionalProperties=True), record(additionalProperties=text()), "type-narrowed", "breaking", "harmless"
    ),
    "additionalProperties, another": Plant(
        record(additionalProperties=text(maxLength=2)),
        record(additionalProperties=text(maxLength=1)),
        "limit-tightened",
        "breaking",
        "harmless",
    ),
    "unevaluatedProperties": Plant(
        record(), record(unevaluatedProperties=False), "condition-added", "breaking", "harmless"
    ),
    "patternProperties": Plant(
        record(), record(patternProperties={"^x": text()}), "condition-added", "breaking", "harmless"
    ),
    "patternProperties, another": Plant(
        record(patternProperties={"^x": text()}),
        record(patternProperties={"^x": number()}),
        "condition-changed",
        "breaking",
        "risky",
    ),
    "propertyNames": Plant(
        record(), record(propertyNames=text(maxLength=3)), "condition-added", "breaking", "harmless"
    ),
    "propertyNames, looser": Plant(
        record(propertyNames=text(maxLength=3)),
        record(propertyNames=text(maxLength=5)),
        "condition-loosened",
        "harmless",
        "risky",
    ),
    "patternProperties, looser": Plant(
        record(patternProperties={"^x": text(maxLength=3)}),
        record(patternProperties={"^x": text()}),
        "condition-loosened",
        "harmless",
        "risky",
    ),
    "patternProperties, one less": Plant(
        record(patternProperties={"^x": text(), "^y": text()}),
        record(patternProperties={"^x": text()}),
        "condition-loosened",
        "harmless",
        "risky",
    ),
    "patternProperties, gone where no other may be": Plant(
        record(patternProperties={"^x": text()}, additionalProperties=False),
        record(additionalProperties=False),
        "condition-changed",
        "breaking",
        "risky",
    ),
    "contains, looser": Plant(
        items(contains=text(maxLength=3)), items(contains=text()), "condition-loosened", "harmless", "risky"
    ),
    "contains, looser, of which there may be few": Plant(
        items(contains=text(maxLength=3), maxContains=2),
        items(contains=text(), maxContains=2),
        "condition-changed",
        "breaking",
        "risky",
    ),
    "not, looser": Plant(
        text(**{"not": {"minLength": 3}}), text(**{"not": {"minLength": 4}}), "condition-loosened", "harmless", "risky"
    ),
    "dependentRequired, tighter": Plant(
        record(dependentRequired={"a": ["b"]}),
        record(dependentRequired={"a": ["c", "b"]}),
        "condition-tightened",
        "breaking",
        "harmless",
    ),
    "pattern, any": Plant(text(pattern="^a$"), text(pattern=".*"), "pattern-withdrawn", "harmless", "risky"),
    "format, wider": Plant(number(format="int32"), number(format="int64"), "format-loosened", "harmless", "risky"),
    "format, wider, of texts": Plant(
        text(format="uri"), text(format="uri-reference"), "format-loosened", "harmless", "risky"
    ),
    "multipleOf, decimal": Plant(
        {"type": "number", "multipleOf": 0.1},
        {"type": "number", "multipleOf": 0.3},
        "limit-tightened",
        "breaking",
        "harmless",
    ),
    "dependentRequired": Plant(
        record(), record(dependentRequired={"a": ["b"]}), "condition-added", "breaking", "harmless"
    ),
    "dependentSchemas": Plant(
        record(), record(dependentSchemas={"a": {"required": ["b"]}}), "condition-added", "breaking", "harmless"
    ),
    "not": Plant(text(), text(**{"not": {"const": "a"}}), "condition-added", "breaking", "harmless"),
    "not, another order": Plant(
        items(**{"not": {"prefixItems": [text(), number()]}}),
        items(**{"not": {"prefixItems": [number(), text()]}}),
        "condition-changed",
        "breaking",
        "risky",
    ),
    "not, another list": Plant(
        items(**{"not": {"const": [1, 2]}}),
        items(**{"not": {"const": [2, 1]}}),
        "condition-changed",
        "breaking",
        "risky",
    ),
    "not, another": Plant(
        text(**{"not": {"const": "a"}}), text(**{"not": {"const": "b"}}), "condition-changed", "breaking", "risky"
    ),
    "if": Plant(
        text(), text(**{"if": {"minLength": 3}, "then": {"pattern": "a"}}), "condition-added", "breaking", "harmless"
    ),
    "then": Plant(
        text(**{"if": {"minLength": 3}, "then": {"pattern": "a"}}),
        text(**{"if": {"minLength": 3}, "then": {"pattern": "b"}}),
        "condition-changed",
        "breaking",
        "risky",
    ),
    "else": Plant(
        text(**{"if": {"minLength": 3}, "then": {}}),
        text(**{"if": {"minLength": 3}, "then": {}, "else": {"pattern": "b"}}),
        "condition-tightened",
        "breaking",
        "harmless",
    ),
    "nothing": Plant(text(), {"type": "string", "not": {}}, "closed", "breaking", "harmless"),
    "default": Plant(text(default="a"), text(default="b"), "default-changed", "risky", "risky"),
    "default, true for 1": Plant(number(default=1), number(default=True), "default-changed", "risky", "risky"),
    "default, new": Plant(text(), text(default=""), "default-added", "harmless", "harmless"),
    "default, gone": Plant(text(default="a"), text(), "default-withdrawn", "risky", "risky"),
    "readOnly": Plant(text(), text(readOnly=True), "access-narrowed", "risky", "harmless"),
    "writeOnly": Plant(text(), text(writeOnly=True), "access-narrowed", "harmless", "risky"),
    "deprecated": Plant(text(), text(deprecated=True), "deprecated", "harmless", "harmless"),
    "description": Plant(text(description="a"), text(description="b"), "description-changed", "harmless", "harmless"),
    "description, new": Plant(text(), text(description="b"), "description-changed", "harmless", "harmless"),
    "title": Plant(text(title="a"), text(title="b"), "description-changed", "harmless", "harmless"),
    "$comment": Plant(text(), text(**{"$comment": "b"}), "description-changed", "harmless", "harmless"),
    "externalDocs": Plant(text(), text(externalDocs={"url": "b"}), "description-changed", "harmless", "harmless"),
    "example": Plant(text(example="a"), text(example="b"), "example-changed", "harmless", "harmless"),
    "examples": Plant(text(), text(examples=["b"]), "example-changed", "harmless", "harmless"),
    "xml": Plant(text(), text(xml={"name": "b"}), "content-changed", "risky", "risky"),
    "allOf": Plant(text(), {"allOf": [text(), {"maxLength": 3}]}, "limit-tightened", "breaking", "harmless"),
    "a field in allOf": Plant(
        {"allOf": [record(properties=A), record(properties={"b": text()})]},
        {"allOf": [record(properties=A), record(properties={"b": number()})]},
        "type-changed",
        "breaking",
        "breaking",
    ),
}
"""What is changed, by what it is called in a test."""

ELSEWHERE = {"anyOf", "oneOf", "discriminator", "$defs", "$ref"}
"""The keywords whose changes stand in test_drift_union, and those that only name."""


def keywords(plant: Plant) -> set[str]:
    """Give the keywords that two schemas do not say alike, at any depth."""
    return {key for one, other in ((plant.was, plant.now), (plant.now, plant.was)) for key in _told(one, other)}


def _told(one: Any, other: Any) -> set[str]:
    if not isinstance(one, dict):
        return set()
    beside = other if isinstance(other, dict) else {}
    below = {key for name, each in one.items() for key in _told(each, beside.get(name))}
    return {name for name, each in one.items() if each != beside.get(name)} | below


def test_a_change_of_every_keyword_is_planted() -> None:
    assert KEYWORDS - ELSEWHERE - {key for plant in PLANTS.values() for key in keywords(plant)} == set()


@pytest.mark.parametrize("name", PLANTS)
def test_a_change_is_seen_once_there_and_back_wherever_it_stands(name: str) -> None:
    plant = PLANTS[name]
    for wrap, direction in product(WRAPS, DIRECTIONS):
        if wrap == "a member" and "type" not in plant.was and "enum" not in plant.was:
            continue  # that a union with a member that takes anything takes null is told as well
        (was, of_was), (now, of_now) = WRAPS[wrap](plant.was), WRAPS[wrap](plant.now)
        a, b = sided(was, direction, of_was), sided(now, direction, of_now)
        (there,) = changes(a, b)
        assert (there.rule, there.severity, there.direction) == (plant.rule, plant.severity(direction), direction), wrap
        assert there.operations == ("make",)
        assert there.where.startswith("/request/body" if direction == "request" else "/response/200/body")
        assert stands(there, a, b)
        (back,) = changes(b, a)
        assert back.cause == mirrored(there), wrap


@pytest.mark.parametrize("name", PLANTS)
def test_after_a_harmless_change_what_was_right_is_right(name: str) -> None:
    plant = PLANTS[name]
    if plant.request == "harmless":
        assert refused(plant.was, plant.now) == 0
    if plant.response == "harmless":
        assert refused(plant.now, plant.was) == 0


def refused(maker: Json, judge: Json) -> int:
    """Say how many of the values made by one schema the other refuses."""
    a, b = (Schema(sided(each, "request"), BODY, "own") for each in (maker, judge))
    count = 0
    for seed in range(10):
        with suppress(ContractError):
            value = generate(a, Random(seed))
            count += a.is_valid(value) and not b.is_valid(value)
    return count


READ, WRITTEN = {"readOnly": True}, {"writeOnly": True}
FIELD = {"type": "string", "maxLength": 9}


def holding(field: Any, *needed: str) -> Any:
    """Give a record with one field, which may be required."""
    return record(properties={"other": text(), **({} if field is None else {"it": field})}, required=[*needed])


IDLE: dict[str, tuple[Any, Any]] = {
    "a required field": (holding(None), holding(FIELD, "it")),
    "a required field less": (holding(FIELD, "it"), holding(None)),
    "a field that is required": (holding(FIELD), holding(FIELD, "it")),
    "a field that is not required": (holding(FIELD, "it"), holding(FIELD)),
    "a limit": (holding(FIELD), holding(text(maxLength=3))),
    "a type": (holding(FIELD), holding(number())),
    "a default": (holding(text(default="a")), holding(text(default="b"))),
    "a field below it": (holding(holding(None)), holding(holding(FIELD, "it"))),
    "an item below it": (holding(items(items=text())), holding(items(items=number()))),
    "a field where none may be": (
        record(properties={}, additionalProperties=False),
        record(properties={"it": FIELD}, required=["it"], additionalProperties=False),
    ),
    "a field less where none may be": (
        record(properties={"it": FIELD}, required=["it"], additionalProperties=False),
        record(properties={}, additionalProperties=False),
    ),
}
"""Changes of the field `it`, which goes one way only."""


def marked(schema: Any, mark: Any, wrap: str) -> Any:
    """Mark the outermost field `it` of a schema, and put the schema somewhere."""
    named = schema["properties"]
    made = {**schema, "properties": {**named, **({"it": {**named["it"], **mark}} if "it" in named else {})}}
    return WRAPS[wrap](made)


@pytest.mark.parametrize("name", IDLE)
@pytest.mark.parametrize(("mark", "direction"), [(READ, "request"), (WRITTEN, "response")])
def test_a_field_that_goes_the_other_way_breaks_nothing(name: str, mark: Any, direction: Direction) -> None:
    for wrap in WRAPS:
        (was, of_was), (now, of_now) = (marked(each, mark, wrap) for each in IDLE[name])
        a, b = sided(was, direction, of_was), sided(now, direction, of_now)
        assert {each.severity for each in changes(a, b)} <= {"harmless"}, wrap
        assert {each.cause for each in changes(b, a)} == {mirrored(each) for each in changes(a, b)}, wrap


@pytest.mark.parametrize(("mark", "direction"), [(READ, "response"), (WRITTEN, "request")])
def test_a_field_that_goes_this_way_breaks_as_any_other(mark: Any, direction: Direction) -> None:
    for name in IDLE:
        (was, _), (now, _) = (marked(each, mark, "itself") for each in IDLE[name])
        plain = changes(*(sided(each, direction) for each in IDLE[name]))
        found = changes(sided(was, direction), sided(now, direction))
        assert [each.severity for each in found] == [each.severity for each in plain], name


def test_a_field_that_is_no_longer_read_only_must_be_sent() -> None:
    was, now = holding({**FIELD, **READ}, "it"), holding(FIELD, "it")
    found = {(each.rule, each.severity) for each in changes(sided(was, "request"), sided(now, "request"))}
    assert found == {("field-required", "breaking"), ("access-widened", "harmless")}


SAME: dict[str, tuple[Any, Any]] = {
    "a nullable type and a union with null": ({"type": ["string", "null"]}, {"anyOf": [text(), {"type": "null"}]}),
    "anyOf and oneOf of one and null": ({"anyOf": [text(), {"type": "null"}]}, {"oneOf": [{"type": "null"}, text()]}),
    "a reference to null": ({"anyOf": [text(), {"$ref": "#/components/schemas/No"}]}, {"type": ["null", "string"]}),
    "an allOf of one": ({"allOf": [text(maxLength=3)]}, text(maxLength=3)),
    "a reference with a description": (
        {"$ref": "#/components/schemas/It", "description": "x"},
        {"allOf": [{"$ref": "#/components/schemas/It"}], "description": "x"},
    ),
    "a part inline": ({"allOf": [text(), {"maxLength": 3}]}, text(maxLength=3)),
    "fields in parts": (
        {"allOf": [record(properties=A, required=["a"]), record(properties={"b": text()})]},
        record(properties={"b": text(), **A}, required=["a"]),
    ),
    "a const and an enum of one": (text(const="a"), {"enum": ["a"]}),
    "an enum with and without its type": (text(enum=["a", "b"]), {"enum": ["b", "a"]}),
    "1 and 1.0": ({"enum": [1, 2]}, {"enum": [2.0, 1.0]}),
    "integer beside number": ({"type": ["number", "integer"]}, {"type": "number"}),
    "the order of types and of required": (
        record(properties={**A, "b": True}, required=["a", "b"]),
        record(properties={"b": {}, **A}, required=["b", "a"]),
    ),
    "limits that limit nothing": (text(), text(minLength=0)),
    "limits of whole numbers": (
        number(exclusiveMaximum=10, exclusiveMinimum=0.5, multipleOf=0.5),
        number(maximum=9.0, minimum=1),
    ),
    "minContains as it is anyhow": (items(contains=text()), items(contains=text(), minContains=1)),
    "a format that asks nothing": (text(), text(format="password")),
    "a pattern that asks nothing": (text(), text(pattern="^.*")),
    "a record that may be empty": (record(), record(minProperties=0)),
    "a list that may repeat": (items(), items(uniqueItems=False, minItems=0, items=True)),
    "what is open anyhow": (
        record(),
        record(additionalProperties={}, patternProperties={}, unevaluatedProperties=True),
    ),
    "the order of conditions": (
        record(patternProperties={"^a": text(enum=["x", "y"]), "^b": number()}),
        record(patternProperties={"^b": number(), "^a": text(enum=["y", "x"])}),
    ),
    "a limit of another type": (text(), text(minimum=3)),
    "true and {}": (True, {}),
    "false and not {}": (False, {"not": {}}),
    "false and not true": ({"not": True}, False),
    "a note of our own": (text(), text(**{"x-evidence": "inferred"})),
}


@pytest.mark.parametrize("name", SAME)
def test_what_says_the_same_is_no_change(name: str) -> None:
    components = {"It": text(maxLength=3), "No": {"type": "null"}}
    for direction in DIRECTIONS:
        a, b = (sided(each, direction, components) for each in SAME[name])
        assert changes(a, b) == ()
        assert changes(b, a) == ()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_places_of_a_change_are_told_as_json_pointers_and_as_the_way_to_it(direction: Direction) -> None:
    was = {"Page": record(properties={"items": items(items={"$ref": "#/components/schemas/It"})}), "It": record()}
    now = {"Seite": record(properties={"items": items(items={"$ref": "#/components/schemas/Es"})}), "Es": record()}
    now["Es"] = record(properties={"a/b": text()})
    a = sided({"$ref": "#/components/schemas/Page"}, direction, was)
    b = sided({"$ref": "#/components/schemas/Seite"}, direction, now)
    (there,) = changes(a, b)
    assert there.where == f"/{'request' if direction == 'request' else 'response/200'}/body/items/*/a~1b"
    assert (there.before, there.after) == (None, "/components/schemas/Es/properties/a~1b")


def test_a_sentence_says_what_was_and_what_is_and_what_follows() -> None:
    a, b = (sided(text(maxLength=most), "request") for most in (1000, 500))
    (there,) = changes(a, b)
    assert there.message == "maxLength 1000 became maxLength 500; requests that were right may be refused"
    assert (there.was, there.now) == (1000, 500)
    (back,) = changes(b, a)
    assert back.message == "maxLength 500 became maxLength 1000"


@pytest.mark.parametrize(
    ("name", "direction", "there", "back"),
    [
        ("required", "request", "the field a must be there", "the field a may be left out"),
        ("required", "response", "the field a is always there", "the field a may be missing"),
        ("a required field", "request", "the field a is new: it must be there", "the field a is gone"),
        ("a field", "response", "the field a is new: it may be missing", "the field a is gone"),
        ("type", "request", "the type went from string to integer", "the type went from integer to string"),
        (
            "integer for number",
            "request",
            "the type went from number to integer",
            "the type went from integer to number",
        ),
        ("null in types", "request", "null is no longer allowed", "null is allowed"),
        ("enum", "request", 'only "a" or "b" is allowed', 'not only "a" or "b" is allowed'),
        ("a value less", "request", 'the value "a" is gone', 'the value "a" is new'),
        ("const", "request", 'the only value went from "a" to "b"', 'the only value went from "b" to "a"'),
        ("maxLength, new", "request", "maxLength 0 is new", "maxLength 0 is gone"),
        ("minimum, excluded", "request", "minimum 1 became exclusiveMinimum 1", "exclusiveMinimum 1 became minimum 1"),
        ("pattern", "request", "the pattern a is new", "the pattern a is gone"),
        ("format, another", "request", "the format went from uuid to date", "the format went from date to uuid"),
        ("not", "request", "the condition not is new", "the condition not is gone"),
        ("default", "request", 'the default went from "a" to "b"', 'the default went from "b" to "a"'),
        ("readOnly", "request", "readOnly is set", "readOnly is no longer set"),
        ("description, new", "request", "the description is new", "the description is gone"),
        ("additionalProperties", "request", "what stands here is no longer allowed", "what stands here is allowed now"),
    ],
)
def test_a_change_is_told_in_a_sentence(name: str, direction: Direction, there: str, back: str) -> None:
    a, b = (sided(each, direction) for each in (PLANTS[name].was, PLANTS[name].now))
    assert [each.message.partition(";")[0] for each in (*changes(a, b), *changes(b, a))] == [there, back]


def test_what_every_plant_tells_is_worded() -> None:
    for plant in PLANTS.values():
        (there,) = changes(sided(plant.was, "response"), sided(plant.now, "response"))
        assert "None" not in there.message
        assert "  " not in there.message


def test_what_is_closed_says_what_was_and_what_is() -> None:
    a, b = sided(record(), "request"), sided(record(additionalProperties=False), "request")
    assert [(each.was, each.now) for each in (*changes(a, b), *changes(b, a))] == [(True, False), (False, True)]


def test_several_changes_at_one_place_are_told_apart() -> None:
    a, b = sided(text(enum=["a", "b", "c"]), "response"), sided(text(enum=["c", "d", "e"]), "response")
    assert [(each.rule, each.was, each.now) for each in changes(a, b)] == [
        ("enum-value-added", None, "d"),
        ("enum-value-added", None, "e"),
        ("enum-value-withdrawn", "a", None),
        ("enum-value-withdrawn", "b", None),
    ]


def test_where_the_type_is_another_nothing_more_is_told() -> None:
    a = sided(record(properties=A, required=["a"], description="x"), "response")
    assert [each.rule for each in changes(a, sided(text(maxLength=3, description="x"), "response"))] == ["type-changed"]


OF_A_TYPE: dict[str, dict[str, Any]] = {
    "integer": {"minimum": 1, "exclusiveMinimum": 1, "maximum": 9, "exclusiveMaximum": 9, "multipleOf": 2},
    "string": {"minLength": 1, "maxLength": 9, "pattern": "a", "contentSchema": {"type": "null"}},
    "array": {
        "minItems": 1,
        "maxItems": 9,
        "uniqueItems": True,
        "items": text(),
        "prefixItems": [text()],
        "contains": text(),
        "unevaluatedItems": False,
    },
    "object": {
        "minProperties": 1,
        "maxProperties": 9,
        "properties": A,
        "required": ["a"],
        "additionalProperties": False,
        "propertyNames": text(maxLength=3),
        "patternProperties": {"^x": text()},
        "dependentRequired": {"a": ["b"]},
        "dependentSchemas": {"a": {"required": ["b"]}},
        "unevaluatedProperties": False,
    },
}
"""What can be said of the values of one type only."""


@pytest.mark.parametrize(("kind", "keyword"), [(kind, key) for kind, more in OF_A_TYPE.items() for key in more])
def test_what_is_said_of_a_type_goes_with_the_type_and_is_told_with_it(kind: str, keyword: str) -> None:
    a = sided({"type": ["boolean", kind], keyword: OF_A_TYPE[kind][keyword]}, "request")
    b = sided({"type": "boolean"}, "request")
    assert [each.rule for each in changes(a, b)] == ["type-narrowed"]
    assert [each.rule for each in changes(b, a)] == ["type-widened"]


def test_a_field_that_gets_a_name_is_compared_with_what_any_field_could_be() -> None:
    was, now = record(additionalProperties=text()), record(additionalProperties=text(), properties={"a": number()})
    for direction in DIRECTIONS:
        found = changes(sided(was, direction), sided(now, direction))
        assert [(each.rule, each.severity) for each in found] == [
            ("type-changed", "breaking"),
            ("field-added", "harmless"),
        ]
        assert found[0].before is not None
        assert found[0].before.endswith("/additionalProperties/type")
        back = changes(sided(now, direction), sided(was, direction))
        assert {each.cause for each in back} == {mirrored(each) for each in found}
    same = record(additionalProperties=text(), properties={"a": text()})
    assert [each.rule for each in changes(sided(was, "request"), sided(same, "request"))] == ["field-added"]


def test_what_is_unknown_is_no_change() -> None:
    for other in ({"type": "string"}, record(properties=A, required=["a"]), True):
        a, b = (
            sided(record(properties={"x": {"x-unknown": "Weird"}}), "response"),
            sided(record(properties={"x": other}), "response"),
        )
        assert changes(a, b) == changes(b, a) == ()
