"""Errors of the mock take the form that the document gives to errors."""

import logging
from pathlib import Path
from typing import Any

import pytest

from mockserver.engine import Mock
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from tests.request.documents import OK, document
from tests.strategies import write_document
from tests.talk import ask, header, value

A: Json = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "at": {"format": "date"}}}
WRONG = "'x' is not of type 'integer'"


def answer(schema: Json = None, example: Json = None, media: str = "application/json") -> Json:
    content = {"schema": schema, "example": example}
    return {"description": "x", "content": {media: {key: each for key, each in content.items() if each is not None}}}


def mock_of(folder: Path, replies: Json, **options: Any) -> Mock:
    components = options.pop("components", {})
    body = {"required": True, "content": {"application/json": {"schema": A}}}
    operation = {"requestBody": body, "responses": OK | replies, "security": [{"key": []}]}
    schemes = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    data = document(operation, method="post", components={**schemes, **components})
    return Mock(Settings(seed=0, contract=str(write_document(folder, data)), **options))


def post(mock: Mock, body: Json | bytes = None, **headers: Any) -> Response:
    return ask(mock.handle, "POST", "/x", {"a": "x"} if body is None else body, **headers)


def problem(status: int, title: str, message: str, pointer: str) -> Json:
    told = {"type": "about:blank", "title": title, "status": status, "detail": message}
    return told | {"errors": [{"pointer": pointer, "message": message}]}


def test_without_a_declared_error_it_is_a_problem_of_rfc_9457(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, {})
    response = post(mock)
    assert header(response, "content-type") == "application/problem+json"
    assert value(response) == problem(422, "Unprocessable Entity", WRONG, "/body/a")
    assert value(post(mock, b"{"))["status"] == 400
    unsupported = post(mock, b"x", content_type="text/csv")
    assert (unsupported.status, header(unsupported, "accept")) == (415, "application/json")
    assert value(ask(mock.handle, "GET", "/none"))["status"] == 404
    assert value(ask(mock.handle, "PUT", "/x"))["status"] == 405
    assert value(post(mock, authorization=None))["status"] == 401


ERROR: Json = {
    "type": "object",
    "required": ["message", "code"],
    "properties": {"message": {"type": "string"}, "code": {"type": "integer"}},
}
TEXT: Json = {"type": "string"}
LISTED: Json = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "error": {"type": "string"},
        "status": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "pointer": {"type": "string"},
                },
            },
        },
    },
}
NESTED: Json = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"enum": ["TYPE"]},
            },
        }
    },
}
PLACED: Json = {"field": "a", "message": WRONG, "pointer": "/body/a"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (ERROR, {"message": WRONG, "code": 422}),
        (LISTED, {"error": WRONG, "status": "422", "errors": [PLACED]}),
        (NESTED, {"error": {"message": WRONG, "param": "a", "code": "TYPE"}}),
        (
            {"type": "object", "properties": {"errors": {"type": "array", "items": {"type": "string"}}}},
            {"errors": [WRONG]},
        ),
        ({"type": "object", "properties": {"title": {"type": "string"}}}, {"title": "Unprocessable Entity"}),
        ({"type": "string"}, WRONG),
        ({"type": "array", "items": ERROR, "minItems": 1}, [{"message": WRONG, "code": 422}]),
    ],
    ids=["flat", "listed", "nested", "texts", "title", "text", "list"],
)
def test_message_and_place_stand_in_the_fields_for_them(tmp_path: Path, schema: Json, expected: Json) -> None:
    response = post(mock_of(tmp_path, {"422": answer(schema)}))
    assert (response.status, value(response)) == (422, expected)
    assert header(response, "x-mock-pointer") == "/body/a"


def test_the_declared_example_of_the_status_is_the_answer(tmp_path: Path) -> None:
    replies = {"422": answer(ERROR, {"message": "no", "code": 7}), "401": answer(ERROR, {"message": "key", "code": 8})}
    mock = mock_of(tmp_path, replies)
    assert value(post(mock)) == {"message": "no", "code": 7}
    assert value(post(mock, authorization=None)) == {"message": "key", "code": 8}


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        (["422", "400"], 422),
        (["400", "4XX"], 400),
        (["4XX"], 422),
        (["404"], 422),
        (["default"], 422),
        (["400", "default"], 400),
    ],
)
def test_the_status_is_422_else_400_else_what_a_range_or_default_allows(
    tmp_path: Path, declared: list[str], status: int
) -> None:
    mock = mock_of(tmp_path, dict.fromkeys(declared, answer(ERROR)))
    response = post(mock)
    assert (response.status, value(response)) == (status, {"message": WRONG, "code": status})
    unreadable = post(mock, b"{")
    assert (unreadable.status, value(unreadable)["code"]) == (400, 400)


def test_an_example_of_another_status_is_not_told(tmp_path: Path) -> None:
    response = post(mock_of(tmp_path, {"404": answer(ERROR, {"message": "not there", "code": 404})}))
    assert (response.status, value(response)) == (422, {"message": WRONG, "code": 422})


def test_an_unknown_path_takes_the_shared_reply_of_the_document(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, {}, components={"responses": {"NotFound": answer(ERROR)}})
    response = ask(mock.handle, "GET", "/none")
    assert (response.status, value(response)["code"]) == (404, 404)
    assert "/none" in value(response)["message"]


def test_the_form_can_be_chosen(tmp_path: Path) -> None:
    replies = {"422": answer(ERROR)}
    assert value(post(mock_of(tmp_path, replies, refusals="problem")))["title"] == "Unprocessable Entity"
    assert value(post(mock_of(tmp_path, replies, refusals="document")))["code"] == 422
    fastapi = mock_of(tmp_path, {}, refusals="fastapi")
    assert value(post(fastapi))["detail"][0]["loc"] == ["body", "a"]
    assert value(ask(fastapi.handle, "GET", "/none")) == {"detail": "Not Found"}
    chat = Mock(Settings(seed=0, refusals="problem"))
    assert value(ask(chat.handle, "POST", "/api/v1/chat/s/title", {}))["errors"][0]["pointer"] == "/body/first_message"


def test_an_invalid_request_is_answered_all_the_same_if_it_is_only_to_be_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mock = mock_of(tmp_path, {}, invalid="warn")
    with caplog.at_level(logging.WARNING, "mockserver"):
        response = post(mock)
    assert (response.status, value(response)) == (200, {"ok": True})
    assert (header(response, "x-mock-fault"), header(response, "x-mock-pointer")) == ("client", "/body/a")
    assert caplog.messages == [f"POST /x: /body/a: {WRONG}"]
    (exchange,) = mock.exchanges("default")
    assert [(each.where, each.level) for each in exchange.findings] == [("/body/a", "warning")]
    assert post(mock, b"{").status == 200
    assert post(mock, authorization=None).status == 401
    chat = Mock(Settings(seed=0, invalid="warn"))
    assert ask(chat.handle, "POST", "/api/v1/chat/s/title", {}).status == 200


@pytest.mark.parametrize(("formats", "status"), [("assert", 422), ("annotate", 200)])
def test_formats_are_asserted_or_only_notes(tmp_path: Path, formats: Any, status: int) -> None:
    assert post(mock_of(tmp_path, {}, formats=formats), {"a": 1, "at": "yesterday"}).status == status
