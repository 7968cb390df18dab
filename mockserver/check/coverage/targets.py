"""All places of an operation that can be exercised, each with the way to it and with what it lies below."""

import json
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, TypeAlias

from mockserver.check.report.model import format_value
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation, Parameter
from mockserver.contract.resolved import UNIONS, Views, is_null, is_same, is_type, required, type_of
from mockserver.contract.schema import Schema, subschemas
from mockserver.contract.tree import join, lookup, pointed, resolve
from mockserver.errors import ContractError
from mockserver.messages import Json

PlaceKind: TypeAlias = Literal[
    "operation",
    "status",
    "media-type",
    "parameter-sent",
    "parameter-left-out",
    "field-present",
    "field-absent",
    "type",
    "branch",
    "member",
    "limit",
    "violation",
]
"""What is counted at a place; a report has a rule of this name for each."""

RULES: Mapping[str, str] = {
    "operation": "Every operation is called.",
    "status": "Every status that is declared is answered.",
    "media-type": "Every media type that is declared is sent, or comes.",
    "parameter-sent": "Every parameter is sent with a value that it may have.",
    "parameter-left-out": "Every parameter that may be left out is left out.",
    "field-present": "Every field of a body is there with a value that it may have.",
    "field-absent": "Every field of a body that may be left out is left out.",
    "type": "Every type of a list of types is that of a value, null among them.",
    "branch": "Every branch of anyOf and oneOf, then and else, holds a value.",
    "member": "Every member of an enum, and every const, is the value.",
    "limit": "Every limit is met at its edge, and every pattern, format and the like is held.",
    "violation": "Every limit, pattern, format, enum of a request is broken, every required part left out.",
}

Side: TypeAlias = Literal["", "parameter", "request", "response"]
"""Where a schema is used: for a parameter, for the body of the request, for the answer; "" is none of them."""

NUMBERS = ("integer", "number")


class Limit(NamedTuple):
    """A keyword that restricts values of some types; one that bounds a measure has an edge."""

    types: Collection[str]
    measure: Callable[[Any], float] | None = None
    is_upper: bool = False
    idle: int | None = None
    """The bound that no value breaks."""

    def is_met(self, bound: Json, value: Json) -> bool:
        """Return whether a valid value lies on the edge, or holds a keyword without one."""
        measure = self.measure
        return type_of(value) in self.types and (measure(value) == bound if measure else True)

    def is_broken(self, keyword: str, bound: Json, value: Json) -> bool:
        """Return whether a value breaks the keyword."""
        if type_of(value) not in self.types:
            return False
        if self.measure is None:
            return not holds_keyword(keyword, bound, value)
        measure: float = self.measure(value)
        return bool(measure > bound if self.is_upper else measure < bound)


def _itself(value: float) -> float:
    return value


LIMITS: Mapping[str, Limit] = {
    "minLength": Limit(("string",), len, idle=0),
    "maxLength": Limit(("string",), len, is_upper=True),
    "minimum": Limit(NUMBERS, _itself),
    "maximum": Limit(NUMBERS, _itself, is_upper=True),
    "minItems": Limit(("array",), len, idle=0),
    "maxItems": Limit(("array",), len, is_upper=True),
    "minProperties": Limit(("object",), len, idle=0),
    "maxProperties": Limit(("object",), len, is_upper=True),
    "pattern": Limit(("string",)),
    "format": Limit(("string",)),
    "multipleOf": Limit(NUMBERS),
    "exclusiveMinimum": Limit(NUMBERS),
    "exclusiveMaximum": Limit(NUMBERS),
    "uniqueItems": Limit(("array",)),
}
"""The keywords that a value meets or breaks by itself."""


class Aspect(NamedTuple):
    """Something that a value can exercise of a schema: what it is, where below the schema, and that it never was."""

    kind: PlaceKind
    tail: tuple[str | int, ...]
    untouched: str
    is_touched: Callable[[Json], bool]
    """Whether a value touches it: a wrong value for a violation, else a right one."""


class NestedSchema(NamedTuple):
    """A schema that stands in another and is looked at: its place, the way there in the value, what opens it."""

    keyword: str
    name: str | int | None
    pointer: str
    """Its place; that of its target for a reference."""
    way: tuple[str | int, ...]
    gate: PlaceKind | None

    @property
    def is_joined(self) -> bool:
        """Whether it is of the same value."""
        return self.keyword in ("$ref", "allOf")


