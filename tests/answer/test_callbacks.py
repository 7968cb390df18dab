"""Callbacks are sent after the answer, where that is asked for, and to this machine alone."""

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, NamedTuple

import httpx
import pytest

from mockserver.answer.callbacks import evaluated
from mockserver.engine import Mock
from mockserver.messages import Chunk, Headers, Json, Request, Response, Stream
from mockserver.server.callback import Callback, CallbackSender, is_loopback
from mockserver.server.transport import BASE_URL, HandlerTransport
from mockserver.settings import Settings
from tests.strategies import write_document
from tests.talk import ask, header, value, whole


class Received(NamedTuple):
    """A callback as its receiver has it."""

    method: str
    path: str
    kind: str | None
    body: bytes


class Receiver:
    """A server that takes callbacks."""

    def __init__(self) -> None:
        received: Queue[Received] = Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                received.put(Received("POST", self.path, self.headers.get("content-type"), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.received = received
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def next(self) -> Received:
        return self.received.get(timeout=10)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


CALLBACK: Json = {
    "post": {
        "parameters": [{"name": "kind", "in": "query", "required": True, "schema": {"const": "event"}}],
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["state"],
                        "properties": {"state": {"const": "done"}, "shown": {"const": 1, "readOnly": True}},
                    }
                }
            }
        },
        "responses": {"200": {"description": "ok"}},
    }
}


def mock_of(folder: Path, address: str = "{$request.body#/url}/done", **more: Any) -> Mock:
    """Give a mock of one operation with a callback."""
    operation = {
        "operationId": "start",
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "202": {
                "description": "ok",
                "content": {"application/json": {"schema": {"type": "object"}, "example": {"id": "job-1"}}},
                "links": {"job": {"operationId": "start"}},
            },
            "400": {"description": "no"},
        },
        "callbacks": {"done": {"$ref": "#/components/callbacks/Done"}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/jobs": {"post": operation}},
        "components": {"callbacks": {"Done": {address: CALLBACK}}},
    }
    return Mock(Settings(contract=str(write_document(folder, document)), seed=1, **more))


def start(mock: Mock, url: str, **headers: str) -> Response:
    return whole(ask(mock.handle, "POST", "/jobs", {"url": url}, **headers))


def test_callbacks_are_sent_after_the_answer_if_they_are_asked_for(tmp_path: Path, receiver: Receiver) -> None:
    response = start(mock_of(tmp_path, callbacks=True), receiver.url)
    assert (response.status, value(response)) == (202, {"id": "job-1"})
    assert header(response, "content-length") == str(len(response.body))
    sent = receiver.next()
    assert (sent.method, sent.path, sent.kind) == ("POST", "/done?kind=event", "application/json")
    assert json.loads(sent.body) == {"state": "done"}


def test_an_answer_that_is_not_read_to_its_end_has_sent_nothing_yet(tmp_path: Path, receiver: Receiver) -> None:
    response = ask(mock_of(tmp_path, callbacks=True).handle, "POST", "/jobs", {"url": receiver.url})
    assert receiver.received.empty()
    whole(response)
    assert receiver.next().path == "/done?kind=event"


def test_a_stream_is_closed_before_callbacks_are_sent(receiver: Receiver) -> None:
    stream = Stream([Chunk(0.0, b"one ")], lambda sent: b"last" if receiver.received.empty() and sent == 1 else b"")
    response = Response(200, [], stream=stream)
    whole_one = whole(CallbackSender().after(response, [Callback("POST", receiver.url + "/x", ())]))
    assert whole_one.body == b"one last"
    assert receiver.next().path == "/x"


def test_a_stub_asks_for_callbacks_of_its_own_answer(tmp_path: Path, receiver: Receiver) -> None:
    mock = mock_of(tmp_path)
    start(mock, receiver.url)
    mock.served.stubs.add("default", {"operation": "start", "callbacks": True, "body": {"id": "stubbed"}})
    assert value(start(mock, receiver.url)) == {"id": "stubbed"}
    assert receiver.next().path == "/done?kind=event"
    assert receiver.received.empty()


def test_a_client_in_process_has_the_whole_answer(tmp_path: Path, receiver: Receiver) -> None:
    mock = mock_of(tmp_path, callbacks=True)
    with httpx.Client(transport=HandlerTransport(mock.handle), base_url=BASE_URL) as client:
        assert client.post("/jobs", json={"url": receiver.url}).json() == {"id": "job-1"}
    assert receiver.next().method == "POST"


@pytest.mark.parametrize("headers", [{"prefer": "code=400"}, {"content_type": "text/plain"}])
def test_an_answer_that_is_no_success_sends_nothing(
    tmp_path: Path, receiver: Receiver, headers: dict[str, str]
) -> None:
    mock = mock_of(tmp_path, callbacks=True)
    assert start(mock, receiver.url, **headers).status >= 400
    start(mock, receiver.url + "/second")
    assert receiver.next().path == "/second/done?kind=event"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com", "another machine"),
        ("http://127.0.0.1.example.com", "another machine"),
        ("http://169.254.169.254", "another machine"),
        ("file:///etc/passwd", "no address of HTTP"),
        ("http://[::1", "Invalid IPv6 URL"),
    ],
)
def test_nothing_is_sent_to_other_machines(
    tmp_path: Path, url: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mockserver"):
        assert start(mock_of(tmp_path, callbacks=True), url).status == 202
    assert why in caplog.text


def test_other_machines_can_be_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mock = mock_of(tmp_path, callbacks=True, callback_hosts="hooks.invalid, other.test")
    with caplog.at_level(logging.WARNING, "mockserver"):
        start(mock, "http://HOOKS.invalid")
    assert "another machine" not in caplog.text


def test_a_call_that_names_no_address_sends_nothing(tmp_path: Path, receiver: Receiver) -> None:
    mock = mock_of(tmp_path, callbacks=True)
    assert ask(mock.handle, "POST", "/jobs", {}).stream is None
    with pytest.raises(Empty):
        receiver.received.get_nowait()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$url", "http://a.test/scope/s/jobs/7?q=1"),
        ("$method", "POST"),
        ("$statusCode", 202),
        ("$request.path.id", "7"),
        ("$request.query.q", "1"),
        ("$request.query.none", None),
        ("$request.header.X-Hook", "there"),
        ("$request.body", {"a": {"b/c": 5}}),
        ("$request.body#/a/b~1c", 5),
        ("$request.body#/none", None),
        ("$response.body#/id", "job"),
        ("$response.header.location", "/jobs/7"),
        ("$nonsense", None),
    ],
)
def test_a_runtime_expression_is_evaluated(expression: str, expected: Json) -> None:
    headers = Headers([(b"host", b"a.test"), (b"x-hook", b"there")])
    request = Request("POST", "/jobs/7", "q=1", headers, b'{"a": {"b/c": 5}}', root="/scope/s")
    response = Response(202, [(b"location", b"/jobs/7")], b'{"id": "job"}')
    assert evaluated(expression, request, {"id": "7"}, response) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("a.localhost", True), ("10.0.0.1", False), ("", False)],
)
def test_this_machine_is_known_by_its_names(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_links_are_no_part_of_an_answer(tmp_path: Path) -> None:
    response = start(mock_of(tmp_path), "http://127.0.0.1:1")
    assert header(response, "link") is None
    assert value(response) == {"id": "job-1"}
