"""Texts that are safe on a terminal: what clients and documents say can neither steer it nor pass for a line."""

import os
import re
from typing import TextIO

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
"""Characters that steer a terminal, reorder a line, or that a format cannot hold."""

_LONE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """Write characters that cannot be seen or held by a format as escapes: \\x1b, \\ud800."""
    return _UNSEEN.sub(_escape, text)


def encodable(text: str) -> str:
    """Write lone halves of surrogate pairs, which UTF-8 cannot hold, as escapes."""
    return _LONE.sub(_escape, text)


def in_line(text: str) -> str:
    """Write a text visibly and in one line, so that it cannot pass for a line of its own."""
    return visible(text).replace("\n", "\\n")


def _escape(found: "re.Match[str]") -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that understands more than plain text."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # it is closed
        return False


def takes_colour(stream: TextIO | None) -> bool:
    """Return whether a stream is written in colour: a terminal, unless NO_COLOR is set (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")
