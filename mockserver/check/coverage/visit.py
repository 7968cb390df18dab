"""Which places of a contract one exchange exercised."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from mockserver.check.coverage.targets import (
    Aspect,
    NestedSchema,
    Place,
    PlaceKind,
    Side,
    aspects,
    body_pointer,
    declared_parameters,
    holds_keyword,
    media_schema,
    others,
    schema_pointer,
    steps,
    views_of,
)
from mockserver.contract.media import declared_index, read
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation, Parameter, is_json
from mockserver.contract.resolved import UNIONS, View, Views, key_of, kinds, type_of, values
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join, lookup, resolve
from mockserver.journal.exchange import Exchange
from mockserver.messages import Headers, Json, Request
from mockserver.redact import HIDDEN
from mockserver.request.reading.bodies import media_reader
from mockserver.request.reading.media import MalformedError, judged
from mockserver.request.reading.parameters import Read, SentParts, reader
from mockserver.request.reading.shapes import shape_of
from mockserver.request.validate import readings
from mockserver.sse import parse

DEEPEST = 250
"""How deep a value, or a schema of schemas, is looked into."""


def parts(node: Mapping[str, Json], step: NestedSchema, value: Json) -> Sequence[Json]:
    """List the parts of a value that a schema below another is for."""
    name: Any = step.name
    match step.keyword, value:
        case "properties", dict():
            return [value[name]] if name in value else []
        case "patternProperties", dict():
            return [item for key, item in value.items() if holds_keyword("pattern", name, key)]
        case "additionalProperties", dict():
            return [value[key] for key in others(node, value)]
        case "prefixItems", list():
            return value[name : name + 1]
        case "items", list():
            return value[len(node.get("prefixItems", ())) :]
    return []


def fits(views: Views, view: View, value: Json, depth: int = 0) -> bool:
    """Return whether a wrong value may have been meant for a schema: it has its type, and its tags."""
    if value is None and view.null:
        return True
    if view.is_shut or depth > DEEPEST or (view.types is not None and type_of(value) not in view.types):
        return False
    if isinstance(value, dict) and not all(
        _is_one_of(below, value[name])
        for name, below in views.fields(view).items()
        if name in value and below.pieces and below.pieces[0].node.keys() & {"const", "enum"}
    ):
        return False
    return all(any(fits(views, views.of(each), value, depth + 1) for each in union.members) for union in view.unions)


def _is_one_of(view: View, value: Json) -> bool:
    return view.null if value is None else key_of(value) in (values(view) or ())


def takes_list(views: Views, view: View) -> bool:
    """Return whether a schema, or a branch of it, is of a list."""
    return any("array" in kinds(leaf) for leaf in views.leaves(view))


_NOTHING: Any = object()
"""Stands for a body that is not there, is no JSON, or was cut."""


class CoveredExchange(NamedTuple):
    """One request and its answer, wherever they were heard; a status of 0 says that no answer came."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    status: int
    answer_headers: Headers
    answer: bytes
    is_cut: bool = False
    """Whether one of the two bodies is not here to its end."""


def covered(exchange: Exchange) -> CoveredExchange:
    """Return an exchange of a journal as coverage reads it."""
    request, answer = Headers(exchange.headers), Headers(exchange.answer_headers)
    is_cut = len(exchange.body) < exchange.size or len(exchange.answer) < exchange.answer_size
    what = (exchange.method, exchange.path, exchange.query, request, exchange.body)
    return CoveredExchange(*what, exchange.status, answer, exchange.answer, is_cut)


@lru_cache(maxsize=16)
def visitor_of(contract: Contract) -> "Visitor":
    """Return the visitor of a contract, made once."""
    return Visitor(contract)


