"""A Handler as a transport of httpx or httpx2, sync and async; the client sees what it would see on a socket.

Both libraries have one interface. A request tells which of them sent it, and its answer is made of the same library.
"""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import anyio
import anyio.to_thread

from mockserver.delivery import KEEP_ALIVE, pieces
from mockserver.messages import OPENAPI, Delivery, Handler, Headers, HeaderTable, Request, Response, Stream, is_control

if TYPE_CHECKING:
    import httpx
    from httpx import AsyncBaseTransport as AsyncTransport
    from httpx import BaseTransport as SyncTransport
else:  # a client asks for no class of its own
    SyncTransport = AsyncTransport = object

NAMES = ("httpx", "httpx2")
"""The libraries, the one that is used by default first."""

BASE_URL = "http://mockserver.test"
"""The base URL of a mock in process, with a name that no network resolves (RFC 6761)."""

_WHOLE = Delivery()


class Wait(NamedTuple):
    """A pause in seconds, the part of an answer after it, and whether the part is the stream's own."""

    pause: float
    data: bytes
    own: bool = True


class Library(NamedTuple):
    """A library that sends requests, and the classes of bodies that its responses need."""

    module: Any
    body: type[Any]
    async_body: type[Any]


@lru_cache(maxsize=16)
def library_of(kind: type[Any]) -> Library:
    """Return the library that a class of requests belongs to, httpx or httpx2."""
    tops = (each.__module__.partition(".")[0] for each in kind.__mro__)
    module: Any = sys.modules[next(name for name in tops if name in NAMES)]
    return Library(
        module,
        type("Body", (_Body, module.SyncByteStream), {}),
        type("AsyncBody", (_AsyncBody, module.AsyncByteStream), {}),
    )


def as_request(request: "httpx.Request", body: bytes, table: HeaderTable) -> Request:
    """Convert a request as the ASGI edge would."""
    path, _, query = request.url.raw_path.decode("latin-1").partition("?")
    raw = [(name.lower(), value) for name, value in request.headers.raw]
    return Request(request.method, path, query, table.headers(raw), body)


def waits_of(stream: Stream) -> Iterator[Wait]:
    """Yield the parts of a stream with the pauses before them, and comments in long pauses."""
    at = 0.0
    for chunk in stream.chunks:
        while 0 < stream.keep_alive < chunk.at - at:
            at += stream.keep_alive
            yield Wait(stream.keep_alive, KEEP_ALIVE, own=False)
        yield Wait(max(0.0, chunk.at - at), chunk.data)
        at = max(at, chunk.at)


def _is_beside(path: str) -> bool:
    return path == OPENAPI or is_control(path)


class Outgoing:
    """An answer on its way: its body as a stream, which is closed once, with how much of it was sent."""

    def __init__(self, response: Response, method: str) -> None:
        self.response, self.delivery = response, response.delivery or _WHOLE
        self.stream = response.stream or Stream(list(pieces(response.body, self.delivery.rate)), lambda _: b"")
        self.bodiless = method == "HEAD" or response.status in (204, 304)
        if self.bodiless:  # HTTP sends none, whatever the head says
            self.stream = self.stream._replace(chunks=())
        self.sent, self._closed = 0, False

    def close(self) -> bytes:
        """Close the stream once, so that it records what was sent; return what is still to be sent."""
        if self._closed:
            return b""
        self._closed = True
        return self.stream.close(self.sent)


