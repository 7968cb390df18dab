"""Every media type is answered as it is declared, with a body that a reader of that type can read."""

import csv
import json
import zlib
from email import message_from_bytes
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from mockserver.answer.body import format_of, representation
from mockserver.contract.openapi import Media, Reply
from mockserver.contract.schema import Schema
from mockserver.engine import Mock
from mockserver.errors import FixtureError
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from mockserver.sse import read_fields
from tests.strategies import write_document
from tests.talk import ask, header, value, whole


def served(folder: Path, responses: Json, *, schemas: Json | None = None, operation: Json = None, **more: Any) -> Mock:
    """Give a mock of one operation, GET /x, with these responses."""
    item = {"get": {"operationId": "read", "responses": responses, **(operation or {})}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/x": item},
        "components": {"schemas": schemas or {}},
    }
    return Mock(Settings(contract=str(write_document(folder, document)), seed=1, **more))


def answered(folder: Path, content: Json, *, schemas: Json | None = None, **headers: str) -> Response:
    """Give the answer of an operation whose 200 has this content."""
    mock = served(folder, {"200": {"description": "ok", "content": content}}, schemas=schemas)
    return whole(ask(mock.handle, "GET", "/x", **headers))


def text(response: Response) -> str:
    return response.body.decode()


def parsed(response: Response) -> Element:
    """Give the root of an answer in XML."""
    return fromstring(response.body)


# -- choosing --------------------------------------------------------------------------------------------------------


def test_the_accept_field_chooses_among_what_is_declared(tmp_path: Path) -> None:
    content = {"text/csv": {"example": "a,b"}, "application/json": {"example": {"ok": True}}}
    assert header(answered(tmp_path, content), "content-type") == "application/json"
    wanted = answered(tmp_path, content, accept="text/csv, application/json;q=0.5")
    assert (header(wanted, "content-type"), header(wanted, "vary"), text(wanted)) == ("text/csv", "accept", "a,b")
    assert header(answered(tmp_path, content, accept="image/png"), "content-type") == "application/json"


def test_a_request_that_accepts_nothing_declared_is_refused_only_if_that_is_asked_for(tmp_path: Path) -> None:
    responses = {"200": {"description": "ok", "content": {"application/json": {"example": 1}}}}
    mock = served(tmp_path, responses, strict_accept=True)
    refused = ask(mock.handle, "GET", "/x", accept="image/png")
    assert (refused.status, header(refused, "content-type")) == (406, "application/problem+json")
    assert "application/json" in value(refused)["detail"]
    assert header(refused, "x-mock-fault") == "client"
    assert ask(mock.handle, "GET", "/x", accept="application/*").status == 200


def test_a_content_type_is_sent_as_it_is_declared(tmp_path: Path) -> None:
    response = answered(tmp_path, {"application/json; charset=utf-8": {"example": {"a": 1}}}, accept="application/json")
    assert header(response, "content-type") == "application/json; charset=utf-8"
    assert value(response) == {"a": 1}


def test_any_type_is_answered_with_a_concrete_one(tmp_path: Path) -> None:
    content = {"*/*": {"schema": {"type": "object"}, "example": {"a": 1}}}
    response = answered(tmp_path, content)
    assert (header(response, "content-type"), value(response)) == ("application/json", {"a": 1})
    assert header(answered(tmp_path, content, accept="application/xml"), "content-type") == "application/xml"
    assert header(answered(tmp_path, content, accept="image/png"), "content-type") == "application/json"


def test_many_wishes_do_not_pile_up(tmp_path: Path) -> None:
    content = {"*/*": {"schema": {"type": "string"}, "example": "x"}}
    mock = served(tmp_path, {"200": {"description": "ok", "content": content}})
    for number in range(1_500):
        assert ask(mock.handle, "GET", "/x", accept=f"text/x{number}").status == 200
    assert len(mock.served.answers._choices) <= 1_000


def test_the_representation_of_a_type_is_its_most_exact_declaration() -> None:
    media = tuple(Media(each, None, {}) for each in ("*/*", "application/json; charset=utf-8"))
    reply = Reply("200", media, "", "", {})
    assert representation(reply, "application/json") is media[1]
    assert representation(reply, "text/x") is media[0]
    assert representation(reply, None) is None


