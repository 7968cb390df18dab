"""Parameters are read in every style, and converted by their resolved schema."""

from typing import Any

import pytest

from mockserver.messages import Json
from tests.request.documents import document, judge, refused, taken

INTEGERS: Json = {"type": "array", "items": {"type": "integer"}}
COLOUR: Json = {
    "type": "object",
    "properties": {"R": {"type": "integer"}, "G": {"type": "integer"}, "name": {"type": "string"}},
    "required": ["R"],
}
DEEP: Json = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "in": {"type": "object", "properties": {"b": {"type": "boolean"}}},
        "list": INTEGERS,
    },
}


def parameter(schema: Json, location: str = "query", name: str = "p", **more: Any) -> Json:
    found = {"name": name, "in": location, "schema": schema, **more}
    path = "/x/{p}" if location == "path" else "/x"
    return document({"parameters": [found | ({"required": True} if location == "path" else {})]}, path)


@pytest.mark.parametrize(
    ("more", "schema", "query", "value"),
    [
        ({}, {"type": "integer"}, "p=1", 1),
        ({}, {"type": "number"}, "p=1.5", 1.5),
        ({}, {"type": "boolean"}, "p=true", True),
        ({}, {"type": "string"}, "p=1", "1"),
        ({}, {"type": "string"}, "p=a+b%20c%2B", "a b c+"),
        ({}, {"type": "string"}, "p=1&p=2", "2"),
        ({}, INTEGERS, "p=1&p=2", [1, 2]),
        ({}, INTEGERS, "p=1", [1]),
        ({"explode": False}, INTEGERS, "p=1,2,3", [1, 2, 3]),
        ({"explode": False}, INTEGERS, "p=1%2C2", [1, 2]),
        ({"explode": False}, {"type": "array", "items": {"type": "string"}}, "p=a%2Cb,c", ["a,b", "c"]),
        ({}, COLOUR, "R=1&G=2&other=x", {"R": 1, "G": 2}),
        ({}, {"type": "object", "additionalProperties": {"type": "integer"}}, "a=1&b=2", {"a": 1, "b": 2}),
        ({"explode": False}, COLOUR, "p=R,1,name,x", {"R": 1, "name": "x"}),
        ({"style": "spaceDelimited", "explode": False}, INTEGERS, "p=1%202+3", [1, 2, 3]),
        ({"style": "pipeDelimited", "explode": False}, INTEGERS, "p=1|2%7C3", [1, 2, 3]),
        ({"style": "pipeDelimited", "explode": True}, INTEGERS, "p=1&p=2", [1, 2]),
        ({"style": "spaceDelimited", "explode": False}, COLOUR, "p=R%201%20G%202", {"R": 1, "G": 2}),
        ({"style": "deepObject", "explode": True}, DEEP, "p[a]=1", {"a": 1}),
        ({"style": "deepObject", "explode": True}, DEEP, "p%5Bin%5D%5Bb%5D=true", {"in": {"b": True}}),
        ({"style": "deepObject", "explode": True}, DEEP, "p[list]=1&p[list]=2", {"list": [1, 2]}),
        ({"style": "deepObject", "explode": True}, DEEP, "p[list][]=1&p[list][]=2", {"list": [1, 2]}),
        ({"style": "deepObject", "explode": True}, DEEP, "p[list][1]=2&p[list][0]=1", {"list": [1, 2]}),
        ({"allowReserved": True}, {"type": "string"}, "p=a/b?c+d", "a/b?c+d"),
        ({"allowEmptyValue": True}, {"type": "integer"}, "p", ""),
        ({"allowEmptyValue": True}, {"type": "boolean"}, "p=", ""),
    ],
)
def test_a_query_is_read_in_its_style(more: Json, schema: Json, query: str, value: Json) -> None:
    assert taken(parameter(schema, **more), query).query == {"p": value}


def test_reserved_characters_stand_for_themselves_without_a_schema() -> None:
    loose = {"name": "p", "in": "query", "allowReserved": True}
    assert taken(document({"parameters": [loose]}), "p=a+b").query == {"p": "a+b"}


