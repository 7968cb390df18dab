"""How answers leave: in pieces, with comments in pauses, or by an end that HTTP has no word for."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Iterator
from typing import Any

from mockserver.exchange import Chunk

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
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.abort()
    else:
        connection.close()
    await gone
