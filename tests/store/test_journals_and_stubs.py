"""All shelves are one: the same calls have the same effects, whoever makes them, and once happens once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mockserver.errors import StoreError, StubError
from mockserver.journal.exchange import Exchange
from mockserver.messages import Finding, Json
from mockserver.settings import MOST_EXCHANGES
from mockserver.store import base as shelves
from mockserver.store.base import MOST_JOURNALS, Kept, Shelf
from mockserver.store.memory import MemoryShelf, MemoryStore
from mockserver.store.redis import RedisShelf, RedisStore
from mockserver.store.snapshot import open_shelf
from mockserver.store.sqlite import SqliteShelf, SqliteStore
from tests.exchanges import exchange, exchanges
from tests.redis_server import RedisServer, redis_server
from tests.strategies import json_values

Doors: TypeAlias = Callable[..., tuple[Shelf, Shelf]]
"""Opens a new, empty shelf twice, with the given limits; what one of the two does, the other must see."""

MOST, MOST_SCOPES, MOST_RESPONSES = 3, 2, 3
KINDS = ["memory", "sqlite", "redis"]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=KINDS)
def doors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doors]:
    numbers = count()
    with ExitStack() as stack:

        def open_twice(most: int = MOST_EXCHANGES, most_journals: int = MOST_JOURNALS) -> tuple[Shelf, Shelf]:
            number = next(numbers)
            if request.param == "memory":
                shelf = MemoryShelf(most, most_journals)
                return shelf, shelf
            if request.param == "sqlite":
                files = [SqliteStore(tmp_path / f"{number}.db") for _ in range(2)]
                for file in files:
                    stack.callback(file.close)
                first, second = (SqliteShelf(file, most, most_journals) for file in files)
                return first, second
            url = f"{request.getfixturevalue('redis').url}?prefix={tmp_path.name}:{number}:"
            stores = [RedisStore(url) for _ in range(2)]
            for store in stores:
                stack.callback(store.close)
            return RedisShelf(stores[0], most, most_journals), RedisShelf(stores[1], most, most_journals)

        yield open_twice


@pytest.fixture
def few_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("store.base", "store.memory", "store.sqlite", "store.redis"):
        monkeypatch.setattr(f"mockserver.{module}.MOST_PLANNED", MOST_RESPONSES)


# -- the law ---------------------------------------------------------------------------------------------------------


class Plain:
    """A shelf, as plainly as can be."""

    def __init__(self) -> None:
        self.journals: dict[str, list[Exchange]] = {}
        self.plans: dict[str, dict[int, Kept]] = {}
        self.claims: dict[str, dict[str, int]] = {}
        self.planned = 0

    def exchanges(self, scope: str) -> list[Exchange]:
        """Give the last exchanges of a scope, numbered as they came."""
        every = self.journals.get(scope, [])
        return [each._replace(number=number) for number, each in enumerate(every, 1)][-MOST:]

    def scopes(self) -> list[str]:
        """Name the scopes of which something is kept."""
        return sorted(name for name in SCOPES if any(name in kept for kept in (self.journals, self.plans, self.claims)))

    def tidy(self) -> None:
        """Forget the journals that are too many, and what is empty."""
        for name in list(self.journals)[:-MOST_SCOPES]:
            del self.journals[name]
        self.plans = {name: plan for name, plan in self.plans.items() if plan}
        self.claims = {name: claims for name, claims in self.claims.items() if claims}


SCOPES = ("a", "b", "a:b", "1:a")
FOUND = Finding("/body", "missing", "é\n\0", "client", expected=2**70, received=[1.5, None, {"": []}])
KEPT = [
    exchange(number=0),
    exchange(number=0, body=b"\xff\0", answer="é".encode(), attempt=2, query="a=1"),
    exchange(number=7, findings=(FOUND, FOUND), planned=-2, faults=({"delay": 0.5}, "reset"), operation=""),
]
sides = st.integers(0, 1)
scopes = st.sampled_from(SCOPES[:1] * 3 + SCOPES)
specs = st.sampled_from([{"operation": "list"}, {"x": [1.5, None, "é\0"]}, 2**70, None])
ends = st.sampled_from(["", ":asked", "0"])


class Law(RuleBasedStateMachine):
    """A shelf does what plain lists and dicts would do; each call comes in by one of two doors."""

    def __init__(self, doors: Doors) -> None:
        super().__init__()
        self.doors = doors(MOST, MOST_SCOPES)
        self.plain = Plain()
        self.touched, self.looked = "a", 0

    def door(self, side: int, scope: str) -> Shelf:
        """Give the door by which a scope is touched."""
        self.touched = scope
        return self.doors[side]

    def number(self, scope: str, back: int) -> int:
        """Give the number of an answer that is planned in a scope, or was, or never was."""
        numbers = list(self.plain.plans.get(scope, ()))
        return numbers[-back] if 0 < back <= len(numbers) else self.plain.planned + 1 - back

    @rule(side=sides, scope=scopes, kept=st.sampled_from(KEPT))
    def an_exchange(self, side: int, scope: str, kept: Exchange) -> None:
        made = kept._replace(scope=scope)
        every = self.plain.journals.pop(scope, [])
        self.plain.journals[scope] = [*every, made]
        assert self.door(side, scope).record(made) == len(every) + 1

    @rule(side=sides, scope=scopes)
    def a_cleared_journal(self, side: int, scope: str) -> None:
        self.door(side, scope).clear(scope)
        self.plain.journals.pop(scope, None)

    @rule(side=sides, scope=scopes, spec=specs)
    def an_answer(self, side: int, scope: str, spec: Json) -> None:
        plan = self.plain.plans.setdefault(scope, {})
        if len(plan) == MOST_RESPONSES:
            with pytest.raises(StubError, match=f"{MOST_RESPONSES} answers are planned already"):
                self.door(side, scope).put(scope, spec)
            return
        self.plain.planned += 1
        plan[self.plain.planned] = Kept(self.plain.planned, 1, spec)
        assert self.door(side, scope).put(scope, spec) == plan[self.plain.planned]

    @rule(side=sides, scope=scopes, spec=specs, back=st.integers(-1, 3))
    def a_change(self, side: int, scope: str, spec: Json, back: int) -> None:
        number, plan = self.number(scope, back), self.plain.plans.get(scope, {})
        if number not in plan:
            self.is_refused(number, lambda: self.door(side, scope).put(scope, spec, number))
            return
        plan[number] = Kept(number, plan[number].revision + 1, spec)
        assert self.door(side, scope).put(scope, spec, number) == plan[number]

    @rule(side=sides, scope=scopes, back=st.integers(-1, 3))
    def an_answer_less(self, side: int, scope: str, back: int) -> None:
        number, plan = self.number(scope, back), self.plain.plans.get(scope, {})
        if number not in plan:
            self.is_refused(number, lambda: self.door(side, scope).remove(scope, number))
            return
        self.door(side, scope).remove(scope, number)
        del plan[number]
        claims = self.plain.claims.get(scope, {})
        self.plain.claims[scope] = {key: uses for key, uses in claims.items() if key.split(":")[0] != str(number)}

    def is_refused(self, number: int, call: Callable[[], object]) -> None:
        """Assert that nothing is done to an answer that is not there."""
        if number:
            with pytest.raises(StubError, match=f"there is no stub {number}"):
                call()

    @rule(side=sides, scope=scopes)
    def no_answer(self, side: int, scope: str) -> None:
        self.door(side, scope).remove(scope)
        self.plain.plans.pop(scope, None)
        self.plain.claims.pop(scope, None)

    @rule(side=sides, scope=scopes, back=st.integers(-1, 3), end=ends, most=st.none() | st.integers(0, 3))
    def a_claim(self, side: int, scope: str, back: int, end: str, most: int | None) -> None:
        key = f"{self.number(scope, back)}{end}"
        claims = self.plain.claims.setdefault(scope, {})
        used = claims.get(key, 0)
        if most is not None and used >= most:
            assert self.door(side, scope).claim(scope, key, most) == 0
            return
        claims[key] = used + 1
        assert self.door(side, scope).claim(scope, key, most) == used + 1

    @rule(side=sides, scope=scopes)
    def a_forgetting(self, side: int, scope: str) -> None:
        self.door(side, scope).forget(scope)
        for kept in (self.plain.journals, self.plain.plans, self.plain.claims):
            kept.pop(scope, None)

    @invariant()
    def all_is_known_by_both_doors(self) -> None:
        """Look at the scope that was last touched by both doors, and at all scopes in turn."""
        plain = self.plain
        plain.tidy()
        self.looked += 1
        for side, scope in ((0, self.touched), (1, self.touched), (self.looked % 2, SCOPES[self.looked % 4])):
            shelf = self.doors[side]
            assert list(shelf.exchanges(scope)) == plain.exchanges(scope)
            assert list(shelf.plan(scope)) == list(plain.plans.get(scope, {}).values())
            assert dict(shelf.claims(scope)) == plain.claims.get(scope, {})
        assert list(self.doors[self.looked % 2].scopes()) == plain.scopes()

    def teardown(self) -> None:
        """Look at all."""
        for self.touched in SCOPES:
            self.all_is_known_by_both_doors()


@pytest.mark.usefixtures("few_answers")
def test_every_shelf_does_what_lists_and_dicts_would(doors: Doors) -> None:
    class Here(Law):
        """The law, on these shelves."""

        def __init__(self) -> None:
            super().__init__(doors)

    run_state_machine_as_test(Here, settings=settings(stateful_step_count=20))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.lists(exchanges, max_size=3), specs=st.lists(json_values, max_size=3))
def test_what_is_kept_is_what_was_given(doors: Doors, kept: list[Exchange], specs: list[Json]) -> None:
    shelf, other = doors()
    for each in kept:
        shelf.record(each._replace(scope="a"))
    assert list(other.exchanges("a")) == [
        each._replace(scope="a", number=number) for number, each in enumerate(kept, 1)
    ]
    for spec in specs:
        shelf.put("a", spec)
    assert [each.spec for each in other.plan("a")] == specs


# -- many at once ----------------------------------------------------------------------------------------------------

THREADS = 8


def at_once(call: Callable[[int], Any], times: int) -> list[Any]:
    """Call so often in several threads, and give what comes of each."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, range(times)))


