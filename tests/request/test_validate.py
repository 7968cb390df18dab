"""Requests are judged as upstream's framework judges them, to the byte; where that would fail, the mock helps."""

import copy
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import quote

import pytest
from fastapi import Cookie, FastAPI, Header, Query
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from mockserver.contract.tree import join
from mockserver.engine import Mock
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from tests.oracle import Answer, call, oracle
from tests.strategies import (
    bodies,
    body_values,
    content_types,
    operations,
    own_document,
    queries,
    target,
    write_document,
)
from tests.talk import KEY, ask, header, value

PATHS = {
    "create": ("POST", "/api/v1/chat"),
    "list": ("GET", "/api/v1/chat"),
    "retrieve": ("GET", "/api/v1/chat/ses-abc123"),
    "delete": ("DELETE", "/api/v1/chat/ses-abc123"),
    "get_summary": ("GET", "/api/v1/chat/ses-abc123/summary"),
    "set_title": ("POST", "/api/v1/chat/ses-abc123/title"),
    "stream": ("POST", "/api/v1/chat/ses-abc123/messages/stream"),
}
GOOD = {
    "create": b'{"index_ids":["idx-abc123"]}',
    "set_title": b'{"first_message":"What were the main findings in Q3?"}',
    "stream": b'{"index_ids":["idx-abc123"],"prompt":"What were the main findings in Q3?"}',
}
UUIDS = "11111111-2222-3333-4444-555555555555"
JSON = "application/json"

TagList: TypeAlias = Annotated[list[int] | None, Query()]

mock = Mock(Settings(seed=0, answers="documented"))
many = settings(max_examples=4 * settings().max_examples)


def both(
    operation: str, *, query: str = "", content_type: str | None = JSON, body: bytes = b"", cookie: str | None = None
) -> tuple[Answer, Response]:
    """Send one request to the oracle and to the mock."""
    method, path = PATHS[operation]
    fields = {"authorization": KEY, "content-type": content_type, "cookie": cookie}
    sent = [(name, text) for name, text in fields.items() if text is not None]
    theirs = call(oracle, method, path, query=query, headers=sent, body=body)
    return theirs, ask(mock.handle, method, path, body, query=query, content_type=content_type, cookie=cookie)


def assert_alike(operation: str, **request: Any) -> None:
    """Hold the mock to the oracle: its verdict, its very words, and more than it where it fails."""
    theirs, ours = both(operation, **request)
    if theirs.status < 300:
        assert ours.status < 300, ours.body
    elif theirs.status < 500:
        assert (ours.status, ours.body.decode()) == (theirs.status, theirs.body.decode())
        assert header(ours, "content-type") == theirs.header("content-type")
    else:
        assert 400 <= ours.status < 500
        assert (header(ours, "x-mock-pointer") or "").startswith(("/body", "/query"))
        assert len(header(ours, "x-mock-message") or "") > 10


def title(body: bytes, **request: Any) -> Response:
    return both("set_title", body=body, **request)[1]


# Laws


@many
@given(bodies(body_values["set_title"]))
@example(b'{"first_message":"\\ud800"}')
@example(b'{"first_message":"\xed\xa0\x80"}')
@example(b'{"first_message":"x","ignored":"\\ud800"}')
@example(b'{"\\ud800":1,"\\udfff":2}')
@example(b'{"first_message":NaN}')
@example(b'{"first_message":"x","ignored":-Infinity}')
@example(b'{"first_message":1e999}')
@example(b'{"first_message":' + b"9" * 4300 + b"}")
@example(b'{"first_message":' + b"9" * 4301 + b"}")
@example(b'\xef\xbb\xbf{"first_message":5}')
@example(b'\xef\xbb\xbf{"first_message":"x"}')
@example('{"first_message":5}'.encode("utf-16"))
@example('{"first_message":5}'.encode("utf-32-be"))
@example(b"\xff\xfe")
@example(b"\xff")
@example(b" ")
@example(b"\x00")
@example(b'{"first_message":"a\x00b"}')
@example(b'{"first_message":"x"} {}')
@example(b"1e-5")
@example(b'{"first_message":1e22}')
@example(b"[" * 99 + b"]" * 99)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
def test_a_title_request_is_judged_by_its_body_as_upstream_does(body: bytes) -> None:
    assert_alike("set_title", body=body)


