"""JSON as texts: what header fields, forms, texts and files are made of."""

import json

from mockserver.messages import Json

write_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Writes JSON by the standard library: integers of any size, too."""


def as_text(value: Json) -> str:
    """Write a value as a text: a text as it is, anything else as JSON writes it; null is empty."""
    return value if isinstance(value, str) else "" if value is None else write_json(value)


def file_of(value: Json) -> bytes:
    """Write a value as a file that people read and change: a fixture, or stubs."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