class Visitor:
    """Finds what exchanges exercise of one contract; what it compiles for that is kept."""

    def __init__(self, contract: Contract) -> None:
        self.name, self.document = contract.name, contract.document
        self._schemas: dict[str, Schema] = {}
        self._parameters: dict[Operation, list[tuple[Parameter, Read | None]]] = {}
        self.views = views_of(contract)
        self._below: dict[tuple[Side, str], tuple[list[Aspect], list[NestedSchema]]] = {}

    def touched(self, operation: Operation, path: Mapping[str, str], exchange: CoveredExchange) -> set[Place]:
        """Return the places that an exchange exercised; `path` holds the values of the path, decoded."""
        look = _Look(self, operation)
        look.hit("", "operation", operation.pointer)
        look.parameters(path, exchange)
        if pointer := body_pointer(self.document, operation):
            look.body(pointer, exchange)
        if exchange.status:
            look.reply(exchange)
        return look.found

    def parameters_of(self, operation: Operation) -> list[tuple[Parameter, Read | None]]:
        """Return the parameters of an operation, each with what reads it if its style or media type is not plain."""
        if operation not in self._parameters:
            declared = declared_parameters(operation)
            self._parameters[operation] = [(each, self._reader(each, operation)) for each in declared]
        return self._parameters[operation]

    def _reader(self, parameter: Parameter, operation: Operation) -> Read | None:
        usual = {"query": "form", "path": "simple", "header": "simple"}
        shape = shape_of(parameter.schema)
        is_joined = shape.takes("array") and not (parameter.explode and parameter.style == "form")
        is_plain = parameter.style == usual.get(parameter.location) and not (is_joined or shape.takes("object"))
        return None if is_plain and not parameter.media else reader(parameter, operation)

    def below(self, side: Side, pointer: str) -> tuple[list[Aspect], list[NestedSchema]]:
        """Return what a value can exercise of the schema at a place, and the schemas that stand in it."""
        if (side, pointer) not in self._below:
            found = list(aspects(lookup(self.document, pointer), side)), list(steps(self.views, pointer, side))
            self._below[side, pointer] = found
        return self._below[side, pointer]

    def schema(self, pointer: str) -> Schema:
        """Return the schema at a place."""
        if pointer not in self._schemas:
            self._schemas[pointer] = Schema(self.document, pointer, self.name)
        return self._schemas[pointer]

    def holds(self, pointer: str, value: Json) -> bool:
        """Return whether a value holds the schema at a place."""
        return self.schema(pointer).is_valid(value)

    def read(self, pointer: str, media: Mapping[str, Json], body: bytes, headers: Headers) -> Json:
        """Return a body as its schema reads it, of bytes a text; _NOTHING for one that cannot be read."""
        if is_json(headers.media_type):
            return _decoded(body)
        kind, schema = read(headers.text(b"content-type") or ""), self.schema(pointer)
        encoding = media.get("encoding")
        try:
            raws = media_reader(kind, schema, encoding if isinstance(encoding, dict) else {})(
                body, dict(kind.parameters), []
            )
        except MalformedError:
            return _NOTHING
        values = [judged(shape_of(schema).value(raw)) for raw in raws]
        return next(filter(schema.is_valid, values), values[0])