@many
@given(bodies(body_values["create"]))
@example(b"null")
@example(b"{}")
@example(b'{"index_ids":null,"shared_access":null}')
@example(b'{"index_ids":["a","\\ud800"]}')
@example(b'{"shared_access":"\\ud800"}')
@example(b'{"index_ids":[1,"a",null,[]]}')
def test_a_create_request_is_judged_by_its_body_as_upstream_does(body: bytes) -> None:
    assert_alike("create", body=body)


@many
@given(bodies(body_values["stream"]))
@example(b'{"index_ids":[],"prompt":5,"require_all_indexes":"maybe"}')
@example(b'{"index_ids":["a"],"prompt":"x","require_all_indexes":"yes"}')
@example(b'{"index_ids":["a"],"prompt":"x","require_all_indexes":null}')
@example(b'{"prompt":"x"}')
@example(json.dumps({"index_ids": ["a"], "prompt": "\U0001d11e" * 1001}).encode())
@example(json.dumps({"index_ids": ["a"], "prompt": "\ud834" * 1001}).encode())
def test_a_turn_is_judged_by_its_body_as_upstream_does(body: bytes) -> None:
    assert_alike("stream", body=body)


@given(
    st.sampled_from(sorted(GOOD)),
    content_types,
    st.sampled_from([b"", b"{}", b"x", b"\xff", b"null", b'{"first_message":"x"}', "é".encode()]),
)
@example("set_title", "application/vnd.api+json", b'{"first_message":"x"}')
@example("set_title", None, b"\xff")
@example("create", "text/plain", b"null")
def test_only_what_says_that_it_is_json_is_read_as_json(operation: str, content_type: str | None, body: bytes) -> None:
    assert_alike(operation, content_type=content_type, body=body)


@many
@given(st.sampled_from(sorted(PATHS)), queries())
@example("list", "page_size=1&page_size=x")
@example("list", "page_size=x&page_size=1")
@example("list", "page_size=%ED%A0%80")
@example("list", "page_size=" + "9" * 4301)
@example("list", "page_size=1;page_token=2")
@example("list", "page_size=-1&page_size=0")
@example("list", "page_size=0&page_size=-1&project_id=x")
@example("retrieve", "project_id=%FF")
@example("delete", "project_id=\xff&organization_id=%00")
@example("get_summary", "session_id=1&page_size=x")
def test_a_query_is_judged_as_upstream_does(operation: str, query: str) -> None:
    assert_alike(operation, query=query, body=GOOD.get(operation, b""))


@given(st.data(), st.sampled_from(sorted(GOOD)))
def test_a_whole_request_is_judged_as_upstream_does(data: st.DataObject, operation: str) -> None:
    assert_alike(
        operation,
        query=data.draw(queries(), "query"),
        content_type=data.draw(content_types, "content type"),
        body=data.draw(bodies(body_values[operation]), "body"),
        cookie=data.draw(st.none() | st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20)),
    )


@given(st.sampled_from(["list", "retrieve", "delete", "get_summary"]), st.binary(), content_types)
def test_a_body_that_no_one_asked_for_is_not_read(operation: str, body: bytes, content_type: str | None) -> None:
    assert_alike(operation, body=body, content_type=content_type)


# Facts: what upstream's framework was measured to say (docs/upstream.md, "Validation errors")

NO_OBJECT = {
    "type": "model_attributes_type",
    "loc": ["body"],
    "msg": "Input should be a valid dictionary or object to extract fields from",
}


def no_text(received: Any) -> dict[str, Any]:
    message = "Input should be a valid string"
    return {"type": "string_type", "loc": ["body", "first_message"], "msg": message, "input": received}


def no_json(at: int, why: str) -> dict[str, Any]:
    return {
        "type": "json_invalid",
        "loc": ["body", at],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": why},
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{}", {"type": "missing", "loc": ["body", "first_message"], "msg": "Field required", "input": {}}),
        (b'{"first_message":null}', no_text(None)),
        (b'{"first_message":5}', no_text(5)),
        (b'{"first_message":true}', no_text(True)),
        (b'{"first_message":[]}', no_text([])),
        (b'{"first_message":{}}', no_text({})),
        (b"", {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}),
        (b"[]", {**NO_OBJECT, "input": []}),
        (b'"x"', {**NO_OBJECT, "input": "x"}),
        (b"null", {**NO_OBJECT, "input": None}),
        (b'{"first_message":', no_json(17, "Expecting value")),
        (b"{'first_message':'x'}", no_json(1, "Expecting property name enclosed in double quotes")),
        (b'{"first_message":"x"}x', no_json(21, "Extra data")),
        (b'{"first_message":"a\nb"}', no_json(19, "Invalid control character at")),
    ],
)
def test_a_bad_title_body_gets_the_documented_entry(body: bytes, detail: Any) -> None:
    theirs, ours = both("set_title", body=body)
    assert (ours.status, value(ours)) == (422, {"detail": [detail]})
    assert ours.body == theirs.body


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", None])
def test_a_body_without_json_content_type_is_shown_back_as_text(content_type: str | None) -> None:
    ours = title(b'{"first_message":"x"}', content_type=content_type)
    assert (ours.status, value(ours)) == (422, {"detail": [{**NO_OBJECT, "input": '{"first_message":"x"}'}]})


