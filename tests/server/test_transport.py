"""A client sees in process what it sees on a socket: status, body, exception, and the time between them."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import anyio
import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.testing import ChatMockServer, open_mock
from mockserver.control.client import LocalAdmin
from mockserver.delivery import KEEP_ALIVE
from mockserver.engine import Mock
from mockserver.messages import LONGEST_TARGET, Chunk, Delivery, Json, Request, Response, Stream
from mockserver.server.asgi import App
from mockserver.server.transport import BASE_URL, AsyncHandlerTransport, HandlerTransport, waits_of
from mockserver.server.uvicorn import running
from mockserver.store.base import Record, Update
from mockserver.store.memory import MemoryStore
from mockserver.testing.server import settings_of
from tests.conftest import app_of
from tests.strategies import BODIES, operations, target
from tests.talk import KEY, MESSAGE, TITLE, events

STILL = datetime(2026, 4, 22, 12)
PATIENCE = 5.0
"""Seconds that a client waits for the next byte, if it is to come."""

SHORT = 0.1
"""Seconds that a client waits that is not to wait."""

SETTINGS: dict[str, Any] = {"seed": 0, "contract": "2.6", "clock": STILL}
TURN = "/api/v1/chat/ses-abc123/messages/stream"
both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


class Seen(NamedTuple):
    """What a client sees of one answer: all that came, and the exception by which it ended, if it did."""

    error: str | None
    status: int | None
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def brief(self) -> tuple[str | None, int | None]:
        """How it ended, and its status."""
        return self.error, self.status


SOCKETS_OWN = ("date", "transfer-encoding", "connection")
"""Header fields that only a socket has."""


class Meeting:
    """Takes in one answer, as far as it comes."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.response: httpx.Response | None = None
        self.body = b""

    def seen(self) -> Seen:
        found = self.response
        if found is None:
            return Seen(self.error, None, [], b"")
        fields = sorted(field for field in found.headers.multi_items() if field[0] not in SOCKETS_OWN)
        return Seen(self.error, found.status_code, fields, self.body)


def kind(timeout: float | None = PATIENCE) -> dict[str, Any]:
    """Give what clients are made with; without certificates they are made sooner."""
    return {"timeout": timeout, "headers": {"authorization": KEY}, "trust_env": False, "verify": False}


def see(
    server: ChatMockServer, asynchronous: bool, method: str, path: str, timeout: float | None = PATIENCE, **options: Any
) -> Seen:
    """Send a request by a client of its own, and read its answer part by part."""
    meeting = Meeting()

    def read() -> None:
        client = server.http_client(**kind(timeout))
        with client, client.stream(method, path, **options) as meeting.response:
            for part in meeting.response.iter_raw():
                meeting.body += part

    async def read_async() -> None:
        client = server.async_http_client(**kind(timeout))
        async with client, client.stream(method, path, **options) as meeting.response:
            async for part in meeting.response.aiter_raw():
                meeting.body += part

    try:
        asyncio.run(read_async()) if asynchronous else read()
    except httpx.TransportError as error:
        meeting.error = type(error).__name__
    return meeting.seen()


def history(server: ChatMockServer, session_id: str = "ses-abc123") -> list[Json]:
    """Give the history of a session once no turn is told any more; none for a session that is not there."""
    deadline = time.monotonic() + 5
    while session_id in server.sessions:
        events: list[Json] = server.sessions[session_id]["events"]
        if not events or events[-1]["type"] == "stop":
            return events
        assert time.monotonic() < deadline, events
        time.sleep(0.005)
    return []


Protocol = Literal["h11", "httptools"]


@pytest.fixture(scope="module")
def sides() -> Iterator[dict[str, ChatMockServer]]:
    """Give the same mock in process, and on a socket by both implementations of HTTP that uvicorn has."""
    protocols: tuple[Protocol, ...] = ("httptools", "h11")
    with ExitStack() as stack:
        made = {"in process": stack.enter_context(open_mock(**SETTINGS))}
        for http in protocols:
            mock = Mock(settings_of(SETTINGS))
            url = stack.enter_context(running(app_of(mock), http=http, shutdown_timeout=1))
            made[http] = ChatMockServer(LocalAdmin(mock, "default"), url, mock=mock)
            stack.callback(made[http].close)
        yield made


