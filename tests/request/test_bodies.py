"""Bodies are read in the declared media type that their Content-Type names."""

import json
import time
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, File, Form

from mockserver.api import Call
from mockserver.contract.load import convert
from mockserver.contract.reader import read_contract
from mockserver.contract.sides import seen_from
from mockserver.engine import Mock
from mockserver.messages import Json
from mockserver.request.reading import media
from mockserver.request.reading.media import judged
from mockserver.settings import RefusalForm, Settings
from tests.oracle import call
from tests.request.documents import judge, posting, refused, taken
from tests.strategies import write_document
from tests.talk import ask, value

A: Json = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
FORM = "application/x-www-form-urlencoded"
PART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Write a multipart body of parts: the rest of the head after form-data, and the bytes."""
    head = b"--B\r\nContent-Disposition: form-data; "
    return b"".join(head + told.encode() + b"\r\n\r\n" + data + b"\r\n" for told, data in parts) + b"--B--\r\n"


@pytest.mark.parametrize(
    ("declared", "sent", "right"),
    [
        ("application/json", "application/json", True),
        ("application/json", "Application/JSON; charset=utf-8", True),
        ("application/json; charset=utf-8", "application/json", True),
        ("application/*", "application/json", True),
        ("*/*", "application/json", True),
        ("application/vnd.a+json", "application/vnd.a+json", True),
        ("application/json", "application/vnd.a+json", False),
        ("application/json", "text/plain", False),
        ("application/json", FORM, False),
        ("text/*", "application/json", False),
        ("application/json", None, True),
        ("*/*", None, True),
    ],
)
def test_a_body_is_read_as_the_declared_type_that_is_sent(declared: str, sent: str | None, right: bool) -> None:
    data = posting({declared: {"schema": A}})
    if right:
        assert taken(data, body=b'{"a":1}', content_type=sent).body == {"a": 1}
        assert refused(data, body=b'{"a":"x"}', content_type=sent).findings[0].where == "/body/a"
    else:
        rejection = refused(data, body=b'{"a":1}', content_type=sent)
        assert (rejection.status, rejection.headers) == (415, ((b"accept", declared.encode()),))
        assert rejection.findings[0].where == "/header/content-type"


@pytest.mark.parametrize(
    ("sent", "chosen"),
    [
        ("application/json; V=2", "application/json;v=2"),
        ("application/json", "application/json"),
        ("application/x", "application/*"),
        ("text/x", "*/*"),
    ],
)
def test_the_type_with_the_fitting_parameters_wins_then_the_plain_one_then_a_range(sent: str, chosen: str) -> None:
    declared = ["*/*", "application/*", "application/json", "application/json;v=2"]
    data = posting({each: {"schema": {"const": "?"}} for each in declared})
    (finding,) = refused(data, body=b'"x"', content_type=sent).findings
    assert f"/{chosen.replace('/', '~1')}/" in finding.contract


TEXT: Json = {"schema": {"type": "string"}}
SEVERAL = posting({"application/json": {"schema": A}, FORM: {"schema": A}, "text/plain": TEXT})


@pytest.mark.parametrize(
    ("sent", "body", "expected"),
    [
        ("application/json", b'{"a":1}', {"a": 1}),
        (FORM, b"a=1", {"a": 1}),
        ("text/plain", b"hello", "hello"),
        ("text/plain", b"", ""),
        (None, b'{"a":1}', {"a": 1}),
    ],
)
def test_each_declared_type_is_read_in_its_way(sent: str | None, body: bytes, expected: Json) -> None:
    assert taken(SEVERAL, body=body, content_type=sent).body == expected


@pytest.mark.parametrize("sent", ["text/plain", "application/octet-stream", "application/yaml", "text/csv"])
@pytest.mark.parametrize("schema", [A, {"type": "array", "items": {"type": "integer"}}])
def test_what_a_type_cannot_hold_is_judged_as_json_or_not_at_all(sent: str, schema: Json) -> None:
    """A document may say that bytes, or a text, are an object or a list: no client can do anything about that."""
    data = posting({sent: {"schema": schema}})
    right, wrong = (b'{"a":1}', b'{"a":"x"}') if schema is A else (b"[1]", b'["x"]')
    assert taken(data, body=right, content_type=sent).body == json.loads(right)
    assert refused(data, body=wrong, content_type=sent).findings[0].where.startswith("/body/")
    call = taken(data, body=b"a: 1", content_type=sent)
    assert [(note.where, note.rule, note.fault, note.level) for note in call.findings] == [
        ("/body", "not_judged", "contract", "note")
    ]


@pytest.mark.parametrize("declared", ["text/plain", "application/octet-stream", FORM])
def test_no_bytes_are_a_body_only_if_they_have_a_type(declared: str) -> None:
    """An empty text may be meant; what has no type at all was not sent."""
    data = posting({declared: {"schema": {"type": "object"} if declared == FORM else {"type": "string"}}})
    assert isinstance(judge(data, content_type=declared), Call)
    assert refused(data).findings[0].rule == "required"


@pytest.mark.parametrize(
    ("text", "right"),
    [("", True), ("aGk=", True), ("aGk", True), ("aG\r\nk=", True), ("-_-_", True), ("%", False), ("aGkaa", False)],
)
def test_bytes_in_a_text_are_base64(text: str, right: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "byte"}}}
    data, body = posting({"application/json": {"schema": schema}}), json.dumps({"a": text}).encode()
    if right:
        assert taken(data, body=body).body == {"a": text}
    else:
        assert refused(data, body=body).findings[0].where == "/body/a"


def test_reserved_characters_are_encoded_where_a_field_says_so() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    for told, right in ((False, False), (True, True), (None, True)):
        encoding = {} if told is None else {"encoding": {"a": {"allowReserved": told}}}
        data = posting({FORM: {"schema": schema, **encoding}})
        assert taken(data, body=b"a=%3A%2F&b=:", content_type=FORM).body == {"a": ":/", "b": ":"}
        if right:
            assert taken(data, body=b"a=:/?x", content_type=FORM).body == {"a": ":/?x"}
        else:
            (finding,) = refused(data, body=b"a=:/?x&a=/", content_type=FORM).findings
            assert (finding.where, finding.rule) == ("/body/a", "allowReserved")


def test_an_urlencoded_form_that_says_multipart_is_read_with_a_note() -> None:
    """It has no boundary, so that it can be nothing else; where parts have no named boundary they are refused."""
    data = posting({"multipart/form-data": {"schema": A}})
    call = taken(data, body=b"a=1", content_type="multipart/form-data")
    assert call.body == {"a": 1}
    assert [(note.where, note.level) for note in call.findings] == [("/header/content-type", "note")]
    assert refused(data, body=b"a=x", content_type="multipart/form-data").findings[0].where == "/body/a"
    for body, content_type in ((PART, "multipart/form-data"), (b"a=1", "multipart/form-data; boundary=B")):
        assert refused(data, body=body, content_type=content_type).status == 400


def test_an_empty_form_is_a_form_if_it_says_so() -> None:
    """What it must have is missing, whether a body is required or not; without a type nothing was sent."""
    data = posting({FORM: {"schema": A}}, required=False)
    assert refused(data, content_type=FORM).findings[0].where == "/body/a"
    assert taken(data).body is None


def test_a_text_where_xml_should_have_elements_is_refused() -> None:
    data = posting({"application/xml": {"schema": {**A, "required": []}}})
    assert refused(data, body=b"<x>true</x>", content_type="application/xml").findings[0].where == "/body"
    assert taken(data, body=b"<x> </x>", content_type="application/xml").body == {}
    assert taken(data, body=b"<x>\n <a>1</a></x>", content_type="application/xml").body == {"a": 1}


def test_without_a_type_what_is_no_json_is_refused_if_several_types_are_declared() -> None:
    assert refused(SEVERAL, body=b"a=1").status == 415
    assert taken(posting({FORM: {"schema": A}}), body=b"a=1").body == {"a": 1}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"a":'),
        ("application/json", b'{"a":NaN}'),
        ("application/json", b"[" * 100_000),
        ("application/xml", b"<a><b></a>"),
        ("application/xml", b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'),
        ("multipart/form-data", b"--B"),
        ("multipart/form-data; boundary=B", b"--B\r\nx"),
        ("text/plain; charset=ascii", b"\xff"),
        ("text/plain; charset=nonsense", b"x"),
        ("text/plain; charset=punycode", b"x"),
        ("text/plain; charset=unicode-escape", b"x"),
        ("application/x-ndjson", b'{"a":1}\n{'),
    ],
)
def test_a_body_that_cannot_be_read_is_400(content_type: str, body: bytes) -> None:
    name = content_type.partition(";")[0]
    rejection = refused(posting({name: {"schema": A}}), body=body, content_type=content_type)
    assert (rejection.status, rejection.findings[0].rule) == (400, "body_unreadable")


@pytest.mark.parametrize(
    ("content_type", "part", "most", "end"),
    [
        (FORM, b"a=1&", media.MOST_FIELDS, b""),
        ("multipart/form-data; boundary=B", PART, media.MOST_PARTS, b"--B--"),
        ("application/xml", b"<a/>", media.MOST_TAGS, b""),
        ("application/x-ndjson", b"{}\n", media.MOST_LINES, b""),
    ],
    ids=["form", "multipart", "xml", "lines"],
)
def test_a_body_of_too_many_parts_is_413(content_type: str, part: bytes, most: int, end: bytes) -> None:
    documented = posting({content_type.partition(";")[0]: {}})
    told = refused(documented, body=part * (most + 1) + end, content_type=content_type)
    assert (told.status, told.findings[0].rule) == (413, "body_unreadable")
    assert f"more than {most:,}" in told.findings[0].message


def test_a_form_of_many_names_and_a_text_in_no_charset_take_linear_time() -> None:
    before = time.process_time()
    form = b"&".join(b"k%d=1" % number for number in range(media.MOST_FIELDS))
    assert len(taken(posting({FORM: {}}), body=form).body) == media.MOST_FIELDS
    refused(posting({"text/plain": {}}), body=b"-" + b"kva" * 500_000, content_type="text/plain; charset=punycode")
    assert time.process_time() - before < 10, "it hangs"


def test_a_body_is_missing_only_if_it_is_required() -> None:
    (finding,) = refused(posting({"application/json": {"schema": A}}), content_type="application/json").findings
    assert (finding.where, finding.rule) == ("/body", "required")
    assert taken(posting({"application/json": {"schema": A}}, required=False)).body is None
    assert taken(posting({"application/json": {}}, required=False), body=b"[1]").body == [1]


FIELDS: Json = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "at": {"type": "object", "properties": {"x": {"type": "integer"}}},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer"}}}},
        "flag": {"type": "boolean"},
        "id": {"type": "string", "readOnly": True},
    },
    "required": ["id"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ({}, b"n=1&flag=true", {"n": 1, "flag": True}),
        ({}, b"ids=1&ids=2", {"ids": [1, 2]}),
        ({"ids": {"explode": False}}, b"ids=1,2", {"ids": [1, 2]}),
        ({"ids": {"style": "pipeDelimited", "explode": False}}, b"ids=1%7C2", {"ids": [1, 2]}),
        ({}, b"at=%7B%22x%22%3A1%7D", {"at": {"x": 1}}),
        ({"at": {"contentType": "application/json"}}, b"at=%7B%22x%22%3A1%7D", {"at": {"x": 1}}),
        ({"at": {"style": "deepObject", "explode": True}}, b"at[x]=1", {"at": {"x": 1}}),
        ({}, b"at%5Bx%5D=1", {"at": {"x": 1}}),
        ({}, b"rows=%7B%22x%22%3A1%7D&rows=%7B%22x%22%3A2%7D", {"rows": [{"x": 1}, {"x": 2}]}),
        ({}, b"rows=%5B%7B%22x%22%3A1%7D%5D", {"rows": [{"x": 1}]}),
    ],
)
def test_a_form_is_read_by_its_encoding(encoding: Json, body: bytes, expected: Json) -> None:
    data = posting({FORM: {"schema": FIELDS, "encoding": encoding}})
    assert taken(data, body=body, content_type=FORM).body == expected


@pytest.mark.parametrize(
    ("body", "where"),
    [(b"n=x", "/body/n"), (b"ids=1&ids=x", "/body/ids/1"), (b"other=1", "/body"), (b"at=x", "/body/at")],
)
def test_a_wrong_form_is_refused_and_placed(body: bytes, where: str) -> None:
    assert refused(posting({FORM: {"schema": FIELDS}}), body=body, content_type=FORM).findings[0].where == where


UPLOAD: Json = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "maxLength": 5},
        "n": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "meta": {"type": "object", "properties": {"x": {"type": "integer"}}},
    },
}
IN_PARTS = "multipart/form-data; boundary=B"


def test_a_multipart_body_is_read_with_its_files() -> None:
    body = multipart(
        ('name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream', b"\xff\x00\r\n"),
        ('name="n"', b"5"),
        ('name="tags"', b"a"),
        ('name="tags"', "é".encode()),
        ('name="files"; filename="1"', b"1"),
        ('name="meta"\r\nContent-Type: application/json', b'{"x":1}'),
    )
    found = taken(posting({"multipart/form-data": {"schema": UPLOAD}}), body=body, content_type=IN_PARTS).body
    assert found == {"file": b"\xff\x00\r\n", "n": 5, "tags": ["a", "é"], "files": [b"1"], "meta": {"x": 1}}
    assert judged(found)["file"] == "\xff\x00\r\n"


SIZED: Json = {
    "file": {
        "headers": {
            "X-Size": {"required": True, "schema": {"type": "integer", "maximum": 9}},
            "X-Tags": {"schema": {"type": "array", "items": {"enum": ["a", "b"]}}},
            "Content-Type": {"required": True, "schema": {"const": "x/y"}},
        }
    }
}


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        ("X-Size: 5", ""),
        ("x-size: 5\r\nX-Tags: a,b\r\nX-Other: 1", ""),
        ("X-Tags: a", "required"),
        ("X-Size: 10", "header"),
        ("X-Size: five", "header"),
        ("X-Size: 5\r\nX-Tags: a,c", "header"),
    ],
)
def test_header_fields_of_a_part_are_judged(head: str, rule: str) -> None:
    data = posting({"multipart/form-data": {"schema": UPLOAD, "encoding": SIZED}})
    body = multipart((f'name="file"; filename="a"\r\n{head}', b"x"))
    found = judge(data, body=body, content_type=IN_PARTS)
    told = [(each.where, each.rule) for each in found.findings]
    assert told == ([("/body/file", rule)] if rule else [])


MIXED: Json = {
    "schema": {"type": "array", "prefixItems": [{"type": "object"}, {"type": "integer"}], "items": {"type": "string"}},
    "prefixEncoding": [{"contentType": "application/json"}, {"headers": {"X-A": {"schema": {"type": "integer"}}}}],
    "itemEncoding": {"contentType": "text/plain, text/html", "headers": {"X-B": {"required": True, "schema": {}}}},
}


@pytest.mark.parametrize(
    ("heads", "wrong"),
    [
        (("Content-Type: application/json", "X-A: 1", "X-B: x", "Content-Type: text/html\r\nX-B: x"), []),
        (
            ("Content-Type: text/plain", "X-A: x", "X-B: x", "X-B: x"),
            [("/body/0", "contentType"), ("/body/1", "header")],
        ),
        (("", "", "", "X-B: x\r\nContent-Type: a/b"), [("/body/2", "required"), ("/body/3", "contentType")]),
    ],
)
def test_parts_without_names_are_encoded_by_their_place(heads: tuple[str, ...], wrong: list[tuple[str, str]]) -> None:
    bodies = (b"{}", b"5", b"a", b"b")
    lines = [["--B", *filter(None, [head]), "", ""] for head in heads]
    parts = ["\r\n".join(each).encode() + body for each, body in zip(lines, bodies, strict=True)]
    body = b"\r\n".join(parts) + b"\r\n--B--\r\n"
    found = judge(posting({"multipart/mixed": MIXED}), body=body, content_type="multipart/mixed; boundary=B")
    assert [(each.where, each.rule) for each in found.findings] == wrong
    if not wrong:
        assert isinstance(found, Call)
        assert found.body == [{}, 5, "a", "b"]


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ([('name="n"', b"5")], "/body/file"),
        ([('name="file"; filename="a"', b"123456")], "/body/file"),
        ([('name="file"', b"1"), ('name="n"', b"x")], "/body/n"),
        ([('name="file"', b"1"), ('name="meta"', b'{"x":"y"}')], "/body/meta/x"),
        ([('name="file"', b"1"), ('name="meta"', b"no json")], "/body/meta"),
        ([('name="file"; filename="a"\r\nContent-Type: text/html', b"1")], "/body/file"),
    ],
)
def test_a_wrong_multipart_body_is_refused_and_placed(parts: list[tuple[str, bytes]], where: str) -> None:
    encoding = {"file": {"contentType": "image/png, image/*, application/octet-stream"}}
    data = posting({"multipart/form-data": {"schema": UPLOAD, "encoding": encoding}})
    assert refused(data, body=multipart(*parts), content_type=IN_PARTS).findings[0].where == where


@pytest.mark.parametrize(
    ("name", "schema", "body", "expected"),
    [
        ("text/plain", {"type": "integer"}, b"5", 5),
        ("text/plain; charset=latin-1", {"const": "é"}, b"\xe9", "é"),
        ("application/octet-stream", {"type": "string", "format": "binary", "maxLength": 3}, b"\xff\x00", b"\xff\x00"),
        ("image/png", {}, b"\x89PNG", b"\x89PNG"),
        ("application/pdf", None, b"%PDF", b"%PDF"),
        ("application/x-ndjson", {"type": "array", "items": A}, b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        ("application/jsonl", A, b'{"a":1}\r\n\r\n{"a":2}', [{"a": 1}, {"a": 2}]),
        ("application/json-seq", A, b'\x1e{"a":1}\n\x1e{"a":2}\n', [{"a": 1}, {"a": 2}]),
    ],
)
def test_other_types_are_read_too(name: str, schema: Json, body: bytes, expected: Json) -> None:
    media = {} if schema is None else {"schema": schema}
    assert taken(posting({name.partition(";")[0]: media}), body=body, content_type=name).body == expected


@pytest.mark.parametrize(
    ("name", "media", "body", "where"),
    [
        ("text/plain", {"schema": {"type": "integer"}}, b"x", "/body"),
        (
            "application/octet-stream",
            {"schema": {"type": "string", "format": "binary", "maxLength": 1}},
            b"\xff\x00",
            "/body",
        ),
        ("application/x-ndjson", {"schema": {"type": "array", "items": A}}, b'{"a":1}\n{"a":"x"}', "/body/1/a"),
        ("application/x-ndjson", {"schema": A}, b'{"a":1}\n{"a":"x"}', "/body/1/a"),
        ("application/jsonl", {"itemSchema": A}, b'{"a":1}\n{}', "/body/1/a"),
    ],
)
def test_other_types_are_judged_too(name: str, media: Json, body: bytes, where: str) -> None:
    data = posting({name: media}) | {"openapi": "3.2.0"}
    assert refused(data, body=body, content_type=name).findings[0].where == where


PET: Json = {
    "type": "object",
    "xml": {"name": "pet"},
    "required": ["name"],
    "properties": {
        "id": {"type": "integer", "xml": {"attribute": True}},
        "name": {"type": "string", "xml": {"name": "Name", "namespace": "urn:n", "prefix": "n"}},
        "photos": {"type": "array", "items": {"type": "string", "xml": {"name": "photo"}}, "xml": {"wrapped": True}},
        "tags": {"type": "array", "items": {"type": "integer"}},
        "owner": {"type": "object", "properties": {"age": {"type": "integer"}}},
        "note": {"type": ["string", "null"]},
    },
}


def test_xml_is_read_as_its_xml_objects_say() -> None:
    body = b"""<?xml version="1.0"?><pet id="5" xmlns:n="urn:n" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
      <n:Name>Rex</n:Name><photos><photo>a</photo><photo>b</photo></photos><tags>1</tags><tags>2</tags>
      <owner><age>7</age></owner><other>x</other></pet>"""
    found = taken(posting({"application/xml": {"schema": PET}}), body=body, content_type="text/xml; charset=utf-8")
    assert found.body == {
        "id": 5,
        "name": "Rex",
        "photos": ["a", "b"],
        "tags": [1, 2],
        "owner": {"age": 7},
        "other": "x",
    }


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"<pet/>", "/body/name"),
        (b'<pet id="x"><Name/></pet>', "/body/id"),
        (b"<pet><Name/><tags>x</tags></pet>", "/body/tags/0"),
        (b"<pet><Name/><owner><age>x</age></owner></pet>", "/body/owner/age"),
        (b"<cat><Name/></cat>", "/body"),
    ],
)
def test_wrong_xml_is_refused_and_placed(body: bytes, where: str) -> None:
    data = posting({"application/xml": {"schema": PET}})
    assert refused(data, body=body, content_type="application/xml").findings[0].where == where


# -- readOnly --------------------------------------------------------------------------------------------------------

READ_ONLY: Json = {
    "Base": {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}}, "required": ["id"]},
    "Note": {
        "allOf": [{"$ref": "#/components/schemas/Base"}],
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
    },
}

NOTE: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}


def test_what_is_marked_behind_references_and_allof_is_not_required_either() -> None:
    own: Json = {"$ref": "#/components/schemas/Id"}
    fields = {"a": own, "b": {"allOf": [own]}, "c": {"allOf": [{"allOf": [own]}, {"minimum": 0}]}, "d": {"not": own}}
    note = {"type": "object", "properties": fields, "required": list(fields)}
    data = posting({"application/json": {"schema": note}})
    data["components"] = {"schemas": {"Id": {"type": "integer", "readOnly": True}}}
    found = refused(data, body=b"{}", content_type="application/json").findings
    assert [each.where for each in found] == ["/body/d"]


def test_what_only_answers_have_is_not_required_and_is_judged_where_it_is_sent() -> None:
    data = posting(NOTE, components={"schemas": READ_ONLY})
    assert taken(data, body=b'{"a":"x"}', content_type="application/json").body == {"a": "x"}
    assert refused(data, body=b"{}", content_type="application/json").findings[0].where == "/body/a"
    assert refused(data, body=b'{"a":"x","id":"y"}', content_type="application/json").findings[0].where == "/body/id"


def test_what_was_changed_for_requests_shares_all_else_with_the_document() -> None:

    data = posting(
        {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}, components={"schemas": READ_ONLY}
    )
    contract = read_contract(convert(data, "t.json", lambda _: {}), name="t", file="t.json")
    body = contract.operations[0].body
    assert body is not None
    other = seen_from(body.schema, "sent").document
    assert other is not contract.document
    assert other["paths"] is contract.document["paths"]
    assert other["components"]["schemas"]["Base"]["required"] == []
    assert contract.document["components"]["schemas"]["Base"]["required"] == ["id"]


# -- FastAPI ---------------------------------------------------------------------------------------------------------

forms = FastAPI()


@forms.post("/form")
async def take_form(n: Annotated[int, Form()], tags: Annotated[list[str] | None, Form()] = None) -> Any:
    return {"n": n, "tags": tags}


@forms.post("/file")
async def take_file(file: Annotated[bytes, File()], n: Annotated[int, Form()] = 1) -> Any:
    return {"size": len(file), "n": n}


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/form", FORM, b"n=1&tags=a&tags=b"),
        ("/form", FORM, b"n=x"),
        ("/form", FORM, b""),
        ("/form", "application/json", b'{"n":1}'),
        ("/file", IN_PARTS, multipart(('name="file"; filename="a"', b"\xff"))),
        ("/file", IN_PARTS, multipart(('name="n"', b"x"))),
    ],
)
def test_forms_of_fastapi_are_judged_as_it_does(tmp_path: Any, path: str, content_type: str, body: bytes) -> None:
    own = Mock(Settings(seed=0, contract=str(write_document(tmp_path, forms.openapi()))))
    theirs = call(forms, "POST", path, headers=[("content-type", content_type)], body=body)
    ours = ask(own.handle, "POST", path, body, content_type=content_type)
    assert ours.status == theirs.status
    assert theirs.status == 200 or value(ours)["detail"] == json.loads(theirs.body)["detail"]


def test_of_a_body_for_fastapi_the_type_is_not_asked() -> None:
    error = {"type": "object", "properties": {"detail": {"type": "array", "items": {"$ref": "#/components/schemas/E"}}}}
    item = {"type": "object", "properties": {"loc": {"type": "array"}, "msg": {"type": "string"}}}
    replies = {"422": {"description": "x", "content": {"application/json": {"schema": error}}}}
    data = posting({"application/json": {"schema": A}}, components={"schemas": {"E": item}})
    data["paths"]["/x"]["post"]["responses"] |= replies
    forms_: list[tuple[RefusalForm, bool]] = [("auto", True), ("document", False), ("fastapi", True)]
    for form, lax in forms_:
        found = judge(data, body=b'{"a":"1"}', content_type="application/json", form=form)
        assert hasattr(found, "body") is lax


PETS: Json = {
    "Cat": {"type": "object", "required": ["kind", "meow"], "properties": {"kind": {"type": "string"}}},
    "Dog": {"type": "object", "required": ["kind", "bark", "name", "age"], "properties": {"kind": {"type": "string"}}},
}


@pytest.mark.parametrize("union", ["oneOf", "anyOf"])
@pytest.mark.parametrize("mapping", [None, {"d": "Dog"}, {"d": "#/components/schemas/Dog", "x": "elsewhere.json"}])
def test_what_is_wrong_is_told_of_the_member_that_the_discriminator_names(union: str, mapping: Json) -> None:
    told = {"propertyName": "kind"} if mapping is None else {"propertyName": "kind", "mapping": mapping}
    members = [{"$ref": f"#/components/schemas/{name}"} for name in PETS]
    data = posting({"application/json": {"schema": {union: members, "discriminator": told}}})
    data["components"] = {"schemas": PETS}
    names = {
        "d" if mapping else "Dog": "bark name age",
        "Dog": "bark name age",
        "Cat": "meow",
        "x": "meow",
        "?": "meow",
    }
    for kind, missing in names.items():
        found = refused(data, body=json.dumps({"kind": kind}).encode(), content_type="application/json").findings
        assert [each.where for each in found] == [f"/body/{name}" for name in missing.split()], kind
