"""What two schemas say of a value by itself: its type, its limits, what is noted of it."""

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from mockserver.check.changes.patterns import is_pattern_within
from mockserver.check.changes.rules import At, Comparison, Severity
from mockserver.check.report.model import format_value
from mockserver.contract.resolved import (
    View,
    first,
    is_same,
    key_of,
    keywords,
    said,
    spot,
    types_text,
    values,
)
from mockserver.contract.schema import Schema
from mockserver.messages import Json

NOTED: Mapping[str, tuple[str, ...]] = {
    "description-changed": ("title", "description", "$comment", "externalDocs"),
    "example-changed": ("example", "examples"),
    "content-changed": ("contentEncoding", "contentMediaType", "xml"),
}
"""The keywords that only note something, by the rule of their changes."""

_FLAGS: Mapping[str, tuple[str, str]] = {
    "deprecated": ("deprecated", "undeprecated"),
    "readOnly": ("access-narrowed", "access-widened"),
    "writeOnly": ("access-narrowed", "access-widened"),
}


def compare_notes(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare what schemas note: descriptions, examples, defaults, deprecation, access, encodings."""
    for rule, keys in NOTED.items():
        for key in keys:
            _compare_lists(run, rule, key, a, b, at)
    _compare_default(run, a, b, at)
    for key, (there, back) in _FLAGS.items():
        was, now = (any(each.value is True for each in keywords(view, key)) for view in (a, b))
        if was is not now:
            idle = (key, at.direction) in (("readOnly", "response"), ("writeOnly", "request"))
            message = f"{key} is {'set' if now else 'no longer set'}"
            worse: Severity | None = "harmless" if idle else None
            run.tell(there if now else back, at, spots(key, a, b), message, was, now, severity=worse)


def spots(key: str, a: View, b: View) -> tuple[str, str]:
    """Return the places of a keyword in two schemas."""
    return spot(a, key), spot(b, key)


def change_of(was: object, now: object) -> str:
    """Return how something changed: "added", "withdrawn", "changed"."""
    return "changed" if was and now else "added" if now else "withdrawn"


CHANGED = {
    "added": "is new",
    "withdrawn": "is gone",
    "changed": "is another",
    "loosened": "leaves more room",
    "tightened": "leaves less room",
}


def _compare_lists(run: Comparison, rule: str, key: str, a: View, b: View, at: At) -> None:
    """Compare what the pieces of two schemas say by a keyword, piece by piece where they are as many."""
    was, now = keywords(a, key), keywords(b, key)
    if len(was) == len(now):
        for one, other in zip(was, now, strict=True):
            if not is_same(one.value, other.value):
                message = f"the {key} is another"
                run.tell(rule, at, (one.pointer, other.pointer), message, one.value, other.value)
    elif [key_of(each.value) for each in was] != [key_of(each.value) for each in now]:
        message = f"the {key} {CHANGED[change_of(was, now)]}"
        run.tell(rule, at, spots(key, a, b), message, said(a, key), said(b, key))


def _compare_default(run: Comparison, a: View, b: View, at: At) -> None:
    was, now = said(a, "default"), said(b, "default")
    both = keywords(a, "default"), keywords(b, "default")
    if not any(both) or (all(both) and is_same(was, now)):
        return
    change = change_of(*both)
    message = {
        "added": f"the default is now said: {format_value(now)}",
        "withdrawn": f"the default {format_value(was)} is gone",
        "changed": f"the default went from {format_value(was)} to {format_value(now)}",
    }[change]
    run.tell(f"default-{change}", at, spots("default", a, b), message, was, now)


def compare_types(run: Comparison, a: View, b: View, at: At) -> bool:
    """Compare the types; return whether they have one in common, so that there is more to compare."""
    if a.types == b.types:
        return True
    listed = values(a) is not None, values(b) is not None
    if all(listed) or (a.types is None and listed[1]) or (b.types is None and listed[0]):
        return True  # the changes of the enums tell it
    was, now = types_text(a.types), types_text(b.types)
    rule = "type-changed"
    if a.types is not None and (b.types is None or a.types < b.types):
        rule = "type-widened"
    elif b.types is not None and (a.types is None or b.types < a.types):
        rule = "type-narrowed"
    elif at.is_text and _takes_texts_of(b, a):
        rule = "type-widened"
    elif at.is_text and _takes_texts_of(a, b):
        rule = "type-narrowed"
    run.tell(rule, at, spots("type", a, b), f"the type went from {was} to {now}", was, now)
    return a.types is None or b.types is None or bool(a.types & b.types)


_SCALARS = frozenset(("string", "integer", "number", "boolean"))


def _takes_texts_of(view: View, other: View) -> bool:
    """Return whether a schema takes whatever another does where values are written as texts: it takes any string."""
    is_any_text = "string" in (view.types or ()) and not view.unions and values(view) is None
    asked = any(keywords(view, key) for key in ("pattern", "format", "maxLength", "not", "if"))
    least = max((each.value for each in keywords(view, "minLength")), default=0)
    return is_any_text and not asked and least <= 1 and other.types is not None and other.types <= _SCALARS


def are_listed(a: View, b: View) -> bool:
    """Return whether one schema lists its values, and all of them hold what the other asks of numbers and texts."""
    was, now = values(a), values(b)
    checks = [(was, b)] * (was is not None) + [(now, a)] * (now is not None)
    return bool(checks) and all(_hold(found, view) for found, view in checks if found is not None)


_ASKED = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern"),
)


def _hold(found: Mapping[str, Json], view: View) -> bool:
    """Return whether values hold the limits and patterns of a schema."""
    if any(isinstance(each, dict | list) for each in found.values()) or keywords(view, "format"):
        return False
    asked = [{key: each.value} for key in _ASKED for each in keywords(view, key)]
    schema = Schema({"allOf": asked} if asked else {}, "", "")
    return all(map(schema.is_valid, found.values()))


def compare_null(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare whether null may be, where the types do not tell it already."""
    is_told = (a.types is None) is not (b.types is None) and not a.unions and not b.unions
    if a.null is b.null or is_told:
        return
    rule, verb = ("null-added", "is") if b.null else ("null-withdrawn", "is no longer")
    run.tell(rule, at, (a.pointer, b.pointer), f"null {verb} allowed", a.null, b.null)


def compare_values(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare the values that an enum or a const allows."""
    was, now = values(a), values(b)
    pair = _enum_spot(a), _enum_spot(b)
    if was is None and now is not None:  # which may be both booleans
        was = _booleans(a)
    elif now is None and was is not None:
        now = _booleans(b)
    if was is None or now is None:
        if now is not None:
            run.tell("enum-added", at, pair, f"only {_listed(now)} is allowed", None, list(now.values()))
        elif was is not None:
            run.tell("enum-withdrawn", at, pair, f"not only {_listed(was)} is allowed", list(was.values()))
        return
    if len(was) == len(now) == 1 and was.keys() != now.keys():
        message = f"the only value went from {_listed(was)} to {_listed(now)}"
        run.tell("const-changed", at, pair, message, *was.values(), *now.values())
        return
    for key in [each for each in was if each not in now]:
        message = f"the value {format_value(was[key])} is gone"
        run.tell("enum-value-withdrawn", at, pair, message, was[key], detail=key)
    for key in [each for each in now if each not in was]:
        run.tell("enum-value-added", at, pair, f"the value {format_value(now[key])} is new", None, now[key], detail=key)


def _booleans(view: View) -> dict[str, Json] | None:
    return {key_of(each): each for each in (False, True)} if view.types == frozenset(("boolean",)) else None


def _enum_spot(view: View) -> str:
    found = first(view, "const") or first(view, "enum")
    return view.pointer if found is None else found.pointer


def _listed(found: Mapping[str, Json]) -> str:
    return " or ".join(map(format_value, found.values()))


class LimitKind(NamedTuple):
    """A limit of one kind: the keywords that set it, which way is tighter, and what absence means."""

    type: str
    keywords: tuple[str, ...]
    is_upper: bool
    absent: int | None = None


LIMITS = (
    LimitKind("number", ("minimum", "exclusiveMinimum"), is_upper=False),
    LimitKind("number", ("maximum", "exclusiveMaximum"), is_upper=True),
    LimitKind("string", ("minLength",), is_upper=False, absent=0),
    LimitKind("string", ("maxLength",), is_upper=True),
    LimitKind("array", ("minItems",), is_upper=False, absent=0),
    LimitKind("array", ("maxItems",), is_upper=True),
    LimitKind("array", ("uniqueItems",), is_upper=False, absent=0),
    LimitKind("object", ("minProperties",), is_upper=False, absent=0),
    LimitKind("object", ("maxProperties",), is_upper=True),
)


def compare_limits(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare the limits of length, size, number and count, as far as the types have them."""
    for limit in LIMITS:
        if have_type(a, b, limit.type):
            _compare_limit(run, limit, a, b, at)
    if have_type(a, b, "number"):
        _compare_steps(run, a, b, at)


def have_type(a: View, b: View, kind: str) -> bool:
    """Return whether values of both schemas may have a type."""
    return has_type(a, kind) and has_type(b, kind)


def has_type(view: View, kind: str) -> bool:
    """Return whether a value may have a type; number includes integer."""
    return kind == "any" or view.types is None or kind in view.types or (kind == "number" and "integer" in view.types)


class _Bound(NamedTuple):
    """The tightest of the limits of one kind: how tight, its value, its keyword, its place."""

    tightness: tuple[float, bool]
    value: Json
    keyword: str
    pointer: str


def _bound(limit: LimitKind, view: View, *, whole: bool = False) -> _Bound | None:
    """Return the tightest limit; of whole numbers, 10 excluded is as tight as 9."""
    sign = -1 if limit.is_upper else 1
    found = [
        _Bound(_tightness(sign * each.value, whole, keyword), each.value, keyword, each.pointer)
        for keyword in limit.keywords
        for each in keywords(view, keyword)
        if each.value != limit.absent
    ]
    return max(found, key=lambda each: each.tightness, default=None)


def _tightness(value: float, whole: bool, keyword: str) -> tuple[float, bool]:
    is_excluded = keyword.startswith("exclusive")
    if not whole:
        return value, is_excluded
    return (math.floor(value) + 1 if is_excluded else math.ceil(value)), False


def _compare_limit(run: Comparison, limit: LimitKind, a: View, b: View, at: At) -> None:
    whole = limit.type == "number" and _common_numbers(a, b) == {"integer"}
    was, now = _bound(limit, a, whole=whole), _bound(limit, b, whole=whole)
    if (was and was.tightness) == (now and now.tightness):
        return
    tightened = was is None or (now is not None and now.tightness > was.tightness)
    pair = a.pointer if was is None else was.pointer, b.pointer if now is None else now.pointer
    old, new = (f"{each.keyword} {format_value(each.value)}" if each else "" for each in (was, now))
    message = f"{old} became {new}" if was and now else f"{old} is gone" if was else f"{new} is new"
    told = was and was.value, now and now.value
    run.tell("limit-tightened" if tightened else "limit-loosened", at, pair, message, *told, detail=limit.keywords[0])


def _common_numbers(a: View, b: View) -> frozenset[str]:
    """Return the numeric types that both schemas allow."""
    both = frozenset(("number", "integer"))
    return both & (both if a.types is None else a.types) & (both if b.types is None else b.types)


def _compare_steps(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare multipleOf: a multiple of the old step is tighter."""
    whole = _common_numbers(a, b) == {"integer"}
    was, now = (_step(said(view, "multipleOf"), whole=whole) for view in (a, b))
    if was == now:
        return
    rule = "limit-changed"
    if now is None or (was is not None and (was / now).denominator == 1):
        rule = "limit-loosened"
    elif was is None or (now / was).denominator == 1:
        rule = "limit-tightened"
    old, new = said(a, "multipleOf"), said(b, "multipleOf")
    message = f"multipleOf went from {format_value(old)} to {format_value(new)}"
    run.tell(rule, at, spots("multipleOf", a, b), message, old, new)


def _step(value: Json, *, whole: bool) -> Fraction | None:
    """Return a step exactly; of whole numbers, those that are multiples of 0.5 are all of them."""
    if value is None:
        return None
    step = Fraction(str(value))
    found = Fraction(step.numerator) if whole else step
    return None if whole and found == 1 else found


WIDER_FORMATS: Mapping[str, frozenset[str]] = {
    "int8": frozenset(("int16", "int32", "int64", "float", "double")),
    "uint8": frozenset(("uint16", "uint32", "uint64", "int16", "int32", "int64", "float", "double")),
    "int16": frozenset(("int32", "int64", "float", "double")),
    "uint16": frozenset(("uint32", "uint64", "int32", "int64", "float", "double")),
    "int32": frozenset(("int64", "double")),
    "uint32": frozenset(("uint64", "int64", "double")),
    "float": frozenset(("double",)),
    "uri": frozenset(("uri-reference", "iri", "iri-reference")),
    "uri-reference": frozenset(("iri-reference",)),
    "iri": frozenset(("iri-reference",)),
    "email": frozenset(("idn-email",)),
    "hostname": frozenset(("idn-hostname",)),
}
"""The formats that allow all that a format allows."""

_HINTS = frozenset(("password", "html", "commonmark"))
"""The formats that ask nothing of a value."""

_UNIVERSAL = re.compile(r"\^?(\(\?:\.\*\)|\.\*|\[\\s\\S\]\*|)|\.\*\$|\^?\[\\s\\S\]\*\$|\$")
"""The patterns that every text matches; ^.*$ is none of them, since . is no end of a line."""


def compare_texts(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare pattern and format; of several that must hold together, which."""
    for key, kind in (("pattern", "string"), ("format", "any")):
        was, now = (_asked(key, view) for view in (a, b))
        if was == now or not have_type(a, b, kind):
            continue
        old, new = _and(was), _and(now)
        change, message = "changed", f"the {key} went from {old} to {new}"
        if was < now:
            change, message = "added", f"the {key} {_and(now - was)} is new"
        elif now < was:
            change, message = "withdrawn", f"the {key} {_and(was - now)} is gone"
        elif len(was) == len(now) == 1:
            is_looser, is_tighter = _room(key, old, new), _room(key, new, old)
            if is_looser and is_tighter:
                continue  # the same in other words
            change = "loosened" if is_looser else "tightened" if is_tighter else change
            is_open = key == "pattern" and change == "changed"
            message += "; which of them takes more was not decided" if is_open else ""
        run.tell(f"{key}-{change}", at, spots(key, a, b), message, old, new)


def _room(key: str, one: str, other: str) -> bool:
    """Return whether a pattern or format is known to take all that another takes."""
    return other in WIDER_FORMATS.get(one, ()) if key == "format" else is_pattern_within(one, other)


def _asked(key: str, view: View) -> set[str]:
    """Return the patterns or formats that ask something of a value."""
    found = {str(each.value) for each in keywords(view, key)}
    if key == "format":
        return found - _HINTS
    return {each for each in found if not _UNIVERSAL.fullmatch(each)}


def _and(texts: Iterable[str]) -> str:
    return " and ".join(sorted(texts))
