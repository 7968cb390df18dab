"""Whatever is sent to the played operations is played or refused: never a 5xx, never a hang, never a cut event."""

import json
import re
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mockserver.api import make_settings
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.engine import Mock
from mockserver.messages import Json, Response
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.needs import PATIENCE
from tests.oracle import call
from tests.server.test_hostile import (
    Server,
    assert_serves,
    connected,
    head,
    post,
    received,
    send,
    told,
    where,
)
from tests.strategies import bodies, body_values, operations, queries, target
from tests.talk import KEY, MESSAGE, ask, events, header, value, whole

CHAT = "/api/v1/chat"
NAMES = sorted(operations("2.6"))
RIGHT: dict[str, Json] = {
    "create": {"index_ids": ["idx-a"]},
    "set_title": {"first_message": MESSAGE},
    "stream": {"index_ids": ["idx-a"], "prompt": MESSAGE},
}

mock = Mock(Settings(seed=0, contract="2.6"))
app = app_of(mock)

evil_texts = st.text(
    st.sampled_from("\u2028\u2029\x85\r\n\x0b\x0c\x1c\x1d\x1e\x00\"'\\{}:, \tdata\U0001f600é𝄞\ufeff\u202e")
)
"""Texts of what a reader of lines, of events or of JSON may stumble over."""

odd_ids = st.one_of(
    st.text(min_size=1).map(lambda text: quote(text, safe="")),
    st.text(min_size=1).map(quote),
    evil_texts.map(lambda text: quote("x" + text, safe="")),
    st.binary(min_size=1, max_size=20).map(lambda data: quote_from_bytes(data, safe="")),
    st.text(st.characters(max_codepoint=0xFF), min_size=1),
    st.sampled_from(["%2F", "%2f..%2F", "a%2Fsummary", "..", ".", "%00", "%", "%zz", "%25", "+", "x" * 9000, "%F0%9F"]),
    st.sampled_from(
        ["summary", "title", "messages", "%2525", "ses-\u00e9", ";a=b", "a:b@c", "{session_id}", "null", "~"]
    ),
)
"""Ids as they may stand in a path."""


def play(name: str, session_id: str, body: Json | bytes | None = None, **more: Any) -> Response:
    """Call an operation; a stream is told to its end, and what it tells is held to its form."""
    operation = operations("2.6")[name]
    sent = RIGHT.get(name) if body is None else body
    response = whole(ask(mock.handle, operation.method, target(operation, session_id), sent, **more))
    assert response.status < 500, (name, session_id, response.body)
    if header(response, "content-type") == "text/event-stream":
        check_framing(response.body)
    return response


def check_framing(body: bytes) -> list[Json]:
    """See that every reader finds the same events, however it splits lines; gives them."""
    text = body.decode()
    told = events(body)
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    assert [json.loads(block.split("\n", 1)[1].removeprefix("data: ")) for block in blocks] == told
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line]
    assert lines == [line for line in text.splitlines() if line]
    assert all(line in ("event: delta", "event: message") for line in lines[::2])
    assert [json.loads(line.removeprefix("data: ")) for line in lines[1::2]] == told
    assert told[-1]["type"] == "stop"
    return told


# -- ids -------------------------------------------------------------------------------------------------------------


@given(odd_ids, st.lists(st.sampled_from(NAMES), min_size=1, max_size=8))
@example("%2F", NAMES)
@example("%00", NAMES)
@example("a%FF%ED%A0%80b", NAMES)
@example("x" * 9000, NAMES)
@example("summary", NAMES)
def test_any_id_is_played_by_every_operation_or_refused(session_id: str, names: list[str]) -> None:
    for name in names:
        assert play(name, session_id).status in (200, 201, 204, 307, 404, 405)