# The law


class Case(NamedTuple):
    """A stub of an operation, and how a client meets it: exception and status."""

    operation: str
    answer: dict[str, Any]
    error: str | None = None
    status: int | None = 200
    method: str | None = None

    def __str__(self) -> str:
        return f"{self.method or ''}{self.operation}-{json.dumps(self.answer)[:60]}"


def faulty(operation: str, *faults: Json, error: str | None = None, status: int | None = 200) -> Case:
    return Case(operation, {"faults": list(faults)}, error, status)


CLOSED, RESET, LATE = "RemoteProtocolError", "ReadError", "ReadTimeout"
CASES = [
    *(Case(name, {}, None, operation.success) for name, operation in operations("2.6").items()),
    *(
        faulty(name, end, error=error, status=None)
        for name in ("set_title", "delete", "stream")
        for end, error in (("close", CLOSED), ("reset", RESET))
    ),
    *(faulty(name, {"delay": 30}, error=LATE, status=None) for name in ("set_title", "stream")),
    *(
        faulty(name, fault, error=error)
        for name in ("set_title", "stream")
        for fault, error in (
            ("truncate", CLOSED),
            ({"truncate": 0}, CLOSED),
            ({"truncate": 20}, CLOSED),
            ({"truncate": 100_000}, CLOSED),
            ("reset-body", RESET),
            ({"reset-body": 0}, RESET),
            ({"reset-body": 20}, RESET),
            ({"delay": 0.05}, None),
            ("malformed-json", None),
            ("empty-body", None),
            ("wrong-charset", None),
            ("wrong-content-type", None),
            ({"wrong-content-type": "text/plain"}, None),
            ({"slow-body": 50_000}, None),
            ({"slow-body": 2}, LATE),
        )
    ),
    faulty("set_title", {"break": {"missing": "/session_id"}}),
    faulty("set_title", {"delay": 0.02}, {"slow-body": 5_000}, {"truncate": 50}, error=CLOSED),
    faulty("stream", {"break": {"missing": "/usage"}}),
    faulty("stream", "unknown-event"),
    *(
        faulty("stream", {"cut-stream": {"after": after, "how": how}}, error=error)
        for after in (0, 2)
        for how, error in (("close", CLOSED), ("reset", RESET), ("end", None))
    ),
    faulty("stream", {"stall-stream": {"after": 2, "seconds": 30}}, error=LATE),
    faulty("stream", {"stall-stream": {"after": 2, "seconds": 0.02}}, error=CLOSED),
    Case("set_title", {"status": 429, "retry_after_ms": 20, "headers": {"x-note": "é"}}, None, 429),
    Case("set_title", {"status": 503, "retry_after": 1, "faults": "truncate"}, CLOSED, 503),
    *(Case("set_title", {"status": status, "invalid": True}, None, status) for status in (204, 205, 299, 304)),
    Case("delete", {"status": 200, "invalid": True}),
    Case("set_title", {"body": [1], "invalid": True}),
    Case("stream", {"body": {"x": 1}}),
    Case("list", {}, method="HEAD"),
    Case("list", {"status": 429, "retry_after": 1}, None, 429, "HEAD"),
    Case("list", {"body": [1], "invalid": True}, method="HEAD"),
    Case("list", {"faults": "close"}, CLOSED, None, "HEAD"),
    *(
        Case("list", {"body": [1], "invalid": True, "faults": cut}, None, 200, "HEAD")
        for cut in ("truncate", "reset-body")
    ),
    Case("set_title", {"faults": {"truncate": 9_000_000}, "partial": {"generated_title": "x" * 10_000_000}}, CLOSED),
]


def assert_same(sides: dict[str, ChatMockServer], case: Case, asynchronous: bool) -> None:
    """Assert that a client meets a case as it should, by whatever way, and leaves the same history."""
    operation = operations("2.6")[case.operation]
    found: dict[str, tuple[Seen, list[Json]]] = {}
    for name, server in sides.items():
        server.reset()
        server.stub.create(case.operation, **case.answer)
        sent: dict[str, Any] = {"json": BODIES[case.operation]} if case.operation in BODIES else {}
        timeout = SHORT if case.error == LATE else PATIENCE
        seen = see(server, asynchronous, case.method or operation.method, target(operation), timeout, **sent)
        found[name] = seen, history(server)
        assert server.stub.unused == []
    inside, kept = found.pop("in process")
    assert inside.brief == (case.error, case.status)
    for name, (outside, kept_there) in found.items():
        assert outside == inside, name
        assert kept_there == kept, name


