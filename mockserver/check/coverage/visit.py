"""Which places of a contract one exchange exercised."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from mockserver.check.coverage.targets import (
    HELD,
    LIMITS,
    Place,
    PlaceKind,
    Side,
    SubSchema,
    Types,
    below,
    holds_keyword,
    is_of,
    media_schema,
    parameter_pointers,
    steps,
)
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation, is_json
from mockserver.contract.resolved import is_same
from mockserver.contract.schema import Schema, join, lookup, resolve
from mockserver.journal.exchange import Exchange
from mockserver.messages import HIDDEN, Headers, Json
from mockserver.request.validate import readings
from mockserver.sse import parse

DEEPEST = 250
"""How deep a value, or a schema of schemas, is looked into."""

Hit: TypeAlias = tuple[PlaceKind, tuple[str | int, ...]]
"""What was exercised, and where below the schema."""

_TYPES: Mapping[str, Types] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def exercised(node: Mapping[str, Json], value: Json) -> Iterator[Hit]:
    """Give what a right value exercises of a schema itself."""
    kinds = node.get("type")
    for index, name in enumerate(kinds if isinstance(kinds, list) else ()):
        if _is_type(value, name):
            yield "type", ("type", index)
    for index, member in enumerate(node.get("enum", ())):
        if is_same(member, value):
            yield "member", ("enum", index)
    if "const" in node:
        yield "member", ("const",)
    for keyword, limit in LIMITS.items():
        if keyword in node and is_of(value, limit.types) and limit.measure(value) == node[keyword]:
            yield "limit", (keyword,)
    for keyword, types in HELD.items():
        if keyword in node and is_of(value, types):
            yield "limit", (keyword,)


def broken(node: Mapping[str, Json], value: Json) -> Iterator[Hit]:
    """Give what a wrong value breaks of a schema itself."""
    for keyword, limit in LIMITS.items():
        if keyword in node and is_of(value, limit.types):
            measure, bound = limit.measure(value), node[keyword]
            if measure > bound if limit.is_upper else measure < bound:
                yield "violation", (keyword,)
    for keyword, types in HELD.items():
        if keyword in node and is_of(value, types) and not holds_keyword(keyword, node[keyword], value):
            yield "violation", (keyword,)
    if "enum" in node and not any(is_same(member, value) for member in node["enum"]):
        yield "violation", ("enum",)
    if node.get("additionalProperties") is False and isinstance(value, dict) and _others(node, value):
        yield "violation", ("additionalProperties",)


def parts(node: Mapping[str, Json], tail: tuple[str | int, ...], value: Json) -> Sequence[Json]:
    """Give the parts of a value that a schema below another is for."""
    keyword, name = tail[0], tail[-1]
    if isinstance(value, dict):
        if keyword == "properties":
            return [value[str(name)]] if name in value else []
        if keyword == "patternProperties":
            return [item for key, item in value.items() if holds_keyword("pattern", name, key)]
        return [value[key] for key in _others(node, value)] if keyword == "additionalProperties" else []
    if isinstance(value, list):
        if keyword == "prefixItems":
            return value[int(name) : int(name) + 1]
        return value[len(node.get("prefixItems", ())) :] if keyword == "items" else []
    return []


def _others(node: Mapping[str, Json], value: Mapping[str, Json]) -> list[str]:
    """Give the fields of an object that a schema has no name for."""
    patterns = node.get("patternProperties", {})
    named = node.get("properties", {})
    return [
        key
        for key in value
        if key not in named and not any(holds_keyword("pattern", pattern, key) for pattern in patterns)
    ]


def _tags_match(node: Mapping[str, Json], value: Mapping[str, Json]) -> bool:
    """Say whether the fields of an object that can only be one of some values are that."""
    for name, part in node.get("properties", {}).items():
        if name in value and isinstance(part, dict):
            if "const" in part and not is_same(part["const"], value[name]):
                return False
            if "enum" in part and not any(is_same(each, value[name]) for each in part["enum"]):
                return False
    return True


def _listed(kinds: Json) -> Sequence[str]:
    return [kinds] if isinstance(kinds, str) else kinds or ()


def _is_type(value: Json, kind: str) -> bool:
    if kind == "integer":
        return is_of(value, (int,)) or (isinstance(value, float) and value.is_integer())
    return is_of(value, _TYPES[kind])


def fits(document: Json, pointer: str, value: Json, depth: int = 0) -> bool:
    """Say whether a wrong value may have been meant for a schema: it has its type, and the tags that tell it apart."""
    node = lookup(document, pointer)
    if not isinstance(node, dict) or depth > DEEPEST:
        return bool(node)
    kinds = _listed(node.get("type"))
    if kinds and not any(_is_type(value, kind) for kind in kinds):
        return False
    if isinstance(value, dict) and not _tags_match(node, value):
        return False
    joined = [below(node, pointer, ("$ref",))] if "$ref" in node else []
    joined += [join(pointer, "allOf", index) for index in range(len(node.get("allOf", ())))]
    if not all(fits(document, each, value, depth + 1) for each in joined):
        return False
    unions = [[join(pointer, name, at) for at in range(len(node.get(name, ())))] for name in ("oneOf", "anyOf")]
    return all(any(fits(document, each, value, depth + 1) for each in union) for union in unions if union)


def takes_list(document: Json, pointer: str, depth: int = 0) -> bool:
    """Say whether a schema, or a branch of it, is of a list."""
    node = lookup(document, pointer)
    if not isinstance(node, dict) or depth > DEEPEST:
        return False
    if "array" in _listed(node.get("type")):
        return True
    same = (each for each in steps(document, node, "parameter") if each.is_joined or each.gate == "branch")
    return any(takes_list(document, below(node, pointer, each.tail), depth + 1) for each in same)


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
    """Give an exchange of a journal."""
    request, answer = Headers(exchange.headers), Headers(exchange.answer_headers)
    is_cut = len(exchange.body) < exchange.size or len(exchange.answer) < exchange.answer_size
    what = (exchange.method, exchange.path, exchange.query, request, exchange.body)
    return CoveredExchange(*what, exchange.status, answer, exchange.answer, is_cut)


@lru_cache(maxsize=16)
def visitor_of(contract: Contract) -> "Visitor":
    """Give what finds what exchanges exercise of a contract."""
    return Visitor(contract)


class Visitor:
    """Finds what exchanges exercise of one contract; what it compiles for that is kept."""

    def __init__(self, contract: Contract) -> None:
        self.name, self.document = contract.name, contract.document
        self._schemas: dict[str, Schema] = {}
        self._parameters: dict[Operation, list[str]] = {}
        self._below: dict[tuple[Side, str], tuple[Json, list[tuple[SubSchema, str]]]] = {}

    def touched(self, operation: Operation, path: Mapping[str, str], exchange: CoveredExchange) -> set[Place]:
        """Give the places that an exchange exercised; `path` holds the values of the path, decoded."""
        look = _Look(self, operation)
        look.hit("", "operation", operation.pointer)
        look.parameters(path, exchange)
        if operation.body is not None:
            look.body(exchange)
        if exchange.status:
            look.reply(exchange)
        return look.found

    def parameters_of(self, operation: Operation) -> list[str]:
        """Give the places of an operation's parameters."""
        if operation not in self._parameters:
            self._parameters[operation] = parameter_pointers(self.document, operation)
        return self._parameters[operation]

    def below(self, side: Side, pointer: str) -> tuple[Json, list[tuple[SubSchema, str]]]:
        """Give the schema at a place, with those that stand in it and their places."""
        found = self._below.get((side, pointer))
        if found is None:
            node, document = lookup(self.document, pointer), self.document
            inner = steps(document, node, side) if isinstance(node, dict) else ()
            found = node, [(each, below(node, pointer, each.tail)) for each in inner]
            self._below[side, pointer] = found
        return found

    def holds(self, pointer: str, value: Json) -> bool:
        """Say whether a value holds the schema at a place."""
        if pointer not in self._schemas:
            self._schemas[pointer] = Schema(self.document, pointer, self.name)
        return self._schemas[pointer].is_valid(value)


