"""JSON -> what is sent: parameters in every style, bodies in every media type. `request.reading` reads them back."""

import json
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

from mockserver.answer.body import format_of
from mockserver.contract import media as media_types
from mockserver.contract.openapi import Media, Operation, Parameter, is_json
from mockserver.errors import ContractError
from mockserver.messages import Json
from mockserver.request.reading.styles import DELIMITERS

Pairs = tuple[tuple[str, str], ...]
"""Names and texts, not encoded."""


def text_of(value: Json) -> str:
    """Write a value as a text: a text as it is, null as nothing, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pairs_of(parameter: Parameter, value: Json) -> Pairs:
    """Write the value of a parameter of the query or of a cookie; none for an empty list whose items are pairs."""
    name = parameter.name
    if parameter.location == "querystring":
        return _whole(parameter, value)
    if parameter.media:
        return ((name, in_media(parameter, value)),)
    if parameter.style == "deepObject":
        return tuple(_deep(name, value))
    if isinstance(value, dict) and parameter.explode:
        return tuple((key, text_of(each)) for key, each in value.items())
    if isinstance(value, list) and parameter.explode:
        return tuple((name, text_of(each)) for each in value)
    return ((name, DELIMITERS.get(parameter.style, ",").join(_parts(value))),)


def in_media(parameter: Parameter, value: Json) -> str:
    """Write the value of a parameter that has a media type."""
    if is_json(parameter.media):
        return json.dumps(value, separators=(",", ":"))
    media = Media(type=parameter.media, schema=parameter.schema, examples={}, pointer=parameter.pointer)
    return format_of(media).writer("generated")(value).decode("utf-8", "replace")


def _whole(parameter: Parameter, value: Json) -> Pairs:
    if isinstance(value, dict) and not is_json(parameter.media):
        return tuple(
            (key, text_of(each)) for key, held in value.items() for each in (held if isinstance(held, list) else [held])
        )
    return ((in_media(parameter, value), ""),)


def _deep(name: str, value: Json) -> Pairs:
    if isinstance(value, dict):
        return tuple(pair for key, each in value.items() for pair in _deep(f"{name}[{key}]", each))
    if isinstance(value, list):
        return tuple(pair for each in value for pair in _deep(name, each))
    return ((name, text_of(value)),)


def _parts(value: Json) -> list[str]:
    """List the texts of which a value is made that stands in one text."""
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (key, text_of(each))]
    return [text_of(each) for each in value] if isinstance(value, list) else [text_of(value)]


def segment_of(parameter: Parameter, value: Json) -> str:
    """Write the value of a parameter of a path: simple, label or matrix."""
    if parameter.media:
        return in_media(parameter, value)
    named = [f"{key}={text_of(each)}" for key, each in value.items()] if isinstance(value, dict) else []
    parts = named if named and parameter.explode else _parts(value)
    if parameter.style == "label":
        return "." + ("." if parameter.explode else ",").join(parts)
    if parameter.style != "matrix":
        return DELIMITERS.get(parameter.style, ",").join(parts)
    if not parameter.explode:
        return f";{parameter.name}=" + ",".join(parts)
    return "".join(f";{each}" if named else f";{parameter.name}={each}" for each in parts)


def field_of(parameter: Parameter, value: Json) -> str:
    """Write the value of a header parameter."""
    return segment_of(parameter, value).encode("utf-8").decode("latin-1")


SAFE = {"label": ",;=.", "matrix": ",;="}
"""The characters of a path that mean something in a style, and so are not encoded."""


def encoded_segment(operation: Operation, name: str, text: str) -> str:
    """Return the text of a parameter of a path as it stands in the path; a plain one is encoded whole."""
    declared = next((each for each in operation.parameters if (each.location, each.name) == ("path", name)), None)
    return quote(text, safe="" if declared is None else _safe(declared))


@lru_cache(maxsize=4_096)
def _safe(parameter: Parameter) -> str:
    """Return the characters of a parameter of a path that are not encoded."""
    if parameter.media or parameter.style != "simple":
        return SAFE.get(parameter.style, "")
    kinds = types_of_values(parameter)
    return ",=" if "object" in kinds and parameter.explode else "," if kinds & {"array", "object"} else ""


def types_of_values(parameter: Parameter) -> frozenset[str]:
    """Return the JSON types that a parameter is known to take."""
    from mockserver.request.reading.shapes import shape_of

    return shape_of(parameter.schema).kinds


def type_sent(media: Media) -> str:
    """Return the Content-Type of a body: of a range, a type that it stands for."""
    found = media_types.read(media.type)
    return format_of(media).header(media_types.concrete(media.type) if found.is_range else media.type)


def body_of(media: Media, value: Json) -> bytes:
    """Write a body; a ContractError says why it cannot be written."""
    if is_json(media.type):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    try:
        return format_of(media, media_types.concrete(media.type)).writer("generated")(value)
    except (TypeError, ValueError) as error:
        what = f"a value of {media.type} cannot be written"
        raise ContractError(what, where="#" + media.pointer, why=str(error), fix="give it an example") from error


def cookies_in(pairs: Sequence[tuple[str, str]]) -> str:
    """Write cookies as the header Cookie has them."""
    return "; ".join(f"{name}={text}" for name, text in pairs)
