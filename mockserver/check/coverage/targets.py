"""All places of an operation that can be exercised, each with the way to it and with what it lies below."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from mockserver.check.report.model import format_value
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation, is_json
from mockserver.contract.schema import Schema, join, lookup, resolve
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

Types: TypeAlias = tuple[type, ...]

NUMBERS: Types = (int, float)


class Limit(NamedTuple):
    """A keyword that bounds a measure of values of some types."""

    types: Types
    measure: Callable[[Any], float]
    is_upper: bool


def _itself(value: float) -> float:
    return value


LIMITS: Mapping[str, Limit] = {
    "minLength": Limit((str,), len, is_upper=False),
    "maxLength": Limit((str,), len, is_upper=True),
    "minimum": Limit(NUMBERS, _itself, is_upper=False),
    "maximum": Limit(NUMBERS, _itself, is_upper=True),
    "minItems": Limit((list,), len, is_upper=False),
    "maxItems": Limit((list,), len, is_upper=True),
    "minProperties": Limit((dict,), len, is_upper=False),
    "maxProperties": Limit((dict,), len, is_upper=True),
}
"""The keywords that have an edge: a value lies on it, or beyond it."""

HELD: Mapping[str, Types] = {
    "pattern": (str,),
    "format": (str,),
    "multipleOf": NUMBERS,
    "exclusiveMinimum": NUMBERS,
    "exclusiveMaximum": NUMBERS,
    "uniqueItems": (list,),
}
"""The keywords that have none: a value holds them, or not."""


class Aspect(NamedTuple):
    """Something that a value can exercise of a schema: what it is, where below the schema, and that it never was."""

    kind: PlaceKind
    tail: tuple[str | int, ...]
    untouched: str


class SubSchema(NamedTuple):
    """A schema that stands in another: where below it, the way there in the value, and what opens it, if anything.

    One that is joined (by $ref, by allOf) is of the same value.
    """

    tail: tuple[str | int, ...]
    way: tuple[str | int, ...]
    gate: PlaceKind | None = None
    is_joined: bool = False


def verb(side: Side) -> str:
    """Say what never became of something."""
    return "never came" if side == "response" else "was never sent"


def is_of(value: Json, types: Types) -> bool:
    """Say whether a value is of these types of Python's; a truth is no number."""
    return isinstance(value, types) and not (isinstance(value, bool) and bool not in types)


@lru_cache(maxsize=4_096)
def _fragment(written: str) -> Schema:
    return Schema(json.loads(written), "", "")


def holds_keyword(keyword: str, argument: Json, value: Json) -> bool:
    """Say whether a value holds one keyword by itself."""
    return _fragment(json.dumps({keyword: argument})).is_valid(value)


def counts(keyword: str, argument: Json) -> bool:
    """Say whether a keyword asks for anything; a format that no validator knows does not."""
    if keyword == "format":
        return not holds_keyword(keyword, argument, "\0[{ ")
    return argument is not False


def aspects(node: Mapping[str, Json], side: Side) -> Iterator[Aspect]:
    """Give what a value can exercise of a schema itself; a parameter is a text, and never null."""
    yield from _values(node, side)
    for keyword in LIMITS:
        if keyword in node:
            yield Aspect("limit", (keyword,), f"no value lay at the edge of {keyword} {format_value(node[keyword])}")
    for keyword in HELD:
        if keyword in node and counts(keyword, node[keyword]):
            yield Aspect("limit", (keyword,), f"no value held {keyword} {format_value(node[keyword])}")
    if side != "response":
        yield from violations(node)


def _values(node: Mapping[str, Json], side: Side) -> Iterator[Aspect]:
    """Give the types and the members that a schema names."""
    kinds = node.get("type")
    for index, name in enumerate(kinds if isinstance(kinds, list) else ()):
        if (side, name) != ("parameter", "null"):
            yield Aspect("type", ("type", index), f"a value of type {name} {verb(side)}")
    for index, member in enumerate(node.get("enum", ())):
        if side != "parameter" or member is not None:
            yield Aspect("member", ("enum", index), f"{format_value(member)} {verb(side)}")
    if "const" in node and (side != "parameter" or node["const"] is not None):
        yield Aspect("member", ("const",), f"{format_value(node['const'])} {verb(side)}")