def verb(side: Side) -> str:
    """Return the words for what never happened."""
    return "never came" if side == "response" else "was never sent"


@lru_cache(maxsize=4_096)
def _fragment(written: str) -> Schema:
    return Schema(json.loads(written), "", "")


def holds_keyword(keyword: str, argument: Json, value: Json) -> bool:
    """Return whether a value holds one keyword by itself."""
    return _fragment(json.dumps({keyword: argument})).is_valid(value)


def counts(keyword: str, argument: Json) -> bool:
    """Return whether a keyword restricts anything; a format that no validator knows does not."""
    if keyword == "format":
        return not holds_keyword(keyword, argument, "\0[{ ")
    return argument is not False


def aspects(node: Mapping[str, Json], side: Side) -> Iterator[Aspect]:
    """List what a value can exercise of a schema itself; a parameter is a text, and never null."""
    yield from _values(node, side)
    limits = [(key, limit, node[key]) for key, limit in LIMITS.items() if key in node and counts(key, node[key])]
    for key, limit, bound in limits:
        how = "held" if limit.measure is None else "lay at the edge of"
        text = f"no value {how} {key} {format_value(bound)}"
        yield Aspect("limit", (key,), text, partial(limit.is_met, bound))
    if side == "response":
        return
    for key, limit, bound in limits:
        if bound != limit.idle:
            text = f"{key} {format_value(bound)} was never broken"
            yield Aspect("violation", (key,), text, partial(limit.is_broken, key, bound))
    if "enum" in node:
        text = "a value that is no member was never sent"
        yield Aspect("violation", ("enum",), text, lambda value: not any(is_same(each, value) for each in node["enum"]))
    for index, name in enumerate(node.get("required", ())):
        text = f"{name}, which is required, was never left out"
        yield Aspect("violation", ("required", index), text, partial(_lacks, name))
    if node.get("additionalProperties") is False:
        text = "a field that there is not was never sent"
        yield Aspect("violation", ("additionalProperties",), text, lambda value: bool(others(node, value)))


def _lacks(name: str, value: Json) -> bool:
    return isinstance(value, dict) and name not in value


def others(node: Mapping[str, Json], value: Json) -> list[str]:
    """List the fields of an object that a schema has no name for."""
    patterns, named = node.get("patternProperties", {}), node.get("properties", {})
    return [
        key
        for key in (value if isinstance(value, dict) else ())
        if key not in named and not any(holds_keyword("pattern", pattern, key) for pattern in patterns)
    ]


def _values(node: Mapping[str, Json], side: Side) -> Iterator[Aspect]:
    """List the types and the members that a schema names."""
    kinds = node.get("type")
    for index, name in enumerate(kinds if isinstance(kinds, list) else ()):
        if (side, name) != ("parameter", "null"):
            yield Aspect("type", ("type", index), f"a value of type {name} {verb(side)}", partial(is_type, name))
    members = [(("enum", index), member) for index, member in enumerate(node.get("enum", ()))]
    for tail, member in [*members, *([(("const",), node["const"])] if "const" in node else [])]:
        if side != "parameter" or member is not None:
            yield Aspect("member", tail, f"{format_value(member)} {verb(side)}", partial(is_same, member))


_GATES: Mapping[str, PlaceKind | None] = {
    **dict.fromkeys(("$ref", "allOf", "prefixItems", "items")),
    **dict.fromkeys(("oneOf", "anyOf", "then", "else"), "branch"),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties"), "field-present"),
}
"""The keywords whose schemas are looked at, and the kind of place that each opens."""


def steps(views: Views, pointer: str, side: Side) -> Iterator[NestedSchema]:
    """List the schemas that stand in a schema and are looked at."""
    node = lookup(views.document, pointer)
    if "$ref" in node:
        yield NestedSchema("$ref", None, pointed(node["$ref"]), (), None)
    for keyword, name, place, part in subschemas(node, pointer):
        is_idle = (part is True and name is None) or (part == {} and keyword == "additionalProperties")
        is_idle |= keyword in ("then", "else") and "if" not in node
        if keyword not in _GATES or part is False or is_idle:
            continue
        if keyword in UNIONS and side == "parameter" and is_null(views.of(place)):
            continue
        way: tuple[str | int, ...] = ("*",) if name is None else (name,)
        if _GATES[keyword] == "branch":
            way = (keyword,) if name is None else (keyword, name)
        yield NestedSchema(keyword, name, place, () if keyword == "allOf" else way, _GATES[keyword])


