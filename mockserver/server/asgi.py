"""The ASGI edge: bytes <-> Request and Response; the only place that waits."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import coroutine
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

from mockserver.delivery import KEEP_ALIVE, RAW_SEND, connection_of, hang_up, pieces, without_chunks
from mockserver.errors import StoreBusyError
from mockserver.messages import (
    CONTROL,
    LONGEST_TARGET,
    OPENAPI,
    PREFIX,
    Chunk,
    Delivery,
    Headers,
    HeaderTable,
    RawHeaders,
    Refused,
    Request,
    Response,
    Stream,
    is_control,
    known,
    too_big,
    too_long,
    too_many,
)
from mockserver.settings import LARGEST_BODY, MOST_IN_FLIGHT

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Asked = TypeVar("Asked")
Given = TypeVar("Given")

AT_A_TIME = 8
"""After this many chunks without a pause, other tasks run and a client that has left is noticed."""

LEAST_PAUSE = 0.01
"""The shortest time between two comments, in seconds."""

EXPOSED = (
    "preference-applied retry-after retry-after-ms x-mock-contract x-mock-fault x-mock-message x-mock-pointer "
    "x-mock-source x-mock-state x-mock-unjudged x-mock-withdrawn x-should-retry".split()
)
"""The header fields that scripts on other origins may read, beside those that the contract declares."""

_OWN = (CONTROL, PREFIX, OPENAPI)
"""The path prefixes that may name a control route."""

log = logging.getLogger("mockserver")


class Answering(Protocol):
    """What the edge serves: a Handler that also answers requests that the edge rejects."""

    @property
    def threads(self) -> int:
        """How many threads may call it at once; 0 if it never waits."""

    @property
    def waits(self) -> bool:
        """Whether the next answer is likely to wait, so that it should be made in a thread."""

    def at_once(self, function: Callable[[Asked], Given], asked: Asked) -> Given:
        """Call a function of it whose thread must not wait; StoreBusyError if it would have to."""

    def handle(self, request: Request) -> Response:
        """Answer a request."""

    def refuse(self, request: Request, status: int, message: str) -> Response:
        """Reject a request that was not read to its end."""

    def failed(self, request: Request, error: Exception) -> Response:
        """Answer a request after the mock itself failed."""


class Listening(Protocol):
    """Takes note of each request once it is answered; it never waits."""

    def add(
        self, method: str, path: str, query: str, sent: Headers, status: int, headers: RawHeaders, took: float
    ) -> None:
        """Add a request; `headers` are the answer's, if it says what was wrong; `took` is in seconds."""