def violations(node: Mapping[str, Json]) -> Iterator[Aspect]:
    """Give what a wrong value can break of a schema itself."""
    for keyword, limit in LIMITS.items():
        if keyword in node and (limit.is_upper or limit.types == NUMBERS or node[keyword] > 0):
            yield Aspect("violation", (keyword,), f"{keyword} {format_value(node[keyword])} was never broken")
    for keyword in HELD:
        if keyword in node and counts(keyword, node[keyword]):
            yield Aspect("violation", (keyword,), f"{keyword} {format_value(node[keyword])} was never broken")
    if "enum" in node:
        yield Aspect("violation", ("enum",), "a value that is no member was never sent")
    for index, name in enumerate(node.get("required", ())):
        yield Aspect("violation", ("required", index), f"{name}, which is required, was never left out")
    if node.get("additionalProperties") is False:
        yield Aspect("violation", ("additionalProperties",), "a field that there is not was never sent")


def steps(document: Json, node: Mapping[str, Json], side: Side) -> Iterator[SubSchema]:
    """Give the schemas that stand in a schema and are looked at."""
    if "$ref" in node:
        yield SubSchema(("$ref",), (), is_joined=True)
    for index in range(len(node.get("allOf", ()))):
        yield SubSchema(("allOf", index), (), is_joined=True)
    yield from _branches(document, node, side)
    yield from _parts(node)


def _branches(document: Json, node: Mapping[str, Json], side: Side) -> Iterator[SubSchema]:
    """Give the schemas of which a value holds some."""
    for union in ("oneOf", "anyOf"):
        for index, branch in enumerate(node.get(union, ())):
            if branch is not False and not (side == "parameter" and is_null(document, branch)):
                yield SubSchema((union, index), (union, index), "branch")
    for name in ("then", "else"):
        if "if" in node and node.get(name, False) is not False:
            yield SubSchema((name,), (name,), "branch")


def _parts(node: Mapping[str, Json]) -> Iterator[SubSchema]:
    """Give the schemas of the parts of a value."""
    for keyword in ("properties", "patternProperties"):
        for name, part in node.get(keyword, {}).items():
            if part is not False:
                yield SubSchema((keyword, name), (name,), "field-present")
    if node.get("additionalProperties") and isinstance(node["additionalProperties"], dict):
        yield SubSchema(("additionalProperties",), ("*",), "field-present")
    for index in range(len(node.get("prefixItems", ()))):
        yield SubSchema(("prefixItems", index), (index,))
    if isinstance(node.get("items"), dict):
        yield SubSchema(("items",), ("*",))


def is_null(document: Json, node: Json) -> bool:
    """Say whether a schema is for null alone."""
    seen = 0
    while isinstance(node, dict) and "$ref" in node and seen < 100:
        node, seen = lookup(document, node["$ref"][1:]), seen + 1
    return isinstance(node, dict) and (node.get("type") == "null" or node.get("const", ...) is None)


