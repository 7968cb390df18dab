"""Connections: requests that offer an upgrade are read, HTTP/1.0 gets no chunks, what sends no head is let go."""

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
    """uvicorn's protocol, but the body of a request that offers an upgrade is read."""

    _data = b""

    def data_received(self, data: bytes) -> None:
        """Read; the data is kept for what follows a head that offers an upgrade."""
        self._data = data
        super().data_received(data)

    def _should_upgrade(self) -> bool:
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore the offer. The parser stopped after the head, and took the request for complete: another reads on."""
        error = sys.exc_info()[1]
        rest = self._data[error.args[0] :] if error is not None and error.args else b""
        self.parser = httptools.HttpRequestParser(resumed := _Resumed(self))
        framing = [name + b": " + value for name, value in self.headers if name in _FRAMING]
        if any(not line.endswith(b": 0") for line in framing):
            self.cycle.more_body = True
            self.cycle.message_event.clear()
            self.parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""]))
        resumed.reads_head = True
        if rest:
            self.data_received(rest)


_FRAMING = (b"content-length", b"transfer-encoding")


class _Resumed:
    """The callbacks of a parser that reads on: they leave out the head that only tells it how the body is framed."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol, self.reads_head = protocol, False
        self.on_body, self.on_message_complete = protocol.on_body, protocol.on_message_complete

    def on_message_begin(self) -> None:
        if self.reads_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self.reads_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.reads_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.reads_head:
            self._protocol.on_headers_complete()


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
