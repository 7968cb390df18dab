"""Texts -> JSON by a resolved schema: "1" is a number where the schema takes numbers."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any, TypeAlias

from mockserver.contract.resolved import View, Views, keywords
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.errors import ContractError
from mockserver.messages import Json, Value

Raw: TypeAlias = Any
"""What was sent, before it is read by a schema: texts, lists and mappings of them, bytes, or a `Ready` value."""

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,4299})(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_NUMERIC = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
_DEEPEST = 64
"""How many levels of what was sent are converted."""


class Ready(Value, frozen=True):
    """A value that is JSON already, and is not converted."""

    value: Json


def number_of(text: str) -> int | float | None:
    """Return the number that a text spells in JSON's notation; None for any other text."""
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    number = float(text) if match[2] or match[3] else int(text)
    return None if number in (float("inf"), float("-inf")) else number


class TextShape:
    """What a schema takes, seen from the texts that may spell it."""

    def __init__(self, shapes: "TextShapes", view: View | None) -> None:
        self._shapes, self._view = shapes, view

    @cached_property
    def _leaves(self) -> tuple[View, ...]:
        """The schemas that a value may satisfy; none where anything may be sent."""
        if self._view is None or self._view.is_any:
            return ()
        with self._shapes.lock:
            try:
                return tuple(self._shapes.views.leaves(self._view))
            except (ContractError, RecursionError):
                return ()

    def _taking(self, kind: str) -> list[View]:
        return [leaf for leaf in self._leaves if leaf.types is None or kind in leaf.types]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The JSON types that it takes, "null" among them; none where it takes any."""
        found: set[str] = set()
        for leaf in self._leaves:
            found |= _implied(leaf) if leaf.types is None else leaf.types
        is_typed = bool(found) or any(leaf.types is not None for leaf in self._leaves)
        if is_typed and self._view is not None and any(each.null for each in (self._view, *self._leaves)):
            found.add("null")
        return frozenset(found)

    def takes(self, kind: str) -> bool:
        """Return whether it names a JSON type as one that it takes."""
        return kind in self.kinds

    @cached_property
    def fields(self) -> Mapping[str, "TextShape"]:
        """The fields that it describes, by name."""
        found: dict[str, TextShape] = {}
        with self._shapes.lock:
            for leaf in self._taking("object"):
                for name, view in self._shapes.views.fields(leaf).items():
                    found.setdefault(name, TextShape(self._shapes, view))
        return found

    @cached_property
    def is_open(self) -> bool:
        """Whether fields are taken that have no description, as a map takes them."""
        leaves = self._taking("object")
        words = {word for leaf in leaves for word in leaf.words}
        more = [value for leaf in leaves for _, value in keywords(leaf, "additionalProperties")]
        return (any(each is not False for each in more)) or not words & {"properties", "additionalProperties"}

    @cached_property
    def is_binary(self) -> bool:
        """Whether it takes bytes: it says so by its format or content keywords, or takes anything."""
        words = {key: value for leaf in self._leaves for key, found in leaf.words.items() for _, value in found}
        binary = words.get("format") == "binary" or "contentEncoding" in words or "contentMediaType" in words
        return binary or not self.kinds

    @cached_property
    def xml(self) -> Mapping[str, Json]:
        """How it is written in XML."""
        found = () if self._view is None else keywords(self._view, "xml")
        return {key: value for _, told in reversed(found) if isinstance(told, dict) for key, value in told.items()}

    @property
    def schema(self) -> Schema | None:
        """The schema, if it is one of the document's."""
        return None if self._view is None else self._shapes.schema(self._view.pointer)

    def field(self, name: str) -> "TextShape":
        """Return what a field takes."""
        return self.fields.get(name) or self._below("additionalProperties", "object")

    def item(self, index: int) -> "TextShape":
        """Return what an item of a list takes."""
        for leaf in self._taking("array"):
            places = [join(place, index) for place, listed in keywords(leaf, "prefixItems") if index < len(listed)]
            if places:
                return self._shapes.at(*places)
        return self._below("items", "array")

    def _below(self, keyword: str, kind: str) -> "TextShape":
        for leaf in self._taking(kind):
            places = [place for place, value in keywords(leaf, keyword) if isinstance(value, dict)]
            if places:
                return self._shapes.at(*places)
        return ANY_SHAPE

    def value(self, raw: Raw, depth: int = 0) -> Json:
        """Return what was sent as JSON: of several readings the first that is valid, else the first."""
        if isinstance(raw, Ready):
            return raw.value
        if isinstance(raw, str):
            return self._chosen(self._readings(raw))
        if depth >= _DEEPEST:
            return raw
        if isinstance(raw, list):
            return [self.item(index).value(each, depth + 1) for index, each in enumerate(raw)]
        if isinstance(raw, dict):
            return {name: self.field(name).value(each, depth + 1) for name, each in raw.items()}
        return raw

    def best(self, raws: Iterable[Raw]) -> Json:
        """Return the first of several readings that is valid, else the first."""
        return self._chosen([self.value(raw) for raw in raws])

    def _readings(self, text: str) -> list[Json]:
        """List what a text can mean, the likeliest first."""
        kinds = self.kinds
        number = number_of(text) if "number" in kinds or "integer" in kinds else None
        found: list[Json] = [] if number is None else [number]
        if "boolean" in kinds and text in ("true", "false"):
            found.append(text == "true")
        if "string" in kinds:
            found.append(text)
        if "null" in kinds and text in ("", "null"):
            found.append(None)
        return found or [text]

    def _chosen(self, readings: list[Json]) -> Json:
        if len(readings) == 1:
            return readings[0]
        return next((each for each in readings if self._is_valid(each)), readings[0])

    def _is_valid(self, value: Json) -> bool:
        places = () if self._view is None else self._view.pointers
        return all(self._shapes.schema(place).is_valid(value) for place in places)


