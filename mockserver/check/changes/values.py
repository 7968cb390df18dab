"""What two schemas say of a value by itself: its type, its limits, what is noted of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from mockserver.check.changes.rules import At, Compare, Comparison, Severity
from mockserver.check.report.model import format_value
from mockserver.contract.resolved import (
    Keyword,
    Union,
    View,
    Views,
    first,
    is_same,
    key_of,
    keywords,
    masked,
    properties,
    spot,
    types_text,
    values,
)
from mockserver.contract.schema import lookup, resolve
from mockserver.messages import Json

NOTED = ("title", "description", "$comment", "externalDocs")
"""The keywords that only describe."""


def compare_notes(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare what schemas note: descriptions, examples, defaults, deprecation, access, encodings."""
    for key in NOTED:
        _compare_lists(run, "description-changed", key, a, b, at)
    for key in ("example", "examples"):
        _compare_lists(run, "example-changed", key, a, b, at)
    for key in ("contentEncoding", "contentMediaType", "xml"):
        _compare_lists(run, "content-changed", key, a, b, at)
    _compare_default(run, a, b, at)
    for key, (there, back) in _FLAGS.items():
        was, now = (any(each.value is True for each in keywords(view, key)) for view in (a, b))
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


def _compare_lists(run: Comparison, rule: str, key: str, a: View, b: View, at: At) -> None:
    """Compare what the pieces of two schemas say by a keyword, piece by piece where they are as many."""
    was, now = keywords(a, key), keywords(b, key)
    if len(was) == len(now):
        for one, other in zip(was, now, strict=True):
            if not is_same(one.value, other.value):
                message = f"the {key} is another"
                run.tell(rule, at, (one.pointer, other.pointer), message, one.value, other.value)
    elif [key_of(each.value) for each in was] != [key_of(each.value) for each in now]:
        message = f"the {key} is {'new' if not was else 'gone' if not now else 'another'}"
        run.tell(rule, at, (spot(a, key), spot(b, key)), message, _first(was), _first(now))


def _first(found: Sequence[Keyword]) -> Json:
    return found[0].value if found else None


def _compare_default(run: Comparison, a: View, b: View, at: At) -> None:
    was, now = first(a, "default"), first(b, "default")
    pair = spot(a, "default"), spot(b, "default")
    if was is None and now is not None:
        run.tell("default-added", at, pair, f"the default is now said: {format_value(now.value)}", None, now.value)
    elif was is not None and now is None:
        run.tell("default-withdrawn", at, pair, f"the default {format_value(was.value)} is gone", was.value)
    elif was is not None and now is not None and not is_same(was.value, now.value):
        message = f"the default went from {format_value(was.value)} to {format_value(now.value)}"
        run.tell("default-changed", at, pair, message, was.value, now.value)


def compare_types(run: Comparison, a: View, b: View, at: At) -> bool:
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


def _bound(limit: LimitKind, view: View) -> _Bound | None:
    sign = -1 if limit.is_upper else 1
    found = [
        _Bound((sign * each.value, keyword.startswith("exclusive")), each.value, keyword, each.pointer)
        for keyword in limit.keywords
        for each in keywords(view, keyword)
        if each.value != limit.absent
    ]
    return max(found, key=lambda each: each.tightness, default=None)


def _compare_limit(run: Comparison, limit: LimitKind, a: View, b: View, at: At) -> None:
    was, now = _bound(limit, a), _bound(limit, b)
    if (was and was.tightness) == (now and now.tightness):
        return
    tightened = was is None or (now is not None and now.tightness > was.tightness)
    pair = a.pointer if was is None else was.pointer, b.pointer if now is None else now.pointer
    if was is None and now is not None:
        message = f"{now.keyword} {format_value(now.value)} is new"
    elif was is not None and now is None:
        message = f"{was.keyword} {format_value(was.value)} is gone"
    elif was is not None and now is not None:
        message = f"{was.keyword} {format_value(was.value)} became {now.keyword} {format_value(now.value)}"
    told = was and was.value, now and now.value
    run.tell("limit-tightened" if tightened else "limit-loosened", at, pair, message, *told, detail=limit.keywords[0])


def _compare_steps(run: Comparison, a: View, b: View, at: At) -> None:
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
    message = f"multipleOf went from {format_value(told[0])} to {format_value(told[1])}"
    run.tell(rule, at, (spot(a, "multipleOf"), spot(b, "multipleOf")), message, *told)