def test_once_happens_once_however_many_ask(doors: Doors) -> None:
    both = doors()
    for _ in range(5):
        assert sorted(at_once(lambda number: both[number % 2].claim("a", "1", 1), THREADS)) == [0] * (THREADS - 1) + [1]
        both[0].remove("a")


def test_everyone_who_claims_gets_another_count_up_to_the_last(doors: Doors) -> None:
    both = doors()
    claimed = at_once(lambda number: both[number % 2].claim("a", "1", 60), 100)
    assert sorted(claimed) == [0] * 40 + list(range(1, 61))
    endless = at_once(lambda number: both[number % 2].claim("a", "2"), 100)
    assert sorted(endless) == list(range(1, 101))
    assert both[1].claims("a") == {"1": 60, "2": 100}


def test_no_exchange_is_lost_and_none_shares_its_number(doors: Doors) -> None:
    both = doors(most=30)
    numbers = at_once(lambda number: both[number % 2].record(exchange(scope="a", query=f"{number}")), 100)
    assert sorted(numbers) == list(range(1, 101))
    kept = both[0].exchanges("a")
    assert [each.number for each in kept] == list(range(71, 101))
    assert all(numbers[int(each.query)] == each.number for each in kept)


@pytest.mark.usefixtures("few_answers")
def test_no_more_answers_are_planned_than_there_is_room_for(doors: Doors) -> None:
    both = doors()

    def put(number: int) -> int:
        try:
            return both[number % 2].put("a", {"number": number}).number
        except StubError:
            return 0

    numbers = sorted(at_once(put, 20))
    assert numbers == [0] * (20 - MOST_RESPONSES) + list(range(1, MOST_RESPONSES + 1))
    assert sorted(each.number for each in both[0].plan("a")) == numbers[-MOST_RESPONSES:]