def name_of(node: Json, tail: tuple[str | int, ...]) -> str:
    """Name a branch of a union: by what it refers to, its title, its type, or its number."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            return str(node["$ref"]).rpartition("/")[2]
        kind = node.get("title", node.get("type"))
        if isinstance(kind, str):
            return kind
    return f"branch {tail[-1]}" if isinstance(tail[-1], int) else str(tail[-1])


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


@lru_cache(maxsize=256)
def places_of(contract: Contract, operation: Operation) -> Mapping[Place, PlaceInfo]:
    """Give all places of an operation."""
    walk = _Walk(contract, operation)
    walk.operation()
    return walk.found


class _Walk:
    """Goes through the document of one operation."""

    def __init__(self, contract: Contract, operation: Operation) -> None:
        self._document, self._contract, self._it = contract.document, contract.name, operation
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
        for pointer in parameter_pointers(self._document, it):
            self.parameter(pointer, root)
        if it.body is not None:
            self.body(root)
        for status in lookup(self._document, it.pointer)["responses"]:
            self.reply(str(status), root)

    def parameter(self, pointer: str, parent: Place) -> None:
        """Go through a parameter; what a cookie says is kept in no journal."""
        node = lookup(self._document, pointer)
        name, where = node["name"], join("/request", node["in"], node["name"])
        called = f"the {node['in']} parameter {name}"
        sent = self.add("parameter", "parameter-sent", pointer, where, f"{called} was never sent", parent)
        if not node.get("required", False):
            self.add("parameter", "parameter-left-out", pointer, where, f"{called} was never left out", parent)
        elif node["in"] != "path":
            sentence, place = f"{called}, which is required, was never left out", join(pointer, "required")
            self.add("parameter", "violation", place, join(where, "required"), sentence, parent)
        self.schema("parameter", join(pointer, "schema"), where, sent)

    def body(self, parent: Place) -> None:
        """Go through the body of the request."""
        pointer, node = resolve(self._document, join(self._it.pointer, "requestBody"))
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
            if is_json(kind):
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
        """Go through a schema and all below it, the nearest first, so that each place is sentence by its shortest way.

        One that refers to itself comes to an end, since each way into it is gone once.
        """
        first = frozenset(required_by(self._document, lookup(self._document, pointer)))
        ahead = deque([_Way(side, pointer, where, parent, first)])
        while ahead:
            way = ahead.popleft()
            key = (way.side, way.pointer, way.parent, way.needed)
            node = lookup(self._document, way.pointer)
            if isinstance(node, dict) and key not in self._seen:
                self._seen.add(key)
                ahead.extend(self._gone(way, node))

    def _gone(self, way: "_Way", node: Json) -> Iterator["_Way"]:
        """Keep what there is at the end of a way; give the ways that go on from there."""
        side, pointer, where, parent, needed = way
        for kind, tail, untouched in aspects(node, side):
            self.add(side, kind, join(pointer, *tail), join(where, *tail), untouched, parent)
        for step in steps(self._document, node, side):
            place, there = below(node, pointer, step.tail), join(where, *step.way)
            gate = parent
            if step.gate is not None:
                sentence = f"{self._called(place, step.tail)} {verb(side)}"
                gate = self.add(side, step.gate, join(pointer, *step.tail), there, sentence, parent)
            if step.tail[0] == "properties" and step.tail[1] not in needed:
                never = "was never absent" if side == "response" else "was never left out"
                self.add(side, "field-absent", place, there, f"{step.tail[1]} {never}", parent)
            yield _Way(side, place, there, gate, needed if step.is_joined else self._needed(node, place, step))

    def _needed(self, node: Json, pointer: str, step: SubSchema) -> frozenset[str]:
        """Give the fields that a part of a schema requires; the branches of a union, too, what tells them apart."""
        found = set(required_by(self._document, lookup(self._document, pointer)))
        if step.gate == "branch" and "propertyName" in node.get("discriminator", {}):
            found.add(node["discriminator"]["propertyName"])
        return frozenset(found)

    def _called(self, pointer: str, tail: tuple[str | int, ...]) -> str:
        if tail[0] in ("properties", "patternProperties"):
            return str(tail[1])
        if tail == ("additionalProperties",):
            return "a field of another name"
        return name_of(lookup(self._document, pointer), tail)


class _Way(NamedTuple):
    """A way to a schema: its place, what it lies below, and the fields that its value cannot leave out."""

    side: Side
    pointer: str
    where: str
    parent: Place
    needed: frozenset[str]


def below(node: Json, pointer: str, tail: tuple[str | int, ...]) -> str:
    """Give the pointer of a schema that stands in another, a reference followed."""
    return str(node["$ref"])[1:] if tail == ("$ref",) else join(pointer, *tail)


def media_schema(kind: str) -> str:
    """Give the key of what the values of a media type satisfy: of a stream, each of its events."""
    return "x-item-schema" if kind == EVENT_STREAM else "schema"


def required_by(document: Json, node: Json, depth: int = 0) -> Iterator[str]:
    """Give the fields that a schema requires, with those that it is joined with by $ref and allOf."""
    if not isinstance(node, dict) or depth > 100:
        return
    yield from node.get("required", ())
    for each in node.get("allOf", ()):
        yield from required_by(document, each, depth + 1)
    if "$ref" in node:
        yield from required_by(document, lookup(document, node["$ref"][1:]), depth + 1)


def parameter_pointers(document: Json, operation: Operation) -> list[str]:
    """Give the places of an operation's parameters, references followed; cookies, which are never remembered, not."""
    path = operation.pointer.rpartition("/")[0]
    found: dict[tuple[str, str], str] = {}
    for owner in (path, operation.pointer):
        for index in range(len(lookup(document, owner).get("parameters", ()))):
            pointer, node = resolve(document, join(owner, "parameters", index))
            if node["in"] != "cookie":
                name = node["name"].lower() if node["in"] == "header" else node["name"]
                found[node["in"], name] = pointer
    return list(found.values())