@pytest.mark.parametrize(
    ("more", "schema", "path", "value"),
    [
        ({}, {"type": "integer"}, "5", 5),
        ({}, INTEGERS, "3,4", [3, 4]),
        ({}, COLOUR, "R,100,G,2", {"R": 100, "G": 2}),
        ({"explode": True}, COLOUR, "R=100,G=2", {"R": 100, "G": 2}),
        ({"style": "label"}, {"type": "number"}, ".3.5", 3.5),
        ({"style": "label"}, INTEGERS, ".3,4", [3, 4]),
        ({"style": "label"}, INTEGERS, ".3.4", [3, 4]),
        ({"style": "label", "explode": True}, INTEGERS, ".3.4", [3, 4]),
        ({"style": "label"}, COLOUR, ".R,1,G,2", {"R": 1, "G": 2}),
        ({"style": "label", "explode": True}, COLOUR, ".R=1.G=2", {"R": 1, "G": 2}),
        ({"style": "matrix"}, {"type": "string"}, ";p=blue", "blue"),
        ({"style": "matrix"}, INTEGERS, ";p=3,4", [3, 4]),
        ({"style": "matrix", "explode": True}, INTEGERS, ";p=3;p=4", [3, 4]),
        ({"style": "matrix"}, COLOUR, ";p=R,1,G,2", {"R": 1, "G": 2}),
        ({"style": "matrix", "explode": True}, COLOUR, ";R=1;G=2", {"R": 1, "G": 2}),
    ],
)
def test_a_path_is_read_in_its_style(more: Json, schema: Json, path: str, value: Json) -> None:
    assert taken(parameter(schema, "path", **more), path=path).path == {"p": value}


