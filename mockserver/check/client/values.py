"""Values at the edges of a schema: bare, full, null, empty, long, odd; every edge of every field stands in one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from mockserver.answer.generate import generate
from mockserver.contract.resolved import View, Views, first, keywords, kinds, required, said, values, view_of
from mockserver.contract.schema import Schema
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
    """List values of a schema, all of them valid: in each style, then every edge of every field, then drawn ones."""
    views, view = view_of(schema)
    made = [Edge(name, whole(views, view, style)) for name, style in _STYLES.items()]
    made += [Edge(f"edges {number}", value) for number, value in enumerate(choices(views, view), 1)]
    made += [Edge(f"drawn {number}", generate(schema, Random(seed + number))) for number in range(1, drawn + 1)]
    kept: list[Edge] = []
    for each in made:
        known = any(type(each.value) is type(other.value) and each.value == other.value for other in kept)
        if not known and schema.is_valid(each.value):
            kept.append(each)
    return kept


@lru_cache(maxsize=256)
def full(schema: Schema) -> Json:
    """Return a usual value with everything in it."""
    return whole(*view_of(schema), _STYLES["full"])


def whole(views: Views, view: View, style: _Style, name: str = "", depth: int = 0) -> Json:
    """Make a value in a style; `name` tells its place."""
    if view.null and kinds(view) != ["any"] and (style.null or depth > DEEPEST):
        return None
    leaf = next(iter(views.leaves(view)))
    listed = values(leaf)
    if listed is not None:
        return next(iter(listed.values()), None)
    match kinds(leaf):
        case []:
            return None
        case ["object", *_]:
            return _object(views, leaf, style, name, depth)
        case ["array", *_]:
            return _array(views, leaf, style, name, depth)
        case ["string", *_]:
            return _text(leaf, style.text or name)
        case ["any"]:
            return ANYTHING[0]
        case [kind, *_]:
            return _number(views, leaf, kind, name)


def _number(views: Views, view: View, kind: str, name: str) -> Json:
    """Make a number or a truth out of the name of its place, so that no two are alike, as far as that is allowed."""
    drawn = crc32(name.encode())
    made = drawn % 2 == 1 if kind == "boolean" else drawn % 9_000 + (0.5 if kind == "number" else 0)
    return made if Schema(views.document, view.pointer, "").is_valid(made) else alternatives(views, view)[0]


def _object(views: Views, view: View, style: _Style, name: str, depth: int) -> Json:
    must = required(view)
    made = {
        key: whole(views, below, style, f"{name}.{key}" if name else key, depth + 1)
        for key, below in views.fields(view).items()
        if _is_tag(below) or key in must or (style.optional and depth <= DEEPEST)
    }
    return {**made, **EXTRA} if style.extra and said(view, "additionalProperties") is not False else made


def _is_tag(view: View) -> bool:
    """Return whether a field has one value only, by which its object is told from others."""
    return first(view, "const") is not None


def _array(views: Views, view: View, style: _Style, name: str, depth: int) -> list[Json]:
    """Make a list; if its items are a union, it has every member in turn."""
    low, high = said(view, "minItems", 0), said(view, "maxItems", MANY)
    items = list(views.leaves(views.below(view, "items"))) if first(view, "items") else []
    many = style.items if depth <= _FEW else min(style.items, 2)
    wanted = many if many in (0, MANY) else max(many, len(items))
    size = min(max(wanted, low), high)
    if not items or depth > DEEPEST:
        return [ANYTHING[0]] * (low if depth > DEEPEST else size)
    return [whole(views, items[i % len(items)], style, f"{name}{i}", depth + 1) for i in range(size)]


def _text(view: View, text: str) -> str:
    if first(view, "format") or first(view, "pattern"):
        return _formatted(view)[0]
    low, high = said(view, "minLength", 0), said(view, "maxLength", len(text))
    return text[:high].ljust(low, "x")


_FORMATS: Mapping[str, Sequence[str]] = {
    "uuid": ("182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", "00000000-0000-0000-0000-000000000000"),
    "date-time": ("2026-04-22T12:34:41Z", "2026-04-22T12:34:41.342245+02:00"),
    "date": ("2026-04-22",),
    "email": ("a@example.org",),
    "uri": ("https://example.org/",),
}


def _formatted(view: View) -> Sequence[str]:
    """List texts of a format that is known, else the schema's own examples."""
    shown = [
        *said(view, "examples", ()),
        *(each.value for key in ("example", "default") for each in keywords(view, key)),
    ]
    return _FORMATS.get(said(view, "format", "")) or [str(each) for each in shown] or TEXTS[:1]


