"""Schemas of older dialects of JSON Schema are judged as their own dialect says."""

import pytest

from mockserver.contract.load import convert
from mockserver.contract.schema import Schema
from mockserver.messages import Json

OLD, NEW = ("2.0", "3.0.3"), ("2.0", "3.0.3", "3.1.0")

PAIR: Json = {"items": [{"type": "integer"}, {"type": "string"}]}
NEEDS: Json = {"dependencies": {"card": ["address"], "gift": {"required": ["text"]}}}


def schema(version: str, node: Json) -> Schema:
    """Read a schema that stands in a document of a version."""
    if version == "2.0":
        document: Json = {"swagger": version, "paths": {}, "definitions": {"S": node}}
    else:
        document = {"openapi": version, "paths": {}, "components": {"schemas": {"S": node}}}
    converted = convert(document, "api.json", lambda name: pytest.fail(f"{name} was asked for"))
    return Schema(converted, "/components/schemas/S", "api")


@pytest.mark.parametrize(
    ("versions", "node", "right", "wrong"),
    [
        (OLD, {"minimum": 0, "exclusiveMinimum": True}, [0.1], [0, -1]),
        (OLD, {"maximum": 0, "exclusiveMaximum": True}, [-0.1], [0, 1]),
        (OLD, {"minimum": 0, "exclusiveMinimum": False}, [0], [-1]),
        (OLD, {"exclusiveMinimum": True}, [0, -1], []),
        (NEW, PAIR, [[1, "a"], [1], [1, "a", None]], [["a"], [1, 2]]),
        (NEW, {**PAIR, "additionalItems": False}, [[1, "a"]], [[1, "a", None], ["a"]]),
        (NEW, {**PAIR, "additionalItems": {"type": "null"}}, [[1, "a", None]], [[1, "a", 1]]),
        (NEW, {"items": [], "additionalItems": False}, [[]], [[1]]),
        (NEW, NEEDS, [{}, {"card": 1, "address": 1}, {"gift": 1, "text": 1}], [{"card": 1}, {"gift": 1}]),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_keyword_of_an_older_dialect_means_what_it_meant(
    versions: tuple[str, ...], node: Json, right: list[Json], wrong: list[Json]
) -> None:
    for version in versions:
        found = schema(version, node)
        assert [found.is_valid(each) for each in right] == [True] * len(right), version
        assert [found.is_valid(each) for each in wrong] == [False] * len(wrong), version