class _Look:
    """One look at one exchange."""

    def __init__(self, visitor: Visitor, operation: Operation) -> None:
        self._it, self._operation, self._document = visitor, operation, visitor.document
        self.found: set[Place] = set()
        self._within: set[tuple[str, int]] = set()

    def hit(self, side: Side, kind: PlaceKind, pointer: str) -> None:
        """Say that a place was exercised."""
        self.found.add(Place(self._it.name, self._operation.id, side, kind, pointer))

    # -- the parts of an exchange

    def parameters(self, path: Mapping[str, str], exchange: CoveredExchange) -> None:
        """Look at every declared parameter."""
        query = parse_qsl(exchange.query, keep_blank_values=True, errors="surrogateescape")
        for pointer in self._it.parameters_of(self._operation):
            node = lookup(self._document, pointer)
            texts = _texts(node, path, query, exchange.headers)
            if texts:
                self.parameter(pointer, texts)
            elif node.get("required", False):
                self.hit("parameter", "violation", join(pointer, "required"))
            else:
                self.hit("parameter", "parameter-left-out", pointer)

    def parameter(self, pointer: str, texts: Sequence[str]) -> None:
        """Look at what was sent for a parameter; of a secret, only that something was."""
        schema = join(pointer, "schema")
        if HIDDEN.decode() in texts[-1]:
            self.hit("parameter", "parameter-sent", pointer)
            return
        read = list(_read(texts, is_list=takes_list(self._document, schema)))
        right = [value for value in read if self._it.holds(schema, value)]
        if right:
            self.hit("parameter", "parameter-sent", pointer)
        for value in right or read:
            self.value("parameter", schema, value, right=bool(right))

    def body(self, exchange: CoveredExchange) -> None:
        """Look at the body of the request."""
        pointer, node = resolve(self._document, join(self._operation.pointer, "requestBody"))
        if not exchange.body:
            required = node.get("required", False)
            place = join(pointer, "required") if required else pointer
            self.hit("request", "violation" if required else "field-absent", place)
            return
        kind = media_type(exchange.headers)
        value = _decoded(exchange.body, kind)
        declared = next((each for each in node["content"] if each.lower() == kind), None)
        if declared is not None:
            self.hit("request", "media-type", join(pointer, "content", declared))
        chosen = declared or next(filter(is_json, node["content"]))
        at, media = resolve(self._document, join(pointer, "content", chosen))
        if value is _NOTHING or "schema" not in media:
            return
        schema = join(at, "schema")
        right = self._it.holds(schema, value)
        if right:
            self.hit("request", "field-present", pointer)
        self.value("request", schema, value, right=right)

    def reply(self, exchange: CoveredExchange) -> None:
        """Look at the answer."""
        responses = join(self._operation.pointer, "responses")
        status = declared_status(lookup(self._document, responses), exchange.status)
        if status is None:
            return
        own = join(responses, status)
        self.hit("response", "status", own)
        pointer, node = resolve(self._document, own)
        kind = media_type(exchange.answer_headers)
        declared = next((each for each in node.get("content") or {} if each.lower() == kind), None)
        if declared is None or exchange.method == "HEAD":
            return
        self.hit("response", "media-type", join(pointer, "content", declared))
        at, media = resolve(self._document, join(pointer, "content", declared))
        key = media_schema(declared)
        for value in _answered(exchange, declared) if key in media else ():
            schema = join(at, key)
            self.value("response", schema, value, right=self._it.holds(schema, value))

    # -- values

    def value(self, side: Side, pointer: str, value: Json, *, right: bool, depth: int = 0) -> None:
        """Look at a value by a schema; `right` says whether it holds it."""
        (node, inner), mark = self._it.below(side, pointer), (pointer, id(value))
        if not isinstance(node, dict) or depth > DEEPEST or mark in self._within:
            return
        self._within.add(mark)
        hits = exercised(node, value) if right else () if side == "response" else broken(node, value)
        for kind, tail in hits:
            self.hit(side, kind, join(pointer, *tail))
        if isinstance(value, dict):
            self.left_out(side, node, pointer, value)
        unions: dict[str, list[str]] = {}
        for step, place in inner:
            if step.tail[0] in ("oneOf", "anyOf"):
                unions.setdefault(str(step.tail[0]), []).append(place)
            elif step.is_joined:
                self.value(side, place, value, right=right or self._it.holds(place, value), depth=depth + 1)
            elif step.gate == "branch":
                self.chosen(side, pointer, place, value, depth)
            else:
                for part in parts(node, step.tail, value):
                    self.part(side, step.gate, place, part, right=right, depth=depth)
        for union, places in unions.items():
            self.union(side, places, value, is_one=union == "oneOf", depth=depth)
        self._within.discard(mark)

    def part(self, side: Side, gate: PlaceKind | None, pointer: str, value: Json, *, right: bool, depth: int) -> None:
        """Look at a part of a value: it opens what is below it where it is right."""
        holds = right or self._it.holds(pointer, value)
        if holds and gate is not None:
            self.hit(side, gate, pointer)
        self.value(side, pointer, value, right=holds, depth=depth + 1)

    def left_out(self, side: Side, node: Json, pointer: str, value: Mapping[str, Json]) -> None:
        """Look at what an object has not."""
        required = node.get("required", ())
        for index, name in enumerate(required):
            if name not in value and side != "response":
                self.hit(side, "violation", join(pointer, "required", index))
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
        meant = [] if held else [place for place in places if fits(self._document, place, value)]
        if len(meant) == 1:
            self.value(side, meant[0], value, right=False, depth=depth + 1)

    def chosen(self, side: Side, pointer: str, place: str, value: Json, depth: int) -> None:
        """Look at a value by then or else, whichever is for it."""
        name = "then" if self._it.holds(join(pointer, "if"), value) else "else"
        if place == join(pointer, name):
            self.part(side, "branch", place, value, right=False, depth=depth)


