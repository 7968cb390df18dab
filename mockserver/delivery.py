"""How answers leave: in pieces, slowly, in part, with comments in pauses, or by an end that HTTP has no word for."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from mockserver.messages import Chunk, Stream

PIECES = 20
"""Into how many pieces a second of a slow body is cut."""

SETTLE = 0.02
"""Seconds that what was written gets to reach the client before the connection is reset."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which readers of server-sent events skip. Source: docs/upstream.md, "Stream"."""

RAW_SEND = "mockserver.send"
"""Where the server's own `send` stands in the scope, where it was wrapped on the way."""


def pieces(body: bytes, rate: float) -> Iterator[Chunk]:
    """Cut a body into pieces that are due so that `rate` bytes a second leave; 0 is all at once."""
    size = max(1, int(rate / PIECES)) if rate else max(1, len(body))
    for start in range(0, len(body), size):
        yield Chunk(start / rate if rate else 0.0, body[start : start + size])


def slowed(stream: Stream, rate: float) -> Stream:
    """Give a stream of which at most `rate` bytes a second leave, each event once the time for its bytes is over."""
    chunks, at = [], 0.0
    for chunk in stream.chunks:
        at = max(at, chunk.at) + len(chunk.data) / rate
        chunks.append(Chunk(at, chunk.data))
    return stream._replace(chunks=chunks)


def first_events(stream: Stream, count: int, *more: Chunk) -> Stream:
    """Give the first events of a stream, never all; the turn is kept as one that was broken off."""
    kept = list(stream.chunks[: max(0, min(count, len(stream.chunks) - 1))])

    def close(sent: int) -> bytes:
        stream.close(min(sent, len(kept)))
        return b""

    return stream._replace(chunks=[*kept, *more], close=close)


def first_bytes(stream: Stream, count: int | None) -> Stream:
    """Give the first bytes of a stream, which may end in mid-event; None is half of the events."""
    if count is None:
        return first_events(stream, len(stream.chunks) // 2)
    whole = 0
    while whole < len(stream.chunks) - 1 and len(stream.chunks[whole].data) <= count:
        count -= len(stream.chunks[whole].data)
        whole += 1
    part = stream.chunks[whole]
    return first_events(stream, whole, Chunk(part.at, part.data[:count]))


def changed(stream: Stream, change: Callable[[bytes], bytes]) -> Stream | None:
    """Change the data of the first event that is another then; None where there is no such event."""

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
    """Give the connection behind an ASGI `send`; None where the server does not give hold of it.

    uvicorn's `send` is a method of the cycle of a request, which has the transport, with httptools and with h11.
    """
    return getattr(getattr(send, "__self__", None), "transport", None)


async def hang_up(send: Any, gone: Awaitable[None], *, reset: bool) -> None:
    """End a connection as it is, and wait until the server knows.

    A reset lets the system drop what it still has to send and tell the other side so (SO_LINGER with no time).
    Where the server gives no hold of the connection, an exception makes it end it in its own way.
    """
    connection = connection_of(send)
    if connection is None:
        raise ConnectionAbortedError("this server does not let its connections be closed")
    if reset:
        await asyncio.sleep(SETTLE)
        sock = connection.get_extra_info("socket")
        if sock is not None and not connection.is_closing():  # the client may have gone meanwhile
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.abort()
    else:
        connection.close()
    await gone
