"""What is checked: a server behind a URL, an ASGI application, or a Handler, all asked in the same way."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from msgspec import structs

from mockserver.control.access import is_loopback
from mockserver.errors import StartError, UsageError
from mockserver.messages import Delivery, Handler, Headers, Request, Response
from mockserver.server.asgi import Application
from mockserver.server.client import ask
from mockserver.server.tls import trusted

if TYPE_CHECKING:  # at run time it is loaded by what asks: reports and coverage work without it
    import httpx2

LONGEST_ANSWER = 16_777_216
"""How many bytes of an answer are read."""


SENT = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "mockserver-check"}
"""What is sent with every request, beside its own fields: answers are looked at as they are on the wire."""


def url_of(base: str, request: Request) -> str:
    """Give the whole URL of a request."""
    return f"{base}{request.path}" + (f"?{request.query}" if request.query else "")


class Answer(NamedTuple):
    """What came back; `failure` says in a word why nothing did, or not all: timeout, connection, protocol, unsent."""

    status: int
    headers: Headers
    body: bytes
    seconds: float
    failure: str = ""
    told: str = ""
    """The failure in the words of the HTTP client."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; "" for none."""
        return self.headers.media_type


class Target:
    """Asks one server; `base` is what stands before every path."""

    def __init__(
        self, client: "httpx2.Client", base: str, patience: float, fresh: "httpx2.Client | None" = None
    ) -> None:
        """Make a target of a client, and of one that opens a connection for each request."""
        self._client, self._fresh = client, fresh
        self.base, self.patience = base.rstrip("/"), patience
        parts = urlsplit(self.base)
        self._origin, self._prefix = (parts.scheme, parts.hostname or "", parts.port), parts.path
        self.headers: list[tuple[bytes, bytes]] = []
        """What is sent with every request: the scope on a mock."""

    def ask(self, request: Request) -> Answer:
        """Send a request as it is, and give what came back, read to its end or for as long as patience lasts.

        A server may close an idle connection at any moment (RFC 9112, 9.3.1): where nothing came back on a connection
        that was used before, the request is sent once more on one of its own.
        """
        opened: list[str] = []
        answer = self._send(self._client, request, opened)
        is_closed = answer.failure in ("connection", "protocol") and not answer.status and not opened
        if is_closed and self._fresh is not None:
            return self._send(self._fresh, request, opened)
        return answer

    def _send(self, client: "httpx2.Client", request: Request, opened: list[str]) -> Answer:
        """Send a request; `opened` is told of a connection that is opened for it."""
        import httpx2

        def trace(event: str, _: object) -> None:
            if event.startswith("connection.connect"):
                opened.append(event)

        scheme, host, port = self._origin
        raw = (self._prefix + request.path + (f"?{request.query}" if request.query else "")).encode(
            "latin-1", "replace"
        )
        url = httpx2.URL(scheme=scheme, host=host, port=port, raw_path=raw)
        fields = [*request.headers.raw, *self.headers]
        more = {"trace": trace}
        asked = client.build_request(request.method, url, headers=fields, content=request.body or None, extensions=more)
        if request.method in ("POST", "PUT", "PATCH") and not request.body:
            asked.headers["content-length"] = "0"
        began = time.perf_counter()
        status, headers, body = 0, Headers(), b""
        try:
            response = client.send(asked, stream=True)
            try:
                status, headers = response.status_code, _lowered(response.headers)
                for part in response.iter_raw():
                    body += part
                    if len(body) > LONGEST_ANSWER or time.perf_counter() - began > self.patience:
                        raise httpx2.ReadTimeout("the answer did not end in time")
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            spent = time.perf_counter() - began
            return Answer(status, headers, body, spent, _failure(error), str(error) or type(error).__name__)
        return Answer(status, headers, body, time.perf_counter() - began)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        if self._fresh is not None:
            self._fresh.close()


def _lowered(headers: "httpx2.Headers") -> Headers:
    return Headers([(name.lower(), value) for name, value in headers.raw])


def _failure(error: Exception) -> str:
    import httpx2

    if isinstance(error, httpx2.TimeoutException):
        return "timeout"
    if isinstance(error, httpx2.LocalProtocolError | httpx2.InvalidURL):
        return "unsent"
    return "protocol" if isinstance(error, httpx2.ProtocolError | httpx2.DecodingError) else "connection"


