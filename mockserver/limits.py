"""How large a request may be, by whatever way it comes."""

from typing import TypeAlias

from mockserver.exchange import Headers
from mockserver.fields import known

Refused: TypeAlias = tuple[int, str]
"""The status and the reason of a request that was not read to its end."""

LONGEST_TARGET = 16_384
"""Longest path and query that are read, in bytes (RFC 9110 asks for at least 8,000)."""

LONGEST_HEADERS = 131_072
"""Longest header section that is read, in bytes."""


def too_long(path: str, query: str, headers: Headers) -> Refused | None:
    """Refuse a target or headers that are too long."""
    if len(path) + len(query) > LONGEST_TARGET:
        return 414, f"Path and query are longer than {LONGEST_TARGET} bytes."
    if known(headers).size > LONGEST_HEADERS:
        return 431, f"The headers are longer than {LONGEST_HEADERS} bytes."
    return None


def too_big(most: int) -> Refused:
    """Refuse a body that is longer than `most` bytes."""
    return 413, f"The body is longer than {most} bytes; --max-body sets the limit."
