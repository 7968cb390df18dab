"""Request bodies that are compressed: read up to the longest body, and never inflated beyond it."""

import zlib

from msgspec import structs

from mockserver.api import Draft
from mockserver.messages import Finding, Request, too_big

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
    name = ", ".join(request.headers.all(ENCODING)).strip().lower()
    if name in ("", "identity"):
        return request
    if name not in _WINDOWS:
        message = f"The content encoding {name!r} is not read; send gzip, deflate or none."
        return _rejected(415, message, "/header/content-encoding", (b"accept-encoding", _ACCEPTED))
    for window in _WINDOWS[name]:
        try:
            body = _inflated(request.body, window, most)
        except zlib.error:
            continue
        if len(body) > most:
            return _rejected(*too_big(most), "/body")
        return structs.replace(request, body=body)
    return _rejected(400, f"The body cannot be read as {name}: it is damaged, or cut short.", "/body")


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