@both_colours
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_client_sees_the_same_in_process_and_on_a_socket(
    sides: dict[str, ChatMockServer], case: Case, asynchronous: bool
) -> None:
    assert_same(sides, case, asynchronous)


@pytest.mark.parametrize("http", ["httptools", "h11"])
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [("close", CLOSED, None), ("reset", RESET, None), ("truncate", CLOSED, 200), ("reset-body", RESET, 200)],
)
@pytest.mark.parametrize("operation", ["set_title", "stream"])
def test_a_page_of_another_origin_meets_the_same_ends(
    sides: dict[str, ChatMockServer], http: str, operation: str, fault: str, error: str, status: int | None
) -> None:
    server = sides[http]
    server.reset()
    server.stub.create(operation, faults=fault)
    path, origin = target(operations("2.6")[operation]), {"origin": "https://app.example"}
    seen = see(server, False, "POST", path, json=BODIES[operation], headers=origin)
    assert seen.brief == (error, status)
    assert ("access-control-allow-origin", "*") in seen.headers or status is None


# Streams


def told_one_by_one(asynchronous: bool, server: ChatMockServer) -> list[tuple[float, bytes, int]]:
    """Follow a turn, and give its parts, each with the time when it came and the size of the history then."""
    found: list[tuple[float, bytes, int]] = []
    started = time.monotonic()

    def note(part: bytes) -> None:
        found.append((time.monotonic() - started, part, len(server.sessions["ses-abc123"]["events"])))

    def read() -> None:
        with server.http_client(**kind()).stream("POST", TURN, json=BODIES["stream"]) as response:
            for part in response.iter_raw():
                note(part)

    async def read_async() -> None:
        client = server.async_http_client(**kind())
        async with client, client.stream("POST", TURN, json=BODIES["stream"]) as response:
            async for part in response.aiter_raw():
                note(part)

    asyncio.run(read_async()) if asynchronous else read()
    return found


@both_colours
def test_the_events_of_a_turn_come_one_by_one_in_their_time(asynchronous: bool) -> None:
    with open_mock(**SETTINGS, stream_delay=0.1, stream_rate=100) as server:
        found = told_one_by_one(asynchronous, server)
        whole = history(server)
    assert all(len(events(part)) == 1 for _, part, _ in found)
    assert [size for _, _, size in found] == [1] * (len(found) - 1) + [len(whole)]
    assert found[0][0] > 0.09
    assert found[-1][0] > 0.1 + (len(found) - 1) / 100 - 0.01
    assert events(found[-1][1])[0]["type"] == "stop"


class Leaver:
    """A client that reads some parts of a turn, and goes."""

    def __init__(self, server: ChatMockServer, size: int) -> None:
        self.server, self.size = server, size
        self.parts: list[bytes] = []

    def read(self) -> None:
        with self.server.http_client(**kind()).stream("POST", TURN, json=BODIES["stream"]) as response:
            parts = response.iter_raw()
            self.parts = [next(parts) for _ in range(self.size)]

    async def read_async(self) -> None:
        client = self.server.async_http_client(**kind())
        async with client, client.stream("POST", TURN, json=BODIES["stream"]) as response:
            parts = response.aiter_raw()
            for _ in range(self.size):
                self.parts.append(await anext(parts))


@both_colours
@pytest.mark.parametrize("size", [0, 1, 3, 12])
def test_a_client_that_leaves_in_mid_stream_leaves_what_it_was_told_and_a_failed_stop(
    size: int, asynchronous: bool
) -> None:
    with open_mock(**SETTINGS, stream_rate=2_000) as server:
        leaver = Leaver(server, size)
        asyncio.run(leaver.read_async()) if asynchronous else leaver.read()
        user, *told, stop = history(server)
    sent = events(b"".join(leaver.parts))
    assert user == {"type": "user_input", "content": MESSAGE}
    assert (stop["is_error"], bool(stop["error"])) == (True, True)
    for each in ("thinking", "text"):
        whole = joined(sent, each) or joined(sent, f"{each}_delta")
        assert joined(told, each) == whole


