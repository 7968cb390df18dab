"""What an answer takes from its request, and from how often it came; declared statuses and header fields."""

import json
from pathlib import Path
from typing import Any

import pytest

from mockserver.answer.requested import MOST_TURNS, Turns
from mockserver.engine import Mock
from mockserver.messages import Json, Request, Response
from mockserver.settings import Settings
from tests.answer.test_body import served
from tests.strategies import write_document
from tests.talk import ask, header, value

NOTE: Json = {
    "type": "object",
    "required": ["id", "text", "size", "password"],
    "properties": {
        "id": {"type": "string", "minLength": 3},
        "text": {"type": "string", "maxLength": 10},
        "size": {"type": "integer"},
        "password": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
    },
}


def text() -> Json:
    return {"type": "string"}


def noted(
    folder: Path, media: Json | None = None, *, status: str = "200", components: Json = None, **more: Any
) -> Mock:
    """Give a mock of one operation, POST /notes/{id}."""
    content = {"application/json": media or {"schema": NOTE}}
    operation = {
        "operationId": "write",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {status: {"description": "ok", "content": content}},
    }
    info = {"title": "t", "version": "1"}
    document = {"openapi": "3.1.0", "info": info, "paths": {"/notes/{id}": {"post": operation}}}
    document["components"] = components or {}
    return Mock(Settings(contract=str(write_document(folder, document)), seed=1, **more))


def note(mock: Mock, body: Json, id: str = "note-1", **headers: str) -> Json:
    return value(ask(mock.handle, "POST", f"/notes/{id}", body, **headers))


# -- echo ------------------------------------------------------------------------------------------------------------


def test_what_the_request_says_is_echoed_in_fields_of_the_same_name_and_type(tmp_path: Path) -> None:
    made = note(noted(tmp_path), {"text": "hello", "size": "large", "id": "of the body", "other": 1})
    assert (made["id"], made["text"]) == ("note-1", "hello")
    assert isinstance(made["size"], int)
    assert "other" not in made


def test_only_what_the_schema_allows_is_echoed(tmp_path: Path) -> None:
    made = note(noted(tmp_path), {"text": "longer than ten", "size": 5, "at": "yesterday"}, id="ab")
    assert len(made["id"]) >= 3
    assert len(made["text"]) <= 10
    assert made["at"] != "yesterday"
    assert made["size"] == 5


def test_a_value_of_another_type_is_not_echoed_though_the_schema_allows_it(tmp_path: Path) -> None:
    either = {"type": "object", "properties": {"a": {"type": ["integer", "string"], "example": 5}}}
    mock = noted(tmp_path, {"schema": either})
    assert (note(mock, {"a": "five"}), note(mock, {"a": 7})) == ({"a": 5}, {"a": 7})


@pytest.mark.parametrize("kind", ["oneOf", "anyOf", "allOf"])
def test_the_field_that_tells_the_schema_of_an_object_is_not_echoed(tmp_path: Path, kind: str) -> None:
    """Else a client would read a dog as a cat."""
    told = {"propertyName": "kind", "mapping": {"d": "#/components/schemas/Dog"}}
    base: Json = {"type": "object", "required": ["kind", "name"], "properties": {"kind": text(), "name": text()}}
    union = {kind: [{"$ref": "#/components/schemas/Dog"}, {"$ref": "#/components/schemas/Cat"}], "discriminator": told}
    pets = {"Dog": base, "Cat": {"allOf": [base], "required": ["meow"], "properties": {"meow": {"const": 1}}}}
    if kind == "allOf":
        pets["Dog"], union = base | {"discriminator": told}, {"$ref": "#/components/schemas/Dog"}
    mock = noted(tmp_path, {"schema": union}, components={"schemas": pets})
    for _ in range(9):
        made = note(mock, {"kind": "other", "name": "Rex"})
        assert made["name"] == "Rex"
        assert made["kind"] == ("Cat" if "meow" in made else "d")


def test_no_secret_is_echoed_and_nothing_where_that_is_said(tmp_path: Path) -> None:
    sent = {"text": "hello", "password": "s3cret"}
    assert note(noted(tmp_path), sent)["password"] not in sent.values()
    assert note(noted(tmp_path, echo=False), sent)["text"] != "hello"
    assert note(noted(tmp_path, redacted_names="text"), sent)["text"] != "hello"


def test_nothing_is_echoed_into_examples_or_errors(tmp_path: Path) -> None:
    example = {"id": "own", "text": "mine", "size": 1, "password": ""}
    assert note(noted(tmp_path, {"schema": NOTE, "example": example}), {"text": "hello"}) == example
    for status in ("300", "404"):
        assert note(noted(tmp_path, status=status), {"text": "hello"})["text"] != "hello"


