"""What two schemas say of a value by itself: its type, its limits, what is noted of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mockserver.check.drift_run import At, Run, shown
from mockserver.check.drift_view import Said, View, first, is_same, key_of, said, spot, types_text, values
from mockserver.exchange import Json

NOTED = ("title", "description", "$comment", "externalDocs")
"""The keywords that only describe."""


def compare_notes(run: Run, a: View, b: View, at: At) -> None:
    """Compare what schemas note: descriptions, examples, defaults, deprecation, access, encodings."""
    for key in NOTED:
        _compare_lists(run, "description-changed", key, a, b, at)
    for key in ("example", "examples"):
        _compare_lists(run, "example-changed", key, a, b, at)
    for key in ("contentEncoding", "contentMediaType", "xml"):
        _compare_lists(run, "content-changed", key, a, b, at)
    _compare_default(run, a, b, at)
    for key, (there, back) in _FLAGS.items():
        was, now = (any(each.value is True for each in said(view, key)) for view in (a, b))
        if was is not now:
            idle = (key, at.direction) in (("readOnly", "response"), ("writeOnly", "request"))
            message = f"{key} is {'set' if now else 'no longer set'}"
            pair = spot(a, key), spot(b, key)
            run.tell(there if now else back, at, pair, message, was, now, severity="harmless" if idle else None)


_FLAGS: Mapping[str, tuple[str, str]] = {
    "deprecated": ("deprecated", "undeprecated"),
    "readOnly": ("access-narrowed", "access-widened"),
    "writeOnly": ("access-narrowed", "access-widened"),
}


def _compare_lists(run: Run, rule: str, key: str, a: View, b: View, at: At) -> None:
    """Compare what the pieces of two schemas say by a keyword, piece by piece where they are as many."""
    was, now = said(a, key), said(b, key)
    if len(was) == len(now):
        for one, other in zip(was, now, strict=True):
            if not is_same(one.value, other.value):
                message = f"the {key} is another"
                run.tell(rule, at, (one.pointer, other.pointer), message, one.value, other.value)
    elif [key_of(each.value) for each in was] != [key_of(each.value) for each in now]:
        message = f"the {key} is {'new' if not was else 'gone' if not now else 'another'}"
        run.tell(rule, at, (spot(a, key), spot(b, key)), message, _first(was), _first(now))


def _first(found: Sequence[Said]) -> Json:
    return found[0].value if found else None


def _compare_default(run: Run, a: View, b: View, at: At) -> None:
    was, now = first(a, "default"), first(b, "default")
    pair = spot(a, "default"), spot(b, "default")
    if was is None and now is not None:
        run.tell("default-added", at, pair, f"the default is now said: {shown(now.value)}", None, now.value)
    elif was is not None and now is None:
        run.tell("default-withdrawn", at, pair, f"the default {shown(was.value)} is gone", was.value)
    elif was is not None and now is not None and not is_same(was.value, now.value):
        message = f"the default went from {shown(was.value)} to {shown(now.value)}"
        run.tell("default-changed", at, pair, message, was.value, now.value)


def compare_types(run: Run, a: View, b: View, at: At) -> bool:
    """Compare the types; say whether they have one in common, so that there is more to compare."""
    if a.types == b.types:
        return True
    pair = spot(a, "type"), spot(b, "type")
    was, now = types_text(a.types), types_text(b.types)
    wider = a.types is not None and (b.types is None or a.types < b.types)
    narrower = b.types is not None and (a.types is None or b.types < a.types)
    listed = values(a) is not None, values(b) is not None
    if (a.types is None and listed[1]) or (b.types is None and listed[0]):
        return True  # the enum that is new or gone tells it
    if all(listed):
        return True  # the values tell it
    if wider:
        run.tell("type-widened", at, pair, f"the type went from {was} to {now}", was, now)
    elif narrower:
        run.tell("type-narrowed", at, pair, f"the type went from {was} to {now}", was, now)
    else:
        run.tell("type-changed", at, pair, f"the type went from {was} to {now}", was, now)
    return a.types is None or b.types is None or bool(a.types & b.types)


def compare_null(run: Run, a: View, b: View, at: At) -> None:
    """Compare whether null may be, where the types do not tell it already."""
    is_told = (a.types is None) is not (b.types is None) and not a.unions and not b.unions
    if a.null is b.null or is_told:
        return
    rule, verb = ("null-added", "is") if b.null else ("null-withdrawn", "is no longer")
    run.tell(rule, at, (a.pointer, b.pointer), f"null {verb} allowed", a.null, b.null)


def compare_values(run: Run, a: View, b: View, at: At) -> None:
    """Compare the values that an enum or a const allows."""
    was, now = values(a), values(b)
    pair = _enum_spot(a), _enum_spot(b)
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
        message = f"the value {shown(was[key])} is gone"
        run.tell("enum-value-withdrawn", at, pair, message, was[key], detail=key)
    for key in [each for each in now if each not in was]:
        run.tell("enum-value-added", at, pair, f"the value {shown(now[key])} is new", None, now[key], detail=key)


def _enum_spot(view: View) -> str:
    found = first(view, "const") or first(view, "enum")
    return view.pointer if found is None else found.pointer


def _listed(found: Mapping[str, Json]) -> str:
    return " or ".join(map(shown, found.values()))


class Limit(NamedTuple):
    """A limit of one kind: the keywords that set it, which way is tighter, and what absence means."""

    type: str
    keywords: tuple[str, ...]
    is_upper: bool
    absent: int | None = None


LIMITS = (
    Limit("number", ("minimum", "exclusiveMinimum"), is_upper=False),
    Limit("number", ("maximum", "exclusiveMaximum"), is_upper=True),
    Limit("string", ("minLength",), is_upper=False, absent=0),
    Limit("string", ("maxLength",), is_upper=True),
    Limit("array", ("minItems",), is_upper=False, absent=0),
    Limit("array", ("maxItems",), is_upper=True),
    Limit("array", ("uniqueItems",), is_upper=False, absent=0),
    Limit("object", ("minProperties",), is_upper=False, absent=0),
    Limit("object", ("maxProperties",), is_upper=True),
)


def compare_limits(run: Run, a: View, b: View, at: At) -> None:
    """Compare the limits of length, size, number and count, as far as the types have them."""
    for limit in LIMITS:
        if has_type(a, limit.type) and has_type(b, limit.type):
            _compare_limit(run, limit, a, b, at)
    if has_type(a, "number") and has_type(b, "number"):
        _compare_steps(run, a, b, at)


def has_type(view: View, kind: str) -> bool:
    """Say whether a value may have a type; number stands for integer, too."""
    return view.types is None or kind in view.types or (kind == "number" and "integer" in view.types)


class _Bound(NamedTuple):
    """The tightest of the limits of one kind: how tight, its value, its keyword, its place."""

    tightness: tuple[float, bool]
    value: Json
    keyword: str
    pointer: str


def _bound(limit: Limit, view: View) -> _Bound | None:
    sign = -1 if limit.is_upper else 1
    found = [
        _Bound((sign * each.value, keyword.startswith("exclusive")), each.value, keyword, each.pointer)
        for keyword in limit.keywords
        for each in said(view, keyword)
        if each.value != limit.absent
    ]
    return max(found, key=lambda each: each.tightness, default=None)


def _compare_limit(run: Run, limit: Limit, a: View, b: View, at: At) -> None:
    was, now = _bound(limit, a), _bound(limit, b)
    if (was and was.tightness) == (now and now.tightness):
        return
    tightened = was is None or (now is not None and now.tightness > was.tightness)
    pair = a.pointer if was is None else was.pointer, b.pointer if now is None else now.pointer
    if was is None and now is not None:
        message = f"{now.keyword} {shown(now.value)} is new"
    elif was is not None and now is None:
        message = f"{was.keyword} {shown(was.value)} is gone"
    elif was is not None and now is not None:
        message = f"{was.keyword} {shown(was.value)} became {now.keyword} {shown(now.value)}"
    told = was and was.value, now and now.value
    run.tell("limit-tightened" if tightened else "limit-loosened", at, pair, message, *told, detail=limit.keywords[0])


def _compare_steps(run: Run, a: View, b: View, at: At) -> None:
    """Compare multipleOf: a multiple of the old step is tighter."""
    was, now = first(a, "multipleOf"), first(b, "multipleOf")
    if (was and was.value) == (now and now.value):
        return
    rule = "limit-changed"
    if now is None or (was is not None and (was.value / now.value).is_integer()):
        rule = "limit-loosened"
    elif was is None or (now.value / was.value).is_integer():
        rule = "limit-tightened"
    told = was and was.value, now and now.value
    message = f"multipleOf went from {shown(told[0])} to {shown(told[1])}"
    run.tell(rule, at, (spot(a, "multipleOf"), spot(b, "multipleOf")), message, *told)


def compare_texts(run: Run, a: View, b: View, at: At) -> None:
    """Compare pattern and format; of several that must hold together, which."""
    for key, kind in (("pattern", "string"), ("format", "any")):
        if kind != "any" and not (has_type(a, kind) and has_type(b, kind)):
            continue
        was, now = (sorted({str(each.value) for each in said(view, key)}) for view in (a, b))
        for rule, message in _texts_told(key, was, now):
            run.tell(rule, at, (spot(a, key), spot(b, key)), message, " and ".join(was), " and ".join(now))


def _texts_told(key: str, was: list[str], now: list[str]) -> Iterator[tuple[str, str]]:
    if set(was) < set(now):
        yield f"{key}-added", f"the {key} {' and '.join(set(now) - set(was))} is new"
    elif set(now) < set(was):
        yield f"{key}-withdrawn", f"the {key} {' and '.join(set(was) - set(now))} is gone"
    elif was != now:
        yield f"{key}-changed", f"the {key} went from {' and '.join(was)} to {' and '.join(now)}"


class Condition(NamedTuple):
    """Keywords that restrict a value together in a way that is compared as a whole, and the type that they concern."""

    type: str
    keywords: tuple[str, ...]


CONDITIONS = (
    Condition("any", ("not",)),
    Condition("any", ("if", "then", "else")),
    Condition("string", ("contentSchema",)),
    Condition("array", ("contains", "minContains", "maxContains")),
    Condition("array", ("unevaluatedItems",)),
    Condition("object", ("propertyNames",)),
    Condition("object", ("patternProperties",)),
    Condition("object", ("dependentRequired",)),
    Condition("object", ("dependentSchemas",)),
    Condition("object", ("unevaluatedProperties",)),
)


def compare_conditions(run: Run, a: View, b: View, at: At) -> None:
    """Compare the conditions: each is the same or another, whatever schemas in it are called."""
    for kind, keywords in CONDITIONS:
        if kind != "any" and not (has_type(a, kind) and has_type(b, kind)):
            continue
        was, now = run.a.digests(a, keywords), run.b.digests(b, keywords)
        if was == now:
            continue
        key = next(each for each in keywords if first(a, each) or first(b, each))
        change, text = (
            ("added", "is new") if not was else ("withdrawn", "is gone") if not now else ("changed", "is another")
        )
        told = _first(said(a, key)), _first(said(b, key))
        run.tell(
            f"condition-{change}", at, (spot(a, key), spot(b, key)), f"the condition {key} {text}", *told, detail=key
        )