class _Look:
    """One look at one exchange."""

    def __init__(self, visitor: Visitor, operation: Operation) -> None:
        self._it, self._operation, self._document = visitor, operation, visitor.document
        self.found: set[Place] = set()
        self._within: set[tuple[str, int]] = set()

    def hit(self, side: Side, kind: PlaceKind, pointer: str) -> None:
        """Record that a place was exercised."""
        self.found.add(Place(self._it.name, self._operation.id, side, kind, pointer))

    # -- the parts of an exchange

    def parameters(self, path: Mapping[str, str], exchange: CoveredExchange) -> None:
        """Look at every declared parameter."""
        query = parse_qsl(exchange.query, keep_blank_values=True, errors="surrogateescape")
        sent = SentParts(Request(exchange.method, exchange.path, exchange.query, exchange.headers), path)
        for declared, read_it in self._it.parameters_of(self._operation):
            pointer, node = declared.pointer, lookup(self._document, declared.pointer)
            texts = _texts(node, path, query, exchange.headers) if read_it is None else _written(read_it(sent))
            if texts:
                self.parameter(declared, texts, is_read=read_it is not None)
            elif node.get("required", False):
                self.hit("parameter", "violation", join(pointer, "required"))
            else:
                self.hit("parameter", "parameter-left-out", pointer)

    def parameter(self, declared: Parameter, texts: Sequence[Any], *, is_read: bool) -> None:
        """Look at what was sent for a parameter: texts, or its readings; of a secret, only that something was."""
        pointer, schema = declared.pointer, schema_pointer(self._document, declared)
        if not schema or HIDDEN in str(texts[-1]):
            self.hit("parameter", "parameter-sent", pointer)
            return
        if is_read:
            read = list(map(shape_of(declared.schema).value, texts))
        else:
            read = list(_read(texts, is_list=takes_list(self._it.views, self._it.views.of(schema))))
        right = [value for value in read if self._it.holds(schema, value)]
        if right:
            self.hit("parameter", "parameter-sent", pointer)
        for value in right or read:
            self.value("parameter", schema, value, right=bool(right))

    def body(self, pointer: str, exchange: CoveredExchange) -> None:
        """Look at the body of the request."""
        node = lookup(self._document, pointer)
        if not exchange.body:
            required = node.get("required", False)
            place = join(pointer, "required") if required else pointer
            self.hit("request", "violation" if required else "field-absent", place)
            return
        declared = _representation(node, exchange.headers)
        if declared is not None:
            self.hit("request", "media-type", join(pointer, "content", declared))
        chosen = declared or next(filter(is_json, node["content"]), None)
        if chosen is None or (declared is None and not is_json(exchange.headers.media_type)):
            return
        at, media = resolve(self._document, join(pointer, "content", chosen))
        if "schema" not in media:
            if declared is not None:
                self.hit("request", "field-present", pointer)
            return
        schema = join(at, "schema")
        value = self._it.read(schema, media, exchange.body, exchange.headers)
        if value is _NOTHING:
            return
        right = self._it.holds(schema, value)
        if right:
            self.hit("request", "field-present", pointer)
        self.value("request", schema, value, right=right)

    def reply(self, exchange: CoveredExchange) -> None:
        """Look at the answer."""
        responses = join(self._operation.pointer, "responses")
        node = lookup(self._document, self._operation.pointer)
        status = declared_status(node.get("responses") or {}, exchange.status)
        if status is None:
            return
        own = join(responses, status)
        self.hit("response", "status", own)
        pointer, node = resolve(self._document, own)
        declared = _representation(node, exchange.answer_headers)
        if declared is None or exchange.method == "HEAD":
            return
        self.hit("response", "media-type", join(pointer, "content", declared))
        at, media = resolve(self._document, join(pointer, "content", declared))
        key = media_schema(declared)
        schema = join(at, key)
        for value in self.answered(exchange, media, schema) if key in media else ():
            self.value("response", schema, value, right=self._it.holds(schema, value))

    def answered(self, exchange: CoveredExchange, media: Mapping[str, Json], schema: str) -> Sequence[Json]:
        """Return the values of an answer: one, or those of its events."""
        if exchange.answer_headers.media_type == EVENT_STREAM:
            whole = exchange.answer[: exchange.answer.rfind(b"\n\n") + 2] if exchange.is_cut else exchange.answer
            return [event.data for event in parse(whole)[0]]
        value = self._it.read(schema, media, exchange.answer, exchange.answer_headers)
        return [] if value is _NOTHING else [value]

    # -- values

    def value(self, side: Side, pointer: str, value: Json, *, right: bool, depth: int = 0) -> None:
        """Look at a value by a schema; `right` says whether it holds it."""
        node, mark = lookup(self._document, pointer), (pointer, id(value))
        if not isinstance(node, dict) or depth > DEEPEST or mark in self._within:
            return
        self._within.add(mark)
        own, inner = self._it.below(side, pointer)
        for aspect in own:
            if (aspect.kind == "violation") is not right and aspect.is_touched(value):
                self.hit(side, aspect.kind, join(pointer, *aspect.tail))
        if isinstance(value, dict):
            self.left_out(side, node, pointer, value)
        for step in inner:
            if step.keyword not in UNIONS:
                self.step(side, pointer, step, value, right=right, depth=depth)
        for union in UNIONS:
            if places := [step.pointer for step in inner if step.keyword == union]:
                self.union(side, places, value, is_one=union == "oneOf", depth=depth)
        self._within.discard(mark)

    def step(self, side: Side, pointer: str, step: NestedSchema, value: Json, *, right: bool, depth: int) -> None:
        """Look at a value by a schema that stands in another one."""
        if step.is_joined:
            holds = right or self._it.holds(step.pointer, value)
            self.value(side, step.pointer, value, right=holds, depth=depth + 1)
        elif step.gate == "branch":  # then or else, whichever is for it
            if step.keyword == ("then" if self._it.holds(join(pointer, "if"), value) else "else"):
                self.part(side, "branch", step.pointer, value, right=False, depth=depth)
        else:
            for part in parts(lookup(self._document, pointer), step, value):
                self.part(side, step.gate, step.pointer, part, right=right, depth=depth)

    def part(self, side: Side, gate: PlaceKind | None, pointer: str, value: Json, *, right: bool, depth: int) -> None:
        """Look at a part of a value: it opens what is below it where it is right."""
        holds = right or self._it.holds(pointer, value)
        if holds and gate is not None:
            self.hit(side, gate, pointer)
        self.value(side, pointer, value, right=holds, depth=depth + 1)

    def left_out(self, side: Side, node: Json, pointer: str, value: Mapping[str, Json]) -> None:
        """Look at what an object has not."""
        required = node.get("required", ())
        for name in node.get("properties", ()):
            if name not in value and name not in required:
                self.hit(side, "field-absent", join(pointer, "properties", name))

    def union(self, side: Side, places: Sequence[str], value: Json, *, is_one: bool, depth: int) -> None:
        """Look at a value by the branches that it holds; by the one that it was meant for, where it holds none."""
        held = [place for place in places if self._it.holds(place, value)]
        if is_one and len(held) > 1:
            return
        for place in held:
            self.hit(side, "branch", place)
            self.value(side, place, value, right=True, depth=depth + 1)
        views = self._it.views
        meant = [] if held else [place for place in places if fits(views, views.of(place), value)]
        if len(meant) == 1:
            self.value(side, meant[0], value, right=False, depth=depth + 1)