def joined(found: list[Json], each: str) -> str:
    return "".join(event["content"] for event in found if event["type"] == each)


@pytest.mark.parametrize("moment", ["before the head", "in a pause"])
def test_a_task_that_is_cancelled_leaves_a_failed_stop(moment: str) -> None:
    async def cut(server: ChatMockServer) -> None:
        async with server.async_http_client(**kind(None)) as client:
            with anyio.move_on_after(0.05):
                await client.post(TURN, json=BODIES["stream"])
                pytest.fail("it came in time")

    with open_mock(**SETTINGS, stream_delay=0 if moment == "before the head" else 30) as server:
        if moment == "before the head":
            server.stub.create("stream", delay=30)
        asyncio.run(cut(server))
        assert [event["type"] for event in history(server)] == ["user_input", "stop"]


@both_colours
def test_comments_keep_a_client_waiting_that_would_not_wait_so_long(asynchronous: bool) -> None:
    with open_mock(**SETTINGS, stream_delay=0.3, keep_alive=0.05) as server:
        seen = see(server, asynchronous, "POST", TURN, 0.15, json=BODIES["stream"])
    assert seen.brief == (None, 200)
    assert 3 <= seen.body.count(b": keep-alive\n\n") <= 5
    assert events(seen.body)[-1]["type"] == "stop"


@given(
    st.lists(st.tuples(st.floats(0, 5), st.binary(max_size=3)), max_size=6),
    st.sampled_from([0.0, 0.5, 1.0, 7.0]),
)
def test_the_pauses_of_a_stream_add_up_to_its_times(chunks: list[tuple[float, bytes]], keep_alive: float) -> None:
    ordered = [Chunk(at, data) for at, data in sorted(chunks)]
    waits = list(waits_of(Stream(ordered, lambda _: b"", keep_alive)))
    assert [wait.data for wait in waits if wait.own] == [chunk.data for chunk in ordered]
    assert all(wait.data == KEEP_ALIVE for wait in waits if not wait.own)
    assert all(0 <= wait.pause <= (keep_alive or 5) + 1e-9 for wait in waits)
    passed, times = 0.0, []
    for wait in waits:
        passed += wait.pause
        times += [passed] if wait.own else []
    assert times == pytest.approx([chunk.at for chunk in ordered])


class Counted:
    """A Handler that streams some chunks, and counts how it is closed."""

    def __init__(self, delivery: Delivery | None = None) -> None:
        self.delivery = delivery
        self.closed: list[int] = []

    def __call__(self, _: Request) -> Response:
        def close(sent: int) -> bytes:
            self.closed.append(sent)
            return b"last"

        chunks = [Chunk(0.0, b"a"), Chunk(0.0, b"b"), Chunk(0.0, b"")]
        return Response(200, [], b"", Stream(chunks, close), self.delivery)


@both_colours
@pytest.mark.parametrize(
    ("delivery", "take", "closed"),
    [
        (None, 9, 3),
        (None, 0, 0),
        (None, 1, 1),
        (None, 2, 2),
        (Delivery(end="reset"), 9, 3),
        (Delivery(hold=30), 9, 3),
        (Delivery(delay=30), 9, 0),
        (Delivery(unanswered=True, end="close"), 9, 0),
    ],
)
def test_a_stream_is_closed_once_with_what_was_handed_over(
    delivery: Delivery | None, take: int, closed: int, asynchronous: bool
) -> None:
    handler = Counted(delivery)

    def read() -> None:
        client = httpx.Client(transport=HandlerTransport(handler), base_url=BASE_URL, timeout=1)
        with suppress(httpx.TransportError), client.stream("GET", "/") as response:
            for _, _ in zip(range(take), response.iter_raw(), strict=False):
                pass

    async def read_async() -> None:
        client = httpx.AsyncClient(transport=AsyncHandlerTransport(handler), base_url=BASE_URL, timeout=1)
        with suppress(httpx.TransportError):
            async with client.stream("GET", "/") as response:
                parts = response.aiter_raw()
                for _ in range(take):
                    await anext(parts, None)

    asyncio.run(read_async()) if asynchronous else read()
    assert handler.closed == [closed]


