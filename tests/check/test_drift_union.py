"""A change of a union is seen once: a member more or less, their order, what tells them apart; not their names."""

from typing import Any

import pytest

from mockserver.check.changes.operations import Description, drift
from mockserver.check.changes.rules import ContractChange, Direction
from mockserver.messages import Json
from tests.drifts import Plant, changes, mirrored, sided, stands

DIRECTIONS: tuple[Direction, ...] = ("request", "response")
REF = "#/components/schemas/"


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["type"], "properties": {"type": {"const": kind}, **more}}


COMPONENTS = {
    "Text": event("text", content={"type": "string"}),
    "Stop": event("stop", turns={"type": "integer"}),
    "Call": event("call", name={"type": "string"}),
    "Words": event("text", content={"type": "string"}),
}
TEXT, STOP, CALL, WORDS = ({"$ref": REF + name} for name in COMPONENTS)
BY_TYPE = {"propertyName": "type"}
MAPPED = {"propertyName": "type", "mapping": {"text": REF + "Text", "stop": REF + "Stop"}}
STRING, INTEGER = {"type": "string"}, {"type": "integer"}

PLANTS: dict[str, Plant] = {
    "a member": Plant({"oneOf": [TEXT, STOP]}, {"oneOf": [TEXT, STOP, CALL]}, "variant-added", "harmless", "risky"),
    "a first member": Plant(
        {"oneOf": [TEXT, STOP]}, {"oneOf": [CALL, TEXT, STOP]}, "variant-added", "harmless", "risky"
    ),
    "a member less": Plant(
        {"oneOf": [TEXT, STOP, CALL]}, {"oneOf": [TEXT, CALL]}, "variant-withdrawn", "breaking", "harmless"
    ),
    "a member with its value": Plant(
        {"oneOf": [TEXT, STOP], "discriminator": MAPPED},
        {
            "oneOf": [TEXT, STOP, CALL],
            "discriminator": {"propertyName": "type", "mapping": {**MAPPED["mapping"], "call": REF + "Call"}},  # type: ignore[dict-item]
        },
        "variant-added",
        "harmless",
        "risky",
    ),
    "a member for one": Plant(TEXT, {"oneOf": [TEXT, STOP]}, "variant-added", "harmless", "risky"),
    "a member for one that is equal to it": Plant(
        {"type": "object", "properties": {"a": STRING}},
        {"anyOf": [{"type": "object", "properties": {"b": STRING}}, {"type": "object", "properties": {"a": STRING}}]},
        "variant-added",
        "harmless",
        "risky",
    ),
    "a member for null": Plant(
        {"type": "null"}, {"anyOf": [{"type": "null"}, {"allOf": [STRING]}]}, "type-widened", "harmless", "breaking"
    ),
    "a member of another type": Plant(
        {"anyOf": [STRING, TEXT]}, {"anyOf": [STRING, TEXT, INTEGER]}, "variant-added", "harmless", "breaking"
    ),
    "a member of another type for one": Plant(
        STRING, {"anyOf": [INTEGER, STRING]}, "variant-added", "harmless", "breaking"
    ),
    "a member for types": Plant(
        {"type": ["string", "integer"]},
        {"anyOf": [STRING, INTEGER, {"type": "boolean"}]},
        "variant-added",
        "harmless",
        "breaking",
    ),
    "null beside members": Plant(
        {"anyOf": [TEXT, STOP]}, {"anyOf": [TEXT, STOP, {"type": "null"}]}, "null-added", "harmless", "breaking"
    ),
    "null beside types": Plant(
        {"type": ["string", "integer"]},
        {"anyOf": [STRING, INTEGER, {"type": "null"}]},
        "null-added",
        "harmless",
        "breaking",
    ),
    "order": Plant({"oneOf": [TEXT, STOP]}, {"oneOf": [STOP, TEXT]}, "variants-reordered", "harmless", "harmless"),
    "oneOf": Plant({"anyOf": [TEXT, STOP]}, {"oneOf": [TEXT, STOP]}, "union-exclusive", "risky", "harmless"),
    "anyOf": Plant({"oneOf": [TEXT, STOP]}, {"anyOf": [TEXT, STOP]}, "union-inclusive", "harmless", "risky"),
    "a union beside a type": Plant(
        {"type": "string", "minLength": 1},
        {"type": "string", "minLength": 1, "anyOf": [{"pattern": "a"}, {"pattern": "b"}]},
        "union-added",
        "breaking",
        "harmless",
    ),
    "a union less": Plant(
        {"allOf": [{"anyOf": [TEXT, STOP]}, {"anyOf": [TEXT, CALL]}]},
        {"allOf": [{"anyOf": [TEXT, STOP]}]},
        "union-withdrawn",
        "harmless",
        "risky",
    ),
    "discriminator": Plant(
        {"oneOf": [TEXT, STOP]},
        {"oneOf": [TEXT, STOP], "discriminator": BY_TYPE},
        "discriminator-added",
        "harmless",
        "harmless",
    ),
    "discriminator, gone": Plant(
        {"oneOf": [TEXT, STOP], "discriminator": MAPPED},
        {"oneOf": [TEXT, STOP]},
        "discriminator-withdrawn",
        "risky",
        "risky",
    ),
    "discriminator, another": Plant(
        {"oneOf": [TEXT, STOP], "discriminator": BY_TYPE},
        {"oneOf": [TEXT, STOP], "discriminator": {"propertyName": "kind"}},
        "discriminator-changed",
        "breaking",
        "breaking",
    ),
    "a value of the mapping": Plant(
        {"oneOf": [TEXT, STOP], "discriminator": MAPPED},
        {
            "oneOf": [TEXT, STOP],
            "discriminator": {"propertyName": "type", "mapping": {**MAPPED["mapping"], "end": "Stop"}},  # type: ignore[dict-item]
        },
        "discriminator-value-added",
        "harmless",
        "risky",
    ),
    "a value of the mapping less": Plant(
        {"oneOf": [TEXT, STOP], "discriminator": MAPPED},
        {"oneOf": [TEXT, STOP], "discriminator": {"propertyName": "type", "mapping": {"stop": REF + "Stop"}}},
        "discriminator-value-withdrawn",
        "breaking",
        "harmless",
    ),
    "a field of a member": Plant(
        {"oneOf": [event("a", x=STRING), event("b")]},
        {"oneOf": [event("b"), event("a", x=INTEGER)][::-1]},
        "type-changed",
        "breaking",
        "breaking",
    ),
    "a field of a member without a name or a value": Plant(
        {"anyOf": [STRING, {"type": "object", "properties": {"a": STRING}}]},
        {"anyOf": [STRING, {"type": "object", "properties": {"a": INTEGER}}]},
        "type-changed",
        "breaking",
        "breaking",
    ),
}