class App:
    """An ASGI application that answers the API's requests itself and hands the rest to `control`."""

    def __init__(
        self,
        mock: Answering,
        *,
        control: Application,
        cors: bool = True,
        max_body: int = LARGEST_BODY,
        body_timeout: float = 10.0,
        max_in_flight: int = MOST_IN_FLIGHT,
        requests: Listening | None = None,
        origins: Sequence[str] = (),
        declared: Callable[[], Iterable[str]] = tuple,
        owns: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._mock, self._control = mock, control
        self._max_body, self._body_timeout = max_body, body_timeout
        self._max_in_flight, self._in_flight = max_in_flight, 0
        self._cors, self._requests = cors, requests
        self._origins, self._declared, self._owns = origins, declared, owns
        self._table = HeaderTable()
        self._crossing: Application | None = None
        self._pool = ThreadPoolExecutor(mock.threads, "mockserver") if mock.threads else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != "http":
            await _not_http(scope, receive, send)
            return
        raw_path, root = scope.get("raw_path"), scope.get("root_path", "")
        path = raw_path.decode("latin-1") if raw_path and not root else _path(scope)
        headers = self._table.headers(scope["headers"])
        if (path.startswith(_OWN) or b"origin" in headers) and await self._beside(path, headers, scope, receive, send):
            return
        started = time.perf_counter() if self._requests else 0.0
        method, query = scope["method"], scope["query_string"].decode("latin-1")
        facts = headers.known or known(headers)
        long = len(path) + len(query) + facts.size > LONGEST_TARGET
        sent = (too_long(path, query, headers) if long else None) or self._at_once(facts.length, receive)
        body = sent if isinstance(sent, (bytes, tuple)) else await sent
        if isinstance(body, bytes):
            request = Request(method=method, path=path, query=query, headers=headers, body=body, root=root)
            pool = self._pool
            response = self._handle(request) if pool is None else await self._handled(pool, request)
        elif body is None:  # the client left before it had sent everything
            return
        else:
            response = self._closing(Request(method, path[:LONGEST_TARGET], "", headers), *body)
        if response.delivery is not None:
            await self._deliver(response, response.delivery, scope, receive, send)
        else:
            if response.stream is not None and scope.get("http_version") == "1.0":
                without_chunks(scope.get(RAW_SEND, send))
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            if response.stream is not None:
                await self._send_whole(response.stream, scope, receive, send)
            else:
                await send({"type": "http.response.body", "body": response.body})
        if self._requests is not None:
            took = time.perf_counter() - started
            wrong = response.headers if response.findings else ()
            self._requests.add(method, path, query, headers, response.status, wrong, took)

    async def _beside(self, path: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> bool:
        """Hand a request to the control routes or to CORS, if it is for them; return whether it was."""
        control = is_control(path)
        if not control and self._cors and b"origin" in headers and RAW_SEND not in scope:
            await self._across_origins(scope, receive, send)
            return True
        if control or (path == OPENAPI and not self._owns(path)):
            await self._controlled(_at_root(scope), receive, send)
            return True
        return False

    async def _controlled(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a control route; its body is in flight until it is answered."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            more = len(message.get("body", b""))
            size += more
            self._in_flight += more
            if more and size < self._in_flight > self._max_in_flight:
                from starlette.exceptions import HTTPException

                raise HTTPException(*too_many(self._max_in_flight), {"retry-after": "1", "connection": "close"})
            return message

        scope.setdefault(RAW_SEND, send)
        try:
            await self._control(scope, counted, send)
        finally:
            self._in_flight -= size

    def _handle(self, request: Request) -> Response:
        try:
            return self._mock.handle(request)
        except StoreBusyError:
            raise
        except Exception as error:
            log.exception("the mock failed at %s %s", request.method, request.path)
            return self._mock.failed(request, error)

    async def _handled(self, pool: ThreadPoolExecutor, request: Request) -> Response:
        """Answer a request that may have to wait; its body is in flight until then."""
        size = len(request.body)
        self._in_flight += size
        try:
            return await self._in_turn(pool, self._handle, request)
        finally:
            self._in_flight -= size

    async def _in_turn(self, pool: ThreadPoolExecutor, function: Callable[[Asked], Given], asked: Asked) -> Given:
        """Call a function of the mock here if it need not wait, else in a thread."""
        if not self._mock.waits:
            with suppress(StoreBusyError):
                return self._mock.at_once(function, asked)
        return await _elsewhere(pool, function, asked)

    async def _deliver(
        self, response: Response, delivery: Delivery, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send an answer late, slowly, in part or not at all. Every pause ends when the client leaves."""
        stream = response.stream or Stream(list(pieces(response.body, delivery.rate)), lambda _: b"")
        gone = _leaving(receive)
        try:
            there = await _pause(gone, delivery.delay)
            if there and not delivery.unanswered:
                await send(_head(response))
                there = await self._send_stream(stream, gone, send)
            else:
                await self._close(stream, 0)
            if there and await _pause(gone, delivery.hold):
                if delivery.end:
                    await hang_up(scope.get(RAW_SEND, send), gone, reset=delivery.end == "reset")
                else:
                    await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()

    async def _send_whole(self, stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a stream to its end, and end the answer.

        If the server stops before that, the connection is cut, so that no client takes the stream for whole.
        """
        gone = _leaving(receive)
        whole = await self._send_stream(stream, gone, send)
        connection = None if whole or gone.done() else connection_of(scope.get(RAW_SEND, send))
        if connection is None:
            gone.cancel()
            await send({"type": "http.response.body", "body": b""})
            return
        connection.close()
        with suppress(asyncio.CancelledError):  # the loop ends
            await gone

    async def _send_stream(self, stream: Stream, gone: "asyncio.Future[None]", send: Send) -> bool:
        """Send each chunk of a stream when it is due; return whether the client stayed to the end."""
        sent, left = 0, False
        try:
            async for chunk in _in_time(stream, gone, send):
                if chunk.data:
                    await send(_part(chunk.data))
                sent += 1
        except (asyncio.CancelledError, OSError, RuntimeError):  # the server stops, or the client has left
            left = True
        left = left or gone.done()
        last = await self._close(stream, sent)
        if last and not left:
            await send(_part(last))
        return not left

    async def _close(self, stream: Stream, sent: int) -> bytes:
        """Close a stream, which records what was sent."""
        try:
            pool = self._pool
            return stream.close(sent) if pool is None else await self._in_turn(pool, stream.close, sent)
        except Exception:
            log.exception("the mock failed at the end of a stream")
            return b""

    def _at_once(self, length: int, receive: Receive) -> "bytes | Refused | Awaitable[bytes | Refused | None]":
        """Return the body, or why it is rejected, or what to await if it has not arrived yet.

        Most bodies have arrived by now, and a timeout costs more than everything else here.
        """
        if length > self._max_body:
            return too_big(self._max_body)
        steps = receive().__await__()
        try:
            waiting = _ended(steps, next(steps))
        except StopIteration as done:
            message = done.value
            body: bytes = message.get("body", b"")
            if not message.get("more_body") and len(body) <= self._max_body and message["type"] == "http.request":
                return body
            return self._body(message, None, receive)
        return self._body({}, waiting, receive)

    async def _body(
        self, message: Message, waiting: Awaitable[Message] | None, receive: Receive
    ) -> bytes | Refused | None:
        """Read the body to its end, or return why it is too long or too slow; None if the client left."""
        if waiting is not None or message.get("more_body"):
            try:
                async with asyncio.timeout(self._body_timeout):
                    message = message if waiting is None else await waiting
                    rest = await self._rest(message, receive)
            except TimeoutError:
                return 408, "The body did not arrive in time."
            except asyncio.CancelledError:  # the server stops
                return 408, "The body did not arrive before the server stopped."
            if isinstance(rest, tuple):
                return rest
            message = rest
        if message["type"] == "http.disconnect":
            return None
        body: bytes = message.get("body", b"")
        return body if len(body) <= self._max_body else too_big(self._max_body)

    async def _rest(self, message: Message, receive: Receive) -> Message | Refused:
        """Read until the end, the limit, or until the client leaves; return everything as one message.

        A body that is alone in flight is read however long it is.
        """
        parts = [message.get("body", b"")]
        size = len(parts[0])
        self._in_flight += size
        try:
            while message.get("more_body") and size <= self._max_body:
                if size < self._in_flight > self._max_in_flight:
                    return too_many(self._max_in_flight)
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self._in_flight += len(parts[-1])
            return {"type": message["type"], "body": b"".join(parts)}
        finally:
            self._in_flight -= size

    def _closing(self, request: Request, status: int, message: str) -> Response:
        """Reject the request and close the connection, since the rest of it is not read."""
        refused = self._mock.refuse(request, status, message)
        return Response(refused.status, [*refused.headers, (b"connection", b"close")], refused.body)

    async def _across_origins(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._crossing is None:
            from starlette.middleware.cors import CORSMiddleware

            any_ = ["*"]
            self._crossing = CORSMiddleware(
                self,
                allow_origins=self._origins or any_,
                allow_credentials=bool(self._origins),
                allow_methods=any_,
                allow_headers=any_,
                expose_headers=sorted({*EXPOSED, *self._declared()}),
            )
        scope[RAW_SEND] = send
        await self._crossing(scope, receive, send)


async def _elsewhere(pool: ThreadPoolExecutor, function: Callable[[Asked], Given], asked: Asked) -> Given:
    """Call a waiting function in a thread. It always finishes, even if its caller is cancelled meanwhile.

    Not every server waits for cancelled tasks: its loop would end before a broken-off stream is recorded.
    """
    begun = pool.submit(function, asked)
    try:
        return await asyncio.shield(asyncio.wrap_future(begun))
    except asyncio.CancelledError:
        return begun.result()


def _path(scope: Scope) -> str:
    """Return the path below the application's mount point, still percent-encoded."""
    raw, root = scope.get("raw_path"), scope.get("root_path")
    path: str = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    return path.removeprefix(root) if root else path


def _at_root(scope: Scope) -> Scope:
    """Rewrite the scope of a mounted application as if it were not mounted."""
    root = scope.get("root_path")
    if not root:
        return scope
    path = scope["path"].removeprefix(root)
    return {**scope, "path": path, "raw_path": _path(scope).encode("latin-1"), "root_path": ""}


@coroutine
def _ended(steps: Generator[Any, Any, Message], asked: Any) -> Generator[Any, Any, Message]:
    """Await a coroutine that was started; `asked` is what it waits for first. Awaitables need not be generators."""
    while True:
        try:
            try:
                sent = yield asked
            except BaseException as error:
                if not hasattr(steps, "throw"):
                    raise
                asked = steps.throw(error)
            else:
                asked = next(steps) if sent is None else steps.send(sent)
        except StopIteration as done:
            message: Message = done.value
            return message


async def _in_time(stream: Stream, gone: "asyncio.Future[None]", send: Send) -> AsyncIterator[Chunk]:
    """Yield the chunks of a stream when they are due, with comments in long pauses, until the client leaves."""
    clock = asyncio.get_running_loop().time
    started = clock()
    for number, chunk in enumerate(stream.chunks):
        due = started + chunk.at - clock()
        while 0 < stream.keep_alive < due and not gone.done():
            await asyncio.wait((gone,), timeout=max(stream.keep_alive, LEAST_PAUSE))
            due = started + chunk.at - clock()
            if due > 0 and not gone.done():
                await send(_part(KEEP_ALIVE))
        if due > 0:
            await asyncio.wait((gone,), timeout=due)
        elif number % AT_A_TIME == 0:
            await asyncio.sleep(0)
        if gone.done():
            return
        yield chunk


def _part(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _head(response: Response) -> Message:
    return {"type": "http.response.start", "status": response.status, "headers": response.headers}


async def _pause(gone: "asyncio.Future[None]", seconds: float) -> bool:
    """Wait, but no longer than the client; return whether it is still there and the server still runs."""
    if seconds > 0 and not gone.done():
        try:
            await asyncio.wait((gone,), timeout=seconds)
        except asyncio.CancelledError:
            return False
    return not gone.done()


def _leaving(receive: Receive) -> "asyncio.Future[None]":
    """Return a future that is done once the client has left."""
    return asyncio.ensure_future(_gone(receive))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _not_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Reject a websocket, and confirm the server's lifespan events."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    while scope["type"] == "lifespan":
        phase = (await receive())["type"]
        await send({"type": phase + ".complete"})
        if phase == "lifespan.shutdown":
            return
