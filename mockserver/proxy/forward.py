"""One request to the real service, over HTTP/1.1: what the service answers is handed on part by part as it arrives."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import httpx2

from mockserver.errors import UsageError
from mockserver.messages import RawHeaders
from mockserver.server.asgi import Receive

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade".split()
)
"""Fields that are meant for one connection (RFC 9110, 7.6.1), beside those that Connection names."""

FRAMING = frozenset((b"content-length", b"host"))
"""Fields that Connection cannot take away."""

UNSENT = frozenset((b"host", b"expect", b"x-mock-scope"))
"""Fields of a request that are this proxy's own business: whom it asks, and that it lets clients go on."""

DEPTH = 8
"""How many parts of an answer wait for a client that reads slowly."""

_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Head(NamedTuple):
    """The head of an answer, without what was meant for the service's own connection."""

    status: int
    headers: RawHeaders


class ServiceError(Exception):
    """The service cannot be reached, or does not speak HTTP/1.1; the text says why."""


class ClientLeftError(Exception):
    """The client left before it had sent its request."""


class ClientSlowError(Exception):
    """The client sent nothing more of its request for too long."""


Arrived: TypeAlias = Head | bytes | Exception | None
"""What comes of the service: a head, parts of a body, then None; or an error at any time."""


def end_to_end(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Return the fields that are passed on, in order; names are in lower case."""
    fields = [(name.lower(), value) for name, value in raw]
    named = {token.strip().lower() for name, value in fields if name == b"connection" for token in value.split(b",")}
    dropped = HOP_BY_HOP | (named - FRAMING)
    return [field for field in fields if field[0] not in dropped]


class SentBody(httpx2.AsyncByteStream):
    """The body of a request, read from the client while it is sent on; `note` is called with each part."""

    def __init__(self, receive: Receive, note: Callable[[bytes], None], patience: float) -> None:
        self._receive, self._note, self._patience = receive, note, patience
        self._first: list[bytes] = []
        self.ended = asyncio.Event()
        """Set when the client has sent all of it."""
        self.limit: asyncio.Timeout | None = None
        """Ends the wait for an answer `patience` seconds after all of it was sent."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the parts."""
        for part in self._first:
            yield part
        while not self.ended.is_set():
            if part := await self._next():
                yield part

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            raise ClientSlowError from None
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        part: bytes = message.get("body", b"")
        self._note(part)
        if not message.get("more_body"):
            self.ended.set()
            self._begin_waiting()
        return part

    def _begin_waiting(self) -> None:
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time() + self._patience)

    @asynccontextmanager
    async def awaiting(self) -> AsyncIterator[None]:
        """Limit the time that an answer may take to begin once all has been sent; TimeoutError after it."""
        async with asyncio.timeout(None) as self.limit:
            if self.ended.is_set():
                self._begin_waiting()
            yield
        self.limit = None

    async def read_ahead(self, most: int) -> None:
        """Read up to about `most` bytes before anything is sent."""
        while not self.ended.is_set() and sum(map(len, self._first)) <= most:
            self._first.append(await self._next())

    async def left(self) -> None:
        """Return once the client has left, which shows only after its request has ended."""
        await self.ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Service:
    """The one service that is asked."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"{url!r} is no URL of a service", fix="write https://api.example.com, or with a path")
        if parts.username is not None:
            fix = "leave it out; clients send their own keys"
            raise UsageError("the URL of a service holds a user", where=parts.hostname, fix=fix)
        self.url, self.timeout = url.rstrip("/"), timeout
        self._origin = httpx2.URL(scheme=parts.scheme, host=parts.hostname, port=parts.port)
        self._host, self._base = self._origin.netloc, parts.path.rstrip("/").encode("latin-1", "replace")
        self._limits = dict.fromkeys(("connect", "read", "write"), timeout) | {"pool": None}
        # A connection for each request: one that is kept may be closed by the service just when it is used again.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._transport = httpx2.AsyncHTTPTransport(verify=parts.scheme == "https", limits=limits)

    def ask(self, method: str, target: str, headers: RawHeaders, body: SentBody) -> "Conversation":
        """Begin to send a request; `target` is path and query as they were sent."""
        fields = [field for field in end_to_end(headers) if field[0] not in UNSENT]
        if any(name.lower() == b"transfer-encoding" for name, _ in headers):
            fields = [field for field in fields if field[0] != b"content-length"]
            fields.append((b"transfer-encoding", b"chunked"))
        extensions = {"target": self._base + target.encode("latin-1", "replace"), "timeout": self._limits}
        request = httpx2.Request(
            method, self._origin, headers=[(b"host", self._host), *fields], stream=body, extensions=extensions
        )
        return Conversation(self._transport, request, body, self.timeout)


class Conversation:
    """A request on its way to the service, in a task of its own, and what has arrived of the answer."""

    def __init__(
        self, transport: httpx2.AsyncHTTPTransport, request: httpx2.Request, body: SentBody, patience: float
    ) -> None:
        self._transport, self._request, self._body, self._patience = transport, request, body, patience
        self._arrived: asyncio.Queue[Arrived] = asyncio.Queue(DEPTH)
        self._task = asyncio.create_task(self._run())

    async def next(self) -> Arrived:
        """Return what arrives next."""
        return await self._arrived.get()

    async def close(self) -> None:
        """Stop it, wherever it is."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task

    async def _run(self) -> None:
        try:
            async with self._body.awaiting():
                response = await self._transport.handle_async_request(self._request)
            try:
                await self._arrived.put(_head(response))
                parts: Any = response.stream
                async for part in parts:
                    await self._arrived.put(part)
            finally:
                await response.aclose()
        except (ServiceError, ClientLeftError, ClientSlowError) as error:
            await self._arrived.put(error)
        except (httpx2.TimeoutException, TimeoutError) as error:
            what = "no connection was made" if isinstance(error, httpx2.ConnectTimeout) else "nothing more came"
            await self._arrived.put(ServiceError(f"{what} within {self._patience:g} s"))
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.StreamError) as error:
            await self._arrived.put(ServiceError(str(error) or type(error).__name__))
        else:
            await self._arrived.put(None)


def _head(response: httpx2.Response) -> Head:
    """Return the head of an answer; a ServiceError where no server may send such a one on."""
    status, headers = response.status_code, end_to_end(response.headers.raw)
    if not 200 <= status < 600:
        raise ServiceError(f"its status is {status}")
    if any(_UNSENDABLE.search(value) for _, value in headers):
        raise ServiceError("a header field holds control characters")
    return Head(status, headers)
