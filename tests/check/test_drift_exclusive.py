"""Two members of a oneOf exclude each other only where that is certain."""

import pytest

from mockserver.check.changes.exclusive import are_disjoint
from mockserver.contract.resolved import Views
from mockserver.messages import Json

TEXT = {"type": "string"}


def fields(required: bool = True, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties) if required else []}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (TEXT, {"type": "integer"}, True),
        (TEXT, {"enum": ["a", 1]}, False),
        (TEXT | {"maxLength": 2}, TEXT | {"minLength": 3}, True),
        (TEXT | {"maxLength": 3}, TEXT | {"minLength": 3}, False),
        (fields(kind={"const": "a"}), fields(kind={"const": "b"}), True),
        (fields(False, kind={"const": "a"}), fields(False, kind={"const": "b"}), False),
        (fields(a=False), {"type": "object"}, False),
        (fields(a=False), fields(a=True), True),
        (False, TEXT, True),
        (fields(a=TEXT), fields(b=TEXT) | {"additionalProperties": False}, True),
        (fields(a=TEXT), fields(b=TEXT), False),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, TEXT, True),
        ({"anyOf": [{"type": "integer"}, TEXT]}, TEXT, False),
    ],
    ids=str,
)
def test_schemas_are_disjoint_if_that_is_certain(one: Json, other: Json, expected: bool) -> None:
    views = Views({"components": {"schemas": {"One": one, "Other": other}}})
    first, second = (views.of(f"/components/schemas/{name}") for name in ("One", "Other"))
    assert are_disjoint(views, first, second) is expected
    assert are_disjoint(views, second, first) is expected
