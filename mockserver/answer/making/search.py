"""Search in bounded steps for a value that a validator accepts: draw, mend by its errors, try what the schema names."""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, Literal, NamedTuple

from mockserver.answer.making.nodes import Make, StuckError
from mockserver.contract.explain import SchemaError
from mockserver.contract.resolved import key_of
from mockserver.contract.schema import Schema
from mockserver.contract.tree import document_of, lookup, pointed
from mockserver.messages import Json

DRAWS = 12
"""How many values are drawn for one answer before the search gives up."""

PROBES = 12
"""How many values are drawn when a schema is compiled, in search of a right one."""

STEPS = 6
"""How often one value is mended."""

CHANGES = 200
"""How many changes are tried in a step."""

COMPARED = 6
"""How many wrong changes are compared, to go on from the best."""

KEPT = 8
"""How many right values of a schema are kept."""

RICH = 30
"""The budget of values that are drawn in search of a right one."""

_SIMPLE: tuple[Json, ...] = (
    "a",
    1,
    True,
    {},
    [],
    None,
    False,
    0,
    -1,
    1.25,
    "",
    "1",
    {"a": 1},
    [1],
    "a longer text",
    1000,
)


_OTHERS: tuple[dict[str, Json], ...] = (
    {"Other name 1": 1},
    dict.fromkeys("pqrstuvw", 1),
    dict.fromkeys("pqrstuvw", "a"),
)
"""Fields that no schema mentions: members of a union that limit names or sizes refuse them."""


class Oracle:
    """Judges values by several schemas that must all hold."""

    def __init__(self, schemas: Sequence[Schema], hidden: set[str], *, either_way: bool = False) -> None:
        self.schemas, self.hidden = schemas, hidden
        """`hidden` names fields that may be left out although they are required."""
        self._lax: list[Schema] | None = None if either_way else []
        self._named: list[Json] | None = None
        self._names: list[str] | None = None

    def is_valid(self, value: Json) -> bool:
        """Return whether a value satisfies all schemas."""
        if all(each.is_valid(value) for each in self.schemas):
            return all(each.is_valid(value) for each in self._without_formats())
        return bool(self.hidden) and not self.errors(value)

    @property
    def turns(self) -> bool:
        """Whether a value may be invalid where formats are notes."""
        return bool(self._without_formats())

    def _without_formats(self) -> list[Schema]:
        """Return the schemas that must hold also for readers to whom a format is a note.

        A member of a oneOf that only a format shuts out would hold for them, too.
        """
        if self._lax is None:
            self._lax = [each.without_formats() for each in self.schemas if _may_turn(each)]
        return self._lax

    def errors(self, value: Json) -> list[SchemaError]:
        """List what is wrong with a value."""
        wrong = [each for each in self.schemas if not each.is_valid(value)]
        return [error for each in wrong for error in _errors(each, value) if not self._is_forgiven(error)]

    def _is_forgiven(self, error: SchemaError) -> bool:
        if error.keyword != "required" or not isinstance(error.instance, dict) or not isinstance(error.expected, list):
            return False
        missing = set(error.expected) - error.instance.keys()
        return missing <= self.hidden

    def named(self) -> list[Json]:
        """List the values that the schemas name anywhere, the nearest first."""
        if self._named is None:
            named = (each for schema in self.schemas for part in _parts(schema) for each in _named(part))
            self._named = list({key_of(each): each for each in named}.values())[:200]
        return self._named

    def names(self) -> list[str]:
        """List the names of fields that the schemas mention anywhere, the nearest first."""
        if self._names is None:
            named = (name for schema in self.schemas for part in _parts(schema) for name in _mentioned(part))
            self._names = list(dict.fromkeys(named))[:40]
        return self._names


def _may_turn(schema: Schema) -> bool:
    """Return whether a value may become invalid where formats are not asserted."""
    if not document_of(schema.document).formats:
        return False
    keys = {key for part in _parts(schema) for key in part}
    return "format" in keys and not keys.isdisjoint(("oneOf", "not", "if", "maxContains"))