def name_of(node: Json, step: NestedSchema) -> str:
    """Name a branch of a union by its reference, its title, its type, or its number."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            return str(node["$ref"]).rpartition("/")[2]
        kind = node.get("title", node.get("type"))
        if isinstance(kind, str):
            return kind
    return step.keyword if step.name is None else f"branch {step.name}"


class Place(NamedTuple):
    """A place of a contract's document, for one operation and one use of it."""

    contract: str
    operation: str
    side: Side
    kind: PlaceKind
    pointer: str


class PlaceInfo(NamedTuple):
    """What is known of a place beside where it is."""

    where: str
    """The shortest way to it in a call: /request/body/name."""
    untouched: str
    """A sentence that says that it was never touched."""
    origin: str
    """Where it is described, references followed: several operations may share it."""
    parents: tuple[Place, ...]
    """What must be exercised before it can be: the operation, the status, the field, the branch that it lies in."""


@lru_cache(maxsize=16)
def views_of(contract: Contract) -> Views:
    """Return the resolved schemas of a contract."""
    return Views(contract.document)


@lru_cache(maxsize=256)
def places_of(contract: Contract, operation: Operation) -> Mapping[Place, PlaceInfo]:
    """Return all places of an operation."""
    walk = _Walk(contract, operation)
    walk.operation()
    return walk.found


class _Walk:
    """Goes through the document of one operation."""

    def __init__(self, contract: Contract, operation: Operation) -> None:
        self._document, self._contract, self._it = contract.document, contract.name, operation
        self._views = views_of(contract)
        self.found: dict[Place, PlaceInfo] = {}
        self._seen: set[tuple[Side, str, Place, frozenset[str]]] = set()

    def add(
        self,
        side: Side,
        kind: PlaceKind,
        pointer: str,
        where: str,
        untouched: str,
        parent: Place | None,
        origin: str = "",
    ) -> Place:
        """Keep a place; one that is reached by another way has one more parent."""
        place = Place(self._contract, self._it.id, side, kind, pointer)
        known = self.found.get(place)
        if known is None:
            self.found[place] = PlaceInfo(where, untouched, origin or pointer, () if parent is None else (parent,))
        elif parent is not None and parent not in known.parents:
            self.found[place] = known._replace(parents=(*known.parents, parent))
        return place

    def operation(self) -> None:
        """Go through the operation: its parameters, its body, its answers."""
        it = self._it
        root = self.add("", "operation", it.pointer, "", f"{it.method} {it.path} was never called", None)
        for each in declared_parameters(it):
            self.parameter(each, root)
        if pointer := body_pointer(self._document, it):
            self.body(pointer, root)
        for status in lookup(self._document, it.pointer).get("responses") or ():
            if not str(status).startswith("x-"):
                self.reply(str(status), root)

    def parameter(self, parameter: Parameter, parent: Place) -> None:
        """Go through a parameter; what a cookie says is kept in no journal."""
        pointer, node = parameter.pointer, lookup(self._document, parameter.pointer)
        name, where = node["name"], join("/request", node["in"], node["name"])
        called = f"the {node['in']} parameter {name}"
        sent = self.add("parameter", "parameter-sent", pointer, where, f"{called} was never sent", parent)
        if not node.get("required", False):
            self.add("parameter", "parameter-left-out", pointer, where, f"{called} was never left out", parent)
        elif node["in"] != "path":
            sentence, place = f"{called}, which is required, was never left out", join(pointer, "required")
            self.add("parameter", "violation", place, join(where, "required"), sentence, parent)
        if place := schema_pointer(self._document, parameter):
            self.schema("parameter", place, where, sent)

    def body(self, pointer: str, parent: Place) -> None:
        """Go through the body of the request."""
        node = lookup(self._document, pointer)
        where = "/request/body"
        sent = self.add("request", "field-present", pointer, where, "a body was never sent", parent)
        if node.get("required", False):
            sentence, place = "the body, which is required, was never left out", join(pointer, "required")
            self.add("request", "violation", place, join(where, "required"), sentence, parent)
        else:
            self.add("request", "field-absent", pointer, where, "the body was never left out", parent)
        for kind in node["content"]:
            at = join(pointer, "content", kind)
            sentence = f"a body was never sent as {kind}"
            media = self.add("request", "media-type", at, join(where, "content", kind), sentence, sent)
            place, found = resolve(self._document, at)
            if "schema" in found:
                self.schema("request", join(place, "schema"), where, media)

    def reply(self, status: str, parent: Place) -> None:
        """Go through what is declared of a status."""
        own = join(self._it.pointer, "responses", status)
        pointer, node = resolve(self._document, own)
        where, sentence = join("/response", status), f"{status} was never answered"
        answered = self.add("response", "status", own, where, sentence, parent, pointer)
        for kind in node.get("content") or {}:
            at = join(pointer, "content", kind)
            sentence = f"{status} never came as {kind}"
            media = self.add("response", "media-type", at, join(where, "content", kind), sentence, answered)
            place, found = resolve(self._document, at)
            key = media_schema(kind)
            if key in found:
                events = ("*",) if kind == EVENT_STREAM else ()
                self.schema("response", join(place, key), join(where, "body", *events), media)

    def schema(self, side: Side, pointer: str, where: str, parent: Place) -> None:
        """Go through a schema and all below it, the nearest first, so that each place is described by its shortest way.

        One that refers to itself comes to an end, since each way into it is gone once.
        """
        first = frozenset(required(self._views.of(pointer)))
        ahead = deque([_Way(side, pointer, where, parent, first)])
        while ahead:
            way = ahead.popleft()
            key = (way.side, way.pointer, way.parent, way.needed)
            node = lookup(self._document, way.pointer)
            if isinstance(node, dict) and key not in self._seen:
                self._seen.add(key)
                ahead.extend(self._gone(way, node))

    def _gone(self, way: "_Way", node: Json) -> Iterator["_Way"]:
        """Keep what there is at the end of a way; yield the ways that go on from there."""
        side, pointer, where, parent, needed = way
        for kind, tail, untouched, _ in aspects(node, side):
            self.add(side, kind, join(pointer, *tail), join(where, *tail), untouched, parent)
        for step in steps(self._views, pointer, side):
            there, gate = join(where, *step.way), parent
            if step.gate is not None:
                gate = self.add(side, step.gate, step.pointer, there, f"{self._called(step)} {verb(side)}", parent)
            if step.keyword == "properties" and step.name not in needed:
                never = "was never absent" if side == "response" else "was never left out"
                self.add(side, "field-absent", step.pointer, there, f"{step.name} {never}", parent)
            yield _Way(side, step.pointer, there, gate, needed if step.is_joined else self._needed(node, step))

    def _needed(self, node: Json, step: NestedSchema) -> frozenset[str]:
        """Return the fields that a part of a schema requires; for the branches of a union, their tag too."""
        found = set(required(self._views.of(step.pointer)))
        if step.gate == "branch" and "propertyName" in node.get("discriminator", {}):
            found.add(node["discriminator"]["propertyName"])
        return frozenset(found)

    def _called(self, step: NestedSchema) -> str:
        if step.keyword in ("properties", "patternProperties"):
            return str(step.name)
        if step.keyword == "additionalProperties":
            return "a field of another name"
        return name_of(lookup(self._document, step.pointer), step)