# -- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "example", "expected"),
    [
        ({"type": "boolean"}, True, "true"),
        ({"type": "integer"}, 5, "5"),
        ({"type": "integer"}, "5", "5"),
        ({"type": "number"}, 1.5, "1.5"),
        ({"type": "null"}, None, "null"),
        ({"type": "string"}, "true", "true"),
        ({"type": "object"}, {"a": [True, None]}, '{"a":[true,null]}'),
        ({}, "東京", "東京"),
    ],
)
def test_a_text_is_written_as_json_writes_it_and_a_string_as_it_is(
    tmp_path: Path, schema: Json, example: Json, expected: str
) -> None:
    assert text(answered(tmp_path, {"text/plain": {"schema": schema, "example": example}})) == expected


def test_a_text_that_its_schema_does_not_allow_is_not_sent(tmp_path: Path) -> None:
    response = answered(tmp_path, {"text/plain": {"schema": {"type": "integer"}, "example": "five"}})
    assert header(response, "x-mock-source") == "generated"
    assert int(text(response)) >= 0


def test_a_string_under_json_stays_a_string_of_json(tmp_path: Path) -> None:
    response = answered(tmp_path, {"application/json": {"schema": {"type": "string"}, "example": '{"a": 1}'}})
    assert json.loads(response.body) == '{"a": 1}'


def test_only_other_types_than_json_have_written_values() -> None:
    schema = Schema({"object": {"type": "object"}}, "/object", "")
    assert format_of(Media("application/xml", schema, {})).allows("<a/>")
    assert not format_of(Media("application/json", schema, {})).allows("{}")