def _implied(leaf: View) -> set[str]:
    """Return the types that a schema without one seems to take, by its other keywords."""
    words = leaf.words.keys()
    found = {"string", "number"} if words & _NUMERIC else {"string"}
    if words & {"properties", "additionalProperties", "patternProperties"}:
        found.add("object")
    if words & {"items", "prefixItems"}:
        found.add("array")
    return found


class TextShapes:
    """The shapes of one document."""

    def __init__(self, document: Json) -> None:
        self.views = Views(document)
        self.lock = RLock()
        """Held while a schema is resolved, which is not done by two threads at once."""
        self._document = document
        self._schemas: dict[str, Schema] = {}
        self._made: dict[tuple[str, ...], TextShape] = {}

    def at(self, *pointers: str) -> TextShape:
        """Return the shape of the schema at a place, or of several that must all hold."""
        with self.lock:
            if pointers not in self._made:
                try:
                    view: View | None = self.views.of(*pointers)
                except (ContractError, RecursionError):
                    view = None
                self._made[pointers] = TextShape(self, view)
            return self._made[pointers]

    def schema(self, pointer: str) -> Schema:
        """Return the schema at a place."""
        if pointer not in self._schemas:
            self._schemas[pointer] = Schema(self._document, pointer, "")
        return self._schemas[pointer]


ANY_SHAPE = TextShape(TextShapes({}), None)
"""Takes any text as it is."""


def shape_of(schema: Schema) -> TextShape:
    """Return the shape of a schema."""
    return _shapes(_Same(schema.document)).at(schema.pointer)


class _Same:
    """A document as a key: equal to itself alone."""

    def __init__(self, document: Json) -> None:
        self.document = document

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.document is self.document

    def __hash__(self) -> int:
        return id(self.document)


@lru_cache(maxsize=16)
def _shapes(same: _Same) -> TextShapes:
    return TextShapes(same.document)
