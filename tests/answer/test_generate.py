"""What is made up satisfies its schema and reads like the real thing."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.answer.generate import NO_HINTS, generate
from mockserver.api import Hints
from mockserver.apis.llamacloud_chat.pack import HINTS, VERSIONS
from mockserver.apis.llamacloud_chat.turns import identifier
from mockserver.clock import timestamp
from mockserver.contract.openapi import Media
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Json
from tests.strategies import Judge, component_schemas, contract_of, every_media, judge, places_of, seeds

EVERY = {
    f"{version} {schema.pointer.rpartition('/')[2]}": schema
    for version in VERSIONS
    for schema in component_schemas(version)
}
ANSWERS = {
    f"{place.version} {place.media.schema.pointer}": (place.version, place.media)
    for place in every_media()
    if place.media.schema
}


def named(version: str, name: str) -> Schema:
    return Schema(contract_of(version).document, f"/components/schemas/{name}", version)


def many(schema: Schema, count: int = 300) -> list[Any]:
    return [generate(schema, Random(seed)) for seed in range(count)]


def schema_of(node: Json, **components: Json) -> Schema:
    document = {"components": {"schemas": {"It": node, **components}}}
    return Schema(document, "/components/schemas/It", "own")


def check(schema: Schema, value: Json) -> None:
    assert Judge(schema.document).errors(schema.pointer, value) == [], value


DEEPEST = 18

hinted = st.sampled_from([NO_HINTS, HINTS])


# -- the law ---------------------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(ANSWERS)), seeds, hinted)
def test_what_is_generated_for_an_answer_satisfies_its_schema(name: str, seed: int, hints: Hints) -> None:
    version, media = ANSWERS[name]
    assert errors_of(version, media, seed, hints) == []


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_many_seeds_satisfy_the_schema_of_every_answer(name: str) -> None:
    version, media = ANSWERS[name]
    for seed in range(25):
        assert errors_of(version, media, seed, HINTS) == []


def errors_of(version: str, media: Media, seed: int, hints: Hints) -> list[str]:
    schema = media.item_schema or media.schema
    assert schema is not None
    return judge(version).errors(schema.pointer, generate(schema, Random(seed), hints=hints))


@given(st.sampled_from(sorted(EVERY)), seeds, hinted)
def test_every_named_schema_can_be_generated(name: str, seed: int, hints: Hints) -> None:
    schema = EVERY[name]
    assert judge(schema.name).errors(schema.pointer, generate(schema, Random(seed), hints=hints)) == []


@given(st.sampled_from(sorted(EVERY)), seeds, hinted)
def test_the_same_chance_makes_the_same_value(name: str, seed: int, hints: Hints) -> None:
    made = [generate(EVERY[name], Random(seed), hints=hints) for _ in range(2)]
    assert made[0] == made[1]


limits = st.integers(0, 4)
leaves = st.one_of(
    st.just({}),
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.just({"const": [1, {"a": None}]}),
    st.just({"enum": ["a", 1, None]}),
    st.sampled_from(["uuid", "date-time", "date", "time", "email", "ipv4", "ipv6"]).map(
        lambda form: {"type": "string", "format": form}
    ),
    st.tuples(limits, limits).map(lambda two: {"type": "string", "minLength": min(two), "maxLength": max(two)}),
    st.tuples(st.integers(-500, 500), limits).map(
        lambda two: {"type": "integer", "minimum": two[0], "maximum": two[0] + two[1]}
    ),
    st.tuples(st.integers(-500, 500), st.integers(2, 5)).map(
        lambda two: {"type": "integer", "exclusiveMinimum": two[0], "exclusiveMaximum": two[0] + two[1]}
    ),
    st.integers(-500, 500).map(lambda low: {"type": "integer", "minimum": low}),
    st.integers(-500, 500).map(lambda high: {"type": "integer", "maximum": high}),
    st.integers(1, 60).map(lambda step: {"type": "integer", "multipleOf": step}),
    st.just({"type": ["string", "null"]}),
)
drawn_schemas: st.SearchStrategy[Json] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, limits, limits).map(
            lambda three: {"type": "array", "items": three[0], "minItems": min(three[1:]), "maxItems": max(three[1:])}
        ),
        st.tuples(st.dictionaries(st.sampled_from(["id", "title", "name", "is_error"]), inner), st.booleans()).map(
            lambda two: {"type": "object", "properties": two[0], "required": list(two[0]) if two[1] else []}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
    ),
    max_leaves=6,
)


@given(drawn_schemas, seeds, hinted)
@example({"type": "integer", "minimum": 150}, 0, HINTS)
@example({"type": "integer", "maximum": -5}, 0, HINTS)
@example({"type": "string", "minLength": 200}, 0, HINTS)
@example({"type": "string", "maxLength": 0}, 0, HINTS)
@example({"type": "array", "items": {"type": "integer"}, "minItems": 30}, 0, HINTS)
def test_schemas_of_ones_own_are_satisfied(node: Json, seed: int, hints: Hints) -> None:
    schema = schema_of(node)
    check(schema, generate(schema, Random(seed), hints=hints))


@pytest.mark.parametrize(
    "node",
    [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "number", "minimum": 0.25, "maximum": 0.5},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "exclusiveMinimum": 0.5, "maximum": 1},
        {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
        {"type": "number", "multipleOf": 0.5, "minimum": 1, "maximum": 3},
        {"type": "integer", "multipleOf": 7, "minimum": 8, "maximum": 20},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 2},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "maxItems": 1},
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        {"allOf": [{"type": "integer"}, {"minimum": 500}]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}], "required": ["b"]},
        {"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": ["integer", "null"], "minimum": 3},
        {"type": "string", "enum": ["a", "b"]},
    ],
    ids=str,
)
def test_a_limit_is_kept_or_refused(node: Json) -> None:
    schema = schema_of(node)
    for seed in range(40):
        with suppress(ContractError):
            check(schema, generate(schema, Random(seed)))


# -- variety ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ChatSessionSummary", "generated_title"),
        ("ChatSessionSummary", "job_metadata"),
        ("ChatSessionSummary", "index_ids"),
        ("SessionList", "next_page_token"),
        ("JobMetadata", "total_input_tokens"),
        ("JobMetadata", "export_config_ids"),
        ("ToolResultEvent", "image_attachment"),
    ],
)
def test_optional_parts_are_there_and_are_null_at_times(name: str, key: str) -> None:
    made = many(named("2.17", name))
    null = sum(each[key] is None for each in made)
    assert 10 < null < 100


def test_lists_have_many_lengths_and_are_not_empty() -> None:
    assert {len(each["items"]) for each in many(named("2.6", "SessionList"), 60)} == {1, 2, 3}


def test_every_kind_of_event_is_made_and_says_what_it_is() -> None:
    made = many(named("2.17", "Event"), 200)
    kinds = set(named("2.17", "Event").node["discriminator"]["mapping"])
    assert {each["type"] for each in made} == kinds


def test_shared_access_takes_every_value() -> None:
    made = many(named("2.17", "ChatSessionSummary"), 60)
    assert {each["shared_access"] for each in made} == {"query", "read_only"}


# -- what is known ----------------------------------------------------------------------------------------------------


def test_what_is_known_is_echoed_and_nothing_is_added() -> None:
    schema, known = named("2.6", "ChatSessionSummary"), {"session_id": "ses-mine", "project_id": "p"}
    for seed in range(20):
        made = generate(schema, Random(seed), known)
        assert made["session_id"] == "ses-mine"
        assert "project_id" not in made
    listed = generate(named("2.6", "SessionList"), Random(3), known)
    assert all(item["session_id"] != "ses-mine" for item in listed["items"])


# -- ends ------------------------------------------------------------------------------------------------------------


def deep(value: Json) -> int:
    return max(map(len, places_of(value)))


@pytest.mark.parametrize(
    "node",
    [
        {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/It"}}},
        {"type": "array", "items": {"$ref": "#/components/schemas/It"}},
        {
            "type": "object",
            "required": ["child"],
            "properties": {"child": {"anyOf": [{"$ref": "#/components/schemas/It"}, {"type": "null"}]}},
        },
        {
            "type": "object",
            "required": ["children"],
            "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/It"}}},
        },
    ],
    ids=["optional", "list", "nullable", "list in object"],
)
def test_recursion_ends(node: Json) -> None:
    schema = schema_of(node)
    for seed in range(30):
        value = generate(schema, Random(seed))
        check(schema, value)
        assert deep(value) <= DEEPEST


@pytest.mark.parametrize("keyword", ["allOf", "anyOf"])
def test_a_schema_that_refers_to_itself_alone_restricts_nothing(keyword: str) -> None:
    itself = {"$ref": "#/components/schemas/It"}
    assert generate(schema_of({keyword: [itself, itself]}), Random(0)) == {}


@given(st.datetimes())
def test_a_timestamp_has_six_digits_and_no_zone(moment: datetime) -> None:
    text = timestamp(moment.replace(tzinfo=UTC))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", text)
    assert datetime.fromisoformat(text) == moment


@pytest.mark.parametrize("prefix", ["ses-", "idx-"])
def test_identifiers_are_lower_case_letters_and_digits(prefix: str) -> None:
    made = {identifier(prefix, Random(seed)) for seed in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(prefix + r"[a-z0-9]{12}", each) for each in made)
