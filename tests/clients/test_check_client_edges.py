"""Values at the edges of a schema are valid, few, and miss no edge of any field."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.client.values import ABSENT, EXTRA, Edge, edges, full, packed
from mockserver.contract.openapi import Operation
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from tests.strategies import contract_of

OPERATIONS = [each for era in VERSIONS for each in contract_of(era).operations]


def schemas(operation: Operation) -> Iterator[Schema]:
    """Give the schemas of all that an operation answers."""
    for reply in operation.replies.values():
        for media in reply.media:
            yield from (each for each in (media.schema, media.item_schema) if each is not None)


def summaries() -> list[Edge]:
    """Give the edges of a summary of a session."""
    (operation,) = (each for each in contract_of("2.17").operations if each.id == "get_summary")
    return list(edges(next(schemas(operation)), 3, 1))


def schema_of(node: Json) -> Schema:
    """Give a schema of its own."""
    return Schema({"components": {"schemas": {"It": node}}}, "/components/schemas/It", "own")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.contract}-{each.id}")
def test_every_edge_of_every_answer_is_valid_and_stands_once(operation: Operation) -> None:
    for schema in schemas(operation):
        found = [each.value for each in edges(schema, 2, 7)]
        assert found
        assert all(map(schema.is_valid, found))
        assert len({json.dumps(each, sort_keys=True) for each in found}) == len(found)


def test_they_are_the_same_each_time() -> None:
    (operation,) = (each for each in contract_of("2.6").operations if each.id == "retrieve")
    schema = next(schemas(operation))
    again = Schema(schema.document, schema.pointer, schema.name)
    assert list(edges(schema, 3, 1)) == list(edges(again, 3, 1))
    assert list(edges(schema, 3, 1)) != list(edges(schema, 3, 2))


def test_each_field_is_absent_null_full_and_empty_in_some() -> None:
    values = [each.value for each in summaries()]
    for name in ("generated_title", "job_metadata", "index_ids"):
        assert any(name not in each for each in values)
        assert any(each.get(name, 0) is None for each in values)
    assert any(each["session_id"] == "" for each in values)
    assert any(each.get("index_ids") == [] for each in values)
    assert any(len(each.get("index_ids") or ()) >= 100 for each in values)
    assert {each["shared_access"] for each in values} == {"query", "read_only"}
    assert any(EXTRA.keys() <= each.keys() for each in values)


def test_numbers_are_large_and_texts_are_of_many_scripts_in_some() -> None:
    text = json.dumps([each.value for each in summaries()], ensure_ascii=False)
    assert str(2**53 + 1) in text
    assert "1e+300" in text
    assert "会议" in text


def test_no_two_fields_of_a_full_value_are_alike_so_that_mixing_them_up_shows() -> None:
    value = full(next(schemas(next(each for each in OPERATIONS if each.id == "retrieve"))))
    texts: list[str] = []

    def walk(at: Json) -> None:
        if isinstance(at, dict):
            for key, below in at.items():
                if key not in ("type", "shared_access", "result"):
                    walk(below)
        elif isinstance(at, list):
            for below in at:
                walk(below)
        elif isinstance(at, str):
            texts.append(at)

    walk(value)
    assert len(set(texts)) == len(texts) > 20


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(), min_size=1, max_size=5), max_size=5))
def test_packed_rows_hold_every_edge_of_every_field_and_are_no_more_than_the_longest(
    edges_of: dict[str, list[int]],
) -> None:
    rows = packed(edges_of)
    assert len(rows) == max(map(len, edges_of.values()), default=0)
    for key, values in edges_of.items():
        assert {row[key] for row in rows} == set(values)


def test_what_is_absent_is_in_no_row() -> None:
    assert packed({"a": [1, ABSENT], "b": [2]}) == [{"a": 1, "b": 2}, {"b": 2}]


@pytest.mark.parametrize(
    "node",
    [
        {"type": "string", "minLength": 3, "maxLength": 5},
        {"type": "string", "format": "uuid"},
        {"type": "integer", "minimum": 3, "maximum": 9},
        {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3},
        {"type": ["string", "null"]},
        {"enum": ["a", "b"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"on": {"type": "string"}, "deeper": {"$ref": "#/components/schemas/It"}}},
        {},
    ],
)
def test_limits_and_forms_of_any_schema_are_kept(node: Json) -> None:
    schema = schema_of(node)
    found = [each.value for each in edges(schema)]
    assert found
    assert all(map(schema.is_valid, found))
