"""A field of a stubbed body that the contract does not know is refused; where any field may be there it is not."""

from pathlib import Path
from typing import Any

import pytest

from mockserver.errors import StubError
from mockserver.messages import Json
from mockserver.testing.server import open_mock
from tests.testing.documents import document_with

NOTE: Json = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "title": {"type": "string"}},
}
SCHEMAS: dict[str, Json] = {
    "Note": NOTE,
    "Tagged": {"allOf": [{"$ref": "#/components/schemas/Note"}, {"properties": {"tags": {"type": "array"}}}]},
    "Either": {"anyOf": [{"$ref": "#/components/schemas/Note"}, {"properties": {"error": {"type": "string"}}}]},
    "Notes": {"type": "array", "items": {"$ref": "#/components/schemas/Note"}},
    "Page": {"type": "object", "properties": {"first": {"$ref": "#/components/schemas/Note"}}},
    "Pair": {"prefixItems": [{"$ref": "#/components/schemas/Note"}, {"type": "object"}]},
    "Optional": {"type": ["object", "null"], "properties": {"note": {"anyOf": [NOTE, {"type": "null"}]}}},
    "Conditional": {
        "properties": {"kind": {"type": "string"}},
        "if": {"properties": {"kind": {"const": "long"}}},
        "then": {"properties": {"pages": {"type": "integer"}}},
    },
    "Dependent": {"properties": {"a": {}}, "dependentSchemas": {"a": {"properties": {"b": {}}}}},
    "Tree": {"type": "object", "properties": {"below": {"$ref": "#/components/schemas/Tree"}}},
    "Open": {"properties": {"id": {}}, "additionalProperties": True},
    "OpenTexts": {"properties": {"id": {}}, "additionalProperties": {"type": "string"}},
    "Pattern": {"properties": {"id": {}}, "patternProperties": {"^x-": {}}},
    "Unevaluated": {"properties": {"id": {}}, "unevaluatedProperties": {"type": "string"}},
    "Bare": {"type": "object"},
    "Any": {},
    "EitherOpen": {"anyOf": [{"$ref": "#/components/schemas/Note"}, {"type": "object"}]},
}


def stubbed(folder: Path, schema: str, body: Json, **more: Any) -> None:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    path = document_with(folder, {"/it": {"get": ("read", reference)}}, SCHEMAS)
    with open_mock(api="none", contract=path) as mock:
        if "partial" in more:
            mock.stub.create("read", **more)
            return
        mock.stub.create("read", body=body, **more)
        assert mock.http_client().get("/it").json() == body


@pytest.mark.parametrize(
    ("schema", "body", "place", "close"),
    [
        ("Note", {"id": "1", "titel": "x"}, "/titel", "title"),
        ("Tagged", {"id": "1", "tag": []}, "/tag", "tags"),
        ("Either", {"id": "1", "titles": "x"}, "/titles", "title"),
        ("Notes", [{"id": "1"}, {"id": "2", "tittle": "x"}], "/1/tittle", "title"),
        ("Page", {"first": {"id": "1", "Title": "x"}}, "/first/Title", "title"),
        ("Pair", [{"id": "1", "titl": "x"}], "/0/titl", "title"),
        ("Optional", {"note": {"id": "1", "titles": "x"}}, "/note/titles", "title"),
        ("Conditional", {"kind": "long", "page": 5}, "/page", "pages"),
        ("Dependent", {"a": 1, "c": 2}, "/c", ""),
        ("Tree", {"below": {"below": {"belows": {}}}}, "/below/below/belows", "below"),
    ],
)
def test_a_field_that_the_contract_does_not_know_is_refused_with_its_place_and_the_nearest(
    tmp_path: Path, schema: str, body: Json, place: str, close: str
) -> None:
    with pytest.raises(StubError, match=f"does not know: {place}\n") as refused:
        stubbed(tmp_path, schema, body)
    assert refused.value.fix.startswith(f"did you mean {close!r}?" if close else "the contract knows a, b;")
    stubbed(tmp_path, schema, body, extra=True)


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ("Tagged", {"id": "1", "title": "x", "tags": []}),
        ("Either", {"error": "x"}),
        ("Optional", {"note": None}),
        ("Optional", None),
        ("Conditional", {"kind": "long", "pages": 5}),
        ("Dependent", {"a": 1, "b": 2}),
        ("Open", {"other": 1}),
        ("OpenTexts", {"other": "x"}),
        ("Pattern", {"x-other": 1}),
        ("Unevaluated", {"other": "x"}),
        ("Bare", {"other": 1}),
        ("Any", {"other": 1}),
        ("EitherOpen", {"id": "1", "other": 1}),
        ("Pair", [{"id": "1"}, {"other": 1}]),
    ],
)
def test_a_field_that_may_be_there_is_not(tmp_path: Path, schema: str, body: Json) -> None:
    stubbed(tmp_path, schema, body)


def test_a_partial_body_is_looked_at_too_and_what_is_beside_it_is_not(tmp_path: Path) -> None:
    with pytest.raises(StubError, match="does not know: /titel"):
        stubbed(tmp_path, "Note", None, partial={"titel": "x"})
    stubbed(tmp_path, "Note", None, partial={"titel": "x"}, extra=True)
