"""The JSON types of a schema's values are read once for each place, however often it is referred to."""

import pytest

from mockserver.answer.body import types_of
from mockserver.contract.schema import Schema
from mockserver.messages import Json


def of(schemas: dict[str, Json], name: str) -> frozenset[str] | None:
    return types_of(Schema({"components": {"schemas": schemas}}, f"/components/schemas/{name}", "t"))


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_what_is_referred_to_twice_at_each_of_many_levels_is_read_once(keyword: str) -> None:
    schemas: dict[str, Json] = {"S0": {"type": "object"}}
    for number in range(1, 40):
        reference = {"$ref": f"#/components/schemas/S{number - 1}"}
        schemas[f"S{number}"] = {keyword: [reference, reference]}
    assert of(schemas, "S39") == frozenset({"object"})


def test_a_very_deep_chain_and_a_schema_within_itself_say_nothing() -> None:
    schemas: dict[str, Json] = {"S0": {"type": "object"}, "own": {"allOf": [{"$ref": "#/components/schemas/own"}]}}
    schemas |= {
        f"S{number}": {"allOf": [{"$ref": f"#/components/schemas/S{number - 1}"}]} for number in range(1, 3_000)
    }
    assert of(schemas, "S998") is None
    assert of(schemas, "own") is None


def test_a_reference_whose_characters_are_encoded_says_its_types() -> None:
    schemas: dict[str, Json] = {"Page[Pet]": {"type": "array"}, "own": {"$ref": "#/components/schemas/Page%5BPet%5D"}}
    schemas["all"] = {"allOf": [schemas["own"]]}
    assert of(schemas, "all") == frozenset({"array"})
