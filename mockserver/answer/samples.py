"""Small valid files of common media types, for answers whose contract only says that they are binary."""

import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from random import Random
from struct import pack

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


def sample(essence: str, rng: Random) -> bytes:
    """Return a small file of a media type; some bytes for a type whose files are not known here."""
    make = _FILES.get(essence)
    return rng.randbytes(32) if make is None else make()


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    head = pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)  # one pixel of 8 bits in each of three colours
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0\0\0\0")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _gif() -> bytes:
    return b"GIF89a" + pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def _jpeg() -> bytes:
    return b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI//////////////////////////////////////////"
        "//////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AE//Z"
    )


def _webp() -> bytes:
    return b64decode("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEADMDOJaQAA3AA/uxnAAA=")


def _ico() -> bytes:
    image = _png()
    return pack("<HHHBBBBHHII", 0, 1, 1, 1, 1, 0, 0, 1, 24, len(image), 22) + image


def _wav() -> bytes:
    head = pack("<4sI8sIHHIIHH", b"RIFF", 38, b"WAVEfmt ", 16, 1, 1, 8000, 8000, 1, 8)
    return head + pack("<4sI", b"data", 2) + b"\x80\x80"


def _pdf() -> bytes:
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]/Resources<<>>>>",
    )
    text, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(text))
        text += b"%d 0 obj%sendobj\n" % (number, each)
    head = b"xref\n0 4\n0000000000 65535 f \n" + b"".join(places)
    return text + head + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(text)


def _zip() -> bytes:
    return b"PK\5\6" + bytes(18)


def _gzip() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(b"") + packer.flush()


_FILES: Mapping[str, Callable[[], bytes]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/jpg": _jpeg,
    "image/webp": _webp,
    "image/x-icon": _ico,
    "image/vnd.microsoft.icon": _ico,
    "image/svg+xml": SVG.encode,
    "audio/wav": _wav,
    "audio/x-wav": _wav,
    "application/pdf": _pdf,
    "application/zip": _zip,
    "application/gzip": _gzip,
    "application/x-gzip": _gzip,
}