@given(st.text(min_size=1, max_size=40))
@example("a/b")
@example("%2F")
@example("\x00")
@example("\u2028\x85\r\n")
@example("summary")
@example(".." + "/.." * 9)
@example("\U0001f600" * 40)
@example("default")
def test_a_session_of_any_id_lives_and_is_told_by_the_same_id_everywhere(session_id: str) -> None:
    path = quote(session_id, safe="")
    play("delete", path)
    for name in ("stream", "set_title", "stream"):
        play(name, path)
    shown = value(play("retrieve", path))
    assert shown["session_id"] == session_id
    assert [event["type"] for event in shown["events"]].count("user_input") == 2
    assert value(play("list", path, query="page_size=1"))["items"][0]["session_id"] == session_id
    assert value(play("get_summary", path))["session_id"] == session_id
    assert play("delete", path).status == 204


# -- pages -----------------------------------------------------------------------------------------------------------

odd_tokens = st.one_of(
    st.text(),
    st.binary().map(lambda data: urlsafe_b64encode(data).decode()),
    st.sampled_from(["after:", "after:-1", "after:1e3", "after:٣", "after: 1", "before:1", "after:" + "9" * 5000]).map(
        lambda text: urlsafe_b64encode(text.encode()).decode()
    ),
    st.integers().map(lambda number: urlsafe_b64encode(b"after:%d" % number).decode().rstrip("=")),
)


@given(odd_tokens, st.none() | st.integers(-3, 3) | st.integers())
@example(urlsafe_b64encode(b"after:" + b"9" * 18).decode(), 0)
@example("YWZ0ZXI6MQ" + "=" * 9, 10**30)
@example("\x00", 1)
def test_any_page_token_gives_a_page_and_pages_come_to_an_end(token: str, size: int | None) -> None:
    for number in range(3):
        play("get_summary", f"ses-{number}", x_mock_scope="paged")
    query = f"page_token={quote(token, safe='')}" + ("" if size is None else f"&page_size={size}")
    response = play("list", "", query=query, x_mock_scope="paged")
    if size is not None and size < 0:
        assert response.status == 422
        return
    seen: list[str] = []
    while True:
        assert response.status == 200
        seen += [each["session_id"] for each in value(response)["items"]]
        token = value(response).get("next_page_token")
        if not token:
            break
        response = play("list", "", query=f"page_size=1&page_token={token}", x_mock_scope="paged")
    assert len(seen) == len(set(seen)) <= 3


@given(queries())
def test_any_query_of_a_list_is_answered_or_refused(query: str) -> None:
    assert play("list", "", query=query).status in (200, 422)


# -- scopes ----------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(max_codepoint=0xFF)), st.sampled_from(NAMES))
@example("a\r\nx-evil: 1", "create")
@example("x" * 100_000, "list")
def test_any_header_that_names_a_scope_is_taken_or_refused(name: str, operation: str) -> None:
    response = play(operation, "ses-1", x_mock_scope=name)
    allowed = re.fullmatch(r"[A-Za-z0-9._~:@+-]{1,100}", name, re.ASCII) is not None
    assert (response.status != 400) is allowed


@given(odd_ids, odd_ids)
@example("alice", "%2e%2e%2fbob")
@example("%2e%2e", "x")
@example("", "x")
def test_any_path_of_a_scope_is_taken_or_refused(scope: str, session_id: str) -> None:
    for path in (f"/scope/{scope}{CHAT}/{session_id}", f"/scope/{scope}/", f"/scope/{scope}/scope/{session_id}{CHAT}"):
        assert ask(mock.handle, "GET", path).status < 500


control_bodies = st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text() | st.just("seed"), each),
).map(lambda item: json.dumps(item).encode())


@given(
    st.sampled_from(["GET", "PUT", "DELETE", "POST", "PATCH", "HEAD", "OPTIONS"]),
    st.sampled_from(["scopes/", "scopes", "state", "reset/", "health", ""]),
    odd_ids | st.just(""),
    st.sampled_from(["", "/reset", "/"]),
    control_bodies,
)
@example("PUT", "scopes/", "a", "", b"[" * 900 + b"]" * 900)
@example("PUT", "scopes/", "a%2Fb", "", b'{"seed": 1}')
@example("PUT", "scopes/", "a", "", b'{"seed": 1e400}')
def test_whatever_is_sent_to_the_control_routes_is_done_or_refused(
    method: str, path: str, name: str, ending: str, body: bytes
) -> None:
    served = app_of(Mock(Settings(seed=0, contract="2.6")))
    answer = call(served, method, f"/__mock__/{path}{name.encode('ascii', 'replace').decode()}{ending}", body=body)
    assert answer.status < 500