def alternatives(views: Views, view: View, depth: int = 0) -> list[Json]:
    """List the edges of a place, each of them valid there."""
    found: list[Json] = []
    for leaf in views.leaves(view):
        listed = values(leaf)
        if listed is not None:
            found += listed.values()
        else:
            found += [value for kind in kinds(leaf) for value in _of_kind(views, leaf, kind, depth)]
    found += [None] if view.null and kinds(view) != ["any"] else []
    schema = Schema(views.document, view.pointer, "")
    return [value for value in found if schema.is_valid(value)]


_SIMPLE: Mapping[str, Sequence[Json]] = {
    "boolean": (False, True),
    "integer": INTEGERS,
    "number": NUMBERS,
    "any": ANYTHING,
}


def _of_kind(views: Views, view: View, kind: str, depth: int) -> Sequence[Json]:
    if kind == "string":
        return _texts(view)
    if kind == "array":
        return _lists(views, view, depth)
    if kind != "object":
        return _SIMPLE[kind]
    if first(view, "properties"):
        return choices(views, view, depth + 1) if depth <= DEEPEST else []
    return [each for each in ANYTHING if isinstance(each, dict)]


def _texts(view: View) -> Sequence[str]:
    if first(view, "format") or first(view, "pattern"):
        return _formatted(view)
    high = said(view, "maxLength")
    return [*TEXTS, "x" * LONG] if high is None else [*TEXTS, "x" * high, "🦙" * high]


def _lists(views: Views, view: View, depth: int) -> list[Json]:
    """List an empty list, one with every edge of its items, as far as there is room, and the longest."""
    low, high = said(view, "minItems", 0), said(view, "maxItems")
    if not first(view, "items") or depth > DEEPEST:
        return [[], list(ANYTHING)]
    items = alternatives(views, views.below(view, "items"), depth + 1)
    made = [items[:high], items[:1] * max(low, 1), []]
    return made if high is None else [*made, [items[index % len(items)] for index in range(high)]]


def choices(views: Views, view: View, depth: int = 0) -> list[Json]:
    """List values in which every edge of every field stands at least once, as few as that takes."""
    found: list[Json] = []
    for leaf in views.leaves(view):
        if "object" in kinds(leaf) and first(leaf, "properties"):
            rows = packed(fields(views, leaf, depth))
            tags = [key for key, below in views.fields(leaf).items() if _is_tag(below)]
            found += [*rows, *({k: v for k, v in row.items() if k not in tags} for row in rows[:1] if tags)]
        else:
            found += alternatives(views, leaf, depth + 1)
    return found


def fields(views: Views, view: View, depth: int = 0) -> dict[str, list[Json]]:
    """Map each field of an object to its edges, its absence among them, but for those that tell its kind."""
    made, must = {}, required(view)
    for key, below in views.fields(view).items():
        there = alternatives(views, below, depth + 1)
        made[key] = there if key in must or _is_tag(below) else [*there, ABSENT]
    return {key: values for key, values in made.items() if values}


def packed(edges_of: Mapping[str, Sequence[Json]]) -> list[dict[str, Json]]:
    """Combine the edges of several fields: the first of each, the second of each, and so on.

    A field that has run out begins anew.
    """
    size = max(map(len, edges_of.values()), default=0)
    rows = [{key: values[row % len(values)] for key, values in edges_of.items()} for row in range(size)]
    return [{key: value for key, value in row.items() if value is not ABSENT} for row in rows]