class _Answer(Outgoing):
    """One answer being sent: its parts with their times, and the exception that ends it, if any."""

    def __init__(self, request: "httpx.Request", response: Response) -> None:
        super().__init__(response, request.method)
        self.request = request
        kind: Any = type(request)
        self.library = library_of(kind)
        self.patience = request.extensions.get("timeout", {}).get("read")
        self.size = 0

    def late(self, pause: float) -> float:
        """Return a pause, or raise what the client would see if it does not wait that long; never waits itself."""
        if self.patience is not None and pause > self.patience:
            self.close()
            raise self.library.module.ReadTimeout("The read operation timed out", request=self.request)
        return pause

    def unanswered(self) -> Exception | None:
        """Return the exception for a client without an answer."""
        if not self.delivery.unanswered:
            return None
        self.close()
        if self.delivery.end == "reset":
            return self.reset()
        return self.failure("RemoteProtocolError", "Server disconnected without sending a response.")

    def reset(self) -> Exception:
        """Return the exception for a reset connection."""
        return self.failure("ReadError", "[Errno 104] Connection reset by peer")

    def failure(self, name: str, text: str) -> Exception:
        """Return an exception of the client's library."""
        made: Exception = getattr(self.library.module, name)(text, request=self.request)
        return made

    def ended(self) -> Exception | None:
        """Return the exception at the end of a body; None for a usual end, or without a body."""
        if self.bodiless:
            return None
        if self.delivery.end == "reset":
            return self.reset()
        if self.delivery.end == "close":
            expected = Headers(self.response.headers).text(b"content-length")
            told = "incomplete chunked read" if expected is None else f"received {self.size} bytes, expected {expected}"
            text = f"peer closed connection without sending complete message body ({told})"
            return self.failure("RemoteProtocolError", text)
        return None

    def handed_over(self, data: bytes, *, own: bool = True) -> bytes:
        """Count the bytes that are about to be sent."""
        self.size += len(data)
        self.sent += own
        return data

    def is_plain(self) -> bool:
        """Return whether the body is complete and sent at once."""
        return self.response.stream is None and self.response.delivery is None and not self.bodiless

    def made(self, stream: Any) -> "httpx.Response":
        """Return the answer as a response of the client's library."""
        made: httpx.Response = self.library.module.Response(
            self.response.status,
            headers=self.response.headers,
            stream=stream,
            extensions={"http_version": b"HTTP/1.1"},
        )
        return made


class _Body:
    """A body whose parts arrive when they are due."""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        answer = self._answer
        for pause, data, own in waits_of(answer.stream):
            if pause:
                time.sleep(answer.late(pause))
            if part := answer.handed_over(data, own=own):
                yield part
        if last := answer.close():
            yield answer.handed_over(last)
        if answer.delivery.hold:
            time.sleep(answer.late(answer.delivery.hold))
        if (error := answer.ended()) is not None:
            raise error

    def close(self) -> None:
        """Note that the client goes on no more."""
        self._answer.close()


class _AsyncBody:
    """The same as `_Body`, for async clients."""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._answer
        for pause, data, own in waits_of(answer.stream):
            if pause:
                await anyio.sleep(answer.late(pause))
            if part := answer.handed_over(data, own=own):
                yield part
        if last := answer.close():
            yield answer.handed_over(last)
        if answer.delivery.hold:
            await anyio.sleep(answer.late(answer.delivery.hold))
        if (error := answer.ended()) is not None:
            raise error

    async def aclose(self) -> None:
        """Note that the client goes on no more."""
        self._answer.close()


class HandlerTransport(SyncTransport):
    """Sends the requests of a sync client to a Handler, and those for control routes to `beside`."""

    def __init__(self, handler: Handler, beside: Handler | None = None) -> None:
        self._handler, self._beside, self._table = handler, beside, HeaderTable()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close nothing: there is no connection."""

    def handle_request(self, request: "httpx.Request") -> "httpx.Response":
        """Answer one request."""
        asked = as_request(request, request.read(), self._table)
        beside = self._beside if _is_beside(asked.path) else None
        response = (beside or self._handler)(asked)
        answer = _Answer(request, response)
        if answer.is_plain():
            return answer.made(answer.library.module.ByteStream(response.body))
        time.sleep(answer.late(answer.delivery.delay))
        if (error := answer.unanswered()) is not None:
            raise error
        return answer.made(answer.library.body(answer))


class AsyncHandlerTransport(AsyncTransport):
    """Sends the requests of an async client to a Handler; `waits` tells whether to call it in a thread."""

    def __init__(
        self,
        handler: Handler,
        beside: Handler | None = None,
        waits: Callable[[], bool] = lambda: False,
    ) -> None:
        self._handler, self._beside, self._waits = handler, beside, waits
        self._table = HeaderTable()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close nothing: there is no connection."""

    async def handle_async_request(self, request: "httpx.Request") -> "httpx.Response":
        """Answer one request."""
        asked = as_request(request, await request.aread(), self._table)
        if self._beside is not None and _is_beside(asked.path):
            response = await anyio.to_thread.run_sync(self._beside, asked)
        elif self._waits():
            response = await anyio.to_thread.run_sync(self._handler, asked)
        else:
            response = self._handler(asked)
        answer = _Answer(request, response)
        if answer.is_plain():
            return answer.made(answer.library.module.ByteStream(response.body))
        if answer.delivery.delay:
            try:
                await anyio.sleep(answer.late(answer.delivery.delay))
            except BaseException:  # the client stops waiting
                answer.close()
                raise
        if (error := answer.unanswered()) is not None:
            raise error
        return answer.made(answer.library.async_body(answer))
