"""Values at the edges of a schema: bare, full, null, empty, long, odd; every edge of every field stands in one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from mockserver.answer.generate import generate
from mockserver.contract.schema import Schema, join, resolve
from mockserver.messages import Json

ABSENT: Any = object()
"""Stands for a field that is left out."""

DEEPEST = 6
"""How deep the fields of a value are varied."""

MANY = 100
"""How many items a long list has."""

LONG = 2_000
"""How many characters a long text has."""

_FEW = 2
"""Below this depth no list is long."""

TEXTS = (
    "What were the main findings in Q3?",
    "",
    " \t\n",
    "null",
    "12",
    "2026-04-22T12:34:41.342245",
    'quote " backslash \\ slash / nul \x00 delete \x7f',
    "e\u0301 \u2028 \u2029 \x85 \ufeff",
    "Größe 会议 🦙 👩\u200d👩\u200d👧 עברית",
)
"""Texts that readers have stumbled over."""

INTEGERS = (7, 0, -1, 2**31, 2**53 + 1, 10**20, 7.0)
NUMBERS = (812.4, 0, -1.5, 3, 1e300, 5e-324, 0.1)

ANYTHING: Sequence[Json] = (
    {"text": "Sales grew by 4 %.", "score": 0.82},
    None,
    True,
    0,
    -1.5,
    "",
    [],
    {},
    [[None, {"deep": [{"er": None}]}], "x"],
    {"": None, "type": "stop", "größe": {"model": 1}},
)
"""Values of a place of which nothing is said."""

EXTRA: Mapping[str, Json] = {"x_later_field": {"added": ["later", None]}, "laterField": 1}
"""Fields that no contract knows."""


class Edge(NamedTuple):
    """A value, and what is special about it."""

    name: str
    value: Json


class _Style(NamedTuple):
    """How a whole value is made."""

    optional: bool = True
    null: bool = False
    text: str = ""
    """What every text says; "" for the name of its place, so that no two are alike."""
    items: int = 2
    extra: bool = False


_STYLES: Mapping[str, _Style] = {
    "bare": _Style(optional=False),
    "full": _Style(),
    "nulls": _Style(null=True),
    "empty lists": _Style(items=0),
    "long lists": _Style(items=MANY),
    "long texts": _Style(text="lorem " * (LONG // 6)),
    "extra fields": _Style(extra=True),
}


@lru_cache(maxsize=256)
def edges(schema: Schema, drawn: int = 0, seed: int = 0) -> Sequence[Edge]:
    """Give values of a schema, all of them valid: in each style, then every edge of every field, then drawn ones."""
    document, pointer = schema.document, schema.pointer
    made = [Edge(name, whole(document, pointer, style)) for name, style in _STYLES.items()]
    made += [Edge(f"edges {number}", value) for number, value in enumerate(choices(document, pointer), 1)]
    made += [Edge(f"drawn {number}", generate(schema, Random(seed + number))) for number in range(1, drawn + 1)]
    kept: list[Edge] = []
    for each in made:
        known = any(type(each.value) is type(other.value) and each.value == other.value for other in kept)
        if not known and schema.is_valid(each.value):
            kept.append(each)
    return kept


@lru_cache(maxsize=256)
def full(schema: Schema) -> Json:
    """Give a usual value with everything in it."""
    return whole(schema.document, schema.pointer, _STYLES["full"])


def branches(document: Json, pointer: str) -> list[str]:
    """Give the places of the schemas that a value may satisfy, references followed and unions taken apart."""
    pointer, node = resolve(document, pointer)
    if isinstance(node, dict):
        for union in ("oneOf", "anyOf"):
            if union in node:
                parts = range(len(node[union]))
                return [place for index in parts for place in branches(document, join(pointer, union, index))]
    return [pointer]


def whole(document: Json, pointer: str, style: _Style, name: str = "", depth: int = 0) -> Json:
    """Make a value in a style; `name` tells its place."""
    places = branches(document, pointer)
    nodes = [resolve(document, place)[1] for place in places]
    null = [index for index, node in enumerate(nodes) if "null" in _kinds(node)]
    if null and (style.null or depth > DEEPEST):
        return None
    at = next((index for index in range(len(nodes)) if _kinds(nodes[index]) != ["null"]), 0)
    pointer, node = places[at], nodes[at]
    if not isinstance(node, dict):
        return ANYTHING[0]
    if "const" in node or "enum" in node:
        return node.get("const", (node.get("enum") or [None])[0])
    match _kinds(node)[0]:
        case "object":
            return _object(document, pointer, style, name, depth)
        case "array":
            return _array(document, pointer, style, name, depth)
        case "string":
            return _text(node, style.text or name)
        case "any":
            return ANYTHING[0]
        case kind:
            return _number(document, pointer, kind, name)


def _number(document: Json, pointer: str, kind: str, name: str) -> Json:
    """Make a number or a truth out of the name of its place, so that no two are alike, as far as that is allowed."""
    drawn = crc32(name.encode())
    made = drawn % 2 == 1 if kind == "boolean" else drawn % 9_000 + (0.5 if kind == "number" else 0)
    return made if Schema(document, pointer, "").is_valid(made) else alternatives(document, pointer)[0]


def _object(document: Json, pointer: str, style: _Style, name: str, depth: int) -> Json:
    _, node = resolve(document, pointer)
    made = {}
    for key, below in node.get("properties", {}).items():
        if _is_tag(below) or key in node.get("required", ()) or (style.optional and depth <= DEEPEST):
            own = f"{name}.{key}" if name else key
            made[key] = whole(document, join(pointer, "properties", key), style, own, depth + 1)
    closed = node.get("additionalProperties") is False
    return {**made, **EXTRA} if style.extra and not closed else made


def _is_tag(node: Json) -> bool:
    """Say whether a field has one value only, by which its object is told from others."""
    return isinstance(node, dict) and "const" in node


def _array(document: Json, pointer: str, style: _Style, name: str, depth: int) -> list[Json]:
    """Make a list; where its items are a union, it has every member in turn."""
    _, node = resolve(document, pointer)
    low, high = node.get("minItems", 0), node.get("maxItems", MANY)
    places = branches(document, join(pointer, "items")) if "items" in node else []
    many = style.items if depth <= _FEW else min(style.items, 2)
    wanted = many if many in (0, MANY) else max(many, len(places))
    size = min(max(wanted, low), high)
    if not places or depth > DEEPEST:
        return [ANYTHING[0]] * (low if depth > DEEPEST else size)
    return [whole(document, places[i % len(places)], style, f"{name}{i}", depth + 1) for i in range(size)]


def _text(node: Json, text: str) -> str:
    if "format" in node or "pattern" in node:
        return str(_formatted(node)[0])
    low, high = node.get("minLength", 0), node.get("maxLength", len(text))
    return text[:high].ljust(low, "x")


def _formatted(node: Json) -> list[str]:
    """Give texts of a format that is known, else the schema's own examples."""
    known = {
        "uuid": ["182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", "00000000-0000-0000-0000-000000000000"],
        "date-time": ["2026-04-22T12:34:41Z", "2026-04-22T12:34:41.342245+02:00"],
        "date": ["2026-04-22"],
        "email": ["a@example.org"],
        "uri": ["https://example.org/"],
    }
    said = [*node.get("examples", ()), *(node[key] for key in ("example", "default") if key in node)]
    return known.get(node.get("format", ""), []) or [str(each) for each in said] or [TEXTS[0]]