# Patience


@both_colours
@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("set_title", {"delay": 30}),
        ("stream", {"delay": 30}),
        ("stream", {"faults": {"stall-stream": {"after": 2, "seconds": 30}}}),
        ("set_title", {"faults": {"slow-body": 0.1}}),
        ("stream", {"faults": {"slow-body": 0.1}}),
    ],
    ids=str,
)
def test_a_pause_beyond_the_patience_of_the_client_is_not_waited_for(
    operation: str, answer: Json, asynchronous: bool
) -> None:
    with open_mock(**SETTINGS) as server:
        server.stub.create(operation, **answer)
        started = time.monotonic()
        seen = see(server, asynchronous, "POST", target(operations("2.6")[operation]), 5, json=BODIES[operation])
        assert time.monotonic() - started < 0.5
        assert seen.error == LATE
        if operation == "stream":
            assert history(server)[-1]["is_error"] is True


@both_colours
@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_pause_within_the_patience_of_the_client_is_waited_for(timeout: float | None, asynchronous: bool) -> None:
    with open_mock(**SETTINGS) as server:
        server.stub.create("set_title", delay=0.1)
        started = time.monotonic()
        seen = see(server, asynchronous, "POST", TITLE, timeout, json=BODIES["set_title"])
        assert time.monotonic() - started > 0.09
    assert seen.brief == (None, 200)


def test_a_pause_in_one_task_holds_no_other_up() -> None:
    async def both(server: ChatMockServer) -> list[str]:
        done: list[str] = []

        async def title(name: str) -> None:
            path = TITLE.replace("ses-abc123", name)
            assert (await client.post(path, json=BODIES["set_title"])).status_code == 200
            done.append(name)

        async with server.async_http_client(**kind()) as client:
            await asyncio.gather(title("slow"), title("fast"))
        return done

    with open_mock(**SETTINGS) as server:
        server.stub.create("set_title", session_id="slow", delay=0.1)
        assert asyncio.run(both(server)) == ["fast", "slow"]


# Requests


class Echo:
    """Tells what it was asked, as the edge of a server and as a Handler."""

    threads, waits = 0, False

    def at_once(self, function: Callable[[Any], Any], asked: Any) -> Any:
        return function(asked)

    def handle(self, request: Request) -> Response:
        fields = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in request.headers.raw]
        told = [request.method, request.path, request.query, fields, request.body.hex(), request.scope, request.root]
        body = json.dumps(told).encode()
        return Response(200, [(b"content-length", b"%d" % len(body))], body)

    def refuse(self, _request: Request, status: int, _message: str) -> Response:
        return Response(status, [])

    def failed(self, _request: Request, _error: Exception) -> Response:
        return Response(500, [])


async def no_control(*_: Any) -> None:
    raise AssertionError("it is no control route")


@pytest.fixture(scope="module")
def echoes() -> Iterator[list[httpx.Client]]:
    """Give two clients of an echo: in process, and on a socket, which is told another name."""
    echo = Echo()
    with running(App(echo, control=no_control), shutdown_timeout=1) as url:
        inside = httpx.Client(transport=HandlerTransport(echo.handle), base_url=url)
        with inside, httpx.Client(base_url=url, verify=False, trust_env=False) as outside:  # noqa: S501  # no TLS
            yield [inside, outside]


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "get"]),
    path=st.text(max_size=8).map(lambda text: "/x" + quote(text, safe="/;:@&=+$,!~*'()")),
    query=st.none()
    | st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=3)
    | st.text("a=&%;+ é", max_size=6),
    fields=st.lists(
        st.tuples(
            st.sampled_from(["X-A", "x-b"]),
            st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=5),
        ),
        max_size=3,
    ),
    body=st.binary(max_size=40) | st.none(),
)
@example(method="POST", path="/a%2Fb//c/..;x", query=None, fields=[], body=b"")
def test_a_request_arrives_in_process_as_it_would_on_a_socket(
    echoes: list[httpx.Client], method: str, path: str, query: Any, fields: list[tuple[str, str]], body: bytes | None
) -> None:
    told = [client.request(method, path, params=query, headers=fields, content=body).json() for client in echoes]
    assert told[0] == told[1]