def test_a_change_is_seen_by_its_revision(doors: Doors) -> None:
    both = doors()
    made = both[0].put("a", 0)
    changed = at_once(lambda number: both[number % 2].put("a", number, made.number), 40)
    assert sorted(each.revision for each in changed) == list(range(2, 42))
    last = max(changed, key=lambda each: each.revision)
    assert list(both[0].plan("a")) == [last]


def test_with_an_answer_goes_how_often_it_was_claimed_and_no_other_count(doors: Doors) -> None:
    both = doors()
    first, second = (both[0].put("a", {}).number for _ in range(2))
    both[0].put("b", {})
    for key in ("1", "1:asked", "10", "11:asked", "2", "-1"):
        both[0].claim("a", key)
        both[1].claim("b", key)
    both[1].remove("a", first)
    assert (first, second) == (1, 2)
    assert both[0].claims("a") == {"10": 1, "11:asked": 1, "2": 1, "-1": 1}
    assert len(both[0].claims("b")) == 6
    with pytest.raises(StubError, match="there is no stub -1"):
        both[1].remove("a", -1)
    assert len(both[0].claims("a")) == 4


def test_a_scope_is_named_for_as_long_as_something_of_it_is_kept(doors: Doors) -> None:
    first, other = doors()
    number = first.put("a", {}).number
    first.claim("a", f"{number}")
    first.claim("b", "-1")
    first.record(exchange(scope="c"))
    assert other.claim("d", "-1", 0) == 0
    for scope in "ad":
        with pytest.raises(StubError):
            other.put(scope, {}, 99)
    assert list(other.scopes()) == ["a", "b", "c"]
    other.remove("a", number)
    first.remove("b")
    other.clear("c")
    assert list(first.scopes()) == []