# -- messages ----------------------------------------------------------------------------------------------------------


def media_type(headers: Headers) -> str:
    """Give the content type without its parameters, in lower case; "" for none."""
    return (headers.text(b"content-type") or "").partition(";")[0].strip().lower()


def declared_status(responses: Mapping[str, Json], status: int) -> str | None:
    """Give what a status is declared as: itself, its range, or the default; None where it is not."""
    names = (str(status), f"{status // 100}XX", f"{status // 100}xx", "default")
    return next((name for name in names if name in responses), None)


def _decoded(body: bytes, kind: str) -> Json:
    """Give a body as JSON, _NOTHING where it is none."""
    if not is_json(kind):
        return _NOTHING
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOTHING


def _answered(exchange: CoveredExchange, kind: str) -> Sequence[Json]:
    """Give the values that an answer tells: one, or those of its events."""
    if kind == EVENT_STREAM:
        whole = exchange.answer[: exchange.answer.rfind(b"\n\n") + 2] if exchange.is_cut else exchange.answer
        return [event.data for event in parse(whole)[0]]
    value = _decoded(exchange.answer, kind) if is_json(kind) else exchange.answer.decode("utf-8", "replace")
    return [] if value is _NOTHING else [value]


def _texts(
    node: Mapping[str, Json], path: Mapping[str, str], query: Sequence[tuple[str, str]], headers: Headers
) -> Sequence[str]:
    """Give the texts that were sent for a parameter."""
    name = str(node["name"])
    if node["in"] == "path":
        return [path[name]]
    if node["in"] == "header":
        return headers.all(name.lower().encode("latin-1", "replace"))[:1]
    return [value for key, value in query if key == name]


def _read(texts: Sequence[str], *, is_list: bool) -> Iterator[Json]:
    """Give what the texts of a parameter may stand for; of a repeated one that is no list, the last counts."""
    if not is_list:
        yield from readings(texts[-1])
        return
    read = [list(readings(text))[-1] for text in texts]
    yield list(texts)
    if read != list(texts):
        yield read