def _errors(schema: Schema, value: Json) -> list[SchemaError]:
    """List what is wrong with a value; the whole value, where a part of the schema cannot be found again."""
    try:
        return schema.errors(value)
    except (LookupError, TypeError):
        return [SchemaError(keyword="schema", message="", path=[], pointer="", instance=value, expected=None)]


MOST_READ = 500
"""How many objects of a schema are read for the values and fields that it names."""


def _parts(schema: Schema) -> Iterator[dict[str, Json]]:
    """Yield the objects of a schema, and of those that it refers to: as many as are read in a search."""
    seen: set[str] = set()
    queue = deque([schema.node])
    read = 0
    while queue and read < MOST_READ:
        each = queue.popleft()
        if isinstance(each, dict):
            read += 1
            yield each
            reference = each.get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                with suppress(KeyError):
                    queue.append(lookup(schema.document, pointed(reference)))
            queue += (value for key, value in each.items() if key not in _VALUES)
        elif isinstance(each, list):
            queue += each


def _mentioned(node: dict[str, Json]) -> Iterator[str]:
    for key in ("properties", "dependentRequired", "dependentSchemas"):
        yield from node[key] if isinstance(node.get(key), dict) else ()
    listed = node.get("required")
    yield from (name for name in listed if isinstance(name, str)) if isinstance(listed, list) else ()


_VALUES = ("const", "default", "example", "enum", "examples")
"""The keywords that hold values."""


def _named(node: dict[str, Json]) -> Iterator[Json]:
    yield from (node[key] for key in _VALUES[:3] if key in node)
    for key in _VALUES[3:]:
        yield from node[key] if isinstance(node.get(key), list) else ()


class Witnesses(NamedTuple):
    """Right values of a schema, and how more are made: by drawing, by mending what is drawn, or not at all."""

    values: list[Json]
    way: Literal["draw", "mend", "pick"]


def probe(make: Make, judge: Oracle, named: Iterable[Json]) -> Witnesses | None:
    """Search for right values of a schema; None if there are none to be found."""
    rng = Random(0)
    rich, lean = list(_drawn(make, rng, RICH)), list(_drawn(make, rng, 1, -1))
    right = [value for value in rich if judge.is_valid(value)]
    if 4 * len(right) >= len(rich) > 0:
        return Witnesses(right[:KEPT], "draw")
    wrong = [value for value in rich if value not in right][:6]
    mended = [found[0] for each in wrong if (found := mend(each, judge, rng)) is not None]
    right += mended or [value for value in lean if judge.is_valid(value)]
    if not right:
        right += [value for value in (*named, *judge.named(), *_SIMPLE) if judge.is_valid(value)]
    for each in (*lean[-1:], *_SIMPLE[:6]) if not right else ():
        right += mend(each, judge, rng) or ()
    if not right:
        return None
    return Witnesses(right[:KEPT], "mend" if wrong and 2 * len(mended) > len(wrong) else "pick")


def _drawn(make: Make, rng: Random, *budgets: int) -> Iterator[Json]:
    for at in range(PROBES):
        try:
            yield make(rng, budgets[at % len(budgets)])
        except StuckError:
            continue


def guarded(make: Make, judge: Oracle, found: Witnesses) -> Make:
    """Return what makes right values of a schema whose values may be wrong; what was found is the last resort."""
    values, tries = found.values, {"draw": DRAWS, "mend": 2, "pick": 0}[found.way]

    def made(rng: Random, budget: int) -> Json:
        for at in range(tries):
            try:
                value = make(rng, budget if at < 4 else min(budget, RICH))
            except StuckError:
                continue
            if judge.is_valid(value):
                return value
            if found.way == "mend" and (mended := mend(value, judge, rng)) is not None:
                return mended[0]
        return copy.deepcopy(values[int(rng.random() * len(values))])

    return made