def checked_url(url: str, allow_remote: bool) -> str:
    """Return a URL that may be checked; a UsageError says why it may not."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no URL of a server", fix="write http://127.0.0.1:4010")
    if odd := [name for name in ("query", "fragment", "username") if getattr(parts, name)]:
        what = {"query": "a query", "fragment": "a fragment", "username": "a user"}[odd[0]]
        raise UsageError(
            f"the URL of a server has {what}, which would not be sent",
            where=f"{parts.scheme}://{parts.hostname}",
            why="a check makes the path, the query and the header fields of every request itself",
            fix="leave it out; a key is taken from the variable that --api-key-env names",
        )
    if not allow_remote and not is_local(url):
        raise UsageError(
            f"{parts.hostname} is not this machine",
            why="a check sends thousands of requests, and makes and deletes sessions",
            fix="if that is meant, say --allow-remote; --read-only changes nothing there",
        )
    return url.rstrip("/")


def is_local(url: str) -> bool:
    """Return whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or is_loopback(host)


@contextmanager
def at_url(url: str, patience: float) -> Iterator[Target]:
    """Check the server behind a URL; a StartError where nothing answers there."""
    import httpx2

    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    # A deadline is kept for the whole answer, too; nothing of the environment changes what is sent, but whom we trust.
    verify = trusted(url)
    client, fresh = (
        httpx2.Client(timeout=patience, limits=each, trust_env=False, verify=verify, headers=SENT)
        for each in (limits, httpx2.Limits(max_keepalive_connections=0))
    )
    target = Target(client, url, patience, fresh)
    try:
        answer = target.ask(Request("GET", "/"))
        if answer.failure == "connection":
            fix = "start the server, or correct the URL"
            raise StartError("the server cannot be reached", where=url, why=answer.told, fix=fix)
        yield target
    finally:
        target.close()


@contextmanager
def of_handler(handler: Handler, patience: float) -> Iterator[Target]:
    """Check a Handler in this process; nobody waits for what is late, it is only known to be."""
    yield HandlerTarget(handler, patience)


class HandlerTarget(Target):
    """Asks a Handler directly."""

    def __init__(self, handler: Handler, patience: float) -> None:
        import httpx2

        super().__init__(httpx2.Client(transport=httpx2.MockTransport(_never)), "http://mockserver.test", patience)
        self._handler = handler

    def ask(self, request: Request) -> Answer:
        """Ask, and give what a client would see."""
        fields = [*_SENT_RAW, *request.headers.raw, *self.headers]
        if request.method in ("POST", "PUT", "PATCH") or request.body:
            fields.append((b"content-length", b"%d" % len(request.body)))
        began = time.perf_counter()
        response = self._handler(structs.replace(request, headers=Headers(fields)))
        delivery = response.delivery or Delivery()
        late = delivery.delay + delivery.hold
        stream = response.stream
        if stream is not None:
            late += stream.chunks[-1].at if stream.chunks else 0.0
            told = b"".join([chunk.data for chunk in stream.chunks])
            body = told + stream.close(len(stream.chunks))
        else:
            body = response.body
            late += len(body) / delivery.rate if delivery.rate else 0.0
        headers = Headers([(name.lower(), value) for name, value in response.headers])
        spent = time.perf_counter() - began + late
        if late > self.patience:
            return Answer(
                0 if delivery.delay > self.patience else response.status, headers, b"", spent, "timeout", "late"
            )
        if delivery.unanswered:
            return Answer(0, Headers(), b"", spent, "connection", "the connection ended unanswered")
        if delivery.end:
            return Answer(response.status, headers, body, spent, "protocol", "the answer was not complete")
        return Answer(response.status, headers, body, spent)


_SENT_RAW = [(name.encode(), value.encode()) for name, value in {"host": "mockserver.test", **SENT}.items()]


def _never(_: "httpx2.Request") -> "httpx2.Response":
    raise AssertionError("a Handler is asked directly")


@contextmanager
def of_app(app: Application, patience: float) -> Iterator[Target]:
    """Check an ASGI application in this process, in an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield AppTarget(app, patience, loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class AppTarget(HandlerTarget):
    """Asks an ASGI application; what it sends is given when it is complete."""

    def __init__(self, app: Application, patience: float, loop: asyncio.AbstractEventLoop) -> None:
        def handle(request: Request) -> Response:
            asked = asyncio.run_coroutine_threadsafe(ask(app, request), loop)
            try:
                return asked.result(patience)
            finally:
                asked.cancel()

        super().__init__(handle, patience)

    def ask(self, request: Request) -> Answer:
        """Ask, and give what a client would see of a failure, too."""
        try:
            return super().ask(request)
        except TimeoutError:
            return Answer(0, Headers(), b"", self.patience, "timeout", "the application did not answer in time")
        except Exception as error:
            return Answer(0, Headers(), b"", 0.0, "protocol", f"the application failed: {error!r}")
