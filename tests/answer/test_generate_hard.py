"""A schema that some value satisfies gets one, whatever its keywords; of one that none satisfies, that is proven."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockserver.answer.generate import generate, maker
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Json
from tests.strategies import Judge

IT = "#/components/schemas/It"


def schema_of(node: Json, **components: Json) -> Schema:
    return Schema({"components": {"schemas": {"It": node, **components}}}, "/components/schemas/It", "own")


def many(schema: Schema, count: int = 25) -> list[Any]:
    return [generate(schema, Random(seed)) for seed in range(count)]


def text(**more: Json) -> Json:
    return {"type": "string", **more}


def fields(**more: Json) -> Json:
    return {"type": "object", "properties": more, "required": list(more)}


HARD: dict[str, Json] = {
    "pattern": text(pattern="^[0-9]{17,20}$"),
    "pattern without anchors": text(pattern="[A-Z]{2}"),
    "pattern of a password": text(pattern=r"^(?=.*\d)(?=.*[a-z])(?=.*[A-Z])(?=.*[!@#$]).{8,}$"),
    "pattern with a negative look-ahead": text(pattern="^(?!.*--)[a-z-]+$", minLength=5, maxLength=8),
    "pattern with properties": text(pattern=r"^\p{Lu}\p{L}+$"),
    "pattern with a back-reference": text(pattern=r"^(\w)-\1$"),
    "pattern of a length": text(pattern="^[a-z]+(-[a-z]+)*$", minLength=20, maxLength=22),
    "pattern of a great length": text(pattern="^[a-z]+$", minLength=3000, maxLength=3010),
    "pattern with escapes": text(pattern=r"^\$\{[\w.]+\}\u0041\x42\t?$"),
    "patterns under allOf": {"allOf": [text(pattern="^a"), {"pattern": "b$"}, {"minLength": 9}]},
    "pattern and format": text(format="email", pattern=r"@example\.org$"),
    "length of a format": text(format="email", maxLength=10),
    "format with a least length": text(format="uri", minLength=80),
    "exact decimals": {"type": "number", "multipleOf": 0.01},
    "two steps": {"allOf": [{"type": "number", "multipleOf": 0.3}, {"multipleOf": 0.5}], "minimum": 4},
    "steps with a common part": {
        "allOf": [{"type": "integer", "multipleOf": 4}, {"multipleOf": 6}],
        "maximum": 20,
        "minimum": 1,
    },
    "step in a range": {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 62},
    "narrow range": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.0000001},
    "large integer": {"type": "integer", "minimum": 9007199254740993},
    "if and then": {
        **fields(kind={"enum": ["a", "b"]}),
        "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "integer"}},
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["x"]},
    },
    "if and else": {
        "type": "integer",
        "if": {"minimum": 50},
        "then": {"multipleOf": 10},
        "else": {"multipleOf": 3},
        "minimum": 0,
    },
    "dependentRequired": {
        **fields(a={"type": "integer"}),
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "dependentRequired": {"a": ["b"], "b": ["c"]},
    },
    "dependentSchemas": {
        **fields(card={"type": "integer"}),
        "dependentSchemas": {"card": {"required": ["address"], "properties": {"address": text(minLength=3)}}},
    },
    "dependentSchemas that forbid": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "dependentSchemas": {"a": False},
    },
    "contains": {"type": "array", "contains": {"const": 7}},
    "contains many": {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 200}, "minContains": 3},
    "contains few": {"type": "array", "contains": {"const": 7}, "maxContains": 1, "minItems": 4},
    "contains among the first": {"type": "array", "prefixItems": [{}], "items": False, "contains": {"const": 7}},
    "not a value": text(**{"not": {"const": ""}}),
    "not both": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "not": {"required": ["a", "b"]},
    },
    "not a type": {"not": {"type": ["string", "object"]}},
    "unevaluatedProperties": {
        "allOf": [fields(a={"type": "integer"}), fields(b=text())],
        "unevaluatedProperties": False,
    },
    "unevaluatedItems": {"type": "array", "prefixItems": [{"const": 1}], "unevaluatedItems": False, "minItems": 1},
    "propertyNames": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z]{3}$"},
        "additionalProperties": {"type": "integer"},
        "minProperties": 2,
    },
    "patternProperties": {
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^x-": text()},
        "additionalProperties": False,
    },
    "many properties": {"type": "object", "additionalProperties": {"type": "boolean"}, "minProperties": 40},
    "few properties": {"type": "object", "properties": {name: {} for name in "abcdef"}, "maxProperties": 2},
    "overlapping oneOf": {
        "oneOf": [fields(a=text()), {"type": "object", "properties": {"a": text(), "b": text()}}],
    },
    "oneOf of ranges": {"type": "integer", "oneOf": [{"minimum": 10}, {"maximum": 90}]},
    "uniqueItems of few": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
    "uniqueItems of truths": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2},
    "enum under allOf": {"allOf": [{"enum": [1, 2, 3, "a"]}, {"enum": [3, 4, "a"]}, {"type": "integer"}]},
    "const under an enum": {"enum": ["a", "b"], "allOf": [{"const": "b"}]},
    "enum with limits": {"enum": [1, 5, 10], "minimum": 4},
    "no types": {"minLength": 3, "minimum": 4, "required": ["x"]},
    "false branches": {"anyOf": [False, {"type": "integer"}, False]},
    "contains nothing": {"contains": False},
    "reference with siblings": {"$ref": "#/components/schemas/Base", "required": ["b"], "maxProperties": 2},
    "required and undescribed": {"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}},
    "nested unions": {
        "oneOf": [{"anyOf": [text(), {"type": "integer"}]}, {"oneOf": [{"type": "array"}, {"type": "null"}]}]
    },
    "a long list": {"type": "array", "items": {"type": "integer"}, "minItems": 3000},
}
BASE = fields(a={"type": "integer"})


@pytest.mark.parametrize("name", HARD)
def test_a_hard_schema_gets_values_that_an_independent_judge_accepts(name: str) -> None:
    schema = schema_of(HARD[name], Base=BASE)
    judge = Judge(schema.document)
    for value in many(schema):
        assert schema.is_valid(value), value
        if name not in UNLIKE:
            assert judge.errors(schema.pointer, value) == [], value


UNLIKE = ("pattern with properties", "exact decimals", "two steps")
"""What jsonschema judges by Python's expressions and by floating point, in which 67.71 is no multiple of 0.01."""