@pytest.mark.parametrize("name", PLANTS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_change_is_seen_once_there_and_back(name: str, direction: Direction) -> None:
    plant = PLANTS[name]
    a, b = sided(plant.was, direction, COMPONENTS), sided(plant.now, direction, COMPONENTS)
    (there,) = changes(a, b)
    assert (there.rule, there.severity) == (plant.rule, plant.severity(direction))
    assert stands(there, a, b)
    (back,) = changes(b, a)
    assert back.cause == mirrored(there)


SAME: dict[str, tuple[Json, Json]] = {
    "a member of another name": ({"oneOf": [TEXT, STOP]}, {"oneOf": [WORDS, STOP]}),
    "a member inline": ({"oneOf": [TEXT, STOP]}, {"oneOf": [COMPONENTS["Text"], STOP]}),
    "a mapping to another name": (
        {"oneOf": [TEXT, STOP], "discriminator": MAPPED},
        {
            "oneOf": [WORDS, STOP],
            "discriminator": {"propertyName": "type", "mapping": {"text": "Words", "stop": "Stop"}},
        },
    ),
    "types as members": ({"type": ["string", "integer"]}, {"anyOf": [INTEGER, STRING]}),
    "types and null as members": (
        {"type": ["string", "integer", "null"]},
        {"anyOf": [{"type": "null"}, STRING, INTEGER]},
    ),
    "number and another": ({"type": ["string", "number"]}, {"anyOf": [{"type": "number"}, STRING]}),
    "a union of one": ({"oneOf": [TEXT]}, TEXT),
    "a union of unions of one": (
        {"anyOf": [{"oneOf": [TEXT, STOP]}, {"type": "null"}]},
        {"oneOf": [TEXT, STOP, {"type": "null"}]},
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_what_says_the_same_is_no_change(name: str) -> None:
    for direction in DIRECTIONS:
        a, b = (sided(each, direction, COMPONENTS) for each in SAME[name])
        assert changes(a, b) == changes(b, a) == ()


def test_members_are_told_apart_by_their_value_and_not_by_their_place() -> None:
    a = sided({"anyOf": [event("a"), event("b")]}, "response")
    b = sided({"anyOf": [event("b"), event("c")]}, "response")
    assert [(each.rule, each.message.partition(";")[0]) for each in changes(a, b)] == [
        ("variant-added", "the member c is new"),
        ("variant-withdrawn", "the member a is gone"),
    ]


def test_members_for_null_are_of_types_that_readers_do_not_know() -> None:
    a, b = sided({"type": "null"}, "response"), sided({"anyOf": [STRING, INTEGER, {"type": "null"}]}, "response")
    assert [(each.rule, each.severity) for each in changes(a, b)] == [("variant-added", "breaking")] * 2
    assert {each.rule for each in changes(b, a)} == {"variant-withdrawn"}


def test_a_value_that_names_another_member_breaks() -> None:
    swapped = {"propertyName": "type", "mapping": {"text": REF + "Stop", "stop": REF + "Text"}}
    free = {"Text": {"type": "object", "title": "a"}, "Stop": {"type": "object", "minProperties": 1}}
    a, b = (sided({"oneOf": [TEXT, STOP], "discriminator": each}, "response", free) for each in (MAPPED, swapped))
    assert {(each.rule, each.severity) for each in changes(a, b)} >= {("discriminator-changed", "breaking")}


def clients(first: list[Json], then: list[Json], direction: Direction) -> tuple[ContractChange, ...]:
    """Compare two releases of a client that differ in the order of a union."""
    a, b = (sided({"anyOf": members}, direction, COMPONENTS) for members in (first, then))
    calls = {"chat.make": a["paths"]["/things"]["post"]}
    for made in (a, b):
        operation = made["paths"]["/things"]["post"]
        operation["x-calls"] = {name: {**operation} for name in calls}
    return drift(Description("A", a, is_client=True), Description("B", b, is_client=True)).changes


def test_of_a_client_another_first_member_is_risky_since_an_unknown_kind_is_read_as_the_first() -> None:
    (there,) = clients([TEXT, STOP, CALL], [STOP, TEXT, CALL], "response")
    assert (there.rule, there.severity) == ("variants-reordered", "risky")
    assert "stop first and no longer text" in there.message
    (later,) = clients([TEXT, STOP, CALL], [TEXT, CALL, STOP], "response")
    assert (later.rule, later.severity) == ("variants-reordered", "harmless")
    (sent,) = clients([TEXT, STOP, CALL], [STOP, TEXT, CALL], "request")
    assert sent.severity == "harmless"


def fields(*needed: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": dict.fromkeys("abc", STRING), "required": [*needed], **more}


LETTERS, OTHERS = {"enum": ["x", "y"]}, {"enum": ["y", "z"]}

OVERLAPS: dict[str, tuple[Json, Json]] = {
    "members for a record": (fields("a", "b"), {"oneOf": [fields("a"), fields("b")]}),
    "integer beside number": ({"type": "number"}, {"oneOf": [{"type": "number"}, INTEGER]}),
    "a value of the text": ({"oneOf": [STRING, INTEGER]}, {"oneOf": [STRING, INTEGER, {"enum": ["x"]}]}),
    "enums that share a value": ({"anyOf": [LETTERS, OTHERS]}, {"oneOf": [LETTERS, OTHERS]}),
    "an enum that grows": ({"oneOf": [LETTERS, {"const": "z"}]}, {"oneOf": [LETTERS, OTHERS]}),
    "a field that may be missing": ({"oneOf": [fields("a"), INTEGER]}, {"oneOf": [fields(), fields("b"), INTEGER]}),
    "true beside a text": (STRING, {"oneOf": [True, STRING]}),
    "true twice": (INTEGER, {"oneOf": [True, {}]}),
    "the same member twice": (STRING, {"oneOf": [STRING, STRING]}),
    "limits that touch": (
        {"type": "integer", "minimum": 0, "maximum": 9},
        {"oneOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 5}]},
    ),
    "under allOf": (
        {"allOf": [fields(), {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}]},
        {"allOf": [fields(), {"oneOf": [{"required": ["a"]}, {"required": ["b"]}, {"required": ["c"]}]}]},
    ),
    "beside fields": (
        fields(anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
        fields(oneOf=[{"required": ["a"]}, {"required": ["b"]}]),
    ),
    "a tag that may be missing": (
        {"oneOf": [TEXT, INTEGER]},
        {"oneOf": [TEXT, INTEGER, {"type": "object", "properties": {"type": {"const": "text"}}}]},
    ),
    "null in two members": (
        {"type": ["string", "null"]},
        {"oneOf": [{"type": ["string", "null"]}, {"type": "null"}]},
    ),
    "null in three members": (
        {"anyOf": [STRING, INTEGER, {"type": "null"}]},
        {"oneOf": [{"type": ["string", "null"]}, {"type": ["integer", "null"]}]},
    ),
}
"""A schema, and a oneOf that refuses what was right since it satisfies two members."""


@pytest.mark.parametrize("name", OVERLAPS)
def test_a_one_of_that_refuses_what_was_right_breaks_requests(name: str) -> None:
    was, now = OVERLAPS[name]
    a, b = (sided(each, "request", COMPONENTS) for each in (was, now))
    rule = "null-withdrawn" if name.startswith("null") else "union-exclusive"
    assert (rule, "breaking") in {(each.rule, each.severity) for each in changes(a, b)}
    assert {each.cause for each in changes(b, a)} == {mirrored(each) for each in changes(a, b)}
    sent, back = (sided(each, "response", COMPONENTS) for each in (was, now))
    assert {each.severity for each in changes(sent, back) if each.rule == rule} == {"harmless"}


EXCLUDED: dict[str, tuple[Json, Json]] = {
    "another tag": ({"oneOf": [TEXT, STOP]}, {"oneOf": [TEXT, STOP, CALL]}),
    "another type": ({"oneOf": [STRING, TEXT]}, {"oneOf": [STRING, TEXT, {"type": "boolean"}]}),
    "limits apart": (INTEGER, {"oneOf": [{"type": "integer", "maximum": 4}, {"type": "integer", "minimum": 5}]}),
    "no other fields": (
        {"oneOf": [fields("a", additionalProperties=False), INTEGER]},
        {"oneOf": [fields("a", additionalProperties=False), INTEGER, event("text", d=STRING)]},
    ),
    "a member that is never right": (STRING, {"oneOf": [STRING, False]}),
    "members that leave less room": (
        {"oneOf": [fields("a"), fields("b", minProperties=1)]},
        {"oneOf": [fields("a"), fields("b", minProperties=2)]},
    ),
    "tags by the mapping": (
        {"oneOf": [{"$ref": REF + "Loose"}, STOP], "discriminator": {"propertyName": "type"}},
        {
            "oneOf": [{"$ref": REF + "Loose"}, STOP, {"$ref": REF + "Free"}],
            "discriminator": {
                "propertyName": "type",
                "mapping": {"loose": REF + "Loose", "free": REF + "Free", "stop": REF + "Stop"},
            },
        },
    ),
}


@pytest.mark.parametrize("name", EXCLUDED)
def test_members_that_exclude_each_other_refuse_nothing_more(name: str) -> None:
    loose = {"type": "object", "required": ["type"], "properties": {"type": STRING}}
    components = {**COMPONENTS, "Loose": loose, "Free": {**loose, "title": "other"}}
    a, b = (sided(each, "request", components) for each in EXCLUDED[name])
    assert "union-exclusive" not in {each.rule for each in changes(a, b)}


def test_a_one_of_that_may_refuse_what_was_right_is_risky() -> None:
    members = [{"type": "string", "pattern": "^(ab)+$"}, {"type": "string", "pattern": "^(ba)+$"}]
    a, b = sided(members[0], "request"), sided({"oneOf": members}, "request")
    assert ("union-exclusive", "risky") in {(each.rule, each.severity) for each in changes(a, b)}


def test_a_value_that_is_refused_stands_in_the_sentence() -> None:
    a, b = (sided(each, "request") for each in OVERLAPS["enums that share a value"])
    (there,) = changes(a, b)
    assert there.message.partition(";")[0] == 'anyOf became oneOf: "y" satisfies two members'


def test_members_without_a_type_are_compared_and_not_told_as_gone() -> None:
    def made(most: int) -> Json:
        texts = {"type": "string", "maxLength": most}
        members = [{"required": ["a"], "properties": {"a": texts}}, {"required": ["b"], "properties": {"b": STRING}}]
        return {"type": "object", "anyOf": members}

    for direction in DIRECTIONS:
        (there,) = changes(sided(made(5), direction), sided(made(6), direction))
        assert there.rule == "limit-loosened"
    typed = {"type": "object", "anyOf": [{"type": "object", **each} for each in made(5)["anyOf"]]}
    assert changes(sided(made(5), "request"), sided(typed, "request")) == ()


def test_unions_that_refer_to_themselves_come_to_an_end() -> None:
    tree = {"anyOf": [STRING, {"type": "array", "items": {"$ref": REF + "Tree"}}, {"$ref": REF + "Leaf"}]}
    other = {"anyOf": [STRING, {"type": "array", "items": {"$ref": REF + "Baum"}}, {"$ref": REF + "Leaf"}]}
    a = sided({"$ref": REF + "Tree"}, "response", {"Tree": tree, "Leaf": event("leaf", it={"$ref": REF + "Tree"})})
    b = sided({"$ref": REF + "Baum"}, "response", {"Baum": other, "Leaf": event("leaf", it={"$ref": REF + "Baum"})})
    assert changes(a, b) == ()
    b["components"]["schemas"]["Leaf"]["properties"]["it"] = STRING
    found = [(each.rule, each.where, each.before) for each in changes(a, b)]
    assert found == [
        ("variant-withdrawn", "/response/200/body/*/it", "/components/schemas/Tree/anyOf/1"),
        ("variant-withdrawn", "/response/200/body/*/it", "/components/schemas/Tree/anyOf/2"),
    ]
    loop = sided({"$ref": REF + "Loop"}, "response", {"Loop": {"anyOf": [{"$ref": REF + "Loop"}, STRING, INTEGER]}})
    assert changes(loop, loop) == ()