@both_colours
@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b"x" * 2_001}, 413),
        ({"params": {"x": "y" * LONGEST_TARGET}}, 414),
        ({"headers": [("x-long", "y" * 60_000)] * 3}, 431),
    ],
    ids=str,
)
def test_what_is_too_large_is_refused_in_process_as_on_a_socket(options: Any, status: int, asynchronous: bool) -> None:
    found = []
    for live in (False, True):
        with open_mock(live=live, **SETTINGS, max_body=2_000) as server:
            found.append(see(server, asynchronous, "POST", TITLE, **options))
            assert [each.status for each in server.journal] == [status]
    assert found[0] == found[1]
    assert found[0].brief == (None, status)


class Failing(MemoryStore):
    """A store with a defect."""

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        raise ZeroDivisionError(f"{scope}, {collection}, {id}, {step}")


@both_colours
def test_a_defect_of_the_mock_is_a_500_in_process_as_on_a_socket(
    asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    found = []
    with caplog.at_level(logging.CRITICAL, "mockserver"):
        for live in (False, True):
            with ExitStack() as stack:
                mock = Mock(settings_of(SETTINGS), Failing())
                url = stack.enter_context(running(app_of(mock), shutdown_timeout=1)) if live else BASE_URL
                server = ChatMockServer(LocalAdmin(mock, "default"), url, mock=mock, in_process=not live)
                stack.callback(server.close)
                found.append(see(server, asynchronous, "POST", TITLE, json=BODIES["set_title"]))
    assert found[0] == found[1]
    assert found[0].brief == (None, 500)
    assert dict(found[0].headers)["x-mock-fault"] == "mock"


def threads_of(waits: bool) -> tuple[set[int], int]:
    """Give the threads in which an async client's requests are answered, and its own."""
    found = set()

    def handler(_: Request) -> Response:
        found.add(threading.get_ident())
        return Response(200, [], b"")

    async def ask_twice() -> int:
        async with httpx.AsyncClient(transport=AsyncHandlerTransport(handler, waits=lambda: waits)) as client:
            for _ in range(2):
                assert (await client.get(BASE_URL)).status_code == 200
        return threading.get_ident()

    return found, asyncio.run(ask_twice())


def test_a_handler_that_waits_is_asked_in_a_thread_and_no_other() -> None:
    found, own = threads_of(waits=True)
    assert own not in found
    found, own = threads_of(waits=False)
    assert found == {own}


# Control routes

JSON_OF_CONTROL = [
    ("GET", "/__mock__/health", None, 200),
    ("GET", "/__mock__/sessions", None, 200),
    ("GET", "/openapi.json", None, 200),
    ("GET", "/openapi.json?contract=2.9", None, 404),
    ("PUT", "/__mock__/sessions/ses-%C3%A9", {"generated_title": "Findings"}, 200),
    ("PUT", "/scope/a/__mock__/sessions/ses-b", {}, 200),
    ("PUT", "/__mock__/sessions/ses-c", {"colour": "red"}, 400),
    ("POST", "/__mock__/stubs", {"operation": "set_title", "status": 429}, 201),
    ("POST", "/__mock__/verify", {"operation": "set_title"}, 406),
    ("DELETE", "/__mock__/stubs", None, 204),
    ("GET", "/__mock__/none", None, 404),
    ("HEAD", "/__mock__/health", None, 200),
]


@both_colours
def test_the_control_routes_are_reached_in_process_as_on_a_socket(asynchronous: bool) -> None:
    found = []
    for live in (False, True):
        with open_mock(live=live, **SETTINGS) as server:
            sent = [
                (see(server, asynchronous, method, path, json=body), server.snapshot())
                for method, path, body, _ in JSON_OF_CONTROL
            ]
            assert len(server.journal) == 0
        found.append(sent)
    for (inside, kept), (outside, kept_there), (*_, status) in zip(*found, JSON_OF_CONTROL, strict=True):
        assert (inside, kept) == (outside, kept_there)
        assert inside.brief == (None, status)


def test_the_control_routes_are_reached_from_within_a_loop_by_a_client_that_does_not_wait() -> None:
    async def ask() -> int:
        return server.http_client().get("/__mock__/health").status_code

    with open_mock(**SETTINGS) as server:
        assert asyncio.run(ask()) == 200