TEXTS: Json = {"type": "array", "items": {"type": "string"}}
NAMED: Json = {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize(
    ("more", "schema", "path", "value"),
    [
        ({}, TEXTS, "a%2Cb,c", ["a,b", "c"]),
        ({}, TEXTS, "%20a,b%252C", [" a", "b%2C"]),
        ({}, NAMED, "a%2Cb,c", {"a,b": "c"}),
        ({"explode": True}, NAMED, "a%3Db=c%2Cd,e=f", {"a=b": "c,d", "e": "f"}),
        ({"style": "label"}, TEXTS, ".a%2Cb,c.d", ["a,b", "c.d"]),
        ({"style": "label", "explode": True}, TEXTS, ".a%2Eb.c", ["a.b", "c"]),
        ({"style": "matrix"}, TEXTS, ";p=a%2Cb,c%3B", ["a,b", "c;"]),
        ({"style": "matrix", "explode": True}, TEXTS, ";p=a%3Bp=b;p=c", ["a;p=b", "c"]),
        ({}, {"type": "string"}, "%20a%2Cb", " a,b"),
        ({}, INTEGERS, "1%2C2", [1, 2]),
    ],
)
@pytest.mark.parametrize("template", ["/x/{p}", "/%C3%A9/{p}.json", "/x({p})/y"])
def test_a_path_is_split_before_it_is_decoded(more: Json, schema: Json, path: str, value: Json, template: str) -> None:
    found = {"name": "p", "in": "path", "required": True, "schema": schema, **more}
    assert taken(document({"parameters": [found]}, template), path=path).path == {"p": value}


@pytest.mark.parametrize(("style", "path"), [("label", "3"), ("matrix", "3"), ("matrix", ";q=3"), ("simple", "3,x")])
def test_a_path_in_another_style_is_refused(style: str, path: str) -> None:
    (finding,) = refused(parameter(INTEGERS, "path", style=style), path=path).findings
    assert finding.where == ("/path/p/1" if style == "simple" else "/path/p")


@pytest.mark.parametrize(
    ("more", "schema", "lines", "right"),
    [
        ({}, {"type": "integer"}, ["5"], True),
        ({}, {"type": "integer"}, ["x"], False),
        ({}, INTEGERS, ["1,2, 3"], True),
        ({}, INTEGERS, ["1", "2"], True),
        ({}, INTEGERS, ["1,x"], False),
        ({}, COLOUR, ["R,1,G,2"], True),
        ({"explode": True}, COLOUR, ["R=1,G=2"], True),
        ({}, COLOUR, ["R,1,G"], False),
        ({"explode": True}, COLOUR, ["R,1"], False),
    ],
)
def test_a_header_is_read_as_a_simple_text(more: Json, schema: Json, lines: list[str], right: bool) -> None:
    data = parameter(schema, "header", "X-P", **more)
    found = judge(data, headers=[("X-P", line) for line in lines])
    assert bool(found.findings) is not right
    assert all(each.where.startswith("/header/x-p") for each in found.findings)


@pytest.mark.parametrize(
    ("more", "schema", "lines", "right"),
    [
        ({}, {"type": "integer"}, ["p=5"], True),
        ({}, {"type": "integer"}, ["q=1", "p=5"], True),
        ({}, {"type": "integer"}, ["q=1; p=x"], False),
        ({}, {"const": "a b"}, ["p=a%20b"], True),
        ({"style": "cookie"}, {"const": "a%20b"}, ["p=a%20b"], True),
        ({}, INTEGERS, ["p=1; p=2"], True),
        ({"explode": False}, INTEGERS, ["p=1,2"], True),
        ({"explode": False}, INTEGERS, ["p=1,x"], False),
        ({"explode": False}, COLOUR, ["p=R,1"], True),
        ({}, COLOUR, ["R=1; G=2"], True),
        ({}, COLOUR, ["R=x"], False),
    ],
)
def test_cookies_are_read_over_all_lines(more: Json, schema: Json, lines: list[str], right: bool) -> None:
    found = judge(parameter(schema, "cookie", **more), headers=[("Cookie", line) for line in lines])
    assert bool(found.findings) is not right


SIZE = {"components": {"schemas": {"Size": {"type": "integer", "minimum": 1}, "Tags": INTEGERS}}}


@pytest.mark.parametrize(
    ("schema", "query", "value"),
    [
        ({"type": "integer", "enum": [1, 2]}, "p=1", 1),
        ({"enum": [1, "2"]}, "p=2", "2"),
        ({"const": 2}, "p=2", 2),
        ({"const": True}, "p=true", True),
        ({"allOf": [{"$ref": "#/components/schemas/Size"}], "default": 5}, "p=3", 3),
        ({"$ref": "#/components/schemas/Size", "description": "d"}, "p=3", 3),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "p=3", 3),
        ({"oneOf": [{"type": "boolean"}, {"type": "integer", "minimum": 5}]}, "p=7", 7),
        ({"anyOf": [{"type": "integer", "maximum": 5}, {"type": "string", "minLength": 2}]}, "p=77", "77"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "p=x", "x"),
        ({"type": ["integer", "null"]}, "p=null", None),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, "p=1&p=2", [1, 2]),
        ({"anyOf": [{"$ref": "#/components/schemas/Tags"}, {"type": "null"}]}, "p=1", [1]),
        ({"oneOf": [{"type": "integer"}, INTEGERS]}, "p=1", 1),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, "p=1&p=2", [1, "2"]),
        ({"minimum": 3}, "p=4", 4),
        ({}, "p=4", "4"),
        ({"type": "integer"}, "p=1e2", 100.0),
    ],
)
def test_a_text_is_converted_by_the_resolved_schema(schema: Json, query: str, value: Json) -> None:
    data = parameter(schema) | SIZE
    found = taken(data, query).query["p"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "query", "where"),
    [
        ({"type": "integer", "enum": [1, 2]}, "p=9", "/query/p"),
        ({"type": "integer"}, "p=1.5", "/query/p"),
        ({"type": "integer"}, "p=01", "/query/p"),
        ({"type": "integer"}, "p=", "/query/p"),
        ({"type": "boolean"}, "p=yes", "/query/p"),
        ({"type": "boolean"}, "p=TRUE", "/query/p"),
        ({"type": "string", "format": "date-time"}, "p=yesterday", "/query/p"),
        ({"type": "string", "pattern": r"^\d+$"}, "p=%D9%A3", "/query/p"),
        ({"type": "string", "pattern": r"^\d+$"}, "p=12%0A", "/query/p"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, "p=a,b", "/query/p"),
        (INTEGERS, "p=1&p=x", "/query/p/1"),
        (COLOUR, "R=x", "/query/p/R"),
        (COLOUR, "G=1", "/query/p/R"),
    ],
)
def test_what_the_contract_forbids_is_refused_and_placed(schema: Json, query: str, where: str) -> None:
    rejection = refused(parameter(schema), query)
    assert (rejection.status, [each.where for each in rejection.findings]) == (422, [where])
    assert rejection.findings[0].contract.startswith("t#/paths/~1x/get/parameters/0/schema")