def test_rows_are_written_as_csv(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": "x,y"}, {"a": None, "b": True}]
    response = answered(tmp_path, {"text/csv": {"schema": {"type": "array"}, "example": rows}})
    assert list(csv.reader(StringIO(text(response)))) == [["a", "b"], ["1", "x,y"], ["", "true"]]


# -- XML -------------------------------------------------------------------------------------------------------------

PET: Json = {
    "type": "object",
    "xml": {"name": "pet", "namespace": "http://example.com/pet", "prefix": "p"},
    "required": ["id", "tags", "names", "friends", "kind", "gone"],
    "properties": {
        "id": {"type": "integer", "xml": {"attribute": True}},
        "kind": {"type": "string", "xml": {"prefix": "p", "name": "sort"}},
        "tags": {
            "type": "array",
            "xml": {"wrapped": True},
            "items": {"type": "object", "xml": {"name": "tag"}, "properties": {"ok": {"type": "boolean"}}},
        },
        "names": {"type": "array", "xml": {"name": "ignored"}, "items": {"type": "string"}},
        "friends": {"type": "array", "xml": {"wrapped": True, "name": "circle"}, "items": {"type": "string"}},
        "gone": {"type": ["string", "null"]},
    },
}
WRITTEN: Json = {
    "id": 7,
    "kind": "a<b & c",
    "tags": [{"ok": True}, {}],
    "names": ["x", "y"],
    "friends": ["z"],
    "gone": None,
}


def test_a_value_is_written_by_the_xml_objects_of_its_schema(tmp_path: Path) -> None:
    media = {"schema": {"$ref": "#/components/schemas/Pet"}, "example": WRITTEN}
    response = answered(tmp_path, {"application/xml": media}, schemas={"Pet": PET})
    root = parsed(response)
    assert (root.tag, root.attrib) == ("{http://example.com/pet}pet", {"id": "7"})
    assert [child.tag for child in root] == [
        "{http://example.com/pet}sort",
        "tags",
        "names",
        "names",
        "circle",
        "gone",
    ]
    assert root[0].text == "a<b & c"
    assert [[(leaf.tag, leaf.text) for leaf in tag] for tag in root[1]] == [[("ok", "true")], []]
    assert [child.tag for child in root[1]] == ["tag", "tag"]
    assert [(child.tag, child.text) for child in root[4]] == [("circle", "z")]
    assert root[5].attrib == {"{http://www.w3.org/2001/XMLSchema-instance}nil": "true"}


def test_an_element_has_the_name_of_its_component_or_is_the_root(tmp_path: Path) -> None:
    named = {"schema": {"$ref": "#/components/schemas/Note"}, "example": {"a": 1}}
    response = answered(tmp_path, {"text/xml": named}, schemas={"Note": {"type": "object"}})
    assert parsed(response).tag == "Note"
    bare = answered(tmp_path, {"text/xml": {"schema": {"type": "array"}, "example": [1, 2]}})
    assert [child.tag for child in parsed(bare)] == ["root", "root"]


def test_a_reference_is_followed_whatever_characters_its_name_has(tmp_path: Path) -> None:
    schemas = {"Größe": {**PET, "xml": {"name": "size"}}}
    media = {"schema": {"allOf": [{"$ref": "#/components/schemas/Größe"}]}, "example": WRITTEN}
    root = parsed(answered(tmp_path, {"application/xml": media}, schemas=schemas))
    assert (root.tag, root[0].tag) == ("size", "sort")


def test_xml_that_is_written_out_is_sent_as_it_is(tmp_path: Path) -> None:
    media = {"schema": {"type": "object", "required": ["a"]}, "example": "<a/>"}
    assert text(answered(tmp_path, {"application/xml": media})) == "<a/>"


@pytest.mark.parametrize("schema", [PET, {"type": "string"}, {"type": "array", "items": {"type": "integer"}}, {}])
def test_made_xml_can_be_read(tmp_path: Path, schema: Json) -> None:
    mock = served(tmp_path, {"200": {"description": "ok", "content": {"application/xml": {"schema": schema}}}})
    for seed in range(5):
        parsed(ask(mock.handle, "GET", "/x", prefer=f"dynamic=true, seed={seed}"))


def test_texts_that_xml_cannot_hold_are_left_out(tmp_path: Path) -> None:
    media = {"schema": {"type": "object"}, "example": {"1 a\x00": "b\x00\x0b\ufffec"}}
    root = parsed(answered(tmp_path, {"application/xml": media}))
    assert [(child.tag, child.text) for child in root] == [("_1_a_", "bc")]


# -- binary ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media_type", "magic"),
    [
        ("image/png", b"\x89PNG\r\n"),
        ("image/*", b"\x89PNG\r\n"),
        ("image/gif", b"GIF89a"),
        ("image/jpeg", b"\xff\xd8\xff"),
        ("image/webp", b"RIFF"),
        ("image/svg+xml", b"<svg"),
        ("audio/wav", b"RIFF"),
        ("application/pdf", b"%PDF-"),
        ("application/zip", b"PK"),
    ],
)
@pytest.mark.parametrize("schema", [{"schema": {"type": "string", "format": "binary"}}, {}], ids=["binary", "none"])
def test_a_binary_answer_is_a_file_of_its_type(tmp_path: Path, media_type: str, magic: bytes, schema: Json) -> None:
    response = answered(tmp_path, {media_type: schema})
    assert (response.status, response.body[: len(magic)]) == (200, magic)
    assert header(response, "content-length") == str(len(response.body))


def test_a_png_is_whole(tmp_path: Path) -> None:
    body = answered(tmp_path, {"image/png": {"schema": {"type": "string", "format": "binary"}}}).body
    at, data = 8, b""
    while at < len(body):
        size = int.from_bytes(body[at : at + 4])
        kind, chunk = body[at + 4 : at + 8], body[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + chunk) == int.from_bytes(body[at + 8 + size : at + 12 + size])
        data += chunk if kind == b"IDAT" else b""
        at += 12 + size
    assert len(zlib.decompress(data)) == 4


def test_bytes_in_base64_are_a_text(tmp_path: Path) -> None:
    schema = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
    assert answered(tmp_path, {"image/png": {"schema": schema}}).body.startswith(b"iVBORw0KGgo")
    in_json = value(answered(tmp_path, {"application/json": {"schema": {"type": "string", "format": "binary"}}}))
    assert isinstance(in_json, str)


def test_bytes_of_no_known_type_are_some_bytes(tmp_path: Path) -> None:
    schema = {"type": "string", "format": "binary"}
    response = answered(tmp_path, {"application/octet-stream": {"schema": schema}})
    assert (header(response, "content-type"), len(response.body)) == ("application/octet-stream", 32)


# -- forms -----------------------------------------------------------------------------------------------------------