@pytest.mark.parametrize(
    ("query", "name", "received", "length"),
    [
        ("project_id=abc", "project_id", "abc", 3),
        ("organization_id=", "organization_id", "", 0),
        ("project_id", "project_id", "", 0),
    ],
)
def test_a_bad_id_in_the_query_gets_the_documented_entry(query: str, name: str, received: str, length: int) -> None:
    ours = title(GOOD["set_title"], query=query)
    why = f"invalid length: found {length}"
    detail = {
        "type": "uuid_parsing",
        "loc": ["query", name],
        "msg": f"Input should be a valid UUID, {why}",
        "input": received,
        "ctx": {"error": why},
    }
    assert (ours.status, value(ours)) == (422, {"detail": [detail]})


def test_several_errors_stand_in_one_list_project_then_organization_then_body() -> None:
    query = "organization_id=x&project_id=yy"
    theirs, ours = both("stream", query=query, body=b'{"prompt":5,"index_ids":[]}')
    assert [entry["loc"] for entry in value(ours)["detail"]] == [
        ["query", "project_id"],
        ["query", "organization_id"],
        ["body", "index_ids"],
        ["body", "prompt"],
    ]
    assert (ours.status, ours.body) == (theirs.status, theirs.body)


def test_a_body_that_cannot_be_read_is_refused_before_the_query_is_looked_at() -> None:
    theirs, ours = both("set_title", query="project_id=abc", body=b'{"first_message":')
    assert [entry["type"] for entry in value(ours)["detail"]] == ["json_invalid"]
    assert ours.body == theirs.body


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (
            ("create", "", {"index_ids": ["i"] * 11}),
            {
                "type": "too_long",
                "loc": ["body", "index_ids"],
                "msg": "List should have at most 10 items after validation, not 11",
                "input": ["i"] * 11,
                "ctx": {"field_type": "List", "max_length": 10, "actual_length": 11},
            },
        ),
        (
            ("create", "", {"index_ids": "idx-1"}),
            {
                "type": "list_type",
                "loc": ["body", "index_ids"],
                "msg": "Input should be a valid list",
                "input": "idx-1",
            },
        ),
        (
            ("stream", "", {"index_ids": [], "prompt": "x"}),
            {
                "type": "too_short",
                "loc": ["body", "index_ids"],
                "msg": "List should have at least 1 item after validation, not 0",
                "input": [],
                "ctx": {"field_type": "List", "min_length": 1, "actual_length": 0},
            },
        ),
        (
            ("stream", "", {"index_ids": ["i"], "prompt": "x" * 1001}),
            {
                "type": "string_too_long",
                "loc": ["body", "prompt"],
                "msg": "String should have at most 1000 characters",
                "input": "x" * 1001,
                "ctx": {"max_length": 1000},
            },
        ),
        *(
            (
                ("list", f"page_size={text}", None),
                {
                    "type": "int_parsing",
                    "loc": ["query", "page_size"],
                    "msg": "Input should be a valid integer, unable to parse string as an integer",
                    "input": text,
                },
            )
            for text in ("abc", "1.5", "")
        ),
    ],
)
def test_a_limit_that_is_passed_gets_the_documented_entry(request_: tuple[str, str, Any], detail: Any) -> None:
    operation, query, body = request_
    theirs, ours = both(operation, query=query, body=b"" if body is None else json.dumps(body).encode())
    assert (ours.status, value(ours)) == (422, {"detail": [detail]})
    assert ours.body == theirs.body