@pytest.mark.parametrize(("step", "name"), [("0.01", "exact decimals"), ("1.5", "two steps")])
def test_steps_are_kept_exactly(step: str, name: str) -> None:
    assert all(Fraction(repr(value)) % Fraction(step) == 0 for value in many(schema_of(HARD[name])))


CERTAIN = (
    "step in a range",
    "steps with a common part",
    "contains among the first",
    "const under an enum",
    "enum under allOf",
    "unevaluatedItems",
    "no types",
    "contains nothing",
)
"""The schemas of which one value is made."""


@pytest.mark.parametrize("name", sorted(HARD.keys() - set(CERTAIN)))
def test_the_values_of_a_hard_schema_differ_where_they_may(name: str) -> None:
    assert len({repr(value) for value in many(schema_of(HARD[name], Base=BASE))}) > 1


NEVER: dict[str, tuple[Json, str]] = {
    "false": (False, "it allows nothing"),
    "an empty union": ({"anyOf": [False, False]}, "it allows nothing"),
    "no common type": ({"allOf": [text(), {"type": "integer"}]}, "no type is left"),
    "an empty range": ({"type": "integer", "minimum": 5, "maximum": 4}, "no number is within its limits"),
    "an empty open range": ({"type": "number", "exclusiveMinimum": 1, "maximum": 1}, "no number is within its limits"),
    "no multiple": ({"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 55}, "no number is within"),
    "no whole number": ({"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 5}, "no number is within"),
    "an excluded whole number": ({"type": "integer", "minimum": 5, "exclusiveMaximum": 5}, "no number is within"),
    "an empty length": (text(minLength=3, maxLength=2), "no text is so long and so short"),
    "no common value": ({"allOf": [{"enum": [1, 2]}, {"const": 3}]}, "none of the values that it lists"),
    "a required field that cannot be": (
        {"type": "object", "required": ["a"], "properties": {"a": False}},
        "it allows nothing",
    ),
    "an endless schema": (fields(child={"$ref": IT}), "the schema has no end"),
    "the same twice": ({"oneOf": [text(title="One"), text(title="Two")]}, "no member of its union"),
}


@pytest.mark.parametrize("name", NEVER)
def test_of_a_schema_that_nothing_satisfies_that_is_proven(name: str) -> None:
    node, why = NEVER[name]
    with pytest.raises(ContractError) as caught:
        generate(schema_of(node), Random(0))
    assert caught.value.what == "no value can be made"
    assert caught.value.why.startswith("no value satisfies it: " + why)
    assert caught.value.where.startswith(IT)


def test_of_a_schema_for_which_no_value_is_found_nothing_more_is_claimed() -> None:
    hidden = text(pattern="^[a-z]{8}$", **{"not": {"pattern": "[a-y]"}})  # zzzzzzzz alone
    with pytest.raises(ContractError) as caught:
        generate(schema_of(fields(a=hidden)), Random(0))
    assert (caught.value.why, caught.value.fix) == ("none was found", "give the answer an example")
    assert caught.value.where == IT + "/properties/a"


def test_a_field_for_which_no_value_is_found_is_left_out_where_it_may_be() -> None:
    node = {"type": "object", "properties": {"a": {"type": "integer"}, "b": text(minLength=2, maxLength=1)}}
    assert [set(value) for value in many(schema_of(node), 3)] == [{"a"}] * 3


# -- recursion and size ------------------------------------------------------------------------------------------------


def levels(value: Json) -> int:
    if isinstance(value, dict):
        return 1 + max(map(levels, value.values()), default=0)
    return 1 + max(map(levels, value), default=0) if isinstance(value, list) else 0


RECURSIVE: dict[str, Json] = {
    "a tree": fields(name=text(), children={"type": "array", "items": {"$ref": IT}}),
    "a list": {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"$ref": IT}}},
    "a nullable list": fields(next={"anyOf": [{"$ref": IT}, {"type": "null"}]}),
    "a wide tree": {"type": "object", "properties": {f"f{at}": {"$ref": IT} for at in range(30)}},
    "an expression": {
        "oneOf": [fields(left={"$ref": IT}, op={"const": "+"}, right={"$ref": IT}), fields(number={"type": "number"})]
    },
    "a map of itself": {"type": "object", "additionalProperties": {"$ref": IT}},
    "a union of itself": {"anyOf": [{"$ref": IT}, text(), {"type": "array", "items": {"$ref": IT}}]},
    "through another": fields(other={"type": "array", "items": {"$ref": "#/components/schemas/Other"}}),
}


@pytest.mark.parametrize("name", RECURSIVE)
def test_recursion_goes_on_for_some_levels_and_ends(name: str) -> None:
    schema = schema_of(RECURSIVE[name], Other={"type": "object", "properties": {"back": {"$ref": IT}}})
    depths = [levels(value) for value in many(schema, 10)]
    assert all(schema.is_valid(value) for value in many(schema, 10))
    assert 2 <= max(depths) <= 20
    assert max(len(repr(value)) for value in many(schema, 10)) < 200_000


def test_fields_that_recurse_are_left_out_only_where_recursion_ends() -> None:
    node = fields(name=text(), size={"type": "integer"}, child={"$ref": "#/components/schemas/Child"})
    value = generate(
        schema_of(node, Child={"type": "object", "properties": {"name": text(), "it": {"$ref": IT}}}), Random(0)
    )
    while "it" in value["child"]:
        value = value["child"]["it"]
        assert value.keys() == {"name", "size", "child"}
    assert "name" in value["child"]


@pytest.mark.parametrize("size", [9_999, 2**31])
def test_a_value_that_would_be_too_large_is_refused_at_once(size: int) -> None:
    node: Json = {"type": "integer"}
    for _ in range(5):
        node = {"type": "array", "items": node, "minItems": size}
    with pytest.raises(ContractError, match="more than 20000 parts"):
        generate(schema_of(node), Random(0))


def test_optional_lists_that_would_be_too_large_are_left_out_or_short() -> None:
    node = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array", "maxItems": 10**9}}}
    assert all(len(value["b"]) <= 3 for value in many(schema_of(node), 5))


# -- laws --------------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "kind", "x-y"])
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.sampled_from([0.5, 2.25, "", "a", "foo", "a1", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def _schemas(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    lists = st.lists(inner, min_size=1, max_size=3)
    keywords: dict[str, st.SearchStrategy[Json]] = {
        "type": st.sampled_from(["string", "integer", "number", "object", "array", ["string", "null"]]),
        "enum": st.lists(VALUES, min_size=1, max_size=4),
        "const": VALUES,
        "properties": st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        "required": st.lists(NAMES, unique=True, max_size=2),
        "additionalProperties": inner | st.just(False),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "^x-", "d$"]), inner, max_size=1),
        "propertyNames": inner,
        "minProperties": st.integers(0, 3),
        "maxProperties": st.integers(1, 3),
        "items": inner,
        "prefixItems": lists,
        "contains": inner,
        "minItems": st.integers(0, 3),
        "maxItems": st.integers(1, 4),
        "uniqueItems": st.booleans(),
        "minLength": st.integers(0, 4),
        "maxLength": st.integers(1, 6),
        "pattern": st.sampled_from(["^a", "b$", "^[a-z]+$", "[0-9]", "^(?!foo)", "^.{2,5}$"]),
        "minimum": st.integers(-5, 5),
        "exclusiveMaximum": st.integers(0, 50),
        "multipleOf": st.sampled_from([2, 3, 0.5, 0.1]),
        "anyOf": lists,
        "oneOf": lists,
        "allOf": lists,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=2), max_size=1),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=1),
        "unevaluatedProperties": inner | st.just(False),
    }
    chosen = st.lists(st.sampled_from(sorted(keywords)), unique=True, min_size=1, max_size=3)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