class _Way(NamedTuple):
    """A way to a schema: its place, what it lies below, and the fields that its value cannot leave out."""

    side: Side
    pointer: str
    where: str
    parent: Place
    needed: frozenset[str]


def media_schema(kind: str) -> str:
    """Return the key of what the values of a media type satisfy: of a stream, each of its events."""
    return "x-item-schema" if kind == EVENT_STREAM else "schema"


def declared_parameters(operation: Operation) -> list[Parameter]:
    """Return the parameters of an operation that a document declares; never cookies, which no journal keeps."""
    try:
        return [each for each in operation.parameters if each.pointer and each.location != "cookie"]
    except ContractError:  # what cannot be served has no parts
        return []


def body_pointer(document: Json, operation: Operation) -> str:
    """Return the place of the body that an operation takes, references followed; "" if there is none."""
    try:
        return "" if operation.body is None else resolve(document, join(operation.pointer, "requestBody"))[0]
    except ContractError:
        return ""


def schema_pointer(document: Json, parameter: Parameter) -> str:
    """Return the place of the schema of a parameter, which may stand below a media type; "" if there is none."""
    node = lookup(document, parameter.pointer)
    if "schema" in node:
        return join(parameter.pointer, "schema")
    for kind in node.get("content") or ():
        pointer, media = resolve(document, join(parameter.pointer, "content", kind))
        return join(pointer, "schema") if "schema" in media else ""
    return ""
