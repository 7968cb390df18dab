"""Whether a value can satisfy two members of a oneOf, which then refuses it: proven, disproven, or sampled."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from mockserver.answer.generate import generate
from mockserver.contract.resolved import View, Views, first, keywords, properties, required, values
from mockserver.contract.schema import Schema
from mockserver.contract.tree import lookup
from mockserver.errors import ContractError
from mockserver.messages import Json

PAIRS = 40
"""How many pairs of members are looked at; beyond that it stays open whether they exclude each other."""

SEEDS = 8
"""How many values are made of each combination of schemas."""

_DEEPEST = 8

TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean"))

_SIZES = (
    ("string", "minLength", "maxLength"),
    ("array", "minItems", "maxItems"),
    ("object", "minProperties", "maxProperties"),
    ("number", "minimum", "maximum"),
    ("integer", "minimum", "maximum"),
)
"""The keywords that say how small and how large the values of a type are."""


class Overlap(NamedTuple):
    """Whether a value can satisfy two members: "found" with one that does, "none", or "open"."""

    verdict: Literal["found", "none", "open"]
    value: Json = None


class Candidate(NamedTuple):
    """A member of a union, and what is known to tell it apart where the union names a field for that."""

    view: View
    tag: Collection[tuple[str, str]] = frozenset()


Chosen: TypeAlias = tuple[Views, View]
"""A schema and the document that it stands in."""


def overlap(
    right: Chosen, judge: Views, members: Sequence[Candidate], fresh: Collection[int], *, tagged: bool
) -> Overlap:
    """Look for a value, right by one schema, that satisfies two members of a union, at least one of them fresh.

    Members of a tagged union whose tags differ exclude each other, since a reader goes by the tag. null is left out.
    """
    pairs = []
    for one, other in combinations(range(len(members)), 2):
        ours, theirs = members[one], members[other]
        told_apart = tagged and bool(ours.tag) and bool(theirs.tag) and ours.tag != theirs.tag
        if (one in fresh or other in fresh) and not told_apart and not are_disjoint(judge, ours.view, theirs.view):
            pairs.append((ours.view, theirs.view))
    if not pairs or right[1].is_shut:
        return Overlap("none")
    for one_view, other_view in pairs[:PAIRS]:
        try:
            for value in _witnesses(right, judge, one_view, other_view):
                return Overlap("found", value)
        except (ContractError, ValueError, RecursionError):
            continue  # a schema that cannot be compiled, a pattern that is none, say
    return Overlap("open")


def are_disjoint(views: Views, one: View, other: View, depth: int = _DEEPEST) -> bool:
    """Return whether it is certain that no value but null satisfies both schemas."""
    if one.is_shut or other.is_shut:
        return True
    if depth == 0:
        return False
    for each, beside in ((one, other), (other, one)):
        for union in each.unions:
            if all(are_disjoint(views, views.of(member), beside, depth - 1) for member in union.members):
                return True
    ours, theirs = values(one), values(other)
    if ours is not None and theirs is not None:
        return not ours.keys() & theirs.keys()
    kinds = (TYPES if one.types is None else one.types) & (TYPES if other.types is None else other.types)
    return all(
        _are_sizes_apart(one, other, kind) or (kind == "object" and _are_fields_apart(views, one, other, depth))
        for kind in kinds
    )


def _are_sizes_apart(one: View, other: View, kind: str) -> bool:
    for each, low, high in _SIZES:
        if each == kind:
            for small, large in ((one, other), (other, one)):
                most = min((found.value for found in keywords(small, high)), default=None)
                least = max((found.value for found in keywords(large, low)), default=None)
                if most is not None and least is not None and most < least:
                    return True
    return False


def _are_fields_apart(views: Views, one: View, other: View, depth: int) -> bool:
    """Return whether a field that one of two requires can never be right for both."""
    ours, theirs = views.fields(one), views.fields(other)
    for name in {**required(one), **required(other)}:
        if name in ours and name in theirs:
            both_null = ours[name].null and theirs[name].null
            if not both_null and are_disjoint(views, ours[name], theirs[name], depth - 1):
                return True
        elif any(name not in properties(each) and _is_closed(each) for each in (one, other)):
            return True
    return False


def _is_closed(view: View) -> bool:
    """Return whether only fields with names are allowed."""
    is_false = any(each.value is False for each in keywords(view, "additionalProperties"))
    return is_false and not keywords(view, "patternProperties")


def _witnesses(right: Chosen, judge: Views, one: View, other: View) -> Iterator[Json]:
    """Yield values that are right, and satisfy both members."""
    made = _Extract()
    parts = [made.add(*right), made.add(judge, one), made.add(judge, other)]
    document = {**made.document, "there": {"allOf": parts}, "back": {"allOf": parts[::-1]}}
    document |= {f"part{number}": part for number, part in enumerate(parts)}
    validators = [Schema(document, f"/part{number}", "sample") for number in range(len(parts))]
    needed = {name for view in (right[1], one, other) for name in required(view)}
    for value in _candidates(document, (right[1], one, other), needed):
        if value is not None and all(each.is_valid(value) for each in validators):
            yield value


def _candidates(document: Json, views: Sequence[View], needed: Collection[str]) -> Iterator[Json]:
    """Yield what the schemas name, and what is made of them, of both members and of the right values alone."""
    for view in views:
        yield from (values(view) or {}).values()
        yield from (each.value for key in ("default", "example") for each in keywords(view, key))
        examples = first(view, "examples")
        yield from examples.value if examples is not None and isinstance(examples.value, list) else ()
    yield from (True, 0, 1, 1.5, "", "a", [], {})
    for name in ("there", "back", "part0", "part1", "part2"):
        schema = Schema(document, "/" + name, "sample")
        for seed in range(SEEDS):
            try:
                value = generate(schema, Random(seed))
            except (ContractError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
                continue  # no value can be made of schemas that contradict each other
            yield value
            if isinstance(value, dict):
                yield {key: each for key, each in value.items() if key in needed}


class _Extract:
    """Schemas of several documents copied into one, with the components that they refer to and no others."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, str], str] = {}
        self._schemas: dict[str, Json] = {}
        self.document: Mapping[str, Json] = {"components": {"schemas": self._schemas}}

    def add(self, views: Views, view: View) -> Json:
        """Return a copy of a schema, with no more types than its view has."""
        parts = [self._copy(views, lookup(views.document, pointer)) for pointer in view.pointers] if view.pieces else []
        return {"allOf": [*parts, {} if view.types is None else {"type": sorted(view.types)}]}

    def _copy(self, views: Views, node: Json) -> Json:
        if isinstance(node, list):
            return [self._copy(views, each) for each in node]
        if not isinstance(node, dict):
            return node
        return {
            key: self._refer(views, value)
            if key == "$ref"
            else value
            if key in ("const", "enum", "default", "example", "examples")
            else self._copy(views, value)
            for key, value in node.items()
        }

    def _refer(self, views: Views, target: str) -> str:
        key = id(views), target
        if key not in self._names:
            self._names[key] = f"Schema{len(self._names)}"
            self._schemas[self._names[key]] = self._copy(views, lookup(views.document, target[1:]))
        return f"#/components/schemas/{self._names[key]}"
