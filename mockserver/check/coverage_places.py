"""The places of one schema: what a value can exercise of it, and where the schemas of its parts stand."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from mockserver.exchange import Json
from mockserver.schema import Schema, lookup

Kind: TypeAlias = Literal[
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

    kind: Kind
    tail: tuple[str | int, ...]
    untouched: str


class Step(NamedTuple):
    """A schema that stands in another: where below it, the way there in the value, and what opens it, if anything.

    One that is joined (by $ref, by allOf) is of the same value.
    """

    tail: tuple[str | int, ...]
    way: tuple[str | int, ...]
    gate: Kind | None = None
    is_joined: bool = False


def told(value: Json) -> str:
    """Write a value in a sentence."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


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
            yield Aspect("limit", (keyword,), f"no value lay at the edge of {keyword} {told(node[keyword])}")
    for keyword in HELD:
        if keyword in node and counts(keyword, node[keyword]):
            yield Aspect("limit", (keyword,), f"no value held {keyword} {told(node[keyword])}")
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
            yield Aspect("member", ("enum", index), f"{told(member)} {verb(side)}")
    if "const" in node and (side != "parameter" or node["const"] is not None):
        yield Aspect("member", ("const",), f"{told(node['const'])} {verb(side)}")


def violations(node: Mapping[str, Json]) -> Iterator[Aspect]:
    """Give what a wrong value can break of a schema itself."""
    for keyword, limit in LIMITS.items():
        if keyword in node and (limit.is_upper or limit.types == NUMBERS or node[keyword] > 0):
            yield Aspect("violation", (keyword,), f"{keyword} {told(node[keyword])} was never broken")
    for keyword in HELD:
        if keyword in node and counts(keyword, node[keyword]):
            yield Aspect("violation", (keyword,), f"{keyword} {told(node[keyword])} was never broken")
    if "enum" in node:
        yield Aspect("violation", ("enum",), "a value that is no member was never sent")
    for index, name in enumerate(node.get("required", ())):
        yield Aspect("violation", ("required", index), f"{name}, which is required, was never left out")
    if node.get("additionalProperties") is False:
        yield Aspect("violation", ("additionalProperties",), "a field that there is not was never sent")


def steps(document: Json, node: Mapping[str, Json], side: Side) -> Iterator[Step]:
    """Give the schemas that stand in a schema and are looked at."""
    if "$ref" in node:
        yield Step(("$ref",), (), is_joined=True)
    for index in range(len(node.get("allOf", ()))):
        yield Step(("allOf", index), (), is_joined=True)
    yield from _branches(document, node, side)
    yield from _parts(node)


def _branches(document: Json, node: Mapping[str, Json], side: Side) -> Iterator[Step]:
    """Give the schemas of which a value holds some."""
    for union in ("oneOf", "anyOf"):
        for index, branch in enumerate(node.get(union, ())):
            if branch is not False and not (side == "parameter" and is_null(document, branch)):
                yield Step((union, index), (union, index), "branch")
    for name in ("then", "else"):
        if "if" in node and node.get(name, False) is not False:
            yield Step((name,), (name,), "branch")


def _parts(node: Mapping[str, Json]) -> Iterator[Step]:
    """Give the schemas of the parts of a value."""
    for keyword in ("properties", "patternProperties"):
        for name, part in node.get(keyword, {}).items():
            if part is not False:
                yield Step((keyword, name), (name,), "field-present")
    if node.get("additionalProperties") and isinstance(node["additionalProperties"], dict):
        yield Step(("additionalProperties",), ("*",), "field-present")
    for index in range(len(node.get("prefixItems", ()))):
        yield Step(("prefixItems", index), (index,))
    if isinstance(node.get("items"), dict):
        yield Step(("items",), ("*",))


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
