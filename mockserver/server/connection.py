"""Connections: requests that offer an upgrade are read, HTTP/1.0 gets no chunks, and what sends no head is let go."""

import logging
import sys
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger("mockserver")

SPARE = 16
"""Open files that the process needs beside its connections."""

AGAIN = 10.0
"""Seconds between two lines about refused connections."""


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, but the body of a request that offers an upgrade is read, and HTTP/1.0 gets no chunks."""

    _data = b""
    _has_body = False
    _goes_on = False
    """Whether the parser reads the head that stands in for the one that was read."""

    def data_received(self, data: bytes) -> None:
        """Read; the data is kept for what follows a head that offers an upgrade."""
        self._data = data
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Begin a request."""
        if self._goes_on:
            return
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self._has_body = _announces_body(self.headers)
        if self.scope["http_version"] == "1.0" and self.cycle is not None:
            proxy: Any = _Unchunked(self.cycle)
            self.cycle.transport = proxy

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        if not self._goes_on:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Read the target."""
        if not self._goes_on:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a field of the head, or of the trailer, which no request is read for."""
        if not self._goes_on:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        """End a request, unless its body is still to be read: after an offer to upgrade the parser reads none."""
        if not (self._has_body and self.parser.should_upgrade()):
            super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore the offer: a parser that knows of none reads on, first a head with the same framing."""
        error = sys.exc_info()[1]
        rest = self._data[error.args[0] :] if error is not None and error.args else b""
        framing = [name + b": " + value for name, value in self.headers if name in _FRAMING]
        self.parser, self._goes_on = httptools.HttpRequestParser(self), True
        if not self._has_body:
            framing = []
        self._has_body, has_body = False, self._has_body
        if has_body:
            self.parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""]))
        self._goes_on = False
        if rest:
            self.data_received(rest)


_FRAMING = (b"content-length", b"transfer-encoding")


def _announces_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name in _FRAMING and value.strip() != b"0" for name, value in headers)


class _Unchunked:
    """The transport of an answer to HTTP/1.0, which knows no chunks: the end of the connection is that of the body."""

    def __init__(self, cycle: Any) -> None:
        self._cycle, self._transport, self._chunked = cycle, cycle.transport, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write a head, or a part of the body without its framing."""
        head = b"\r\ntransfer-encoding: chunked\r\n"
        if not self._chunked and data.startswith(b"HTTP/1.1 ") and head in data:
            self._chunked, self._cycle.keep_alive = True, False
            data = data.replace(head, b"\r\n" if b"\r\nconnection: close\r\n" in data else b"\r\nconnection: close\r\n")
        elif self._chunked:
            data = _unframed(data)
        if data:
            self._transport.write(data)


def _unframed(data: bytes) -> bytes:
    """Return the contents of chunks."""
    found, at = [], 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        found.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(found)


class HeadWatch:
    """Lets connections go that have sent no whole head in time."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._since: dict[Any, tuple[object, float]] = {}

    def look(self, connections: Iterable[Any], now: float) -> None:
        """Close what has waited too long; `now` is in seconds on a clock that goes on."""
        before, self._since = self._since, {}
        for each in connections:
            cycle = each.cycle
            if cycle is not None and not cycle.response_complete:
                continue
            seen, since = before.get(each, (cycle, now))
            self._since[each] = (cycle, since if seen is cycle else now)
            if seen is cycle and now - since >= self._timeout:
                each.transport.close()


class FullWatch:
    """Says in the log when the limit of open files leaves no room for connections."""

    def __init__(self) -> None:
        self._told = -AGAIN

    def look(self, connections: int, now: float) -> None:
        """Log a line if connections are being refused, at most every ten seconds."""
        most = _most_files()
        if most is None or connections + SPARE < most or now - self._told < AGAIN:
            return
        self._told = now
        log.error(
            "connections are refused: %d are open, and the limit of open files is %d; raise it with ulimit -n",
            connections,
            most,
        )


def _most_files() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if most == resource.RLIM_INFINITY else most
