"""Parts of reading bytes: JSON, texts, bytes as a schema judges them."""

import codecs
import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from mockserver.messages import Json
from mockserver.request.reading.shapes import Raw, TextShape

WrongParts: TypeAlias = list[tuple[str, str, str]]
"""What is wrong with the parts of a body beside their values: the place in the body, the rule, the message."""


NO_CHARSETS = frozenset(("idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"))
"""Codecs of Python that are no charsets of texts; some take time that grows with the square of a text."""

MOST_FIELDS = 50_000
"""How many fields a form may have."""

MOST_TAGS = 100_000
"""How many tags XML may have."""

MOST_PARTS = 10_000
"""How many parts a multipart body may have."""

MOST_LINES = 500_000
"""How many lines a body of JSON lines may have."""


class MalformedError(Exception):
    """What was sent is not in its media type; the text says why."""

    status = 400


class TooManyError(MalformedError):
    """What was sent has more parts than are read."""

    status = 413

    def __init__(self, most: int, parts: str) -> None:
        super().__init__(f"it has more than {most:,} {parts}")


BodyReader: TypeAlias = Callable[[bytes, Mapping[str, str], WrongParts], list[Raw]]
"""Reads bytes, with the parameters of their media type. Returns the readings, the likeliest first; adds what is wrong
beside them. Raises MalformedError."""


def read_json(data: bytes | str) -> Json:
    """Return what JSON says."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _read_slowly(data)


def _read_slowly(data: bytes | str) -> Json:
    """Read JSON of other encodings, or with longer numbers; say why it cannot be read."""
    try:
        return json.loads(data, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise MalformedError(f"it is not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise MalformedError("it is nested too deep") from error
    except ValueError as error:
        raise MalformedError(f"it is not JSON: {error}") from error


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no number of JSON")


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines that hold something."""
    found = [line for line in data.replace(b"\x1e", b"\n").splitlines() if line.strip()]
    if len(found) > MOST_LINES:
        raise TooManyError(MOST_LINES, "lines")
    return found


def text_of(data: bytes, parameters: Mapping[str, str]) -> str:
    """Return bytes as text, in the charset that their media type names."""
    charset = parameters.get("charset", "utf-8")
    try:
        if codecs.lookup(charset).name.replace("-", "_") in NO_CHARSETS:
            raise LookupError
        return data.decode(charset)
    except LookupError as error:
        raise MalformedError(f"the charset {charset!r} is not known") from error
    except ValueError as error:
        raise MalformedError(f"it is no text in {charset}") from error


def unnamed(data: bytes, parameters: Mapping[str, str], shape: TextShape | None) -> Raw:
    """Return bytes of a type that says nothing: as text where the schema takes texts that are not binary."""
    if shape is None or shape.is_binary or shape.kinds <= {"object", "array"}:
        return data
    try:
        return text_of(data, parameters)
    except MalformedError:
        return data


def judged(value: Json) -> Json:
    """Return a value as its schema judges it: of bytes only the length counts."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {name: judged(each) for name, each in value.items()}
    return [judged(each) for each in value] if isinstance(value, list) else value