def test_a_control_body_too_deep_to_read_is_refused() -> None:
    deep, long = b"[" * 2_000 + b"]" * 2_000, b"[" * 600_000 + b"]" * 600_000
    assert call(app, "PUT", "/__mock__/scopes/a", body=deep).status == 400
    assert call(app, "PUT", "/__mock__/scopes/a", body=long).status == 413


# -- turns -----------------------------------------------------------------------------------------------------------

EVIL = [
    "a\u2028b\u2029c\x85d",
    "\r\n\r\ndata: {}\r\n\r\n",
    '\n\nevent: message\ndata: {"type":"stop"}\n\n',
    ": comment\n\nid: 1\nretry: 0\n",
    "\"quotes\" and \\backslashes\\ and 'single'",
    "\x00\x01\x0b\x0c\x1c\x1d\x1e\x1f\x7f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \ufeff\u202eevil",
    "{topic} {0} {prompt!r} %s ${x}",
    " ",
    "",
    "\u2028" * 1000,
]


@pytest.mark.parametrize("version", VERSIONS)
@given(st.text(max_size=1000) | evil_texts, st.lists(evil_texts | st.text(), min_size=1, max_size=7))
@settings(max_examples=max(20, settings().max_examples // 2))
@example(EVIL[0], EVIL[:7])
def test_no_prompt_and_no_index_breaks_the_form_of_a_stream(version: str, prompt: str, index_ids: list[str]) -> None:
    served = Mock(Settings(seed=0, contract=version))
    path = target(operations(version)["stream"])
    response = whole(ask(served.handle, "POST", path, {"index_ids": index_ids, "prompt": prompt[:1000]}))
    assert response.status == 200
    check_framing(response.body)
    history = value(ask(served.handle, "GET", path.removesuffix("/messages/stream")))["events"]
    assert history[0] == {"type": "user_input", "content": prompt[:1000]}


@pytest.mark.parametrize("prompt", EVIL, ids=ascii)
def test_an_evil_prompt_arrives_whole_over_a_socket(prompt: str, base_url: str) -> None:
    body = json.dumps({"index_ids": [prompt], "prompt": prompt}).encode()
    answer = told(where(base_url), post(body, target=f"{CHAT}/evil/messages/stream"))
    assert answer.status == 200
    told_events = check_framing(answer.body)
    calls = [event for event in told_events if event["type"] == "tool_call"]
    assert [each["arguments"]["index_id"] for each in calls] == [prompt]


@given(st.sampled_from(["create", "set_title", "stream"]), st.data())
def test_any_body_is_played_or_refused(name: str, data: st.DataObject) -> None:
    response = play(name, "ses-any", data.draw(bodies(body_values[name])), query=data.draw(queries()))
    assert response.status in (200, 201, 400, 404, 422)


steps = st.tuples(st.sampled_from(NAMES), st.sampled_from(["a", "b", "%00", "a%2Fb"]), st.sampled_from(["x", "y", "z"]))


@settings(max_examples=max(20, settings().max_examples // 2))
@given(
    st.lists(steps, max_size=25),
    st.sampled_from(["adopt", "404"]),
    st.sampled_from(["400", "403", "409", "422"]),
    st.sampled_from(["sse", "json"]),
    st.integers(1, 4),
)
def test_no_order_of_calls_fails(
    order: list[tuple[str, str, str]], unknown: str, locked: str, form: str, room: int
) -> None:
    options = {"unknown_sessions": unknown, "locked_status": locked, "stream": form, "missing_indexes": "y"}
    served = Mock(make_settings({"seed": 0, "contract": "2.6", "max_records": room, **options}))
    issued = ["a"]
    for name, session_id, index in order:
        operation = operations("2.6")[name]
        body = {"create": {"index_ids": [index]}, "stream": {"index_ids": [index], "prompt": index}}.get(name)
        path = target(operation, issued[-1] if session_id == "a" else session_id)
        response = whole(ask(served.handle, operation.method, path, body or RIGHT.get(name)))
        full = response.status == 503 and header(response, "x-mock-fault") == "store" and len(served.store) == room
        assert response.status in (200, 201, 204, 404, int(locked)) or full, (name, response.body)
        if response.status == 201:
            issued.append(value(response)["session_id"])


# -- on a socket -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "session_id", ["%2F", "%00", "a%0D%0Ab", "x" * 10_000, "%E2%80%A8", "%FF", "%2e%2e%2f", "%25" * 2000, "%", "\u00e9"]
)
@pytest.mark.parametrize(
    ("method", "ending"), [("GET", ""), ("DELETE", ""), ("GET", "/summary"), ("POST", "/messages/stream")]
)
def test_an_odd_id_over_a_socket_is_answered(method: str, ending: str, session_id: str, base_url: str) -> None:
    server = where(base_url)
    body = json.dumps(RIGHT["stream"]).encode() if method == "POST" else b""
    fields = ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    data = head(*fields, target=f"{CHAT}/{session_id}{ending}", method=method) + body
    assert 200 <= told(server, data, method).status < 500


@pytest.mark.parametrize("scope", [b"", b"\xff", b"a b", b"x" * 50_000, b"a,b", b"\xe2\x80\xa8", b"a\tb", b'"a"'])
def test_an_odd_scope_over_a_socket_is_refused(scope: bytes, base_url: str) -> None:
    answer = told(where(base_url), head(b"X-Mock-Scope: " + scope, target=CHAT, method="GET"), "GET")
    assert answer.status == 400
    assert answer.headers["x-mock-pointer"] == "/header/x-mock-scope"


def slow_turn(server: Server) -> socket.socket:
    """Ask for a turn that takes a minute, and read its beginning."""
    connection = socket.create_connection(server, timeout=PATIENCE)
    send(connection, post(json.dumps(RIGHT["stream"]).encode(), target=f"{CHAT}/slow/messages/stream"))
    got = b""
    while b"data: " not in got:
        got += connection.recv(65_536)
    assert got.startswith(b"HTTP/1.1 200 ")
    return connection


@pytest.mark.parametrize("leave", [lambda each: each.close(), lambda each: each.shutdown(socket.SHUT_WR)])
def test_callers_that_leave_in_the_middle_of_a_turn_keep_no_one_waiting(leave: Callable[[socket.socket], None]) -> None:
    served = Mock(make_settings({"seed": 0, "contract": "2.6", "stream_rate": 0.1}))
    with running(app_of(served)) as url:
        server = where(url)
        connections = [slow_turn(server) for _ in range(20)]
        assert_serves(server)
        for each in connections:
            leave(each)
        path = f"{CHAT}/slow"
        end = time.monotonic() + PATIENCE
        while stops(served, path) < 20 and time.monotonic() < end:
            time.sleep(0.02)
        assert stops(served, path) == 20
        assert_serves(server)
        for each in connections:
            each.close()


def stops(served: Mock, path: str) -> int:
    """Count the turns of a session that have ended, each with a failed stop, since its reader went away."""
    found = [event for event in value(ask(served.handle, "GET", path))["events"] if event["type"] == "stop"]
    assert all(event["is_error"] for event in found)
    return len(found)


def test_turns_asked_for_one_after_the_other_on_one_connection_are_told_in_their_order(base_url: str) -> None:
    server = where(base_url)
    with connected(server) as connection:
        for number in range(5):
            body = json.dumps({"index_ids": ["a"], "prompt": f"number{number}"}).encode()
            fields = [f"X-Mock-Scope: pipe{number}", f"Authorization: {KEY}"]
            send(connection, post(body, *fields, target=f"{CHAT}/pipe/messages/stream"))
            answer = received(connection)
            assert answer.status == 200
            assert f"number{number}" in check_framing(answer.body)[-2]["content"]