def mend(value: Json, judge: Oracle, rng: Random) -> tuple[Json] | None:
    """Change a value until it is right: each step keeps the change that leaves the fewest errors."""
    seen: set[str] = set()
    for _ in range(STEPS):
        if judge.is_valid(value):
            return (value,)
        changed = [pair for error in judge.errors(value)[:4] for pair in _changes(value, error, judge)]
        rng.shuffle(changed)
        changed.sort(key=lambda pair: pair[0])
        left: list[Json] = []
        for _, each in changed[:CHANGES]:
            if judge.is_valid(each):
                return (each,)
            if len(left) < COMPARED and (key := key_of(each)) not in seen:
                seen.add(key)
                left.append(each)
        if not left:
            return None
        value = min(left, key=lambda each: len(judge.errors(each)))
    return None


def _changes(value: Json, error: SchemaError, judge: Oracle) -> Iterator[tuple[int, Json]]:
    """Yield changed copies of a value that may no longer have an error, each with how much it changes."""
    path = error.path
    for much, new in _instead(error, judge):
        yield much, _with(value, path, partial(_constantly, new))
    if path:
        yield 1, _without(value, path)


def _instead(error: SchemaError, judge: Oracle) -> Iterator[tuple[int, Json]]:
    """Yield what may stand in the place of a wrong part: small changes are 0, others 1, all else 2."""
    old, expected, named = error.instance, error.expected, judge.named()[:20]
    if isinstance(old, dict):
        missing = _missing(old, error)
        yield from ((0, {**old, **dict.fromkeys(missing, new)}) for new in (*named, *_SIMPLE[:6]) if missing)
        yield from ((1, {key: each for key, each in old.items() if key != gone}) for gone in old)
        yield from ((0, {**old, name: new}) for name in judge.names() if name not in old for new in _SIMPLE[:4])
        yield from ((0, old | others) for others in _OTHERS)
        plain = [key for key, each in old.items() if not isinstance(each, dict | list)]
        yield from ((0, {**old, key: new}) for key in plain for new in named)
    if isinstance(old, list):
        yield from ((1, old[:at] + old[at + 1 :]) for at in range(len(old)))
        yield from ((0, [*old, new]) for new in (*named, *_SIMPLE[:6]))
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        yield from ((0, new) for new in (expected, expected + 1, expected - 1, int(expected)))
    if error.keyword in ("const", "enum"):
        yield from ((0, new) for new in (expected if isinstance(expected, list) else [expected]))
    yield from ((2, new) for new in (*named, *_SIMPLE))


def _missing(old: dict[str, Json], error: SchemaError) -> list[str]:
    """Return the fields that an object lacks."""
    expected = error.expected
    if isinstance(expected, list):
        return [name for name in expected if isinstance(name, str) and name not in old]
    if isinstance(expected, dict):
        lists = [each for name, each in expected.items() if name in old and isinstance(each, list)]
        return [name for each in lists for name in each if name not in old]
    return (
        []
        if error.keyword != "minProperties"
        else [next(name for name in "abcdefghijklmnopqrstuvwxyz" if name not in old)]
    )


def _constantly(new: Json, _: Json) -> Json:
    return new


def _with(value: Json, path: Sequence[str | int], change: Callable[[Json], Json]) -> Json:
    """Return a copy of a value with one part changed."""
    if not path:
        return change(value)
    key: Any = path[0]
    made = dict(value) if isinstance(value, dict) else list(value)
    made[key] = _with(made[key], path[1:], change)
    return made


def _without(value: Json, path: Sequence[str | int]) -> Json:
    key: Any = path[-1]

    def remove(parent: Json) -> Json:
        made = dict(parent) if isinstance(parent, dict) else list(parent)
        del made[key]
        return made

    return _with(value, path[:-1], remove)
