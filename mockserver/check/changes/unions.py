"""How two unions differ: their members, what tells them apart, and whether one of them excludes others."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from mockserver.check.changes.exclusive import Candidate, Overlap, overlap
from mockserver.check.changes.rules import At, Compare, Comparison, Severity, paired
from mockserver.check.changes.values import change_of
from mockserver.check.changes.within import is_within, swapped
from mockserver.check.report.model import format_value
from mockserver.contract.resolved import Keyword, Union, View, Views, masked, properties, types_text, values
from mockserver.contract.tree import lookup, resolve
from mockserver.messages import Json


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


MOST_PAIRS = 2_500
"""How many pairs of members are tried at most, whether one takes all that the other takes."""

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
            ours, theirs = _members(run.a, a, one, field), _members(run.b, b, other, field)
            matched = _compare(run, ours, theirs, at, compare)
            _compare_order(run, ours, theirs, matched, at)
            _compare_kinds(run, (a, one, ours), (b, other, theirs), matched, at, compare)
            targets = {ours[left].target: theirs[right].target for left, right in matched}
            _compare_tags(run, one, other, targets, at)
    elif a.is_union or b.is_union:
        _compare(run, _taken(run.a, a), _taken(run.b, b), at, compare)
        _compare_with_one(run, a, b, at)
        return True
    for each in a.unions[len(b.unions) :]:
        run.tell("union-withdrawn", at, (each.pointer, b.pointer), f"the {each.kind} is gone")
    for each in b.unions[len(a.unions) :]:
        run.tell("union-added", at, (a.pointer, each.pointer), f"the {each.kind} is new")
    return False


def _compare_with_one(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare a oneOf with what is no union: what satisfies several members of the oneOf is refused by it."""
    for each in b.unions:
        found = _overlap(run, a, each, _members(run.b, b, each, None))
        _tell_overlap(run, "union-exclusive", found, (a.pointer, each.pointer), at)
    for each in a.unions:
        found = _overlap(swapped(run), b, each, _members(run.a, a, each, None))
        _tell_overlap(run, "union-inclusive", found, (each.pointer, b.pointer), at)


def _field(one: Union, other: Union) -> str | None:
    """Return the field that tells members apart, unless the unions name two."""
    named = {each.discriminator.value.get("propertyName") for each in (one, other) if each.discriminator is not None}
    return named.pop() if len(named) == 1 else None


def _members(views: Views, owner: View, union: Union, field: str | None) -> list[Member]:
    """Return the members of a union; one without types has those of the schema that the union stands in."""
    mapping = union.discriminator.value.get("mapping", {}) if union.discriminator is not None else {}
    named = {_target(views, target): value for value, target in reversed(mapping.items())}
    found = []
    for pointer in union.members:
        view, target = views.of(pointer), resolve(views.document, pointer)[0]
        tag = _tag(views, view, field)
        if not tag and field is not None and target in named:
            tag = frozenset({(field, named[target])})
        name = target.rpartition("/")[2] if target != pointer else ""
        inner = masked(view)
        if inner.types is None and owner.types is not None:
            inner = replace(inner, types=owner.types)
        found.append(Member(inner, pointer, target, views.fingerprint(pointer), tag, name))
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
        return _members(views, view, view.unions[0], None)
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
    is_tried = len(ours) * len(theirs) <= MOST_PAIRS
    matched = _matched_within(run, ours, theirs, compare) if is_tried else match(ours, theirs)
    for one, other in matched:
        compare(run, ours[one].view, theirs[other].view, at)
    for index in sorted(set(range(len(ours))) - {one for one, _ in matched}):
        is_kept = is_tried and any(_takes(run, each, ours[index], compare) for each in theirs)
        text = f"the member {ours[index].title} is gone{', and another takes what it took' if is_kept else ''}"
        less: Severity = _RISKY if at.direction == "request" and _has_fields(ours[index]) else "harmless"
        run.tell("variant-withdrawn", at, (ours[index].pointer, None), text, severity=less if is_kept else None)
    known: set[str] = set().union(*({"any"} if each.view.types is None else each.view.types for each in ours))
    for index in sorted(set(range(len(theirs))) - {other for _, other in matched}):
        types = theirs[index].view.types or frozenset()
        is_foreign = at.direction == "response" and "any" not in known and not types <= known
        text = f"the member {theirs[index].title} is new{', of a type that no other has' if is_foreign else ''}"
        others = ours if is_tried and not _has_fields(theirs[index]) else ()
        is_known = any(_takes(swapped(run), each, theirs[index], compare) for each in others)
        worse: Severity | None = "breaking" if is_foreign else "harmless" if is_known else None
        run.tell("variant-added", at, (None, theirs[index].pointer), text, severity=worse)
    return matched


def _matched_within(run: Comparison, ours: Sequence[Member], theirs: Sequence[Member], compare: Compare) -> Matched:
    """Match members, and of those that are left, one with another that takes all that it takes, or the other way."""
    matched = dict(match(ours, theirs))
    for left, one in enumerate(ours):
        free = [right for right in range(len(theirs)) if right not in matched.values()]
        for right in free if left not in matched else ():
            if _takes(run, theirs[right], one, compare) or _takes(swapped(run), one, theirs[right], compare):
                matched[left] = right
                break
    return sorted(matched.items())


