"""Resolved schemas: JSON equality, and the schemas that a value may satisfy."""

import pytest
from hypothesis import given

from mockserver.contract.resolved import Views, is_same, key_of, kinds
from mockserver.messages import Json
from tests.strategies import json_values


@given(json_values, json_values)
def test_equal_values_are_those_with_the_same_key(one: Json, other: Json) -> None:
    assert is_same(one, one)
    assert is_same(one, other) is (key_of(one) == key_of(other))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        ([{"a": [0]}], [{"a": [False]}], False),
        ({"a": 1, "b": [2.0]}, {"b": [2], "a": 1.0}, True),
        ({"a": None}, {}, False),
        ([1], [1, 1], False),
    ],
    ids=str,
)
def test_a_truth_is_no_number_however_deep_it_lies(one: Json, other: Json, expected: bool) -> None:
    assert is_same(one, other) is expected
    assert (key_of(one) == key_of(other)) is expected


TREE = {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "string"}, {"type": "null"}]}
DOCUMENT = {
    "components": {
        "schemas": {
            "Tree": TREE,
            "Either": {"oneOf": [{"type": "integer"}, {"anyOf": [{"type": "array"}, {"type": "boolean"}]}]},
            "Both": {"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
        }
    }
}


@pytest.mark.parametrize(
    ("name", "expected"), [("Tree", {"string"}), ("Either", {"integer", "array", "boolean"}), ("Both", {"object"})]
)
def test_the_leaves_of_a_schema_are_its_alternatives_also_where_it_refers_to_itself(
    name: str, expected: set[str]
) -> None:
    views = Views(DOCUMENT)
    view = views.of(f"/components/schemas/{name}")
    found = [kind for leaf in views.leaves(view) for kind in kinds(leaf) if kind != "any"]
    assert set(found) == expected