@pytest.mark.parametrize("query", ["p[a]=x", "p[a", "p=1", "p[a]=1&p[a][b]=2", "p" + "[a]" * 40 + "=1"])
def test_a_deep_object_that_is_none_is_refused(query: str) -> None:
    data = parameter(DEEP, style="deepObject", explode=True)
    assert refused(data, query).findings[0].where.startswith("/query/p")


def test_a_parameter_that_is_missing_is_named() -> None:
    data = parameter({"type": "integer"}, required=True)
    (finding,) = refused(data).findings
    assert (finding.where, finding.rule) == ("/query/p", "required")


def test_header_parameters_that_http_has_itself_are_ignored() -> None:
    names = ("Authorization", "Accept", "Content-Type")
    declared = [{"name": name, "in": "header", "required": True, "schema": {"const": "x"}} for name in names]
    taken(document({"parameters": declared}))


@pytest.mark.parametrize("text", ["%7B%22a%22%3A1%7D", '{"a":1}'])
def test_a_parameter_may_be_written_in_a_media_type(text: str) -> None:
    content = {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
    data = document({"parameters": [{"name": "p", "in": "query", "content": content}]})
    assert taken(data, f"p={text}").query == {"p": {"a": 1}}
    assert refused(data, "p=%7B%22a%22%3A%22x%22%7D").findings[0].where == "/query/p/a"
    assert refused(data, "p=x").findings[0].rule == "style"


def test_a_whole_query_may_be_one_parameter() -> None:
    content = {"application/x-www-form-urlencoded": {"schema": COLOUR}}
    data = document({"parameters": [{"name": "q", "in": "querystring", "content": content}]}) | {"openapi": "3.2.0"}
    assert taken(data, "R=1&name=a+b").query == {"q": {"R": 1, "name": "a b"}}
    assert refused(data, "R=x").findings[0].where == "/query/q/R"


def test_names_with_brackets_are_names() -> None:
    declared = [
        {"name": "ids[]", "in": "query", "schema": INTEGERS},
        {"name": "page[limit]", "in": "query", "schema": {"type": "integer", "maximum": 10}},
    ]
    data = document({"parameters": declared})
    assert taken(data, "ids[]=1&ids%5B%5D=2&page%5Blimit%5D=5").query == {"ids[]": [1, 2], "page[limit]": 5}
    assert refused(data, "page[limit]=50").findings[0].where == "/query/page[limit]"


@pytest.mark.parametrize(
    ("location", "more", "schema", "query", "path", "value"),
    [
        ("query", {"style": "deepObject", "explode": True}, DEEP, "p[a]=1", None, {"a": 1}),
        ("query", {"explode": False}, INTEGERS, "p=1,2", None, [1, 2]),
        ("query", {}, COLOUR, "R=1", None, {"R": 1}),
        ("path", {}, INTEGERS, "", "1,2", [1, 2]),
        ("path", {"style": "label"}, {"type": "string"}, "", ".a", "a"),
    ],
)
def test_the_words_of_fastapi_go_with_every_style(
    location: str, more: Json, schema: Json, query: str, path: str | None, value: Json
) -> None:
    call = taken(parameter(schema, location, **more), query, path=path, form="fastapi")
    found = {**call.path, **call.query}["p"]
    if isinstance(found, dict):  # fields that were not sent have their default
        found = {name: each for name, each in found.items() if each is not None}
    assert found == value


def test_the_words_of_fastapi_go_with_a_whole_query() -> None:
    content = {"application/json": {"schema": COLOUR}}
    data = document({"parameters": [{"name": "q", "in": "querystring", "content": content}]}) | {"openapi": "3.2.0"}
    assert refused(data, "%7B%22R%22%3A%22x%22%7D", form="fastapi").value["detail"][0]["loc"][-1] == "R"