# -- turns -----------------------------------------------------------------------------------------------------------


def test_made_answers_differ_from_call_to_call_and_repeat_from_start_to_start(tmp_path: Path) -> None:
    runs = []
    for _ in range(2):
        mock = noted(tmp_path)
        runs.append([json.dumps(note(mock, body)) for body in ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 1})])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 4


def test_a_seed_of_the_request_fixes_its_answer(tmp_path: Path) -> None:
    mock = noted(tmp_path)
    assert note(mock, {}, prefer="seed=7") == note(mock, {}, prefer="seed=7") != note(mock, {}, prefer="seed=8")


def test_scopes_are_counted_apart_and_a_dropped_one_begins_again(tmp_path: Path) -> None:
    mock = noted(tmp_path)
    first = [note(mock, {}, x_mock_scope="a") for _ in range(2)]
    note(mock, {}, x_mock_scope="b")
    mock.drop("b")
    third = note(mock, {}, x_mock_scope="a")
    assert third not in first
    mock.drop("a")
    assert [note(mock, {}, x_mock_scope="a") for _ in range(3)] == [*first, third]


def test_a_head_request_repeats_the_answer_to_get(tmp_path: Path) -> None:
    content = {"application/json": {"schema": {"type": "string"}}}
    mock = served(tmp_path, {"200": {"description": "ok", "content": content}})
    sizes = []
    for _ in range(5):
        got = ask(mock.handle, "GET", "/x")
        head = ask(mock.handle, "HEAD", "/x")
        assert (header(head, "content-length"), head.body) == (str(len(got.body)), b"")
        sizes.append(len(got.body))
    assert len(set(sizes)) > 1


def test_the_requests_that_are_counted_are_bounded() -> None:
    turns = Turns()
    for number in range(MOST_TURNS + 5):
        assert turns.next(Request("GET", f"/{number}")) == 0
    assert len(turns._counts) == MOST_TURNS
    assert turns.next(Request("GET", f"/{MOST_TURNS}")) == 1
    assert turns.next(Request("GET", "/0")) == 0  # forgotten


def test_dynamic_answers_are_generated_although_there_are_examples(tmp_path: Path) -> None:
    media = {"schema": NOTE, "example": {"id": "own", "text": "mine", "size": 1, "password": ""}}
    mock = noted(tmp_path, media, dynamic=True)
    response = ask(mock.handle, "POST", "/notes/abc", {})
    assert header(response, "x-mock-source") == "generated"
    assert header(ask(mock.handle, "POST", "/notes/abc", {}, prefer="dynamic=false"), "x-mock-source") == "documented"


# -- examples of requests --------------------------------------------------------------------------------------------


def exemplary(folder: Path) -> Mock:
    """Give a mock of an operation whose requests and answers have examples of the same names."""
    operation = {
        "operationId": "write",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "integer"},
                "examples": {"one": {"value": 1}, "two": {"value": 2}},
            }
        ],
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {},
                    "examples": {"two": {"value": {"b": 2.0}}, "three": {"value": {"c": 3}}},
                }
            }
        },
        "responses": {
            "200": {
                "description": "ok",
                "content": {
                    "application/json": {
                        "examples": {name: {"value": name} for name in ("zero", "one", "two", "three")},
                    }
                },
            }
        },
    }
    info = {"title": "t", "version": "1"}
    document = {"openapi": "3.1.0", "info": info, "paths": {"/{id}": {"post": operation}}}
    return Mock(Settings(contract=str(write_document(folder, document)), seed=1))


def test_a_request_that_is_a_named_example_gets_the_answer_of_that_name(tmp_path: Path) -> None:
    mock = exemplary(tmp_path)
    for body, path, expected in (
        (None, "1", "one"),
        (None, "5", "zero"),
        ({"b": 2}, "2", "two"),
        ({"b": 2}, "5", "zero"),
        ({"c": 3}, "5", "three"),
        ({"c": 4}, "5", "zero"),
    ):
        assert value(ask(mock.handle, "POST", f"/{path}", body)) == expected, (body, path)


# -- statuses --------------------------------------------------------------------------------------------------------

CONTENT: Json = {"application/json": {"schema": {"type": "object"}, "example": {"ok": True}}}


@pytest.mark.parametrize("status", [204, 205, 304])
def test_no_body_is_sent_where_http_allows_none(tmp_path: Path, status: int) -> None:
    mock = served(tmp_path, {str(status): {"description": "x", "content": CONTENT}})
    for prefer in (None, f"code={status}", "dynamic=true"):
        response = ask(mock.handle, "GET", "/x", prefer=prefer)
        assert (response.status, response.body, header(response, "content-type")) == (status, b"", None)
        assert header(response, "content-length") == ("0" if status == 205 else None)


