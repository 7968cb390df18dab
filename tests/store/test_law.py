"""One law for all stores: the same calls have the same effects, whichever store it is and whoever makes them."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec import structs

from mockserver.errors import StoreFullError, StubError
from mockserver.messages import Json
from mockserver.store.base import Change, Counters, Limits, Part, Record, Store, StoredStub
from tests.store.conftest import Doors
from tests.strategies import json_values

LIMITS = Limits(records=3, scopes=2, gone=2, entries=3, journals=2, stubs=3)

Name = tuple[str, str]
"""A collection and an id."""


class PlainScope:
    """The records of one scope, kept as plainly as can be."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.seq = 0
        self.seed: int | None = None
        self.records: dict[Name, Record] = {}
        self.parts: dict[Name, dict[int, Any]] = {}
        self.gone: list[Name] = []

    def latest(self, collection: str, group: str | None) -> list[Record]:
        """List the records of a collection, the latest first."""
        found = [each for each in self.records.values() if each.collection == collection]
        return sorted((each for each in found if group in (None, each.group)), key=lambda record: -record.seq)

    def write(self, record: Record, parts: Sequence[Part], *, stays: bool = False) -> Record:
        """Keep a record, with its parts, as the latest, or at its place in its group."""
        name = (record.collection, record.id)
        old = self.records.get(name)
        if stays and old is not None and old.group == record.group:
            self.records[name] = structs.replace(record, seq=old.seq)
        else:
            self.seq += 1
            self.records[name] = structs.replace(record, seq=self.seq)
        self.parts.setdefault(name, {}).update(parts)
        return self.records[name]

    def forget(self, name: Name, *, gone: bool) -> None:
        """Delete a record."""
        old = self.records.pop(name, None)
        self.parts.pop(name, None)
        if old is not None and gone:
            self.gone = [*(each for each in self.gone if each != name), name][-LIMITS.gone :]


class PlainLog:
    """Journals, stubs and claims, kept as plainly as can be."""

    def __init__(self) -> None:
        self.journals: dict[str, list[bytes]] = {}
        self.stubs: dict[str, dict[int, StoredStub]] = {}
        self.claims: dict[str, dict[str, int]] = {}
        self.numbered = 0

    def append(self, scope: str, entry: bytes) -> int:
        """Add an entry, and forget the journals that are too many."""
        self.journals[scope] = [*self.journals.pop(scope, []), entry]
        for name in list(self.journals)[: -LIMITS.journals]:
            del self.journals[name]
        return len(self.journals[scope])

    def entries(self, scope: str) -> list[tuple[int, bytes]]:
        """List the last entries of a scope, numbered as they came."""
        return list(enumerate(self.journals.get(scope, []), 1))[-LIMITS.entries :]

    def active(self) -> list[str]:
        """Name the scopes of which something is kept."""
        return sorted(name for kept in (self.journals, self.stubs, self.claims) for name, each in kept.items() if each)

    def forget(self, scope: str) -> None:
        """Forget all of a scope."""
        for kept in (self.journals, self.stubs, self.claims):
            kept.pop(scope, None)


class FailedError(Exception):
    pass


def fail(*_: object) -> Change:
    raise FailedError


SCOPES = ("a", "", "a:b", "1:a")
COLLECTIONS = ("c", "1:c", "é:")
GROUPS = (None, "", "p", "p:0")
sides = st.integers(0, 1)
scope_names = st.sampled_from(["a"] * 8 + list(SCOPES))  # mostly one, so that much happens in it
ids = st.sampled_from(["x", "3:x", "5", "5:0000000000000001", "é\0"])
names = st.tuples(st.sampled_from(["c"] * 3 + list(COLLECTIONS)), ids)
picks = st.sampled_from([0, 0, 1, 2]) | st.sampled_from([0, 1]) | names
"""A record that there is, by its age, or a name that may be that of none."""
counters = st.sampled_from(["made", "made", "é\0"])
groups = st.sampled_from(GROUPS)
numbers = st.integers(1, 4)
values = st.sampled_from([None, "x", "é\0", 2**70, [1.5, {"": []}]]) | json_values
part_lists = st.lists(st.tuples(st.integers(0, 4), st.lists(values, max_size=2)), max_size=2)
contents = st.dictionaries(st.sampled_from(["a", "b", "é\0"]), values, max_size=2)
specs = st.sampled_from([{"operation": "list"}, {"x": [1.5, None, "é\0"]}, 2**70, None])
ends = st.sampled_from(["", ":asked", "0"])