@pytest.mark.parametrize(
    ("body", "query", "content_type"),
    [
        (b'{"first_message":""}', "", JSON),
        (b'{"first_message":"x","extra":[1,{}]}', "", JSON),
        (b'{"first_message":"x"}', f"project_id={UUIDS.replace('-', '')}", JSON),
        (b'{"first_message":"x"}', f"organization_id={UUIDS}&unknown=1", JSON),
        (b'{"first_message":"x"}', "", "application/vnd.api+json"),
        (b'{"first_message":5,"first_message":"x"}', "", JSON),
        (json.dumps({"first_message": "x" * 100_000}).encode(), "", JSON),
    ],
)
def test_what_upstream_takes_for_a_title_is_taken(body: bytes, query: str, content_type: str) -> None:
    assert_alike("set_title", body=body, query=query, content_type=content_type)
    assert title(body, query=query, content_type=content_type).status == 200


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"index_ids":null}', b'{"index_ids":[]}'])
def test_a_session_can_be_created_from_nothing(body: bytes) -> None:
    assert_alike("create", body=body)
    assert both("create", body=body, content_type=JSON if body else None)[1].status == 201


def test_of_a_repeated_key_or_parameter_the_last_counts() -> None:
    assert value(title(b'{"first_message":"x","first_message":5}'))["detail"][0]["input"] == 5
    assert value(title(GOOD["set_title"], query=f"project_id={UUIDS}&project_id=x"))["detail"][0]["input"] == "x"


@pytest.mark.parametrize(
    "query", ["page_size=0", "page_size=-0", f"page_size={10**40}", "page_token=anything", "page_size=1.0&page_token="]
)
def test_any_page_can_be_asked_for(query: str) -> None:
    assert_alike("list", query=query)
    assert both("list", query=query)[1].status == 200


@pytest.mark.parametrize("size", ["-1", "-1.0", "-9223372036854775809", " -1 "])
def test_a_page_of_less_than_no_sessions_is_refused_in_the_frameworks_words(size: str) -> None:
    theirs, ours = both("list", query=f"page_size={quote(size)}")
    message = "Input should be greater than or equal to 0"
    loc = ["query", "page_size"]
    detail = {"type": "greater_than_equal", "loc": loc, "msg": message, "input": size, "ctx": {"ge": 0}}
    assert (ours.status, value(ours)) == (422, {"detail": [detail]})
    assert ours.body == theirs.body
    assert header(ours, "x-mock-pointer") == "/query/page_size"


# Where the mock says more than upstream would


@pytest.mark.parametrize(
    ("body", "received"),
    [
        (b'{"first_message":NaN}', None),
        (b'{"first_message":[Infinity,-1e999]}', [None, None]),
        (
            b'{"first_message":["a\\ud800b","\\ud834\\udd1e","\\udd1e\\ud834"]}',
            ["a\ufffdb", "\U0001d11e", "\ufffd\ufffd"],
        ),
        (b'{"first_message":{"\\ud800":1}}', {"\ufffd": 1}),
    ],
)
def test_what_json_cannot_hold_is_shown_back_as_near_as_it_can(body: bytes, received: Any) -> None:
    theirs, ours = both("set_title", body=body)
    assert theirs.status == 500, "upstream fails at this, so there is nothing to be faithful to"
    assert (ours.status, value(ours)["detail"][0]["input"]) == (422, received)


def test_a_lone_surrogate_is_named_as_such_where_it_would_be_used() -> None:
    theirs, ours = both("create", body=b'{"index_ids":["a","\\ud800"]}')
    assert theirs.status == 500
    entry = value(ours)["detail"][0]
    assert (ours.status, entry["type"], entry["loc"]) == (422, "string_unicode", ["body", "index_ids", 1])
    assert title(b'{"first_message":"x","ignored":"\\ud800"}').status == 200


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [101, 300, 900])
def test_a_deep_value_is_shown_back_to_a_hundred_levels(opening: str, closing: str, depth: int) -> None:
    ours = title((opening * depth + ("1" if closing == "}" else "") + closing * depth).encode())
    assert ours.status == 422
    shown, levels = value(ours)["detail"][0]["input"], 0
    while not isinstance(shown, str):
        shown, levels = (shown[0] if isinstance(shown, list) else shown["a"]), levels + 1
    assert (shown, levels) == ("(nested deeper than 100 levels)", 100)