@pytest.mark.parametrize(("declared", "status"), [("302", 302), ("410", 410), ("4XX", 400), ("default", 200)])
def test_without_a_success_the_declared_answer_is_given(tmp_path: Path, declared: str, status: int) -> None:
    fields = {"Location": {"schema": {"type": "string", "format": "uri"}}}
    mock = served(tmp_path, {declared: {"description": "x", "headers": fields}})
    response = ask(mock.handle, "GET", "/x")
    assert response.status == status
    assert "://" in (header(response, "location") or "")


def test_an_answer_that_only_announces_another_is_not_served(tmp_path: Path) -> None:
    response = ask(served(tmp_path, {"101": {"description": "x"}}).handle, "GET", "/x")
    assert (response.status, header(response, "x-mock-fault")) == (501, "contract")


@pytest.mark.parametrize("prefer", ["code=418", "example=none", "code=200, example=none"])
def test_a_preference_that_is_not_declared_is_404_and_told_why(tmp_path: Path, prefer: str) -> None:
    mock = served(tmp_path, {"200": {"description": "x", "content": CONTENT}})
    response = ask(mock.handle, "GET", "/x", prefer=prefer)
    assert (response.status, header(response, "content-type")) == (404, "application/problem+json")
    assert value(response)["status"] == 404
    assert header(response, "x-mock-pointer") == "/header/prefer"


def test_a_preference_is_met_by_a_range_and_by_the_default(tmp_path: Path) -> None:
    def named(name: str) -> Json:
        return {"description": "x", "content": {"application/json": {"examples": {name: {"value": name}}}}}

    mock = served(tmp_path, {"200": named("good"), "4XX": named("bad"), "default": named("other")})
    for prefer, status, expected in (
        ("code=418", 418, "bad"),
        ("code=503", 503, "other"),
        ("code=418, example=bad", 418, "bad"),
        ("example=bad", 400, "bad"),
        ("example=other", 500, "other"),
    ):
        response = ask(mock.handle, "GET", "/x", prefer=prefer)
        assert (response.status, value(response)) == (status, expected), prefer


def test_an_example_of_the_default_stands_for_a_success_where_no_other_is_declared(tmp_path: Path) -> None:
    examples = {"application/json": {"examples": {"other": {"value": "other"}}}}
    mock = served(tmp_path, {"default": {"description": "x", "content": examples}})
    response = ask(mock.handle, "GET", "/x", prefer="example=other")
    assert (response.status, value(response)) == (200, "other")


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_range_or_the_default_stands_for_no_answer_without_a_body(tmp_path: Path, status: int) -> None:
    declared = {"200": {"description": "x", "content": CONTENT}, "3XX": {"description": "x"}}
    mock = served(tmp_path, {**declared, "default": {"description": "x", "content": CONTENT}})
    assert ask(mock.handle, "GET", "/x", prefer=f"code={status}").status == 404


def test_an_example_is_taken_from_the_representation_that_is_wished_for(tmp_path: Path) -> None:
    content = {
        "application/json": {"examples": {"a": {"value": 1}}},
        "text/csv": {"examples": {"a": {"value": "1,2"}}},
    }
    mock = served(tmp_path, {"200": {"description": "x", "content": content}})
    assert ask(mock.handle, "GET", "/x", prefer="example=a", accept="text/csv").body == b"1,2"
    assert ask(mock.handle, "GET", "/x", prefer="example=a").body == b"1"


def test_an_example_may_be_json_in_a_text(tmp_path: Path) -> None:
    """Some documents write all examples so; where the schema takes the text itself, it is one."""
    for schema, example, expected in (
        ({"type": "object", "required": ["a"]}, '{\r\n "a": 1}', {"a": 1}),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"type": "string"}, "[1, 2]", "[1, 2]"),
        ({}, "[1, 2]", "[1, 2]"),
    ):
        content = {"application/json": {"schema": schema, "example": example}}
        response = ask(served(tmp_path, {"200": {"description": "x", "content": content}}).handle, "GET", "/x")
        assert (header(response, "x-mock-source"), value(response)) == ("documented", expected)
    for wrong in ('{"b": 1}', '{"a": ', "[" * 100_000):
        content = {"application/json": {"schema": {"type": "object", "required": ["a"]}, "example": wrong}}
        response = ask(served(tmp_path, {"200": {"description": "x", "content": content}}).handle, "GET", "/x")
        assert header(response, "x-mock-source") != "documented"


# -- header fields ---------------------------------------------------------------------------------------------------