def _kinds(node: Json) -> list[str]:
    """Name the types that a schema allows; "any" where it says nothing of them."""
    if not isinstance(node, dict):
        return ["any"]
    kinds = node.get("type", "object" if "properties" in node else "any")
    return [kinds] if isinstance(kinds, str) else list(kinds)


def alternatives(document: Json, pointer: str, depth: int = 0) -> list[Json]:
    """Give the edges of a place, each of them valid there."""
    found: list[Json] = []
    for place in branches(document, pointer):
        _, node = resolve(document, place)
        if isinstance(node, dict) and ("const" in node or "enum" in node):
            found += node.get("enum", [node.get("const")])
            continue
        for kind in _kinds(node):
            found += _of_kind(document, place, node, kind, depth)
    schema = Schema(document, pointer, "")
    return [value for value in found if schema.is_valid(value)]


def _of_kind(document: Json, pointer: str, node: Json, kind: str, depth: int) -> Sequence[Json]:
    if kind == "string":
        return _texts(node)
    if kind == "array":
        return _lists(document, pointer, node, depth)
    if kind == "object":
        if depth > DEEPEST:
            return []
        more = [] if node.get("properties") else [each for each in ANYTHING if isinstance(each, dict)]
        return [*choices(document, pointer, depth + 1), *more]
    simple = {"null": (None,), "boolean": (False, True), "integer": INTEGERS, "number": NUMBERS, "any": ANYTHING}
    return simple.get(kind, ())


def _texts(node: Json) -> list[str]:
    if "format" in node or "pattern" in node:
        return _formatted(node)
    high = node.get("maxLength")
    return [*TEXTS, "x" * LONG] if high is None else [*TEXTS, "x" * high, "🦙" * high]


def _lists(document: Json, pointer: str, node: Json, depth: int) -> list[Json]:
    """Give an empty list, one with every edge of its items, as far as there is room, and the longest."""
    low, high = node.get("minItems", 0), node.get("maxItems")
    if "items" not in node or depth > DEEPEST:
        return [[], list(ANYTHING)]
    items = alternatives(document, join(pointer, "items"), depth + 1)
    made = [items[:high], items[:1] * max(low, 1), []]
    return made if high is None else [*made, [items[index % len(items)] for index in range(high)]]


def choices(document: Json, pointer: str, depth: int = 0) -> list[Json]:
    """Give values in which every edge of every field stands at least once, as few as that takes."""
    found: list[Json] = []
    for place in branches(document, pointer):
        _, node = resolve(document, place)
        if "object" in _kinds(node) and node.get("properties"):
            rows = packed(fields(document, place, depth))
            tags = [key for key, below in node["properties"].items() if _is_tag(below)]
            found += [*rows, *({k: v for k, v in row.items() if k not in tags} for row in rows[:1] if tags)]
        else:
            found += alternatives(document, place, depth + 1)
    return found


def fields(document: Json, pointer: str, depth: int = 0) -> dict[str, list[Json]]:
    """Give the edges of each field of an object, its absence among them, but for those that tell its kind."""
    _, node = resolve(document, pointer)
    made = {}
    for key in node["properties"]:
        there = alternatives(document, join(pointer, "properties", key), depth + 1)
        made[key] = there if key in node.get("required", ()) or _is_tag(node["properties"][key]) else [*there, ABSENT]
    return {key: values for key, values in made.items() if values}


def packed(edges_of: Mapping[str, Sequence[Json]]) -> list[dict[str, Json]]:
    """Put the edges of several fields together: the first of each, the second of each, and so on.

    A field that has run out begins anew.
    """
    size = max(map(len, edges_of.values()), default=0)
    rows = [{key: values[row % len(values)] for key, values in edges_of.items()} for row in range(size)]
    return [{key: value for key, value in row.items() if value is not ABSENT} for row in rows]