SCHEMAS = st.recursive(st.booleans() | st.just({"$ref": IT}) | st.just({"type": "string"}), _schemas, max_leaves=8)


@given(_schemas(SCHEMAS), st.integers(0, 9), st.lists(VALUES, max_size=30))
def test_what_is_made_of_any_schema_is_valid_and_what_is_proven_impossible_is(
    node: Json, seed: int, others: list[Json]
) -> None:
    schema = schema_of(node)
    try:
        value = generate(schema, Random(seed))
    except ContractError as error:
        assume("leads to itself" not in error.what)
        proven = error.why.startswith("no value satisfies it")
    else:
        proven = False
        assert schema.is_valid(value)
        assert generate(schema, Random(seed)) == value
    assert not proven or not any(map(schema.is_valid, others))


FIELDS: list[Json] = [
    text(),
    {"type": "integer"},
    text(enum=["x", "y"]),
    {"const": "x"},
    {"type": ["string", "null"]},
    {"type": "array", "items": text()},
    fields(d=text()),
    {},
]
LIMITS: list[Json] = [
    {},
    {},
    {"additionalProperties": False},
    {"additionalProperties": text()},
    {"maxProperties": 2},
    {"minProperties": 2},
    {"propertyNames": {"pattern": "^[a-z]$"}},
    {"not": {"required": ["a"]}},
]


