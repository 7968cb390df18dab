"""Large bodies, right and wrong, of any shape: answered in bounded time, and quoted in part."""

import json
import os
import time
from pathlib import Path

import pytest

from mockserver.engine import Mock
from mockserver.messages import Headers, Json, Request, Response
from mockserver.request.validate import LARGE, LONGEST_INPUT, MOST_DETAILS, MOST_WALKED
from mockserver.settings import RefusalForm, Settings
from tests.strategies import write_document
from tests.talk import value

SIZE = Settings().max_body if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1_048_576

MOST_WORK = 5.0
"""Seconds of the processor that a request may take here: a hang, or work that grows faster than the body, takes more.

How long it really takes is measured by the benchmarks.
"""

TITLE, STREAM = "/api/v1/chat/s/title", "/api/v1/chat/s/messages/stream"
FIRST = b'{"first_message":'
IDS = b'{"prompt":"x","index_ids":['


def filled(start: bytes, part: bytes, end: bytes, between: bytes = b",") -> bytes:
    """Repeat a part until the body is as long as it may be."""
    count = (SIZE - len(start) - len(end)) // (len(part) + len(between))
    return start + between.join([part] * count) + end


def named(start: bytes, item: bytes, end: bytes, length: int = SIZE) -> bytes:
    """Return an object of very many different fields."""
    fields = [b'"k%07d":%b' % (number, item) for number in range(length // (len(item) + 13))]
    return start + b",".join(fields) + end


def posted(mock: Mock, path: str, body: bytes) -> Response:
    fields = [(b"authorization", b"Bearer k"), (b"content-type", b"application/json")]
    return mock.handle(Request("POST", path, "", Headers(fields), body))


SHAPES = [
    pytest.param(TITLE, filled(FIRST + b'"e', "\u0301".encode(), b'"}', b""), 200, id="marks"),
    pytest.param(TITLE, filled(FIRST + b'"', b"\\n", b'"}', b""), 200, id="escapes"),
    pytest.param(TITLE, named(b'{"first_message":"x",', b"1", b"}"), 200, id="unknown fields"),
    pytest.param(TITLE, filled(b'{"first_message":"x",', b'"a":1', b"}"), 200, id="a field again and again"),
    pytest.param(TITLE, filled(FIRST + b'"', b"\\ud800", b'"}', b""), 422, id="halves of pairs"),
    pytest.param(TITLE, filled(FIRST + b'"', b"\xff", b'"}', b""), 400, id="no UTF-8"),
    pytest.param(TITLE, filled(FIRST + b"[", b"[]", b"]}"), 422, id="lists"),
    pytest.param(TITLE, filled(FIRST + b"[", b'{"a":1}', b"]}"), 422, id="objects"),
    pytest.param(TITLE, filled(FIRST + b"[", b"9" * 4_300, b"]}"), 422, id="long numbers"),
    pytest.param(TITLE, b"1" * SIZE, 400, id="one number"),
    pytest.param(TITLE, b"[" * SIZE, 400, id="deep"),
    pytest.param(TITLE, filled(FIRST + b"[", b"[" * 90 + b"]" * 90, b"]}"), 422, id="rather deep"),
    pytest.param(TITLE, filled(FIRST + b"[", b"[]", b""), 422, id="cut"),
    pytest.param(TITLE, named(b'{"first_message":1,"password":{', b'"abcdefghij"', b"}}"), 422, id="secrets"),
    pytest.param(TITLE, b'"' + b"a" * (SIZE - 2) + b'"', 422, id="a text"),
    pytest.param(STREAM, filled(IDS, b'"\\ud800"', b"]}"), 422, id="halves of pairs in a list"),
    pytest.param(STREAM, filled(IDS, b'"a"', b"]}"), 200, id="ids"),
]


@pytest.mark.parametrize(("path", "body", "status"), SHAPES)
def test_a_large_body_of_any_shape_is_answered_soon_and_quoted_in_part(path: str, body: bytes, status: int) -> None:
    mock = Mock(Settings(seed=0))
    posted(mock, path, b"{}")  # all is loaded
    started = time.thread_time()
    response = posted(mock, path, body)
    (_, exchange) = mock.exchanges("default")
    assert time.thread_time() - started < MOST_WORK
    assert (response.status, exchange.status) == (status, status)
    assert len(response.body) < 4 * LONGEST_INPUT
    assert exchange.size == len(body)


CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
HARD = "^(?=k)(k+)+[0-9]*$"
OWN = [
    pytest.param({"type": "array", "items": {"type": "integer"}}, filled(b"[", b'"1"', b"]"), 422, id="texts"),
    pytest.param({"type": "array", "items": {"pattern": HARD}}, filled(b"[", b'"k"', b"]"), 200, id="pattern"),
    pytest.param({"patternProperties": {HARD: {"type": "integer"}}}, named(b"{", b"1", b"}"), 200, id="names"),
    pytest.param({"type": "array", "items": {"pattern": "^a"}}, filled(b"[", b'"\\ud800"', b"]"), 422, id="halves"),
    pytest.param({"type": "array", "uniqueItems": True}, filled(b"[", b"{}", b"]"), 422, id="equal"),
    pytest.param(CLOSED, named(b"{", b"1", b"}"), 422, id="unknown fields"),
]


def own(folder: Path, schema: Json, refusals: RefusalForm = "auto") -> Mock:
    """Serve one operation of a contract of one's own, which takes what a schema allows."""
    answer = {"description": "x", "content": {"application/json": {"schema": {"type": "object"}}}}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "own", "version": "1"},
        "paths": {"/x": {"post": {"operationId": "x", "requestBody": body, "responses": {"200": answer}}}},
    }
    return Mock(Settings(seed=0, auth=False, contract=str(write_document(folder, document)), refusals=refusals))


