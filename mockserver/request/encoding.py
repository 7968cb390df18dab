"""Request bodies that are compressed: read up to the longest body, and never inflated beyond it."""

import zlib
from contextlib import suppress

from msgspec import structs

from mockserver.api import Draft
from mockserver.messages import Finding, Headers, Request, too_big

ENCODING = b"content-encoding"

MOST_MEMBERS = 100
"""How many compressed parts a gzip body may have, one after the other."""

_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""How zlib reads each encoding; some clients send deflate without its frame."""

_ACCEPTED = b"gzip, deflate"


def decompressed(request: Request, most: int) -> Request | Draft:
    """Return a request with its body as it was before compression, or its rejection: 400, 413 or 415.

    The headers stay as they were sent.
    """
    name = encoding_of(request.headers)
    if not name:
        return request
    if not is_read(name):
        message = f"The content encoding {name!r} is not read; send gzip, deflate or none."
        return _rejected(415, message, "/header/content-encoding", (b"accept-encoding", _ACCEPTED))
    body = inflated(request.body, name, most)
    if body is None:
        return _rejected(400, f"The body cannot be read as {name}: it is damaged, or cut short.", "/body")
    return _rejected(*too_big(most), "/body") if len(body) > most else structs.replace(request, body=body)


def encoding_of(headers: Headers) -> str:
    """Return the names of the encodings of a body, in lower case; "" for none."""
    name = ", ".join(headers.all(ENCODING)).strip().lower()
    return "" if name == "identity" else name


def is_read(encoding: str) -> bool:
    """Return whether bodies of an encoding can be read."""
    return encoding in _WINDOWS


def inflated(body: bytes, encoding: str, most: int) -> bytes | None:
    """Return a body as it was before compression, up to one byte more than it may have; None if it is damaged."""
    for window in _WINDOWS[encoding]:
        with suppress(zlib.error):
            return _inflated(body, window, most)
    return None


def _inflated(body: bytes, window: int, most: int) -> bytes:
    """Decompress a body, up to one byte more than it may have."""
    parts, size = [], 0
    for _ in range(MOST_MEMBERS):
        reader = zlib.decompressobj(window)
        parts.append(reader.decompress(body, most + 1 - size))
        size += len(parts[-1])
        if size > most:
            break
        if not reader.eof:
            raise zlib.error
        body = reader.unused_data
        if not body:
            break
    else:
        raise zlib.error
    return b"".join(parts)


def _rejected(status: int, message: str, where: str, *headers: tuple[bytes, bytes]) -> Draft:
    finding = Finding(where, "encoding", message, "client")
    return Draft(status, {"detail": message}, headers=headers, findings=(finding,))
