"""Nodes of a compiled schema: what a value of each is made of, what it costs at least, and the function that makes it.

A function takes the random source and a budget, which its parts share: how many lists and objects may still be made.
At 0 a value is lean: only what is required, and plain fields. Below 0 it is bare: only what is required.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import NamedTuple, Protocol, TypeAlias

from mockserver.contract.resolved import key_of
from mockserver.messages import Json

Make: TypeAlias = Callable[[Random, int], Json]

BUDGET = 1_000
"""How many lists and objects a value has, as far as the schema leaves that open."""

LARGEST = 20_000
"""The most parts that a value may need."""

NEVER = math.inf
"""The cost of a schema that no value satisfies."""

DAMPING = 4
"""By how much the budget shrinks with each turn of a recursive schema."""

NULLS = 8
"""One in so many values is null, where null is allowed among others."""


class StuckError(Exception):
    """No value was found here."""


class Shape(Protocol):
    """What a value of a node is made of."""

    def below(self) -> "Iterable[Maker]":
        """Yield the nodes of its parts."""

    def cost(self) -> float:
        """Return how many parts a value has at least; NEVER if there is none."""

    def build(self, node: "Maker", /) -> Make:
        """Return what makes values."""


class Maker:
    """A compiled schema; `make` makes a value."""

    __slots__ = ("cost", "guard", "is_cyclic", "is_unsure", "make", "shape")

    def __init__(self, shape: Shape | None = None) -> None:
        self.shape: Shape = ScalarShape(None) if shape is None else shape
        self.cost = NEVER if shape is None else shape.cost()
        self.guard: Callable[[Make], Make] | None = None
        """Makes a function of one that makes values which may be wrong."""
        self.is_cyclic = False
        self.is_unsure = False
        """Whether its values may break a keyword that is not built into them."""
        self.make: Make = self._first

    def _first(self, rng: Random, budget: int) -> Json:
        """Build the function when it is first called."""
        make = self.shape.build(self)
        self.make = make if self.guard is None else self.guard(make)
        return self.make(rng, budget)

    def reset(self) -> None:
        """Have the function built anew."""
        self.make = self._first

    @property
    def is_plain(self) -> bool:
        """Whether its values are no lists or objects."""
        shape = self.shape
        if isinstance(shape, ChoiceShape):
            return all(isinstance(each.shape, ScalarShape) for each in shape.options)
        return isinstance(shape, ScalarShape)


class ScalarShape:
    """A value without parts. `prepare` returns what makes it; None where nothing can."""

    def __init__(self, prepare: Callable[[], Callable[[Random], Json]] | None, cost: float = 1, why: str = "") -> None:
        self._prepare, self._cost, self.why = prepare, cost if prepare is not None else NEVER, why
        self.where = ""

    def below(self) -> "Iterable[Maker]":
        """Yield the nodes of its parts."""
        return ()

    def cost(self) -> float:
        """Return how many parts a value has at least."""
        return self._cost

    def build(self, _: Maker, /) -> Make:
        """Return what makes values."""
        if self._prepare is None:
            return _stuck
        make = self._prepare()
        return lambda rng, _: make(rng)


def _stuck(_: Random, __: int) -> Json:
    raise StuckError


def constant(value: Json) -> ScalarShape:
    """Return a leaf with one value."""
    return ScalarShape(lambda: lambda _: value)


def never(why: str, where: str) -> ScalarShape:
    """Return a leaf that has no value."""
    leaf = ScalarShape(None, why=why)
    leaf.where = where
    return leaf


class ChoiceShape:
    """One of several nodes; `null` makes null, and `backup` stands in where none of the others has a value."""

    def __init__(
        self,
        options: Sequence[Maker],
        null: Maker | None = None,
        *,
        backup: Sequence[Maker] = (),
        is_first: bool = False,
    ) -> None:
        self.options, self.backup, self._null, self._is_first = options, backup, null, is_first

    def below(self) -> "Iterable[Maker]":
        """Yield the nodes of its parts."""
        return (*self.options, *self.backup, *([] if self._null is None else [self._null]))

    def fall_back(self) -> None:
        """Let the backup stand in."""
        self.options, self.backup = self.backup, ()

    def cost(self) -> float:
        """Return how many parts a value has at least."""
        null = [] if self._null is None else [self._null]
        return min((each.cost for each in (*self.options, *null)), default=NEVER)

    def build(self, node: Maker) -> Make:
        """Return what makes values."""
        options = [each for each in self.options if each.cost < NEVER]
        null = self._null
        cheapest = min([*options, *([null] if null is not None else [])], key=lambda each: each.cost)
        size = len(options)
        if null is not None and options:
            return self._nullable(options, node)
        if size <= 1 or self._is_first:
            only = options[0] if options else cheapest
            return lambda rng, budget: (only if budget > 0 else cheapest).make(rng, budget)

        is_cyclic = node.is_cyclic

        def make(rng: Random, budget: int) -> Json:
            ends = budget == 0 or (budget < 0 and is_cyclic)
            chosen = cheapest if ends else options[int(rng.random() * size)]
            return chosen.make(rng, budget if budget <= 0 else budget - 1)

        return make

    def _nullable(self, options: Sequence[Maker], node: Maker) -> Make:
        size, nulls = len(options), 0.0 if self._is_first else 1 / NULLS
        ends = node.is_cyclic or not node.is_plain

        def make(rng: Random, budget: int) -> Json:
            if budget <= 0 and ends:
                return None
            if rng.random() < nulls:
                return None
            return options[int(rng.random() * size) if size > 1 else 0].make(rng, budget)

        return make


class FieldPlan(NamedTuple):
    """A field of an object."""

    name: str
    node: Maker
    is_required: bool


class ObjectShape:
    """An object: its fields, and others that may be added."""

    def __init__(
        self,
        fields: Sequence[FieldPlan],
        extras: Sequence[FieldPlan] = (),
        *,
        low: int = 0,
        high: float = NEVER,
        wanted: int = 0,
        needs: Sequence[tuple[str, tuple[str, ...]]] = (),
        adjust: Callable[[dict[str, Json]], None] | None = None,
    ) -> None:
        self.fields, self.extras = fields, extras
        self._low, self._high, self._wanted, self._needs, self._adjust = low, high, wanted, needs, adjust

    def below(self) -> "Iterable[Maker]":
        """Yield the nodes of its parts."""
        return (each.node for each in (*self.fields, *self.extras))

    def _filling(self) -> list[FieldPlan]:
        """Return the cheapest fields that fill an object up to its least size."""
        must = sum(each.is_required for each in self.fields)
        free = [each for each in (*self.fields, *self.extras) if not each.is_required and each.node.cost < NEVER]
        return sorted(free, key=lambda each: each.node.cost)[: max(self._low - must, 0)]

    def cost(self) -> float:
        """Return how many parts a value has at least."""
        must = [each for each in self.fields if each.is_required]
        filling = self._filling()
        if max(len(must), self._low) > self._high or len(must) + len(filling) < self._low:
            return NEVER
        return 1 + sum(each.node.cost for each in (*must, *filling))

    def _kept(self) -> list[FieldPlan]:
        """Return the fields that can be made, without those that need others that cannot."""
        kept = [each for each in self.fields if each.is_required or each.node.cost < NEVER]
        while True:
            names = {each.name for each in kept}
            broken = {name for name, needed in self._needs if name in names and not names.issuperset(needed)}
            left = [each for each in kept if each.is_required or each.name not in broken]
            if len(left) == len(kept):
                return kept
            kept = left

    def build(self, node: Maker) -> Make:
        """Return what makes values."""
        kept, filling = self._kept(), self._filling()
        first = {each.name for each in filling}
        rich = [(each.name, each.node) for each in kept]
        bare = [(each.name, each.node) for each in kept if each.is_required or each.name in first]
        bare += [(each.name, each.node) for each in filling if each in self.extras]
        plain = [
            (e.name, e.node) for e in kept if e.is_required or e.name in first or (e.node.is_plain and not self._needs)
        ]
        lean = plain + [pair for pair in bare if pair not in plain]
        lean = lean if len(lean) <= self._high else bare
        make = self._simple(rich, lean, bare, node)
        if len(rich) > self._high:
            make = self._limited(rich, bare, node)
        elif self.extras and (self._wanted or self._low > len(rich)):
            make = self._with_extras(make, len(rich))
        return make if self._adjust is None else _adjusted(make, self._adjust)

    def _share(self, pairs: Sequence[tuple[str, Maker]], node: Maker) -> int:
        """Return into how many parts the budget is divided."""
        return max(sum(not each.is_plain for _, each in pairs), 1) * (DAMPING if node.is_cyclic else 1)

    def _simple(
        self, rich: list[tuple[str, Maker]], lean: list[tuple[str, Maker]], bare: list[tuple[str, Maker]], node: Maker
    ) -> Make:
        share = self._share(rich, node)

        def make(rng: Random, budget: int) -> Json:
            below = budget // share
            pairs = rich if budget > 0 else lean if budget == 0 else bare
            return {name: each.make(rng, below) for name, each in pairs}

        return make

    def _limited(self, rich: list[tuple[str, Maker]], bare: list[tuple[str, Maker]], node: Maker) -> Make:
        """Return what makes objects that have no room for all fields."""
        share, high = self._share(rich, node), int(self._high)
        free = [pair for pair in rich if pair not in bare]

        def make(rng: Random, budget: int) -> Json:
            more = rng.sample(free, min(len(free), high - len(bare))) if budget > 0 else []
            return {name: each.make(rng, budget // share) for name, each in (*bare, *more)}

        return make

    def _with_extras(self, inner: Make, size: int) -> Make:
        extras = [(each.name, each.node) for each in self.extras if each.node.cost < NEVER]
        wanted = min(max(self._wanted, self._low - size), len(extras), max(int(min(self._high, 10**6)) - size, 0))
        spread = 2 if self._wanted and wanted == self._wanted > self._low - size else 1

        def make(rng: Random, budget: int) -> Json:
            made = inner(rng, budget)
            if budget > 0 and wanted > 0:
                count, start = wanted - int(rng.random() * spread), int(rng.random() * len(extras))
                for at in range(start, start + count):
                    name, each = extras[at % len(extras)]
                    made[name] = each.make(rng, budget // (4 * count))
            return made

        return make


def _adjusted(inner: Make, adjust: Callable[[dict[str, Json]], None]) -> Make:
    def make(rng: Random, budget: int) -> Json:
        made = inner(rng, budget)
        adjust(made)
        return made

    return make


class Contained(NamedTuple):
    """Items that a list must contain: of `node`, at least `low`."""

    node: Maker
    low: int


class ArrayShape:
    """A list: the items of its first places, those of all others, and those that must be among them."""

    def __init__(
        self,
        first: Sequence[Maker],
        items: Maker,
        parts: Sequence[Contained] = (),
        *,
        low: int = 0,
        high: float = NEVER,
        unique: bool = False,
    ) -> None:
        self._first, self._items, self._parts = first, items, parts
        self._low, self._limit, self.is_unique = low, high, unique

    def below(self) -> "Iterable[Maker]":
        """Yield the nodes of its parts."""
        return (*self._first, self._items, *(each.node for each in self._parts))

    @property
    def _high(self) -> float:
        """The greatest length, as far as items can be made."""
        for at, node in enumerate(self._first):
            if node.cost == NEVER:
                return min(self._limit, at)
        return min(self._limit, len(self._first)) if self._items.cost == NEVER else self._limit

    @property
    def _least(self) -> int:
        """The least length."""
        contained = sum(each.low for each in self._parts)
        return max(self._low, len(self._first) + contained if contained else 0)

    def cost(self) -> float:
        """Return how many parts a value has at least."""
        if self._least > self._high or any(each.low and each.node.cost == NEVER for each in self._parts):
            return NEVER
        contained = sum(each.low for each in self._parts)
        total = 1 + sum(each.cost for each in self._first[: self._least])
        total += sum(each.low * each.node.cost for each in self._parts if each.low)
        rest = self._least - len(self._first) - contained
        return total + (rest * self._items.cost if rest > 0 else 0)

    def build(self, node: Maker) -> Make:
        """Return what makes values."""
        least, high = self._least, self._high
        low = int(min(max(least, 1, len(self._first)), high))
        most = int(min(max(low + 2, 3 if least < 2 else 0), high)) if low <= LARGEST else low
        first, items, spread = list(self._first), self._items, most - low + 1
        contained = [each.node for each in self._parts for _ in range(each.low)]
        damping = DAMPING if node.is_cyclic else 1
        if self.is_unique:
            return _unique(self._nodes, least, low, most, damping)
        if not first and not contained:

            def plain(rng: Random, budget: int) -> Json:
                size = low + int(rng.random() * spread) if budget > 0 else least
                make, below = items.make, budget // ((size or 1) * damping)
                return [make(rng, below) for _ in range(size)]

            return plain

        def make(rng: Random, budget: int) -> Json:
            size = low + int(rng.random() * spread) if budget > 0 else least
            below = budget // ((size or 1) * damping)
            return [each.make(rng, below) for each in self._nodes(size)]

        return make

    def _nodes(self, size: int) -> Iterator[Maker]:
        """Yield the nodes of a list of this length."""
        contained = [each.node for each in self._parts for _ in range(each.low)]
        for at in range(size):
            rest = at - len(self._first)
            yield self._first[at] if rest < 0 else contained[rest] if rest < len(contained) else self._items


def _unique(nodes: Callable[[int], Iterator[Maker]], least: int, low: int, most: int, damping: int) -> Make:
    """Return what makes lists without repeats; StuckError if too many are drawn."""

    def make(rng: Random, budget: int) -> Json:
        size = rng.randint(low, most) if budget > 0 else least
        made: dict[str, Json] = {}
        below = budget // ((size or 1) * damping)
        for at, each in enumerate(nodes(size)):
            tries = 0
            while len(made) == at:
                item = each.make(rng, below if tries < 30 or damping > 1 else max(below, 1))
                made.setdefault(key_of(item), item)
                tries += 1
                if tries > 200 and at < least:
                    raise StuckError
                if tries > 40 and at >= least:
                    return list(made.values())
        return list(made.values())

    return make


# -- all together


def settle(nodes: Sequence[Maker]) -> None:
    """Find what the values of new nodes cost at least."""
    _settle(nodes)
    shapes = [each.shape for each in nodes if each.cost == NEVER]
    stuck = [each for each in shapes if isinstance(each, ChoiceShape) and each.backup]
    for each in stuck:
        each.fall_back()
    if stuck:
        _settle(nodes)


def _settle(nodes: Sequence[Maker]) -> None:
    """Find the least fixed point of the costs."""
    changed = True
    while changed:
        changed = False
        for node in reversed(nodes):
            cost = node.shape.cost()
            if cost < node.cost:
                node.cost, changed = cost, True


def mark_cycles(nodes: Sequence[Maker]) -> list[Maker]:
    """Mark the nodes that are parts of themselves; return all, parts first (Tarjan's algorithm, without recursion)."""
    new, order = set(nodes), list[Maker]()
    index: dict[Maker, int] = {}
    low: dict[Maker, int] = {}
    stack: list[Maker] = []
    on_stack: set[Maker] = set()
    for root in nodes:
        if root in index:
            continue
        work: list[tuple[Maker, Iterator[Maker]]] = [(root, iter(root.shape.below()))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, parts = work[-1]
            part = next(parts, None)
            if part is not None:
                if part not in new:
                    continue
                if part not in index:
                    index[part] = low[part] = len(index)
                    stack.append(part)
                    on_stack.add(part)
                    work.append((part, iter(part.shape.below())))
                elif part in on_stack:
                    low[node] = min(low[node], index[part])
                continue
            work.pop()
            order.append(node)
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                _close(node, stack, on_stack)
    return order


def _close(node: Maker, stack: list[Maker], on_stack: set[Maker]) -> None:
    group = []
    while True:
        each = stack.pop()
        on_stack.discard(each)
        group.append(each)
        if each is node:
            break
    if len(group) > 1 or node in list(node.shape.below()):
        for each in group:
            each.is_cyclic = True


def cause(node: Maker) -> ScalarShape | None:
    """Return the part because of which a node has no value; None where that is its endlessness."""
    seen: set[Maker] = set()
    stack = [node]
    while stack:
        each = stack.pop()
        if each in seen or each.cost < NEVER:
            continue
        seen.add(each)
        if isinstance(each.shape, ScalarShape):
            return each.shape
        stack += each.shape.below()
    return None