def test_a_form_is_written_by_its_encoding(tmp_path: Path) -> None:
    media = {
        "schema": {"type": "object"},
        "example": {
            "a": 1,
            "b": [1, 2],
            "c": ["x", "y"],
            "d": {"e": True},
            "f": {"g": 1},
            "h": {"i": 1, "j": "x"},
            "k": {"l": 1, "m": "x"},
            "n": [1, 2],
        },
        "encoding": {
            "c": {"style": "form", "explode": False},
            "f": {"style": "deepObject", "explode": True},
            "h": {"style": "form"},
            "k": {"style": "form", "explode": False},
            "n": {"style": "pipeDelimited"},
        },
    }
    response = answered(tmp_path, {"application/x-www-form-urlencoded": media})
    assert parse_qs(text(response)) == {
        "a": ["1"],
        "b": ["1", "2"],
        "c": ["x,y"],
        "d": ['{"e":true}'],
        "f[g]": ["1"],
        "i": ["1"],
        "j": ["x"],
        "k": ["l,1,m,x"],
        "n": ["1|2"],
    }


def test_a_multipart_answer_names_what_separates_its_parts(tmp_path: Path) -> None:
    media = {"schema": {"type": "object"}, "example": {"note": "hello", "data": {"a": 1}, "many": [1, 2]}}
    response = answered(tmp_path, {"multipart/form-data": media})
    head = f"Content-Type: {header(response, 'content-type')}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + response.body).get_payload()
    found = [(part.get_param("name", header="content-disposition"), part.get_payload()) for part in parts]
    assert found == [("note", "hello"), ("data", '{"a":1}'), ("many", "1"), ("many", "2")]
    assert [part.get_content_type() for part in parts][:2] == ["text/plain", "application/json"]


def test_a_part_of_bytes_has_the_name_of_a_file_and_a_part_its_declared_header_fields(tmp_path: Path) -> None:
    file = {"type": "string", "format": "binary"}
    fields = {"note": {"type": "string"}, "data": file, "many": {"type": "array", "items": file, "minItems": 1}}
    numbered = {"headers": {"X-Number": {"schema": {"const": 7}}, "X-None": {"schema": {"const": "a\nb"}}}}
    media = {
        "schema": {"type": "object", "properties": fields, "required": [*fields, 'a "b"'], "minProperties": 4},
        "encoding": {"note": numbered, "data": {"contentType": "image/png"}},
    }
    response = answered(tmp_path, {"multipart/form-data": media})
    head = f"Content-Type: {header(response, 'content-type')}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + response.body).get_payload()
    found = {part.get_param("name", header="content-disposition"): part for part in parts}
    assert list(found) == ["note", "data", "many", 'a "b"']
    assert [part.get_filename() for part in found.values()] == [None, "data", "many", None]
    types = ["text/plain", "image/png", "application/octet-stream", "text/plain"]
    assert [part.get_content_type() for part in found.values()] == types
    assert [(part["x-number"], part["x-none"]) for part in found.values()] == [("7", None)] + [(None, None)] * 3


# -- sequences -------------------------------------------------------------------------------------------------------

ITEM: Json = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}

DESCRIBED = [{"itemSchema": ITEM}, {"schema": {"type": "array", "items": ITEM}}, {"schema": ITEM}]


def are_items(found: list[Json]) -> bool:
    return bool(found) and all(isinstance(each["a"], int) for each in found)


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl", "application/json-seq"])
@pytest.mark.parametrize("described", DESCRIBED)
def test_a_sequence_of_json_is_written_line_by_line(tmp_path: Path, media_type: str, described: Json) -> None:
    response = answered(tmp_path, {media_type: described})
    lines = text(response).split("\n")
    assert lines.pop() == ""
    assert all(line.startswith("\x1e") is (media_type == "application/json-seq") for line in lines)
    assert are_items([json.loads(line.removeprefix("\x1e")) for line in lines])


def test_a_documented_sequence_is_sent_if_its_items_are_valid(tmp_path: Path) -> None:
    for example, source in (
        ([{"a": 1}, {"a": 2}], "documented"),
        ('{"a": 1}\n{"a": 2}\n', "documented"),
        ([{"a": "x"}], "generated"),
        ('{"a": "x"}\n', "generated"),
        ("{", "generated"),
    ):
        media = {"itemSchema": ITEM, "example": example}
        assert header(answered(tmp_path, {"application/x-ndjson": media}), "x-mock-source") == source, example