# -- bounds ----------------------------------------------------------------------------------------------------------


def test_the_journal_that_was_written_to_longest_ago_goes_and_its_plan_stays(doors: Doors) -> None:
    both = doors(most_journals=3)
    both[0].put("a", 1)
    both[0].claim("a", "1")
    for number, scope in enumerate("abcbad"):
        both[number % 2].record(exchange(scope=scope))
    assert [len(both[1].exchanges(scope)) for scope in "abcd"] == [2, 2, 0, 1]
    for scope in "bd":
        both[0].record(exchange(scope=scope))
    both[1].record(exchange(scope="c"))
    assert [[each.number for each in both[0].exchanges(scope)] for scope in "abcd"] == [[], [1, 2, 3], [1], [1, 2]]
    assert (len(both[0].plan("a")), both[0].claims("a")) == (1, {"1": 1})
    assert both[1].scopes() == ["a", "b", "c", "d"]


def test_a_shelf_keeps_as_much_as_is_documented(doors: Doors) -> None:
    assert (MOST_EXCHANGES, MOST_JOURNALS, shelves.MOST_PLANNED) == (1_000, 1_000, 1_000)
    shelf = doors()[0]
    for number in range(1_001):
        shelf.record(exchange(scope="a", query=f"{number}"))
    kept = shelf.exchanges("a")
    assert (len(kept), kept[0].number, kept[0].query, kept[-1].number) == (1_000, 2, "1", 1_001)


# -- where each is used, and what becomes of it -----------------------------------------------------------------------


def test_what_several_processes_must_see_is_kept_where_they_see_it(tmp_path: Path, redis: RedisServer) -> None:
    file, store = SqliteStore(tmp_path / "s.db"), RedisStore(redis.url + "/5")
    opened = [
        open_shelf(MemoryStore(), 10, workers=1),
        open_shelf(file, 10, workers=1),
        open_shelf(file, 10, workers=2),
        open_shelf(store, 10, workers=1),
    ]
    assert [type(each) for each in opened] == [MemoryShelf, MemoryShelf, SqliteShelf, RedisShelf]
    assert [each.shared for each in opened] == [False, False, True, True]
    file.close()
    store.close()


def test_sessions_and_shelf_of_one_scope_are_kept_apart(tmp_path: Path, redis: RedisServer) -> None:
    for store in (SqliteStore(tmp_path / "s.db"), RedisStore(redis.url + "/6")):
        shelf: Shelf = SqliteShelf(store) if isinstance(store, SqliteStore) else RedisShelf(store)
        store.birth("a")
        shelf.record(exchange(scope="a"))
        store.drop("a")
        assert len(shelf.exchanges("a")) == 1
        store.birth("a")
        shelf.forget("a")
        assert store.birth("a") == 2
        store.drop("a")
        store.close()


def test_what_is_forgotten_leaves_nothing_in_redis(redis: RedisServer) -> None:
    store = RedisStore(redis.url + "/7")
    shelf = RedisShelf(store, most_journals=2)
    for scope in "abc":
        shelf.record(exchange(scope=scope))
        shelf.put(scope, 1)
        shelf.claim(scope, "1")
    shelf.clear("b")
    assert sorted(store.redis.keys("*:b")) == [b"mockserver:claims:b", b"mockserver:plan:b"]
    for scope in "abc":
        shelf.forget(scope)
    assert sorted(store.redis.keys()) == [b"mockserver:planned", b"mockserver:written"]
    store.close()


def test_a_shelf_whose_store_is_away_says_so_and_is_used_again_when_it_is_back(redis: RedisServer) -> None:
    store = RedisStore(redis.url + "/8")
    shelf = RedisShelf(store)
    redis.stop()
    try:
        calls: list[Callable[[], object]] = [
            lambda: shelf.record(exchange()),
            lambda: shelf.exchanges("a"),
            lambda: shelf.scopes(),
            lambda: shelf.clear("a"),
            lambda: shelf.plan("a"),
            lambda: shelf.put("a", 1),
            lambda: shelf.remove("a"),
            lambda: shelf.claim("a", "1"),
            lambda: shelf.claims("a"),
            lambda: shelf.forget("a"),
        ]
        for call in calls:
            with pytest.raises(StoreError, match="Redis cannot be used"):
                call()
    finally:
        redis.start()
    assert shelf.record(exchange()) == 1
    store.close()


def test_a_file_keeps_its_journal_and_plan(tmp_path: Path) -> None:
    for number in (1, 2):
        store = SqliteStore(tmp_path / "s.db")
        shelf = SqliteShelf(store)
        assert shelf.record(exchange(scope="a")) == number
        assert shelf.put("a", number).number == number
        store.close()
