"""How a union differs from another: its members by what they are, their order, and what tells them apart."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from mockserver.check.drift_rules import Severity
from mockserver.check.drift_run import At, Compare, Run, shown
from mockserver.check.drift_view import Said, Union, View, Views, masked, properties, types_text, values
from mockserver.exchange import Json
from mockserver.schema import lookup, resolve


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


Key: TypeAlias = str | frozenset[tuple[str, str]] | frozenset[str] | None
"""What a member is known by."""

Matched: TypeAlias = list[tuple[int, int]]
"""Which member of A is which of B, by their numbers."""


def compare_unions(run: Run, a: View, b: View, at: At, compare: Compare) -> bool:
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
    return value if isinstance(value, str) else shown(value)


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


def _compare(run: Run, ours: Sequence[Member], theirs: Sequence[Member], at: At, compare: Compare) -> Matched:
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


_KEYS: tuple[Callable[[Member], Key], ...] = (
    lambda member: member.fingerprint,
    lambda member: member.tag,
    lambda member: member.name,
    lambda member: None if member.tag else member.view.types,
)


def _alike(ours: list[tuple[int, Key]], theirs: list[tuple[int, Key]]) -> Matched:
    """Pair those with the same key, in their order; no key is none."""
    found = []
    waiting: dict[Key, list[int]] = {}
    for index, key in theirs:
        waiting.setdefault(key, []).append(index)
    for index, key in ours:
        if key and waiting.get(key):
            found.append((index, waiting[key].pop(0)))
    return found


def _compare_order(run: Run, ours: Sequence[Member], theirs: Sequence[Member], matched: Matched, at: At) -> None:
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


def _compare_kinds(run: Run, one: Union, other: Union, at: At) -> None:
    if one.kind != other.kind:
        rule = "union-exclusive" if other.kind == "oneOf" else "union-inclusive"
        run.tell(rule, at, (one.pointer, other.pointer), f"{one.kind} became {other.kind}", one.kind, other.kind)


def _compare_tags(run: Run, one: Union, other: Union, at: At) -> None:
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


def _compare_mappings(run: Run, one: Union, other: Union, tags: tuple[Said, Said], at: At) -> None:
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