@pytest.mark.parametrize("message", ["x", "é", "\\u00e9"])
@pytest.mark.parametrize("depth", [100, 450, 900])
def test_a_deep_value_that_no_one_reads_is_no_reason_to_refuse(message: str, depth: int) -> None:
    body = f'{{"first_message":"{message}","ignored":{"[" * depth}{"]" * depth}}}'.encode()
    theirs, ours = both("set_title", body=body)
    assert (theirs.status, ours.status) == (200, 200)


@pytest.mark.parametrize("body", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b'{"first_message":"\xff"}'])
def test_a_body_that_upstream_cannot_parse_is_a_400_in_its_words(body: bytes) -> None:
    theirs, ours = both("set_title", body=body)
    assert (ours.status, value(ours)) == (400, {"detail": "There was an error parsing the body"})
    assert ours.body == theirs.body
    assert (header(ours, "x-mock-message") or "").startswith("The body cannot be read as JSON: ")


# Parameters of one's own, in each location


notes = FastAPI(openapi_url=None)


@notes.get("/notes/{note_id}")
async def read_note(
    note_id: int, size: int, x_count: Annotated[int, Header()], tries: Annotated[int, Cookie()], tag: TagList = None
) -> Any:
    return [note_id, size, x_count, tries, tag]


@pytest.mark.parametrize(
    ("note_id", "query", "count", "cookie"),
    [
        ("1", "size=2&tag=3&tag=4", "5", "tries=6"),
        ("x", "size=x&tag=3&tag=x", "x", "tries=x"),
        ("x", "", None, None),
        ("1", "size=", "", "tries="),
        ("1", "size=2", "5", "other=1; tries=x"),
        ("1.0", "size=+7&size=8", " 5 ", "tries=x; tries=6"),
    ],
)
def test_parameters_in_every_location_are_judged_as_the_framework_does(
    tmp_path: Path, note_id: str, query: str, count: str | None, cookie: str | None
) -> None:
    document, integer = own_document(), {"type": "integer"}
    path = document["paths"]["/notes/{note_id}"]
    path["parameters"] = [
        {"name": "tries", "in": "cookie", "required": True, "schema": integer},
        {"name": "x-count", "in": "header", "required": True, "schema": integer},
        {"name": "size", "in": "query", "required": True, "schema": integer},
        {"name": "tag", "in": "query", "schema": {"type": "array", "items": integer}},
        {"name": "note_id", "in": "path", "required": True, "schema": integer},
    ]
    own = Mock(Settings(seed=0, contract=str(write_document(tmp_path, document)), refusals="fastapi"))
    fields = {"x-count": count, "cookie": cookie}
    sent = [(name, text) for name, text in fields.items() if text is not None]
    theirs = call(notes, "GET", f"/notes/{note_id}", query=query, headers=sent)
    ours = ask(own.handle, "GET", f"/notes/{note_id}", query=query, x_count=count, cookie=cookie)
    assert ours.status == theirs.status
    assert theirs.status == 200 or ours.body == theirs.body


@pytest.mark.parametrize(
    "path", ["/api/v1/chat/a%2Fb/title", "/api/v1/chat/%F0%9D%84%9E/title", "/api/v1/chat/%00/title"]
)
def test_any_id_of_a_session_is_right(path: str) -> None:
    assert ask(mock.handle, "POST", path, {"first_message": "x"}).status == 200


# -- what the service reads although the contract forbids it ---------------------------------------------------------

LAX = [
    (
        "stream",
        "2.17",
        {"index_ids": ["a"], "prompt": "x", "require_all_indexes": "yes"},
        "",
        "/body/require_all_indexes",
    ),
    ("stream", "2.17", {"index_ids": ["a"], "prompt": "x", "require_all_indexes": 0}, "", "/body/require_all_indexes"),
    ("get_summary", "2.6", None, "project_id=182bd5e56e1a4fe4a799aa6d9a6ab26e", "/query/project_id"),
    ("list", "2.6", None, "page_size=%205", "/query/page_size"),
]