def compare_texts(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare pattern and format; of several that must hold together, which."""
    for key, kind in (("pattern", "string"), ("format", "any")):
        if kind != "any" and not (has_type(a, kind) and has_type(b, kind)):
            continue
        was, now = (sorted({str(each.value) for each in keywords(view, key)}) for view in (a, b))
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


def compare_conditions(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare the conditions: each is the same or another, whatever schemas in it are called."""
    for kind, names in CONDITIONS:
        if kind != "any" and not (has_type(a, kind) and has_type(b, kind)):
            continue
        was, now = run.a.digests(a, names), run.b.digests(b, names)
        if was == now:
            continue
        key = next(each for each in names if first(a, each) or first(b, each))
        change, text = (
            ("added", "is new") if not was else ("withdrawn", "is gone") if not now else ("changed", "is another")
        )
        told = _first(keywords(a, key)), _first(keywords(b, key))
        run.tell(
            f"condition-{change}", at, (spot(a, key), spot(b, key)), f"the condition {key} {text}", *told, detail=key
        )


class Member(NamedTuple):
    """A member of a union: its place, and what it may be known by."""

    view: View
    pointer: str
    target: str
    """Where the schema itself stands."""
    fingerprint: str
    tag: frozenset[tuple[str, str]]
    """The fields that have one value only, with it."""
    name: str
    """What it is called, where it refers to a schema with a name."""

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        return " and ".join(value for _, value in sorted(self.tag)) or self.name or types_text(self.view.types)


MemberKey: TypeAlias = str | frozenset[tuple[str, str]] | frozenset[str] | None
"""What a member is known by."""

Matched: TypeAlias = list[tuple[int, int]]
"""Which member of A is which of B, by their numbers."""


def compare_unions(run: Comparison, a: View, b: View, at: At, compare: Compare) -> bool:
    """Compare the unions of two schemas; say whether there is nothing else to compare.

    Where one is a union and the other none, the other is taken for a union of one member, or of one for each type.
    """
    if a.unions and b.unions:
        for one, other in zip(a.unions, b.unions, strict=False):
            field = _field(one, other)
            ours, theirs = _members(run.a, one, field), _members(run.b, other, field)
            matched = _compare(run, ours, theirs, at, compare)
            _compare_order(run, ours, theirs, matched, at)
            _compare_kinds(run, one, other, at)
            _compare_tags(run, one, other, at)
    elif a.is_union or b.is_union:
        _compare(run, _taken(run.a, a), _taken(run.b, b), at, compare)
        return True
    for each in a.unions[len(b.unions) :]:
        run.tell("union-withdrawn", at, (each.pointer, b.pointer), f"the {each.kind} is gone")
    for each in b.unions[len(a.unions) :]:
        run.tell("union-added", at, (a.pointer, each.pointer), f"the {each.kind} is new")
    return False


def _field(one: Union, other: Union) -> str | None:
    """Give the field that tells members apart, where the unions do not name two."""
    named = {each.discriminator.value.get("propertyName") for each in (one, other) if each.discriminator is not None}
    return named.pop() if len(named) == 1 else None


def _members(views: Views, union: Union, field: str | None) -> list[Member]:
    mapping = union.discriminator.value.get("mapping", {}) if union.discriminator is not None else {}
    named = {_target(views, target): value for value, target in reversed(mapping.items())}
    found = []
    for pointer in union.members:
        view, target = views.of(pointer), resolve(views.document, pointer)[0]
        tag = _tag(views, view, field)
        if not tag and field is not None and target in named:
            tag = frozenset({(field, named[target])})
        name = target.rpartition("/")[2] if target != pointer else ""
        found.append(Member(masked(view), pointer, target, views.fingerprint(pointer), tag, name))
    return found


def _tag(views: Views, view: View, field: str | None) -> frozenset[tuple[str, str]]:
    fields = {name: views.of(*places) for name, places in properties(view).items() if places}
    found = {name: values(each) for name, each in fields.items() if field in (None, name)}
    return frozenset((name, _plain(*only.values())) for name, only in found.items() if only and len(only) == 1)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else format_value(value)


def _target(views: Views, target: str) -> str:
    """Give the place that a mapping names: by a reference, or by the name of a schema."""
    pointer = target[1:] if target.startswith("#") else f"/components/schemas/{target}"
    try:
        lookup(views.document, pointer)
    except KeyError:
        return target
    return resolve(views.document, pointer)[0]


def _taken(views: Views, view: View) -> list[Member]:
    """Take a schema for a union: of its members, or of itself, or of itself as each of its types."""
    if view.unions:
        return _members(views, view.unions[0], None)
    if view.types == frozenset():
        return []  # it is null at most, which is told of the union
    types = view.types - {"integer"} if view.types and "number" in view.types else view.types
    if types is None or len(types) < 2 or values(view) is not None:
        prints = views.fingerprint(view.pointer) if len(view.pointers) == 1 else ""
        return [Member(masked(view), view.pointer, view.pointer, prints, _tag(views, view, None), "")]
    split = [frozenset({each, "integer"}) if each == "number" else frozenset({each}) for each in sorted(types)]
    return [
        Member(replace(masked(view), types=each), view.pointer, view.pointer, "", frozenset(), "") for each in split
    ]


def _compare(run: Comparison, ours: Sequence[Member], theirs: Sequence[Member], at: At, compare: Compare) -> Matched:
    """Compare members that are the same ones, tell those that are not, and give the former."""
    matched = match(ours, theirs)
    for one, other in matched:
        compare(run, ours[one].view, theirs[other].view, at)
    for index in sorted(set(range(len(ours))) - {one for one, _ in matched}):
        run.tell("variant-withdrawn", at, (ours[index].pointer, None), f"the member {ours[index].title} is gone")
    known: set[str] = set().union(*({"any"} if each.view.types is None else each.view.types for each in ours))
    for index in sorted(set(range(len(theirs))) - {other for _, other in matched}):
        types = theirs[index].view.types or frozenset()
        is_foreign = at.direction == "response" and "any" not in known and not types <= known
        text = f"the member {theirs[index].title} is new{', of a type that no other has' if is_foreign else ''}"
        worse: Severity | None = "breaking" if is_foreign else None
        run.tell("variant-added", at, (None, theirs[index].pointer), text, severity=worse)
    return matched


def match(ours: Sequence[Member], theirs: Sequence[Member]) -> Matched:
    """Say which members are the same: equal ones, then those with the same tag, the same name, the same types.

    Members with tags that differ are not the same by their types alone.
    """
    left, right = list(range(len(ours))), list(range(len(theirs)))
    matched: Matched = []
    for key in _KEYS:
        found = _alike([(each, key(ours[each])) for each in left], [(each, key(theirs[each])) for each in right])
        matched += found
        left = [each for each in left if each not in {one for one, _ in found}]
        right = [each for each in right if each not in {other for _, other in found}]
    return sorted(matched)


_KEYS: tuple[Callable[[Member], MemberKey], ...] = (
    lambda member: member.fingerprint,
    lambda member: member.tag,
    lambda member: member.name,
    lambda member: None if member.tag else member.view.types,
)


def _alike(ours: list[tuple[int, MemberKey]], theirs: list[tuple[int, MemberKey]]) -> Matched:
    """Pair those with the same key, in their order; no key is none."""
    found = []
    waiting: dict[MemberKey, list[int]] = {}
    for index, key in theirs:
        waiting.setdefault(key, []).append(index)
    for index, key in ours:
        if key and waiting.get(key):
            found.append((index, waiting[key].pop(0)))
    return found


def _compare_order(run: Comparison, ours: Sequence[Member], theirs: Sequence[Member], matched: Matched, at: At) -> None:
    order = [other for _, other in matched]
    if order == sorted(order):
        return
    was, now = ([each.title for each in members] for members in (ours, theirs))
    pair = ours[0].pointer.rpartition("/")[0], theirs[0].pointer.rpartition("/")[0]
    text = f"the members stand in another order, {now[0]} first"
    if run.is_code and at.direction == "response" and (0, 0) not in matched:
        text = f"{text} and no longer {was[0]}: a value of an unknown kind is read as the first"
        run.tell("variants-reordered", at, pair, text, was, now, severity="risky")
    else:
        run.tell("variants-reordered", at, pair, text, was, now)


def _compare_kinds(run: Comparison, one: Union, other: Union, at: At) -> None:
    if one.kind != other.kind:
        rule = "union-exclusive" if other.kind == "oneOf" else "union-inclusive"
        run.tell(rule, at, (one.pointer, other.pointer), f"{one.kind} became {other.kind}", one.kind, other.kind)


def _compare_tags(run: Comparison, one: Union, other: Union, at: At) -> None:
    """Compare the discriminators."""
    was, now = one.discriminator, other.discriminator
    pair = (was.pointer if was else one.pointer), (now.pointer if now else other.pointer)
    if was is None and now is not None:
        text = f"the field {now.value.get('propertyName')} now tells the members apart"
        run.tell("discriminator-added", at, pair, text, None, now.value)
    elif was is not None and now is None:
        text = f"the field {was.value.get('propertyName')} no longer tells the members apart"
        run.tell("discriminator-withdrawn", at, pair, text, was.value)
    elif was is not None and now is not None:
        names = was.value.get("propertyName"), now.value.get("propertyName")
        if names[0] != names[1]:
            text = f"the field that tells the members apart went from {names[0]} to {names[1]}"
            run.tell("discriminator-changed", at, pair, text, *names)
        else:
            _compare_mappings(run, one, other, (was, now), at)


def _compare_mappings(run: Comparison, one: Union, other: Union, tags: tuple[Keyword, Keyword], at: At) -> None:
    """Compare which value names which member, where the members themselves do not tell it."""
    field = _field(one, other)
    ours, theirs = _members(run.a, one, field), _members(run.b, other, field)
    matched = {ours[left].target: theirs[right].target for left, right in match(ours, theirs)}
    was, now = (
        {value: _target(views, target) for value, target in tag.value.get("mapping", {}).items()}
        for views, tag in ((run.a, tags[0]), (run.b, tags[1]))
    )
    pair = tags[0].pointer, tags[1].pointer
    for value in {**was, **now}:
        before, after = was.get(value), now.get(value)
        if after is None and before in matched:
            text = f"the value {value} no longer names a member"
            run.tell("discriminator-value-withdrawn", at, pair, text, value, detail=value)
        elif before is None and after in matched.values():
            text = f"the value {value} names a member"
            run.tell("discriminator-value-added", at, pair, text, None, value, detail=value)
        elif before in matched and after is not None and matched[before] != after:
            run.tell("discriminator-changed", at, pair, f"the value {value} names another member", detail=value)
