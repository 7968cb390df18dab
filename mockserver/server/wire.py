"""A Handler behind HTTP/1.1 in memory: as a socket for http.client and urllib3, as a transport for asyncio."""

import asyncio
import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from mockserver.messages import Delivery, Handler, HeaderTable, Request, Response
from mockserver.server.transport import Outgoing, Wait, waits_of

_FRAMING = (b"content-length", b"transfer-encoding")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNREADABLE = b"Invalid HTTP request received."


def _unreadable(_: Request) -> Response:
    """Answer what is no request of HTTP/1.1, as uvicorn does."""
    fields = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(_UNREADABLE)),
        (b"connection", b"close"),
    ]
    return Response(400, fields, _UNREADABLE, delivery=Delivery(end="close"))


class RequestReader:
    """Reads requests from bytes, and calls a function with each that is complete.

    An offered upgrade is ignored. What is no request is handed over with an empty method.
    """

    def __init__(
        self, on_request: Callable[[Request], None], on_expectation: Callable[[], None] = lambda: None
    ) -> None:
        self._on_request, self._on_expectation, self._table = on_request, on_expectation, HeaderTable()
        self._parser = HttpRequestParser(self)
        self._method, self._target = b"", b""
        self._fields, self._parts = list[tuple[bytes, bytes]](), list[bytes]()
        self._has_head = self._is_lost = False

    def feed(self, data: bytes) -> None:
        """Take bytes that a client sent."""
        try:
            if not self._is_lost:
                self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            self._read_on()
            self.feed(data[error.args[0] :])
        except HttpParserError:
            self._is_lost = True
            self._on_request(Request("", "/", "", self._table.headers([]), b""))

    def _read_on(self) -> None:
        """Read the body after a head that offers an upgrade, where the parser stops."""
        framing = [name + b": " + value for name, value in self._fields if name in _FRAMING]
        self._parser, self._has_head = HttpRequestParser(self), True
        self._parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""]))
        self._has_head = False

    def on_message_begin(self) -> None:
        """Start a request."""
        if not self._has_head:
            self._target, self._fields, self._parts = b"", [], []

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if not self._has_head:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        if not self._has_head:
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note the method, and let a client go on that waits to be asked for the body."""
        if self._has_head:
            return
        self._method = self._parser.get_method()
        if any(name == b"expect" and value.lower() == b"100-continue" for name, value in self._fields):
            self._on_expectation()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Hand over the request."""
        if self._parser.should_upgrade():  # its body is still to come
            return
        target = self._target.decode("latin-1")
        path, _, query = target.partition("?")
        headers = self._table.headers(self._fields)
        self._on_request(Request(self._method.decode(), path, query, headers, b"".join(self._parts)))


class Sending(Outgoing):
    """An answer as bytes with the pauses before them, and how the connection ends after it."""

    def __init__(self, response: Response, method: str) -> None:
        super().__init__(response, method)
        self._is_chunked = not self.bodiless and all(name != b"content-length" for name, _ in response.headers)
        self.end = self.delivery.end
        """How the connection ends: "" keeps it open."""

    def parts(self) -> Iterator[Wait]:
        """Yield the bytes with the pauses before them; the caller waits."""
        yield Wait(self.delivery.delay, b"")
        if self.delivery.unanswered:
            self.end = self.end or "close"
            self.close()
            return
        yield Wait(0, self._head())
        for pause, data, own in waits_of(self.stream):
            yield Wait(pause, self._framed(data))
            self.sent += own
        yield Wait(0, self._framed(self.close()))
        yield Wait(self.delivery.hold, b"")
        if self._is_chunked and not self.end:
            yield Wait(0, b"0\r\n\r\n")

    def _head(self) -> bytes:
        status = self.response.status
        phrase = next((each.phrase for each in HTTPStatus if each == status), "")
        fields = [*self.response.headers, *([(b"transfer-encoding", b"chunked")] if self._is_chunked else [])]
        lines = [f"HTTP/1.1 {status} {phrase}".encode(), *(name + b": " + value for name, value in fields)]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked and data else data