@pytest.mark.parametrize(("name", "version", "body", "query", "where"), LAX)
def test_what_only_the_service_reads_is_taken_and_told_and_with_strict_refused(
    name: str, version: str, body: Json, query: str, where: str
) -> None:
    operation = operations(version)[name]
    for strict in (False, True):
        mock = Mock(Settings(contract=version, seed=0, strict=strict))
        response = ask(mock.handle, operation.method, target(operation, "s"), body, query=query)
        assert response.status == (422 if strict else operation.success)
        assert header(response, "x-mock-fault") == "client"
        assert header(response, "x-mock-pointer") == where
        (finding,) = mock.exchanges("default")[0].violations
        assert finding.where == where
        if strict:
            (entry,) = value(response)["detail"]
            assert join("", *entry["loc"]) == where


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=5",
        "project_id=182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e",
        "page_size=9223372036854775808",  # more than 64 bits: Schemathesis found that it was not read as a number
    ],
)
def test_what_the_contract_allows_is_not_told(query: str) -> None:
    mock = Mock(Settings(contract="2.6", seed=0, strict=True))
    response = ask(mock.handle, "GET", "/api/v1/chat", query=query)
    assert (response.status, header(response, "x-mock-fault"), response.findings) == (200, None, ())


# -- unions ----------------------------------------------------------------------------------------------------------


class Cat(BaseModel):
    """A branch whose tag is one word."""

    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    """A branch whose tag is either of two."""

    kind: Literal["dog", "wolf"]
    bark: bool


class Rock(BaseModel):
    """A branch without a tag."""

    weight: int


Tagged = Annotated[Cat | Dog, Field(discriminator="kind")]


class TakenPets(BaseModel):
    """Unions of every kind, in every place."""

    pet: Tagged
    more: list[Tagged] = []
    perhaps: Tagged | None = None
    untagged: Rock | Dog | None = None
    mixed: int | list[Rock] | str | None = None
    named: dict[str, Any] | int = 0


pets = FastAPI()


@pets.post("/pets")
async def take_pets(pets: TakenPets) -> Any:
    return pets


CAT: Json = {"kind": "cat"}


@pytest.fixture(scope="module")
def own_pets(tmp_path_factory: pytest.TempPathFactory) -> Mock:
    """Give a mock of the oracle's own document."""
    return Mock(Settings(seed=0, contract=str(write_document(tmp_path_factory.mktemp("pets"), pets.openapi()))))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"pet": {"kind": "dog"}}, "/body/pet/bark"),
        ({"pet": {"kind": "wolf", "bark": "x"}}, "/body/pet/bark"),
        ({"pet": {"kind": "cat", "lives": "x"}}, "/body/pet/lives"),
        ({"pet": {"kind": "bird"}}, "/body/pet"),
        ({"pet": {"bark": True}}, "/body/pet"),
        ({"pet": 5}, "/body/pet"),
        ({"pet": None}, "/body/pet"),
        ({"pet": CAT, "more": [CAT, {"kind": "dog"}]}, "/body/more/1/bark"),
        ({"pet": CAT, "perhaps": {"kind": "dog"}}, "/body/perhaps/bark"),
        ({"pet": CAT, "untagged": {"bark": True}}, "/body/untagged/weight"),
        ({"pet": CAT, "untagged": 1}, "/body/untagged"),
        ({"pet": CAT, "mixed": [{"weight": "x"}]}, "/body/mixed"),
        ({"pet": CAT, "mixed": {}}, "/body/mixed"),
        ({"pet": CAT, "named": "x"}, "/body/named"),
    ],
    ids=str,
)
def test_what_is_wrong_in_a_union_is_told_with_the_branch_as_the_framework_does(
    own_pets: Mock, body: Json, pointer: str
) -> None:
    sent = json.dumps(body).encode()
    theirs = call(pets, "POST", "/pets", headers=[("content-type", JSON)], body=sent)
    ours = ask(own_pets.handle, "POST", "/pets", body)
    assert (theirs.status, ours.status) == (422, 422)
    assert value(ours) == json.loads(theirs.body)
    assert (header(ours, "x-mock-pointer") or "").split(",")[0] == pointer


def test_branches_without_a_mapping_are_told_apart_by_their_own_fields_or_names(tmp_path: Path) -> None:
    body = {"kind": "Dog"}
    for kind in ({"const": "Dog"}, {"enum": ["Dog"]}, {"type": "string"}):
        document = copy.deepcopy(pets.openapi())
        document["components"]["schemas"]["Dog"]["properties"]["kind"] = kind
        document["components"]["schemas"]["TakenPets"]["properties"]["pet"]["discriminator"] = {"propertyName": "kind"}
        mock = Mock(Settings(seed=0, contract=str(write_document(tmp_path, document))))
        (detail,) = value(ask(mock.handle, "POST", "/pets", {"pet": body}))["detail"]
        assert detail["loc"] == ["body", "pet", "Dog", "bark"]