def member(rng: Random) -> Json:
    """Return an object of a union: open, and much like the others."""
    properties = {name: rng.choice(FIELDS) for name in rng.sample("abc", rng.randint(0, 3))}
    needed = [name for name in "abc" if rng.random() < 0.25]
    return {"type": "object", "properties": properties, "required": needed, **rng.choice(LIMITS)}


def is_satisfiable(schema: Schema) -> bool:
    """Return whether one of many small objects satisfies a schema."""
    values = ["x", "z", 1, None, ["x"], [1], {}, {"d": "x"}]
    more: list[Json] = [{}, {"zz": "s"}, {"zz": 1}, {"z1": 1, "z2": 1, "z3": 1}]
    parts = [[{}, *({name: value} for value in values)] for name in "abc"]
    return any(schema.is_valid(a | b | c | d) for a in parts[0] for b in parts[1] for c in parts[2] for d in more)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_of_members_that_are_much_alike_one_alone_is_met(first: int) -> None:
    missed = []
    for seed in range(first, first + 50):
        rng = Random(seed)
        members = [member(rng) for _ in range(rng.randint(2, 4))]
        union = {"oneOf": [{"$ref": f"#/components/schemas/M{at}"} for at in range(len(members))]}
        schema = schema_of(union, **{f"M{at}": each for at, each in enumerate(members)})
        try:
            made = many(schema, 3)
        except ContractError:
            if is_satisfiable(schema):
                missed.append((seed, members))
        else:
            assert all(map(schema.is_valid, made))
    assert missed == []


def test_a_field_that_cannot_be_made_does_not_count_towards_the_least_size() -> None:
    node = {**fields(b=text()), "minProperties": 3}
    node["properties"] |= {"a": {"allOf": [text(), {"type": "number"}]}, "c": text()}
    assert all(len(value) >= 3 and "a" not in value for value in many(schema_of(node)))


def test_a_compiled_schema_is_not_walked_again() -> None:
    node = fields(**{f"field{at}": {"type": "integer"} for at in range(300)})
    schema = schema_of(node)
    make = maker(schema)
    assert maker(schema) is make
    node["properties"].clear()  # whoever walked the schema again would see it
    assert len(make(Random(1))) == 300


def test_threads_may_compile_the_same_schema_at_once() -> None:
    for _ in range(5):
        schema = schema_of(RECURSIVE["an expression"] | {"title": "fresh"})
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(generate, [schema] * 16, map(Random, [0, 1] * 8)))
        assert all(map(schema.is_valid, made))


TIME = {"type": "string", "format": "date-time"}


def test_a_member_is_not_shut_out_by_a_format_alone() -> None:
    """A reader to whom formats are notes must see one member hold, not two."""
    timed = {"properties": {"at": TIME}, "required": ["at"]}
    plain = {"properties": {"at": {"type": "string"}, "name": {"enum": ["a"]}}}
    schema = schema_of({"type": "object", "properties": {"at": {"type": "string"}}, "oneOf": [timed, plain]})
    for seed in range(60):
        value = generate(schema, Random(seed))
        holds = [isinstance(value.get("at"), str), "name" not in value or value["name"] == "a"]
        assert holds.count(True) == 1, value


def test_where_only_a_format_tells_members_apart_it_does() -> None:
    schema = schema_of({"oneOf": [TIME, {"type": "string"}]})
    assert schema.is_valid(generate(schema, Random(0)))