class WireSocket:
    """A socket whose other end is a Handler, for clients that block.

    A pause longer than the timeout raises TimeoutError at once, without waiting.
    """

    def __init__(self, handler: Handler, timeout: float | None = None) -> None:
        self._handler, self._timeout = handler, timeout
        self._reader = RequestReader(self._answer)
        self._parts: Iterator[Wait] = iter(())
        self._sending: Sending | None = None
        self._asked: list[Request] = []
        self._pipe: tuple[int, int] | None = None
        self._left = b""
        self._files = 0
        self._is_released = self.closed = False

    # -- what a client sends

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Take bytes of a request."""
        del flags
        if self._is_released or self.closed:
            raise BrokenPipeError(32, "Broken pipe")
        self._reader.feed(bytes(data))

    def send(self, data: Any, flags: int = 0) -> int:
        """Take bytes of a request, all of them."""
        self.sendall(data, flags)
        return len(data)

    def _answer(self, request: Request) -> None:
        self._asked.append(request)

    # -- what it reads

    def next_part(self) -> bytes:
        """Return the next bytes of the answer, or b"" at the end of the connection."""
        while not self.closed:
            for pause, data, _ in self._parts:
                self._wait(pause)
                if data:
                    return data
            if self._sending is not None and self._sending.end:
                reset = self._sending.end == "reset"
                self.end()
                if reset:
                    raise ConnectionResetError(104, "Connection reset by peer")
                break
            if not self._asked:
                break
            request = self._asked.pop(0)
            handler = self._handler if request.method else _unreadable
            self._sending = Sending(handler(request), request.method)
            self._parts = self._sending.parts()
        return b""

    def _wait(self, pause: float) -> None:
        if self._timeout is not None and pause > self._timeout:
            self.end()
            raise TimeoutError("timed out")
        if pause:
            time.sleep(pause)

    def makefile(self, mode: str = "r", buffering: int | None = None, **_: Any) -> Any:
        """Return a file that reads what is answered."""
        del mode, buffering
        self._files += 1
        return io.BufferedReader(_WireFile(self))

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read once."""
        del flags
        if not self._left:
            self._left = self.next_part()
        data, self._left = self._left[:size], self._left[size:]
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Read once, into a buffer."""
        data = self.recv(size or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    # -- the rest of a socket

    def settimeout(self, timeout: float | None) -> None:
        """Set the longest pause."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """Return the longest pause."""
        return self._timeout

    def setsockopt(self, *_: Any) -> None:
        """Ignore an option: there is no connection."""

    def getpeername(self) -> tuple[str, int]:
        """Return an address of this machine."""
        return ("127.0.0.1", 0)

    getsockname = getpeername

    def fileno(self) -> int:
        """Return a descriptor that is readable once this is closed, by which clients see whether it is open."""
        if self._pipe is None:
            self._pipe = os.pipe()
            if self.closed:
                os.close(self._pipe[1])
        return self._pipe[0]

    def shutdown(self, _: int) -> None:
        """End it."""
        self.end()

    def close(self) -> None:
        """Let go of it; files that were made of it can still be read."""
        self._is_released = True
        if not self._files:
            self.end()

    def file_closed(self) -> None:
        """Note that a file was closed."""
        self._files -= 1
        if self._is_released and not self._files:
            self.end()

    def end(self) -> None:
        """End it, so that a stream records what was sent."""
        if self.closed:
            return
        self.closed = True
        if self._sending is not None:
            self._sending.close()
        if self._pipe is not None:
            os.close(self._pipe[1])

    def __del__(self) -> None:
        self.end()
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                os.close(self._pipe[0])


class _WireFile(io.RawIOBase):
    """The answers of a WireSocket as a file."""

    def __init__(self, wire: WireSocket) -> None:
        super().__init__()
        self._wire, self._left = wire, b""

    def close(self) -> None:
        """Close it."""
        if not self.closed:
            super().close()
            self._wire.file_closed()

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes next."""
        if not self._left:
            self._left = self._wire.next_part()
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


class WireTransport(asyncio.Transport):
    """A transport of asyncio whose other end is a Handler; `waits` tells whether to call it in a thread."""

    def __init__(self, protocol: Any, handler: Handler, waits: Callable[[], bool]) -> None:
        super().__init__({"peername": ("127.0.0.1", 0)})
        self._protocol, self._handler, self._waits = protocol, handler, waits
        self._reader = RequestReader(self._answer, self._ask_for_body)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_closing = self._is_over = False

    def write(self, data: Any) -> None:
        """Take bytes of a request."""
        if not self._is_closing:
            self._reader.feed(bytes(data))

    def _ask_for_body(self) -> None:
        self._loop.call_soon(self._protocol.data_received, _CONTINUE)

    def _answer(self, request: Request) -> None:
        task = self._loop.create_task(self._send(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, request: Request) -> None:
        try:
            handler = self._handler if request.method else _unreadable
            response = await asyncio.to_thread(handler, request) if self._waits() else handler(request)
        except Exception as error:  # the address is not the mock's after all
            self._lose(error)
            return
        sending = Sending(response, request.method)
        try:
            for pause, data, _ in sending.parts():
                if pause:
                    await asyncio.sleep(pause)
                await self._flowing.wait()
                if self._is_closing:
                    return
                if data:
                    self._protocol.data_received(data)
        finally:
            sending.close()
        if sending.end:
            reset = sending.end == "reset"
            self._lose(ConnectionResetError(104, "Connection reset by peer") if reset else None)

    def _lose(self, error: Exception | None) -> None:
        """End the connection, as the protocol sees it."""
        if not self._is_closing:
            self._is_closing = True
            self._flowing.set()
            self._loop.call_soon(self._protocol.connection_lost, error)

    def close(self) -> None:
        """End the connection."""
        if not self._loop.is_closed():
            for task in self._tasks:
                task.cancel()
            self._lose(None)

    abort = close

    def end(self) -> None:
        """End the connection from any thread; from now on no client reuses it."""
        self._is_over = True
        with contextlib.suppress(RuntimeError):  # its loop is over
            self._loop.call_soon_threadsafe(self.close)

    def is_closing(self) -> bool:
        """Return whether it has ended."""
        return self._is_closing or self._is_over

    def pause_reading(self) -> None:
        """Send no more until resumed."""
        self._flowing.clear()

    def resume_reading(self) -> None:
        """Send again."""
        self._flowing.set()

    def get_write_buffer_size(self) -> int:
        """Return nothing: all is taken at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Ignore limits."""

    def can_write_eof(self) -> bool:
        """Return false: HTTP needs none."""
        return False

    def get_protocol(self) -> Any:
        """Return the client's protocol."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change the client's protocol."""
        self._protocol = protocol
