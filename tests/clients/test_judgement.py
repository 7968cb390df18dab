"""The independent judge finds what is wrong; where it finds nothing, that means something."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.clients.calls import Exchange
from tests.clients.judgement import faults_of_answer, faults_of_request, place_of, same

RIGHT = Exchange(
    method="POST",
    target="/api/v1/chat/a%2Fb/title?project_id=182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e",
    request_headers={"authorization": "Bearer key", "content-type": "application/json"},
    request_body='{"first_message":""}',
    status=200,
    headers={"content-type": "application/json"},
    body='{"session_id":"a/b","last_updated_at":"x"}',
)
STREAM = replace(
    RIGHT,
    target="/api/v1/chat/s/messages/stream",
    request_body='{"index_ids":["i"],"prompt":""}',
    headers={"content-type": "text/event-stream"},
    body='event: message\ndata: {"type":"stop","usage":{},"is_error":false,"error":null}\n\n',
)


@pytest.mark.parametrize("right", [RIGHT, STREAM], ids=["title", "stream"])
def test_what_is_right_has_no_fault(right: Exchange) -> None:
    assert faults_of_request("2.6", right) + faults_of_answer("2.6", right) == []


def test_a_segment_is_decoded_once() -> None:
    place = place_of("2.6", RIGHT)
    assert place is not None
    assert place.values == {"session_id": "a/b"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "PUT"},
        {"target": "/api/v1/chat/a/b/title"},
        {"target": "/api/v1/chat//title"},
        {"target": "/api/v1/chat/a/title?project_id=abc"},
        {"target": "/api/v1/chat/a/title?projectid=182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"},
        {"request_headers": {"content-type": "application/json"}},
        {"request_headers": {"authorization": "Bearer key", "content-type": "text/plain"}},
        {"request_body": ""},
        {"request_body": "{}"},
        {"request_body": '{"first_message":5}'},
        {"request_body": '{"first_message":null}'},
    ],
    ids=str,
)
def test_a_wrong_request_has_a_fault(wrong: dict[str, Any]) -> None:
    assert faults_of_request("2.6", replace(RIGHT, **wrong)) != []


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 201},
        {"status": 422, "body": '{"detail":"text"}'},
        {"status": 204},
        {"headers": {"content-type": "text/plain"}},
        {"body": "{}"},
        {"body": '{"session_id":"s"}'},
        {"body": '{"session_id":5,"last_updated_at":"x"}'},
        {"body": '{"session_id":"s","last_updated_at":"x","job_metadata":{"turns":1.5}}'},
    ],
    ids=str,
)
def test_a_wrong_answer_has_a_fault(wrong: dict[str, Any]) -> None:
    assert faults_of_answer("2.6", replace(RIGHT, **wrong)) != []


@pytest.mark.parametrize(
    "body",
    [
        "",
        STREAM.body.replace("stop", "text"),
        STREAM.body * 2,
        STREAM.body.removesuffix("\n"),
        STREAM.body.replace("false", "0"),
    ],
)
def test_a_wrong_stream_has_a_fault(body: str) -> None:
    assert faults_of_answer("2.6", replace(STREAM, body=body)) != []


def test_the_title_is_no_operation_of_later_eras() -> None:
    assert faults_of_request("2.8", RIGHT) == faults_of_request("2.17", RIGHT) != []


def test_an_era_asks_for_its_own_fields() -> None:
    summary = replace(RIGHT, method="GET", target="/api/v1/chat/s/summary", request_body="")
    assert faults_of_answer("2.8", summary) == []
    assert faults_of_answer("2.17", summary) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "true"), ("0", "false"), ("null", "false"), ("{}", '{"a":null}'), ("[1]", "[1,1]"), ("1", '"1"')],
)
def test_unlike_values_are_not_the_same(one: str, other: str) -> None:
    assert not same(json.loads(one), json.loads(other))
    assert not same({"a": [json.loads(one)]}, {"a": [json.loads(other)]})


def test_a_number_is_the_same_with_and_without_its_point() -> None:
    assert same({"a": [0, None, "x"]}, {"a": [0.0, None, "x"]})
