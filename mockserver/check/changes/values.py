"""What two schemas say of a value by itself: its type, its limits, what is noted of it."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from mockserver.check.changes.rules import At, Compare, Comparison, Severity, paired
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
    said,
    spot,
    types_text,
    values,
)
from mockserver.contract.schema import lookup, resolve
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


def _change(was: object, now: object) -> str:
    """Return how something changed: "added", "withdrawn", "changed"."""
    return "changed" if was and now else "added" if now else "withdrawn"


_CHANGED = {"added": "is new", "withdrawn": "is gone", "changed": "is another"}


def _compare_lists(run: Comparison, rule: str, key: str, a: View, b: View, at: At) -> None:
    """Compare what the pieces of two schemas say by a keyword, piece by piece where they are as many."""
    was, now = keywords(a, key), keywords(b, key)
    if len(was) == len(now):
        for one, other in zip(was, now, strict=True):
            if not is_same(one.value, other.value):
                message = f"the {key} is another"
                run.tell(rule, at, (one.pointer, other.pointer), message, one.value, other.value)
    elif [key_of(each.value) for each in was] != [key_of(each.value) for each in now]:
        message = f"the {key} {_CHANGED[_change(was, now)]}"
        run.tell(rule, at, spots(key, a, b), message, said(a, key), said(b, key))


def _compare_default(run: Comparison, a: View, b: View, at: At) -> None:
    was, now = said(a, "default"), said(b, "default")
    both = keywords(a, "default"), keywords(b, "default")
    if not any(both) or (all(both) and is_same(was, now)):
        return
    change = _change(*both)
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
    run.tell(rule, at, spots("type", a, b), f"the type went from {was} to {now}", was, now)
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
    old, new = (f"{each.keyword} {format_value(each.value)}" if each else "" for each in (was, now))
    message = f"{old} became {new}" if was and now else f"{old} is gone" if was else f"{new} is new"
    told = was and was.value, now and now.value
    run.tell("limit-tightened" if tightened else "limit-loosened", at, pair, message, *told, detail=limit.keywords[0])


def _compare_steps(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare multipleOf: a multiple of the old step is tighter."""
    was, now = said(a, "multipleOf"), said(b, "multipleOf")
    if was == now:
        return
    rule = "limit-changed"
    if now is None or (was is not None and (was / now).is_integer()):
        rule = "limit-loosened"
    elif was is None or (now / was).is_integer():
        rule = "limit-tightened"
    message = f"multipleOf went from {format_value(was)} to {format_value(now)}"
    run.tell(rule, at, spots("multipleOf", a, b), message, was, now)


