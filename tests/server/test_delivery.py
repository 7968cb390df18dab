"""Answers leave in pieces, slowly, in part, or by an end that HTTP has no word for."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, Literal

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.delivery import SETTLE, changed, connection_of, first_bytes, first_events, hang_up, pieces, slowed
from mockserver.messages import Chunk, Stream
from mockserver.server.asgi import Scope, Send
from mockserver.server.uvicorn import running

each_protocol = pytest.mark.parametrize("http", ["h11", "httptools"])
texts = st.lists(st.binary(min_size=1, max_size=6), max_size=6)
rates = st.floats(0.01, 1e6)


def stream_of(data: list[bytes], closed: list[int] | None = None, last: bytes = b"last") -> Stream:
    """Give a stream of some parts, and of one more that is written when it is closed."""

    def close(sent: int) -> bytes:
        if closed is not None:
            closed.append(sent)
        return last

    return Stream([Chunk(float(number), part) for number, part in enumerate([*data, b""])], close, 3.0, last)


def data_of(stream: Stream) -> bytes:
    return b"".join(chunk.data for chunk in stream.chunks)


# Pieces


@given(st.binary(max_size=500), rates | st.just(0.0))
@example(b"", 0.0)
@example(b"", 5.0)
@example(b"x" * 30, 0.5)
def test_the_pieces_of_a_body_are_the_body(body: bytes, rate: float) -> None:
    made = list(pieces(body, rate))
    assert b"".join(chunk.data for chunk in made) == body
    assert all(chunk.data for chunk in made)
    if not rate:
        assert len(made) <= 1
    sent = 0
    for chunk in made:
        assert chunk.at == pytest.approx(sent / rate if rate else 0.0)
        sent += len(chunk.data)
        assert len(chunk.data) <= max(1, rate / 10) or not rate


@given(texts, rates)
def test_a_slowed_stream_is_the_same_and_never_ahead_of_its_rate(data: list[bytes], rate: float) -> None:
    before = stream_of(data)
    made = slowed(before, rate)
    assert [chunk.data for chunk in made.chunks] == [chunk.data for chunk in before.chunks]
    assert (made.close, made.keep_alive) == (before.close, before.keep_alive)
    sent = 0
    for late, early in zip(made.chunks, before.chunks, strict=True):
        sent += len(late.data)
        assert late.at >= max(early.at, sent / rate * (1 - 1e-9))


# Parts


@given(texts, st.integers(0, 10), st.integers(0, 10))
def test_the_first_events_are_closed_as_what_was_broken_off(data: list[bytes], count: int, sent: int) -> None:
    closed: list[int] = []
    made = first_events(stream_of(data, closed), count)
    assert [chunk.data for chunk in made.chunks] == data[:count]
    assert made.keep_alive == 3.0
    assert made.close(sent) == b""
    assert closed == [min(sent, count, len(data))]


@given(texts, st.integers(0, 40))
def test_the_first_bytes_are_so_many(data: list[bytes], count: int) -> None:
    closed: list[int] = []
    made = first_bytes(stream_of(data, closed), count)
    assert data_of(made) == b"".join(data)[:count]
    made.close(len(made.chunks))
    assert len(b"".join(data[: closed[0]])) <= count


@given(texts)
def test_half_of_the_events_are_given_where_no_number_is(data: list[bytes]) -> None:
    assert data_of(first_bytes(stream_of(data), None)) == b"".join(data[: (len(data) + 1) // 2])


@pytest.mark.parametrize(
    ("data", "last", "made"),
    [
        (
            [b"event: a\ndata: one\n\n", b"data: two\n\n"],
            b"data: end\n\n",
            b"event: a\ndata: ONE\n\ndata: two\n\ndata: end\n\n",
        ),
        ([b": comment\n\n", b"data: 1\n\n", b"data: two\n\n"], b"", b": comment\n\ndata: 1\n\ndata: TWO\n\n"),
        ([b"data: 1\n\n"], b"data: end\n\n", b"data: 1\n\ndata: END\n\n"),
        ([b"data: 1\n\n"], b"data: 2\n\n", None),
        ([b"data: say data: x\n\n"], b"", b"data: SAY DATA: X\n\n"),
        ([], b"", None),
    ],
)
def test_the_first_event_that_a_change_changes_is_changed(data: list[bytes], last: bytes, made: bytes | None) -> None:
    closed: list[int] = []
    found = changed(stream_of(data, closed, last), bytes.upper)
    if made is None:
        assert found is None
    else:
        assert found is not None
        assert data_of(found) + found.close(7) == made
        assert closed == [7]


# Ends


class Ender:
    """An ASGI application that sends a part of a body and ends the connection; of any other path, a whole one."""

    def __init__(self, *, reset: bool, body: bytes | None) -> None:
        self.reset, self.body = reset, body
        self.over = False

    async def __call__(self, scope: Scope, receive: Callable[[], Any], send: Send) -> None:
        await receive()
        gone = asyncio.ensure_future(receive())
        if self.body is not None or scope["path"] != "/end":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        if scope["path"] != "/end":
            await send({"type": "http.response.body", "body": b"whole"})
            return
        if self.body is not None:
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await hang_up(send, gone, reset=self.reset)
        self.over = True


def received(connection: socket.socket) -> tuple[bytes, bool]:
    """Read to the end; give what came, and whether the connection was reset then."""
    data = b""
    try:
        while part := connection.recv(1_000):
            data += part
    except ConnectionResetError:
        return data, True
    return data, False


@each_protocol
@pytest.mark.parametrize("body", [None, b"", b"part"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_is_ended_as_it_is_told_by_every_implementation_and_no_other_is(
    http: Literal["h11", "httptools"], body: bytes | None, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = Ender(reset=reset, body=body)
    with running(app, http=http, shutdown_timeout=1) as url, httpx.Client(base_url=url) as other:
        assert other.get("/").text == "whole"
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET /end HTTP/1.1\r\nhost: mock\r\n\r\n")
            data, was_reset = received(connection)
        assert other.get("/").text == "whole"
    assert app.over
    assert was_reset is reset
    assert data == b"" if body is None else data.endswith(b"\r\n\r\n" + body)
    assert caplog.records == []


@each_protocol
def test_a_client_that_leaves_before_it_is_reset_leaves_no_traceback(
    http: Literal["h11", "httptools"], caplog: pytest.LogCaptureFixture
) -> None:
    app = Ender(reset=True, body=None)
    with running(app, http=http, shutdown_timeout=1) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        for _ in range(5):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(b"GET /end HTTP/1.1\r\nhost: mock\r\n\r\n")
                time.sleep(SETTLE / 10)
        time.sleep(3 * SETTLE)
    assert app.over
    assert caplog.records == []


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_gives_no_hold_of_its_connections_is_left_to_end_them_itself(reset: bool) -> None:
    async def send(_: Any) -> None: ...

    async def end() -> None:
        with pytest.raises(ConnectionAbortedError, match="does not let its connections be closed"):
            await hang_up(send, asyncio.get_running_loop().create_future(), reset=reset)

    assert connection_of(send) is None
    asyncio.run(end())