# -- messages ----------------------------------------------------------------------------------------------------------


def declared_status(responses: Mapping[str, Json], status: int) -> str | None:
    """Return what a status is declared as: itself, its range, or the default; None if it is not."""
    names = (str(status), f"{status // 100}XX", f"{status // 100}xx", "default")
    return next((name for name in names if name in responses), None)


def _decoded(body: bytes) -> Json:
    """Return a body as JSON, or _NOTHING."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOTHING


def _representation(node: Mapping[str, Json], headers: Headers) -> str | None:
    """Return the declared media type, or range, that a message has."""
    declared, sent = list(node.get("content") or ()), headers.text(b"content-type")
    index = declared_index(declared, sent) if sent else None
    return None if index is None else declared[index]


def _written(readings: list[Any] | None) -> Sequence[Any]:
    """Return the readings of a parameter; a text that is none of its style where it was sent so."""
    return () if readings is None else readings or [""]


def _texts(
    node: Mapping[str, Json], path: Mapping[str, str], query: Sequence[tuple[str, str]], headers: Headers
) -> Sequence[str]:
    """Return the texts that were sent for a parameter."""
    name = str(node["name"])
    if node["in"] == "path":
        return [path[name]]
    if node["in"] == "header":
        return headers.all(name.lower().encode("latin-1", "replace"))[:1]
    return [value for key, value in query if key == name]


def _read(texts: Sequence[str], *, is_list: bool) -> Iterator[Json]:
    """Yield what the texts of a parameter may stand for; of a repeated one that is no list, the last counts."""
    if not is_list:
        yield from readings(texts[-1])
        return
    read = [list(readings(text))[-1] for text in texts]
    yield list(texts)
    if read != list(texts):
        yield read