def compare_texts(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare pattern and format; of several that must hold together, which."""
    for key, kind in (("pattern", "string"), ("format", "any")):
        was, now = ({str(each.value) for each in keywords(view, key)} for view in (a, b))
        if was == now or not have_type(a, b, kind):
            continue
        old, new = _and(was), _and(now)
        change, message = "changed", f"the {key} went from {old} to {new}"
        if was < now:
            change, message = "added", f"the {key} {_and(now - was)} is new"
        elif now < was:
            change, message = "withdrawn", f"the {key} {_and(was - now)} is gone"
        run.tell(f"{key}-{change}", at, spots(key, a, b), message, old, new)


def _and(texts: Iterable[str]) -> str:
    return " and ".join(sorted(texts))


CONDITIONS = (
    ("any", ("not",)),
    ("any", ("if", "then", "else")),
    ("string", ("contentSchema",)),
    ("array", ("contains", "minContains", "maxContains")),
    ("array", ("unevaluatedItems",)),
    ("object", ("propertyNames",)),
    ("object", ("patternProperties",)),
    ("object", ("dependentRequired",)),
    ("object", ("dependentSchemas",)),
    ("object", ("unevaluatedProperties",)),
)
"""Keywords that together make a condition, compared as a whole, and the type that each concerns."""


def compare_conditions(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare the conditions: each is the same or another, whatever schemas in it are called."""
    for kind, names in CONDITIONS:
        was, now = run.a.digests(a, names), run.b.digests(b, names)
        if was == now or not have_type(a, b, kind):
            continue
        key, change = next(each for each in names if first(a, each) or first(b, each)), _change(was, now)
        message = f"the condition {key} {_CHANGED[change]}"
        run.tell(f"condition-{change}", at, spots(key, a, b), message, said(a, key), said(b, key), detail=key)


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
    """Compare the unions of two schemas; return whether there is nothing else to compare.

    If only one is a union, the other counts as a union of one member, or of one for each type.
    """
    if a.unions and b.unions:
        for one, other in zip(a.unions, b.unions, strict=False):
            field = _field(one, other)
            ours, theirs = _members(run.a, one, field), _members(run.b, other, field)
            matched = _compare(run, ours, theirs, at, compare)
            _compare_order(run, ours, theirs, matched, at)
            _compare_kinds(run, one, other, at)
            targets = {ours[left].target: theirs[right].target for left, right in matched}
            _compare_tags(run, one, other, targets, at)
    elif a.is_union or b.is_union:
        _compare(run, _taken(run.a, a), _taken(run.b, b), at, compare)
        return True
    for each in a.unions[len(b.unions) :]:
        run.tell("union-withdrawn", at, (each.pointer, b.pointer), f"the {each.kind} is gone")
    for each in b.unions[len(a.unions) :]:
        run.tell("union-added", at, (a.pointer, each.pointer), f"the {each.kind} is new")
    return False


def _field(one: Union, other: Union) -> str | None:
    """Return the field that tells members apart, unless the unions name two."""
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
    found = {name: values(each) for name, each in views.fields(view).items() if field in (None, name)}
    return frozenset((name, _plain(*only.values())) for name, only in found.items() if only and len(only) == 1)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else format_value(value)


def _target(views: Views, target: str) -> str:
    """Return the place that a mapping names: by a reference, or by the name of a schema."""
    pointer = target[1:] if target.startswith("#") else f"/components/schemas/{target}"
    try:
        lookup(views.document, pointer)
    except KeyError:
        return target
    return resolve(views.document, pointer)[0]


def _taken(views: Views, view: View) -> list[Member]:
    """Return a schema as a union: of its members, or of itself, or of itself as each of its types."""
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
    """Compare members that match, record those that do not, and return the matches."""
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
    """Return which members are the same: equal ones, then those with the same tag, the same name, the same types.

    Members with tags that differ are not the same by their types alone.
    """
    matched: dict[int, int] = {}
    for key in _KEYS:
        taken, waiting = set(matched.values()), defaultdict[MemberKey, deque[int]](deque)
        for index, member in enumerate(theirs):
            if index not in taken:
                waiting[key(member)].append(index)
        for index, member in enumerate(ours):
            if index not in matched and key(member) and waiting[key(member)]:
                matched[index] = waiting[key(member)].popleft()
    return sorted(matched.items())


_KEYS: tuple[Callable[[Member], MemberKey], ...] = (
    lambda member: member.fingerprint,
    lambda member: member.tag,
    lambda member: member.name,
    lambda member: None if member.tag else member.view.types,
)


def _compare_order(run: Comparison, ours: Sequence[Member], theirs: Sequence[Member], matched: Matched, at: At) -> None:
    order = [other for _, other in matched]
    if order == sorted(order):
        return
    was, now = ([each.title for each in members] for members in (ours, theirs))
    pair = ours[0].pointer.rpartition("/")[0], theirs[0].pointer.rpartition("/")[0]
    text, worse = f"the members stand in another order, {now[0]} first", None
    if run.is_code and at.direction == "response" and (0, 0) not in matched:
        text, worse = f"{text} and no longer {was[0]}: a value of an unknown kind is read as the first", _RISKY
    run.tell("variants-reordered", at, pair, text, was, now, severity=worse)


_RISKY: Severity = "risky"


def _compare_kinds(run: Comparison, one: Union, other: Union, at: At) -> None:
    if one.kind != other.kind:
        rule = "union-exclusive" if other.kind == "oneOf" else "union-inclusive"
        run.tell(rule, at, (one.pointer, other.pointer), f"{one.kind} became {other.kind}", one.kind, other.kind)


def _compare_tags(run: Comparison, one: Union, other: Union, targets: Mapping[str, str], at: At) -> None:
    """Compare the discriminators; `targets` are the places of the members of A that B has too, with those in B."""
    was, now = one.discriminator, other.discriminator
    if was is None and now is None:
        return
    pair = (was.pointer if was else one.pointer), (now.pointer if now else other.pointer)
    old, new = (each.value.get("propertyName") if each else None for each in (was, now))
    change = _change(was, now)
    if was and now and old == new:
        _compare_mappings(run, was, now, targets, at)
        return
    text = {
        "added": f"the field {new} now tells the members apart",
        "withdrawn": f"the field {old} no longer tells the members apart",
        "changed": f"the field that tells the members apart went from {old} to {new}",
    }[change]
    told = (old, new) if was and now else (was and was.value, now and now.value)
    run.tell(f"discriminator-{change}", at, pair, text, *told)


def _compare_mappings(run: Comparison, one: Keyword, other: Keyword, targets: Mapping[str, str], at: At) -> None:
    """Compare which value names which member, where the members themselves do not tell it."""
    was, now = (
        {value: _target(views, target) for value, target in tag.value.get("mapping", {}).items()}
        for views, tag in ((run.a, one), (run.b, other))
    )
    pair, reached = (one.pointer, other.pointer), set(targets.values())
    for value, before, after in paired(was, now, ""):
        if not after and before in targets:
            text = f"the value {value} no longer names a member"
            run.tell("discriminator-value-withdrawn", at, pair, text, value, detail=value)
        elif not before and after in reached:
            text = f"the value {value} names a member"
            run.tell("discriminator-value-added", at, pair, text, None, value, detail=value)
        elif after and targets.get(before, after) != after:
            run.tell("discriminator-changed", at, pair, f"the value {value} names another member", detail=value)
