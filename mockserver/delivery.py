"""How answers are sent: in pieces, slowly, in part, with comments in pauses, or cut off or reset."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from mockserver.messages import Chunk, Stream

PIECES = 20
"""How many pieces a slow body has per second."""

SETTLE = 0.02
"""Seconds for written bytes to reach the client before the connection is reset."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which readers of server-sent events skip. Source: docs/upstream.md, "Stream"."""

RAW_SEND = "mockserver.send"
"""The key of the server's own `send` in the ASGI scope, for applications that wrap it."""


def pieces(body: bytes, rate: float) -> Iterator[Chunk]:
    """Cut a body into timed pieces, so that `rate` bytes are sent per second; 0 sends all at once."""
    size = max(1, int(rate / PIECES)) if rate else max(1, len(body))
    for start in range(0, len(body), size):
        yield Chunk(start / rate if rate else 0.0, body[start : start + size])


def slowed(stream: Stream, rate: float) -> Stream:
    """Slow a stream to `rate` bytes per second; each event is sent once the time for its bytes has passed."""
    chunks, at = [], 0.0
    for chunk in stream.chunks:
        at = max(at, chunk.at) + len(chunk.data) / rate
        chunks.append(Chunk(at, chunk.data))
    return stream._replace(chunks=chunks)


def first_events(stream: Stream, count: int, *more: Chunk) -> Stream:
    """Cut a stream after some events, always before its end; it is recorded as broken off."""
    kept = list(stream.chunks[: max(0, min(count, len(stream.chunks) - 1))])

    def close(sent: int) -> bytes:
        stream.close(min(sent, len(kept)))
        return b""

    return stream._replace(chunks=[*kept, *more], close=close)


def first_bytes(stream: Stream, count: int | None) -> Stream:
    """Cut a stream after some bytes, possibly inside an event; None is half of the events."""
    if count is None:
        return first_events(stream, len(stream.chunks) // 2)
    whole = 0
    while whole < len(stream.chunks) - 1 and len(stream.chunks[whole].data) <= count:
        count -= len(stream.chunks[whole].data)
        whole += 1
    part = stream.chunks[whole]
    return first_events(stream, whole, Chunk(part.at, part.data[:count]))


def changed(stream: Stream, change: Callable[[bytes], bytes]) -> Stream | None:
    """Change the data of the first event that the change affects; None if there is no such event."""

    def rewritten(event: bytes) -> bytes:
        head, found, text = event.partition(b"data: ")
        data = text.rstrip(b"\n")
        return head + found + change(data) + text[len(data) :] if found else event

    def close(sent: int) -> bytes:
        return rewritten(stream.close(sent))

    for index, chunk in enumerate(stream.chunks):
        if chunk.data and (made := rewritten(chunk.data)) != chunk.data:
            news = [*stream.chunks[:index], Chunk(chunk.at, made), *stream.chunks[index + 1 :]]
            return stream._replace(chunks=news)
        if not chunk.data and rewritten(stream.last) != stream.last:
            return stream._replace(close=close, last=rewritten(stream.last))
    return None


def connection_of(send: Any) -> asyncio.Transport | None:
    """Return the connection behind an ASGI `send`; None if the server does not expose it.

    uvicorn's `send` is a method of the cycle of a request, which has the transport, with httptools and with h11.
    """
    return getattr(getattr(send, "__self__", None), "transport", None)


def lasting(send: Any) -> Callable[[], bool]:
    """Return what says whether the server behind an ASGI `send` still runs, as far as it shows that.

    A uvicorn that stops lets no connection last beyond the answer that is being sent.
    """
    cycle = getattr(send, "__self__", None)
    begun = getattr(cycle, "keep_alive", True)
    return lambda: getattr(cycle, "keep_alive", True) == begun


async def hang_up(send: Any, gone: Awaitable[None], *, reset: bool) -> None:
    """Abort a connection, and wait until the server has noticed.

    For a reset, the system drops unsent data and sends RST (SO_LINGER with zero timeout).
    If the server does not expose the connection, an exception makes the server close it.
    """
    connection = connection_of(send)
    if connection is None:
        raise ConnectionAbortedError("this server does not let its connections be closed")
    if reset:
        await asyncio.sleep(SETTLE)
        sock = connection.get_extra_info("socket")
        if sock is not None and not connection.is_closing():  # the client may have left meanwhile
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.abort()
    else:
        connection.close()
    await gone


def without_chunks(send: Any) -> None:
    """Let the answer behind a server's `send` go without chunks, if that is known how: HTTP/1.0 has none."""
    cycle: Any = getattr(send, "__self__", None)
    if hasattr(cycle, "transport") and hasattr(cycle, "chunked_encoding"):
        cycle.transport = _Unchunked(cycle)


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
