"""Parameters of a request as JSON: where they stand, in which style or media type."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TypeAlias

from mockserver.contract.media import read
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.router import encoded_value
from mockserver.messages import Request
from mockserver.request.reading.bodies import media_reader
from mockserver.request.reading.media import MalformedError
from mockserver.request.reading.shapes import Raw, TextShape, shape_of
from mockserver.request.reading.styles import (
    Pairs,
    cookie_readings,
    decoded,
    form_readings,
    pairs_of,
    path_readings,
    simple_readings,
)


class SentParts:
    """The parts of a request in which parameters stand."""

    def __init__(self, request: Request, path: Mapping[str, str]) -> None:
        self.request, self.path = request, path

    def encoded(self, name: str, template: str) -> str:
        """Return a parameter of the path, percent-encoded as it was sent."""
        text = self.path[name]
        found = encoded_value(template, name, self.request.path) if "%" in self.request.path else None
        return text if found is None or decoded(found, plus=False) != text else found

    @cached_property
    def query(self) -> Pairs:
        """The pairs of the query."""
        return pairs_of(self.request.query)

    @cached_property
    def cookies(self) -> Pairs:
        """The cookies of all lines."""
        lines = "; ".join(self.request.headers.all(b"cookie"))
        parts = (part.strip().partition("=") for part in lines.split(";"))
        return [(name.strip(), text.strip()) for name, _, text in parts if name]


Read: TypeAlias = Callable[[SentParts], list[Raw] | None]
"""Returns the readings of what was sent for a parameter, the likeliest first: none if it is written in no form that
its style has; None if nothing was sent."""


def reader(parameter: Parameter, operation: Operation) -> Read:
    """Return what reads a parameter of an operation."""
    shape = shape_of(parameter.schema)
    media = _text_reader(parameter) if parameter.media else None
    if parameter.location == "querystring":
        whole = media or _text_reader(parameter)
        return lambda sent: whole(sent.request.query) if sent.request.query else None
    if media is not None:
        content, texts = media, _texts_of(parameter, plus=True)
        return lambda sent: content(found[-1]) if (found := texts(sent)) else None
    match parameter.location:
        case "path":
            return _path_reader(parameter, shape, operation.path)
        case "header":
            field = parameter.name.encode("latin-1", "replace")
            return lambda sent: simple_readings(parameter, shape, sent.request.headers.all(field))
        case "cookie":
            return lambda sent: cookie_readings(parameter, shape, sent.cookies)
        case _:
            others = frozenset(each.name for each in operation.parameters if each.location == "query")
            plus = not parameter.allow_reserved
            return lambda sent: form_readings(parameter, shape, sent.query, others - {parameter.name}, plus=plus)


def _path_reader(parameter: Parameter, shape: TextShape, template: str) -> Read:
    """Return what reads a parameter of a path; most are single texts without anything encoded."""
    name = parameter.name
    is_single = parameter.style == "simple" and not shape.kinds & {"array", "object"}

    def readings(sent: SentParts) -> list[Raw]:
        if is_single and "%" not in sent.request.path:
            return [sent.path[name].strip()]
        return path_readings(parameter, shape, sent.path[name], sent.encoded(name, template))

    return readings


def _texts_of(parameter: Parameter, *, plus: bool) -> Callable[[SentParts], list[str]]:
    """Return what lists the texts that were sent for a parameter."""
    name = parameter.name
    match parameter.location:
        case "path":
            return lambda sent: [sent.path[name]]
        case "header":
            field = name.encode("latin-1", "replace")
            return lambda sent: sent.request.headers.all(field)
        case "cookie":
            return lambda sent: [decoded(text, plus=False) for key, text in sent.cookies if key == name]
        case _:
            return lambda sent: [decoded(text, plus=plus) for key, text in sent.query if key == name]


def _text_reader(parameter: Parameter) -> Callable[[str], list[Raw]]:
    """Return what reads a text that is written in a media type; encoded or not, since clients do either."""
    media = read(parameter.media or "application/x-www-form-urlencoded")
    reader, told = media_reader(media, parameter.schema, {}), dict(media.parameters)

    def readings(text: str) -> list[Raw]:
        found: list[Raw] = []
        for each in dict.fromkeys((text, decoded(text))):
            with suppress(MalformedError):
                found += reader(each.encode("utf-8", "replace"), told, [])
        return found

    return readings


def is_empty(readings: list[Raw]) -> bool:
    """Return whether a parameter was sent without a value."""
    return any(each in ("", [""]) for each in readings)