@pytest.mark.parametrize(("schema", "body", "status"), OWN)
def test_a_large_body_for_a_contract_of_ones_own_is_answered_soon(
    tmp_path: Path, schema: Json, body: bytes, status: int
) -> None:
    mock = own(tmp_path, schema)
    posted(mock, "/x", b"[]")
    started = time.thread_time()
    response = posted(mock, "/x", body)
    assert time.thread_time() - started < MOST_WORK
    assert response.status == status
    assert len(response.body) < 4 * LONGEST_INPUT


def test_of_very_many_errors_some_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    mock = own(tmp_path, CLOSED, "fastapi")
    count = 3 * MOST_DETAILS
    response = posted(mock, "/x", json.dumps(dict.fromkeys(map(str, range(count)), 1)).encode())
    details = value(response)["detail"]
    assert [each["type"] for each in details[:-1]] == ["extra_forbidden"] * MOST_DETAILS
    assert details[-1]["type"] == "more_errors"
    assert details[-1]["msg"] == f"{count - MOST_DETAILS} more errors are not listed"
    assert f"{count - 1} more errors" in response.findings[0].message


def test_of_too_many_errors_to_word_the_first_is_worded_and_the_others_counted(tmp_path: Path) -> None:
    response = posted(own(tmp_path, CLOSED, "fastapi"), "/x", named(b"{", b"1", b"}", 500_000))
    first, more = value(response)["detail"]
    assert "Additional properties are not allowed" in first["msg"]
    assert more["msg"].endswith("more errors are not listed")


@pytest.mark.parametrize(
    ("sent", "mark"),
    [
        ([["x"] * 20_000], "(shortened; 20000 items in all)"),
        ({"a": "x" * 100_000}, "... (shortened; 100000 in all)"),
        ({str(number): 1 for number in range(20_000)}, "(shortened; 20000 fields in all)"),
    ],
    ids=["items", "text", "fields"],
)
def test_a_rejected_input_is_shown_whole_up_to_a_length_and_then_in_part_with_a_mark(sent: Json, mark: str) -> None:
    def shown(message: Json) -> Json:
        return value(posted(Mock(Settings()), TITLE, json.dumps({"first_message": message}).encode()))["detail"][0]

    text = json.dumps(shown(sent)["input"])
    assert mark in text
    assert len(text) < 2 * LONGEST_INPUT
    almost = ["x" * (LONGEST_INPUT - 100)]
    assert shown(almost)["input"] == almost


def test_beyond_a_length_nothing_is_converted_and_one_error_of_a_list_is_named(tmp_path: Path) -> None:
    mock = own(tmp_path, {"type": "array", "items": {"type": "integer"}}, "fastapi")
    assert posted(mock, "/x", b'["1"]').status == 200
    assert posted(mock, "/x", json.dumps(["1"] * (LARGE // 4)).encode()).status == 422
    assert len(value(posted(mock, "/x", json.dumps(["x", "y"] * (LARGE // 8)).encode()))["detail"]) == 1


def test_half_a_pair_is_found_behind_any_number_of_values(tmp_path: Path) -> None:
    mock = own(tmp_path, {"type": "array"}, "fastapi")
    ones = "1," * (MOST_WALKED + 1)
    assert posted(mock, "/x", f'[{ones}"\\ud83d\\ude00"]'.encode()).status == 200
    response = posted(mock, "/x", f'[{ones}"\\ud83d"]'.encode())
    assert (response.status, value(response)["detail"][0]["type"]) == (422, "string_unicode")


@pytest.mark.parametrize("filler", [1, 100_000])
def test_no_secret_of_a_rejected_body_is_recorded_however_long_it_is(filler: int) -> None:
    mock = Mock(Settings())
    body = json.dumps({"x": ["word"] * filler, "password": ["hunter2000"], "first_message": ["hunter2000"]})
    assert posted(mock, TITLE, body.encode()).status == 422
    (exchange,) = mock.exchanges("default")
    assert b"hunter2000" not in exchange.answer