def fields(folder: Path, declared: Json, **headers: str) -> Response:
    mock = served(folder, {"200": {"description": "x", "headers": declared, "content": CONTENT}})
    return ask(mock.handle, "GET", "/x", **headers)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"schema": {"const": True}}, "true"),
        ({"schema": {"type": "array"}, "example": [1, 2]}, "1,2"),
        ({"schema": {"type": "object"}, "example": {"a": 1, "b": False}}, "a,1,b,false"),
        ({"schema": {"type": "object"}, "explode": True, "example": {"a": 1, "b": False}}, "a=1,b=false"),
        ({"schema": {"type": "null"}}, ""),
        ({"schema": {"const": "\u65e5"}}, "\u65e5".encode().decode("latin-1")),
        ({"schema": {"type": "string", "example": "of the schema"}}, "of the schema"),
        ({"schema": {"type": "string"}, "example": "100% of it"}, "100% of it"),
        ({"schema": {"type": "string"}, "example": "a\r\nX-Evil: 1"}, "a  X-Evil: 1"),
        ({"content": {"application/json": {"schema": {"const": {"a": [1]}}}}}, '{"a":[1]}'),
        ({"schema": {"type": "integer"}, "examples": {"seven": {"value": 7}}}, "7"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_declared_field_is_sent_in_its_style(tmp_path: Path, declared: Json, expected: str, required: bool) -> None:
    response = fields(tmp_path, {"X-Field": {**declared, "required": required}})
    assert header(response, "x-field") == expected


def test_a_made_field_satisfies_its_schema(tmp_path: Path) -> None:
    response = fields(tmp_path, {"X-Rate": {"schema": {"type": "integer", "minimum": 7, "maximum": 9}}})
    assert 7 <= int(header(response, "x-rate") or "") <= 9


@pytest.mark.parametrize(
    "name", ["Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Date", "Content-Encoding"]
)
def test_a_declared_field_that_belongs_to_the_message_is_left_to_it(tmp_path: Path, name: str) -> None:
    plain, response = fields(tmp_path, {}), fields(tmp_path, {name: {"required": True, "schema": {"const": "x"}}})
    assert (plain.headers, plain.body) == (response.headers, response.body)


def test_no_field_is_sent_twice(tmp_path: Path) -> None:
    declared = {name: {"schema": {"const": "x"}} for name in ("Vary", "Cache-Control", "Preference-Applied")}
    content = {"text/event-stream": {"schema": {"type": "string"}}, "application/json": {}}
    mock = served(tmp_path, {"200": {"description": "x", "headers": declared, "content": content}})
    for accept in ("text/event-stream", "application/json"):
        names = [name for name, _ in ask(mock.handle, "GET", "/x", accept=accept, prefer="code=200").headers]
        assert len(names) == len(set(names))
        assert {b"vary", b"cache-control", b"preference-applied"} <= set(names)


def test_a_field_of_which_no_value_can_be_made_is_left_out_unless_it_is_required(tmp_path: Path) -> None:
    impossible = {"schema": {"type": "string", "minLength": 5, "maxLength": 2}}
    assert fields(tmp_path, {"X-No": impossible}).status == 200
    assert fields(tmp_path, {"X-No": {**impossible, "required": True}}).status == 501


TWO_LINES: Json = {"schema": {"const": "a\nb"}}
COMMAS: Json = {"schema": {"type": "array", "minItems": 2, "items": {"const": "a,b"}}}
NESTED: Json = {"schema": {"type": "object", "properties": {"a": {"const": [1, 2]}}, "required": ["a"]}}


@pytest.mark.parametrize("declared", [TWO_LINES, {"schema": {"const": " a "}}, COMMAS, NESTED])
def test_a_field_that_would_be_read_otherwise_is_left_out_unless_it_is_required(tmp_path: Path, declared: Json) -> None:
    assert header(fields(tmp_path, {"X-No": declared}), "x-no") is None
    refused = fields(tmp_path, {"X-No": {**declared, "required": True}})
    assert (refused.status, header(refused, "x-mock-fault")) == (501, "contract")
    assert "the header field x-no cannot be written" in (header(refused, "x-mock-message") or "")
    assert "/headers/X-No/schema" in (header(refused, "x-mock-contract") or "")


def test_a_made_list_is_drawn_until_its_parts_have_no_commas(tmp_path: Path) -> None:
    part = {"enum": ["a,b", "c"]}
    declared = {"schema": {"type": "array", "minItems": 2, "maxItems": 2, "items": part}}
    assert header(fields(tmp_path, {"X-Two": declared}), "x-two") == "c,c"


def test_retrying_is_not_put_off_by_a_made_field(tmp_path: Path) -> None:
    assert header(fields(tmp_path, {"Retry-After": {"schema": {"type": "integer"}}}), "retry-after") == "1"