@pytest.mark.parametrize("described", DESCRIBED)
def test_a_typed_stream_has_events_of_its_type(tmp_path: Path, described: Json) -> None:
    response = answered(tmp_path, {"text/event-stream; charset=utf-8": described})
    assert header(response, "cache-control") == "no-cache"
    assert are_items([json.loads(event["data"]) for event in read_fields(text(response))])


def test_the_events_of_a_stream_can_be_described_field_by_field(tmp_path: Path) -> None:
    fields = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"const": "tick"}, "data": {"type": "string"}, "id": {"type": "string"}},
    }
    response = answered(tmp_path, {"text/event-stream": {"itemSchema": fields}})
    assert [event["event"] for event in read_fields(text(response))][:2] == ["tick", "tick"]
    two = [{"event": "tick", "data": "one\ntwo", "id": "7"}, {"event": "tick", "data": "three"}]
    written = answered(tmp_path, {"text/event-stream": {"itemSchema": fields, "example": two}})
    assert text(written) == "event: tick\ndata: one\ndata: two\nid: 7\n\nevent: tick\ndata: three\n\n"
    assert read_fields(text(written)) == two
    again = answered(tmp_path, {"text/event-stream": {"itemSchema": fields, "example": text(written)}})
    assert (header(again, "x-mock-source"), again.body) == ("documented", written.body)
    wrong = answered(tmp_path, {"text/event-stream": {"itemSchema": fields, "example": "event: tock\ndata: x\n\n"}})
    assert header(wrong, "x-mock-source") == "generated"


def test_an_object_that_has_more_than_the_fields_of_an_event_is_its_data(tmp_path: Path) -> None:
    own = {
        "type": "object",
        "required": ["event", "user"],
        "properties": {"event": {"const": "e"}, "user": {"const": 1}},
    }
    found = read_fields(text(answered(tmp_path, {"text/event-stream": {"itemSchema": own}})))
    assert {each["data"] for each in found} == {'{"event":"e","user":1}'}


def test_a_stream_of_which_nothing_is_said_has_events(tmp_path: Path) -> None:
    for media in ({}, {"schema": {"type": "string"}}):
        found = read_fields(text(answered(tmp_path, {"text/event-stream": media})))
        assert [bool(event["data"]) for event in found] == [True, True, True]


def test_a_stream_is_sent_unasked_only_where_nothing_else_is_declared(tmp_path: Path) -> None:
    plain, stream = {"text/plain": {"example": "a"}}, {"text/event-stream": {"example": "data: a\n\n"}}
    assert header(answered(tmp_path, stream | plain), "content-type") == "text/plain"
    assert header(answered(tmp_path, stream), "content-type") == "text/event-stream"
    assert header(answered(tmp_path, stream | plain, accept="text/event-stream"), "content-type") == "text/event-stream"


def test_one_event_as_an_example_is_a_stream_of_it(tmp_path: Path) -> None:
    media = {"schema": ITEM, "example": [{"a": 5}]}
    assert text(answered(tmp_path, {"text/event-stream": media})) == 'data: {"a":5}\n\n'


def test_a_fixture_is_for_the_first_type_where_none_is_json(tmp_path: Path) -> None:
    fixture = tmp_path / "own" / "read" / "200.json"
    fixture.parent.mkdir(parents=True)
    fixture.write_text('"<a/>"', "utf-8")
    content = {"application/xml": {"schema": {"type": "object"}}, "text/csv": {"example": "1"}}
    mock = served(tmp_path, {"200": {"description": "ok", "content": content}}, fixtures=tmp_path / "own")
    response = ask(mock.handle, "GET", "/x")
    assert (header(response, "x-mock-source"), response.body) == ("canned", b"<a/>")
    assert ask(mock.handle, "GET", "/x", accept="text/csv").body == b"1"
    fixture.write_text("[1]", "utf-8")
    with pytest.raises(FixtureError, match="breaks the contract"):
        served(tmp_path, {"200": {"description": "ok", "content": content}}, fixtures=tmp_path / "own")


def test_a_format_is_found_once() -> None:
    media = Media("text/plain", None, {})
    assert format_of(media) is format_of(media)