def _has_fields(member: Member) -> bool:
    """Return whether a member may be an object, whose fields may come to mean nothing in another."""
    return member.view.types is None or "object" in member.view.types


def _takes(run: Comparison, member: Member, other: Member, compare: Compare) -> bool:
    """Return whether it is certain that a member of B takes all that a member of A does."""
    ours, theirs = dict(member.tag), dict(other.tag)
    is_other = any(theirs.get(name, value) != value for name, value in ours.items())
    return not is_other and is_within(run, other.view, member.view, compare)


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
    lambda member: None if member.tag else _shape(member.view),
    lambda member: None if member.tag else member.view.types or frozenset(("any",)),
)


def _shape(view: View) -> frozenset[str] | None:
    """Return the types and the names of the fields, if any."""
    names = {f".{name}" for name in properties(view)}
    return frozenset(names | (view.types or set())) if names else None


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


Sided: TypeAlias = tuple[View, Union, Sequence[Member]]
"""A schema, a union in it, and the members of the union."""


def _compare_kinds(run: Comparison, one: Sided, other: Sided, matched: Matched, at: At, compare: Compare) -> None:
    """Compare which values the unions refuse because they satisfy several members."""
    (a, ours, our_members), (b, theirs, their_members) = one, other
    pair, back = (ours.pointer, theirs.pointer), [(right, left) for left, right in matched]
    refused = _fresh_overlap(run, a, ours, theirs, (our_members, their_members), matched, compare)
    freed = _fresh_overlap(swapped(run), b, theirs, ours, (their_members, our_members), back, compare)
    if ours.kind != theirs.kind:
        rule, found = ("union-exclusive", refused) if theirs.kind == "oneOf" else ("union-inclusive", freed)
        worse = _severity(rule, found, at) if found.verdict == "found" else None
        text = f"{ours.kind} became {theirs.kind}{_example(found)}"
        run.tell(rule, at, pair, text, ours.kind, theirs.kind, severity=worse)
        return
    _tell_overlap(run, "union-exclusive", refused, pair, at)
    _tell_overlap(run, "union-inclusive", freed, pair, at)


def _fresh_overlap(
    run: Comparison,
    a: View,
    ours: Union,
    theirs: Union,
    members: tuple[Sequence[Member], Sequence[Member]],
    matched: Matched,
    compare: Compare,
) -> Overlap:
    """Look for what is right for A, and satisfies several members of a union of B that did not hold it before."""
    our_members, their_members = members
    fresh = set(range(len(their_members)))
    if ours.kind == "oneOf":  # a member that leaves no more room than before takes in nothing more
        for left, right in matched:
            one, other = our_members[left], their_members[right]
            is_same = bool(one.fingerprint) and one.fingerprint == other.fingerprint
            if is_same or is_within(swapped(run), other.view, one.view, compare):
                fresh.discard(right)
    return _overlap(run, a, theirs, their_members, fresh)


def _overlap(
    run: Comparison, a: View, union: Union, members: Sequence[Member], fresh: Collection[int] | None = None
) -> Overlap:
    if union.kind != "oneOf" or run.is_silent("union-kind", At("request", "")):
        return Overlap("none")
    candidates = [Candidate(each.view, each.tag) for each in members]
    chosen = range(len(members)) if fresh is None else fresh
    return overlap((run.a, a), run.b, candidates, chosen, tagged=union.discriminator is not None)


def _tell_overlap(run: Comparison, rule: str, found: Overlap, pair: tuple[str, str], at: At) -> None:
    if found.verdict != "none":
        verbs = ("refuse", "no longer refuse") if found.verdict == "open" else ("refuses", "no longer refuses")
        verb = ("may " if found.verdict == "open" else "") + verbs[rule == "union-inclusive"]
        text = f"the oneOf {verb} what satisfies several of its members{_example(found)}"
        run.tell(rule, at, pair, text, severity=_severity(rule, found, at))


def _severity(rule: str, found: Overlap, at: At) -> Severity | None:
    is_worst = found.verdict == "found" and rule == "union-exclusive" and at.direction == "request"
    return "breaking" if is_worst else None


def _example(found: Overlap) -> str:
    return f": {shortened(format_value(found.value))} satisfies two members" if found.verdict == "found" else ""


def shortened(text: str, most: int = 200) -> str:
    """Return a text cut to a length."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _compare_tags(run: Comparison, one: Union, other: Union, targets: Mapping[str, str], at: At) -> None:
    """Compare the discriminators; `targets` are the places of the members of A that B has too, with those in B."""
    was, now = one.discriminator, other.discriminator
    if was is None and now is None:
        return
    pair = (was.pointer if was else one.pointer), (now.pointer if now else other.pointer)
    old, new = (each.value.get("propertyName") if each else None for each in (was, now))
    change = change_of(was, now)
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