class Law(RuleBasedStateMachine):
    """A store does what plain lists and dicts would do; each call comes in by one of two doors."""

    def __init__(self, doors: Doors) -> None:
        super().__init__()
        self.doors = doors(LIMITS)
        self.spaces: dict[str, PlainScope] = {}
        self.log = PlainLog()
        self.touched, self.looked = "a", 0

    # Records

    def size(self) -> int:
        return sum(len(each.records) for each in self.spaces.values())

    def full(self, scope: str, *, record: bool) -> str:
        """Say of what the store has no room, if one more is to be kept in a scope; "" where there is room."""
        if scope not in self.spaces and len(self.spaces) == LIMITS.scopes:
            return "scopes"
        return "records" if record and self.size() == LIMITS.records else ""

    def keep(self, scope: str, call: Callable[[], Any], *, record: bool = False) -> tuple[PlainScope, Any] | None:
        """Call what makes a scope appear; None where it was refused for want of room, as it must be."""
        if what := self.full(scope, record=record):
            with pytest.raises(StoreFullError, match=what):
                call()
            return None
        return self.spaces.setdefault(scope, PlainScope()), call()

    def name(self, scope: str, pick: int | Name) -> Name:
        """Give the name that is picked: of a record of the scope, if a number is."""
        if isinstance(pick, tuple):
            return pick
        known = list(self.spaces[scope].records) if scope in self.spaces else []
        return known[pick] if pick < len(known) else ("c", "x")

    def judge(self, side: int, scope: str, collection: str, id: str) -> None:
        """Assert that all is known by the other door that was done by this one."""
        store, space, name = self.doors[1 - side], self.spaces.get(scope, PlainScope()), (collection, id)
        record, gone = space.records.get(name), space.gone
        found = store.find(scope, collection, id, parts=True)
        assert (found.record, found.gone) == (record, record is None and name in gone)
        assert list(found.parts) == sorted(space.parts.get(name, {}).items())
        assert store.find(scope, collection, id) == structs.replace(found, parts=())
        assert store.seed(scope) == space.seed
        counted = store.counters(scope)
        assert (dict(counted.counts), counted.seq, list(counted.gone)) == (space.counts, space.seq, gone)
        assert list(store.collections(scope)) == sorted({collection for collection, _ in space.records})
        for group in GROUPS:
            latest = space.latest(collection, group)
            assert list(store.page(scope, collection, group, None, 9)) == latest
            assert store.size(scope, collection, group) == len(latest)

    @initialize(full=st.booleans())
    def some_records(self, full: bool) -> None:
        """Begin with something to change."""
        if full:
            self.a_write(0, "a", ("c", "x"), {"a": 1}, "p", [(1, ["x"]), (2, [])])
            self.a_write(1, "a", ("c", "5"), {}, None, [(1, [])])
            self.a_count(0, "a", "made")

    @rule(side=sides, scope=scope_names, counter=counters)
    def a_count(self, side: int, scope: str, counter: str) -> None:
        if kept := self.keep(scope, lambda: self.doors[side].count(scope, counter)):
            counts = kept[0].counts
            counts[counter] = counts.get(counter, 0) + 1
            assert kept[1] == counts[counter]
            self.judge(side, scope, "c", "5")

    @rule(side=sides, scope=scope_names, pick=picks, data=contents, group=groups, parts=part_lists, stays=st.booleans())
    def a_write(
        self,
        side: int,
        scope: str,
        pick: int | Name,
        data: Json,
        group: str | None,
        parts: list[Part],
        stays: bool = False,
    ) -> None:
        known, name = self.spaces.get(scope, PlainScope()), self.name(scope, pick)
        old, made = known.records.get(name), Record(*name, data, group)

        def step(found: Record | None, gone: bool) -> Change:
            assert (found, gone) == (old, name in known.gone)
            return Change(made, parts, stays=stays)

        if kept := self.keep(scope, lambda: self.doors[side].update(scope, *name, step), record=old is None):
            assert kept[1] == kept[0].write(made, parts, stays=stays)
            self.judge(side, scope, *name)

    @rule(side=sides, scope=scope_names, pick=picks, parts=part_lists)
    def parts_or_nothing(self, side: int, scope: str, pick: int | Name, parts: list[Part]) -> None:
        space, name = self.spaces.get(scope, PlainScope()), self.name(scope, pick)
        old = space.records.get(name)
        left = self.doors[side].update(scope, *name, lambda found, _: Change(found, parts))
        assert left == (old if old is None or not parts else space.write(old, parts))
        self.judge(side, scope, *name)

    @rule(side=sides, scope=scope_names, pick=picks, gone=st.booleans())
    def a_deletion(self, side: int, scope: str, pick: int | Name, gone: bool) -> None:
        name = self.name(scope, pick)
        assert self.doors[side].update(scope, *name, lambda *_: Change(None, gone=gone)) is None
        self.spaces.get(scope, PlainScope()).forget(name, gone=gone)
        self.judge(side, scope, *name)

    @rule(side=sides, scope=scope_names, pick=picks)
    def a_step_that_fails(self, side: int, scope: str, pick: int | Name) -> None:
        name = self.name(scope, pick)
        with pytest.raises(FailedError):
            self.doors[side].update(scope, *name, fail)
        self.judge(side, scope, *name)

    @rule(side=sides, scope=scope_names)
    def no_records(self, side: int, scope: str) -> None:
        self.doors[side].clear_records(scope)
        self.spaces.pop(scope, None)
        self.judge(side, scope, "c", "5")

    @rule(side=sides, scope=scope_names, seed=st.integers(-(2**70), 2**70))
    def a_seed(self, side: int, scope: str, seed: int) -> None:
        if kept := self.keep(scope, lambda: self.doors[side].set_seed(scope, seed)):
            kept[0].seed = seed
            self.judge(side, scope, "c", "5")

    @rule(
        side=sides,
        scope=scope_names,
        counts=st.dictionaries(counters, numbers, max_size=2),
        seq=st.integers(0, 6).map(lambda n: n * 256),
        picked=st.lists(picks, max_size=4),
    )
    def a_restoration(self, side: int, scope: str, counts: dict[str, int], seq: int, picked: list[int | Name]) -> None:
        gone = [self.name(scope, pick) for pick in picked]
        if kept := self.keep(scope, lambda: self.doors[side].restore(scope, Counters(counts, seq, gone))):
            space = kept[0]
            space.counts |= {name: max(counted, space.counts.get(name, 0)) for name, counted in counts.items()}
            space.seq = max(seq, space.seq)
            space.gone += dict.fromkeys(each for each in gone if each not in {*space.gone, *space.records})
            space.gone = space.gone[-LIMITS.gone :]
            self.judge(side, scope, "c", "5")

    @rule(side=sides, scope=scope_names, name=names, again=st.booleans())
    def a_short_life(self, side: int, scope: str, name: Name, again: bool) -> None:
        self.a_write(side, scope, name, {}, "p", [(1, [])])
        self.a_deletion(1 - side, scope, name, gone=True)
        if again:
            self.a_write(side, scope, name, {}, None, [])

    @rule(side=sides, scope=scope_names, pick=picks, size=numbers, at=st.integers(-3, 5) | st.just(10**20))
    def a_page(self, side: int, scope: str, pick: int | Name, size: int, at: int) -> None:
        collection, _ = self.name(scope, pick)
        for group in GROUPS:
            latest = self.spaces.get(scope, PlainScope()).latest(collection, group)
            before = latest[at].seq if 0 <= at < len(latest) else None if at < 5 else at
            wanted = [record for record in latest if before is None or record.seq < before][:size]
            assert list(self.doors[side].page(scope, collection, group, before, size)) == wanted
            wanted = [record for record in reversed(latest) if before is None or record.seq > before][:size]
            assert list(self.doors[side].page(scope, collection, group, before, size, oldest=True)) == wanted

    @rule(scope=scope_names, group=groups, size=numbers, touched=st.lists(ids, max_size=3))
    def a_walk_through_all(self, scope: str, group: str | None, size: int, touched: list[str]) -> None:
        """Page through all while some are touched: each that is not is met once, and none twice at one place."""
        latest = self.spaces.get(scope, PlainScope()).latest("c", group)
        met: list[Record] = []
        before, left = None, list(touched)
        while page := self.doors[0].page(scope, "c", group, before, size):
            met += page
            before = page[-1].seq
            if left:
                self.parts_or_nothing(1, scope, ("c", left.pop()), [(1, [])])
        assert [each.id for each in met if each.id not in touched] == [e.id for e in latest if e.id not in touched]
        assert len({record.seq for record in met}) == len(met)

    # Journal and stubs

    def door(self, side: int, scope: str) -> Store:
        """Give the door by which the log of a scope is touched."""
        self.touched = scope
        return self.doors[side]

    def number(self, scope: str, back: int) -> int:
        """Give the number of a stub of a scope, or of one that was, or never was."""
        known = list(self.log.stubs.get(scope, ()))
        return known[-back] if 0 < back <= len(known) else self.log.numbered + 1 - back

    def is_refused(self, number: int, call: Callable[[], object]) -> None:
        """Assert that nothing is done to a stub that is not there."""
        if number:
            with pytest.raises(StubError, match=f"there is no stub {number}"):
                call()

    @rule(side=sides, scope=scope_names, entry=st.binary(max_size=6))
    def an_entry(self, side: int, scope: str, entry: bytes) -> None:
        assert self.door(side, scope).append(scope, entry) == self.log.append(scope, entry)

    @rule(side=sides, scope=scope_names)
    def no_entries(self, side: int, scope: str) -> None:
        self.door(side, scope).clear_entries(scope)
        self.log.journals.pop(scope, None)

    @rule(side=sides, scope=scope_names, spec=specs)
    def a_stub(self, side: int, scope: str, spec: Json) -> None:
        stubs = self.log.stubs.setdefault(scope, {})
        if len(stubs) == LIMITS.stubs:
            with pytest.raises(StubError, match=f"there are {LIMITS.stubs} stubs already"):
                self.door(side, scope).put_stub(scope, spec)
            return
        self.log.numbered += 1
        made = stubs[self.log.numbered] = StoredStub(self.log.numbered, 1, spec)
        assert self.door(side, scope).put_stub(scope, spec) == made

    @rule(side=sides, scope=scope_names, spec=specs, back=st.integers(-1, 3))
    def another_spec(self, side: int, scope: str, spec: Json, back: int) -> None:
        number, stubs = self.number(scope, back), self.log.stubs.get(scope, {})
        if number not in stubs:
            self.is_refused(number, lambda: self.door(side, scope).put_stub(scope, spec, number))
            return
        made = stubs[number] = StoredStub(number, stubs[number].revision + 1, spec)
        assert self.door(side, scope).put_stub(scope, spec, number) == made

    @rule(side=sides, scope=scope_names, back=st.integers(-1, 3))
    def a_stub_less(self, side: int, scope: str, back: int) -> None:
        number, stubs = self.number(scope, back), self.log.stubs.get(scope, {})
        if number not in stubs:
            self.is_refused(number, lambda: self.door(side, scope).remove_stubs(scope, number))
            return
        self.door(side, scope).remove_stubs(scope, number)
        del stubs[number]
        claims = self.log.claims.get(scope, {})
        self.log.claims[scope] = {key: uses for key, uses in claims.items() if key.split(":")[0] != str(number)}

    @rule(side=sides, scope=scope_names)
    def no_stubs(self, side: int, scope: str) -> None:
        self.door(side, scope).remove_stubs(scope)
        self.log.stubs.pop(scope, None)
        self.log.claims.pop(scope, None)

    @rule(side=sides, scope=scope_names, back=st.integers(-1, 3), end=ends, most=st.none() | st.integers(0, 3))
    def a_claim(self, side: int, scope: str, back: int, end: str, most: int | None) -> None:
        key = f"{self.number(scope, back)}{end}"
        claims = self.log.claims.setdefault(scope, {})
        used = claims.get(key, 0)
        if most is not None and used >= most:
            assert self.door(side, scope).claim(scope, key, most) == 0
            return
        claims[key] = used + 1
        assert self.door(side, scope).claim(scope, key, most) == used + 1

    # All of it

    @rule(side=sides, scope=scope_names)
    def a_drop(self, side: int, scope: str) -> None:
        self.door(side, scope).drop(scope)
        self.spaces.pop(scope, None)
        self.log.forget(scope)
        self.judge(side, scope, "c", "5")

    @invariant()
    def the_numbers_agree(self) -> None:
        assert len(self.doors[1]) == self.size()
        assert dict(self.doors[0].scopes()) == {name: len(each.records) for name, each in self.spaces.items()}

    @invariant()
    def the_log_is_known_by_both_doors(self) -> None:
        """Look at the scope that was last touched by both doors, and at all scopes in turn."""
        self.looked += 1
        for side, scope in ((0, self.touched), (1, self.touched), (self.looked % 2, SCOPES[self.looked % 4])):
            store = self.doors[side]
            assert list(store.entries(scope)) == self.log.entries(scope)
            stubs = list(self.log.stubs.get(scope, {}).values())
            assert (list(store.stubs(scope)), bool(stubs) <= (store.stubbed is None or scope in store.stubbed)) == (
                stubs,
                True,
            )
            assert dict(store.claims(scope)) == self.log.claims.get(scope, {})
        assert list(self.doors[self.looked % 2].active_scopes()) == sorted(set(self.log.active()))

    def teardown(self) -> None:
        """Look at all."""
        for self.touched in SCOPES:
            self.the_log_is_known_by_both_doors()


def test_every_store_does_what_lists_and_dicts_would(doors: Doors) -> None:
    class Here(Law):
        """The law, on these stores."""

        def __init__(self) -> None:
            super().__init__(doors)

    run_state_machine_as_test(Here, settings=settings(stateful_step_count=30))
