"""All stores are one: the same calls have the same effects, whoever makes them, and nothing acknowledged is lost."""

import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mockserver.errors import StoreError, StoreFullError
from mockserver.store import sqlite as store_sqlite
from mockserver.store.base import Change, Counters, Found, Session, Store
from mockserver.store.memory import MemoryStore
from mockserver.store.redis import RedisStore
from mockserver.store.sqlite import VERSION, SqliteStore
from tests.needs import PATIENCE
from tests.redis_server import RedisServer, redis_server
from tests.store_killed import ID, SCOPE, turn
from tests.strategies import ROOT, json_values

Doors: TypeAlias = Callable[..., tuple[Store, Store]]
"""Opens a new, empty store twice, with the given limits; what one of the two does, the other must see."""

MOST = {"max_records": 3, "most_scopes": 2, "most_gone": 2}


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
def doors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doors]:
    numbers = count()
    with ExitStack() as stack:

        def open_twice(**most: int) -> tuple[Store, Store]:
            first, second = make(next(numbers), most)
            stack.callback(first.close)
            stack.callback(second.close)
            return first, second

        def make(number: int, most: dict[str, int]) -> tuple[Store, Store]:
            if request.param == "memory":
                store = MemoryStore(**most)
                return store, store
            if request.param == "sqlite":
                path = tmp_path / f"{number}.db"
                return SqliteStore(path, **most), SqliteStore(path, **most)
            url = f"{request.getfixturevalue('redis').url}?prefix={tmp_path.name}:{number}:"
            return RedisStore(url, **most), RedisStore(url, **most)

        yield open_twice


# -- the law ---------------------------------------------------------------------------------------------------------


class Plain:
    """One scope, kept as plainly as can be."""

    def __init__(self) -> None:
        self.births = self.seq = 0
        self.seed: int | None = None
        self.sessions: dict[str, Session] = {}
        self.turns: dict[str, dict[int, Any]] = {}
        self.gone: list[str] = []

    def latest(self, project: str | None) -> list[Session]:
        """Give the sessions, the latest first."""
        found = [each for each in self.sessions.values() if project in (None, each.project_id)]
        return sorted(found, key=lambda session: -session.seq)


class FailedError(Exception):
    pass


def fail(*_: object) -> Change:
    raise FailedError


scope_names = st.sampled_from(["a", "a", "a", "", "a:b"])  # mostly one, so that much happens in it
ids = st.sampled_from(["ses-1", "3:ses", "5", "é\0"])
PROJECTS = (None, "", "p", "p:0")
projects = st.sampled_from(PROJECTS)
sides = st.integers(0, 1)
numbers = st.integers(1, 4)
values = st.sampled_from([None, "x", "é\0", 2**70, [1.5, {"": []}]]) | json_values
lines = st.lists(values, max_size=2)
sessions = st.builds(
    Session,
    id=ids,
    updated_at=st.just("now"),
    job_metadata=values,
    index_ids=st.sampled_from([None, [], ["a", ""]]),
    project_id=projects,
    issued=st.booleans(),
    born=numbers,
)


class Law(RuleBasedStateMachine):
    """A store does what plain lists and dicts would do; each call comes in by one of two doors."""

    def __init__(self, doors: Doors) -> None:
        super().__init__()
        self.doors = doors(**MOST)
        self.worlds: dict[str, Plain] = {}

    def count(self) -> int:
        return sum(len(world.sessions) for world in self.worlds.values())

    def full(self, scope: str, *, session: bool = False) -> str:
        """Say of what the store has no room, if one more is to be kept in a scope; "" where there is room."""
        if scope not in self.worlds and len(self.worlds) == MOST["most_scopes"]:
            return "scopes"
        return "sessions" if session and self.count() == MOST["max_records"] else ""

    def keep(self, scope: str, call: Callable[[], Any], *, session: bool = False) -> tuple[Plain, Any] | None:
        """Call what makes a scope appear; None where it was refused for want of room, as it must be."""
        if what := self.full(scope, session=session):
            with pytest.raises(StoreFullError, match=what):
                call()
            return None
        return self.worlds.setdefault(scope, Plain()), call()

    def judge(self, side: int, scope: str, name: str) -> None:
        """Assert that all is known by the other door that was done by this one."""
        store, world = self.doors[1 - side], self.worlds.get(scope, Plain())
        session, gone = world.sessions.get(name), world.gone
        told = [events for _, events in sorted(world.turns.get(name, {}).items())]
        found = store.find(scope, name, turns=True)
        assert (found.session, list(found.turns), found.gone) == (session, told, session is None and name in gone)
        assert store.find(scope, name) == found._replace(turns=())
        assert store.seed(scope) == world.seed
        counted = store.counters(scope)
        assert counted._replace(gone=list(counted.gone)) == (world.births, world.seq, gone)

    @rule(side=sides, scope=scope_names)
    def a_birth(self, side: int, scope: str) -> None:
        if kept := self.keep(scope, lambda: self.doors[side].birth(scope)):
            kept[0].births += 1
            assert kept[1] == kept[0].births
            self.judge(side, scope, "5")

    @rule(side=sides, scope=scope_names, session=sessions, events=st.none() | lines, number=numbers)
    def a_write(self, side: int, scope: str, session: Session, events: list[Any] | None, number: int) -> None:
        told = None if events is None else (number, events)
        known = self.worlds.get(scope, Plain())
        old = known.sessions.get(session.id)

        def step(found: Session | None, gone: bool) -> Change:
            assert (found, gone) == (old, session.id in known.gone)
            return Change(session, told)

        if kept := self.keep(scope, lambda: self.doors[side].change(scope, session.id, step), session=old is None):
            world, written = kept
            world.seq += 1
            assert written == session._replace(seq=world.seq)
            world.sessions[session.id] = written
            if told is not None:
                world.turns.setdefault(session.id, {})[number] = events
            self.judge(side, scope, session.id)

    @rule(side=sides, scope=scope_names, name=ids, events=lines, number=st.none() | numbers)
    def a_turn_or_nothing(self, side: int, scope: str, name: str, events: list[Any], number: int | None) -> None:
        world = self.worlds.get(scope, Plain())
        old = world.sessions.get(name)
        told = None if number is None else (number, events)
        left = self.doors[side].change(scope, name, lambda found, _: Change(found, told))
        if old is not None and told is not None:
            world.seq += 1
            world.sessions[name] = old = old._replace(seq=world.seq)
            world.turns.setdefault(name, {})[told[0]] = events
        assert left == old
        self.judge(side, scope, name)

    @rule(side=sides, scope=scope_names, name=ids)
    def a_deletion(self, side: int, scope: str, name: str) -> None:
        assert self.doors[side].change(scope, name, lambda *_: Change(None)) is None
        world = self.worlds.get(scope, Plain())
        old = world.sessions.pop(name, None)
        world.turns.pop(name, None)
        if old is not None and old.issued:
            world.gone = [*(each for each in world.gone if each != name), name][-MOST["most_gone"] :]
        self.judge(side, scope, name)

    @rule(side=sides, scope=scope_names, name=ids)
    def a_step_that_fails(self, side: int, scope: str, name: str) -> None:
        with pytest.raises(FailedError):
            self.doors[side].change(scope, name, fail)
        self.judge(side, scope, name)

    @rule(side=sides, scope=scope_names)
    def a_drop(self, side: int, scope: str) -> None:
        self.doors[side].drop(scope)
        self.worlds.pop(scope, None)
        self.judge(side, scope, "5")

    @rule(side=sides, scope=scope_names, seed=st.integers(-(2**70), 2**70))
    def a_seed(self, side: int, scope: str, seed: int) -> None:
        if kept := self.keep(scope, lambda: self.doors[side].set_seed(scope, seed)):
            kept[0].seed = seed
            self.judge(side, scope, "5")

    @rule(
        side=sides,
        scope=scope_names,
        births=numbers,
        seq=st.integers(0, 6).map(lambda n: n * 256),
        gone=st.lists(ids, max_size=4),
    )
    def a_restoration(self, side: int, scope: str, births: int, seq: int, gone: list[str]) -> None:
        if kept := self.keep(scope, lambda: self.doors[side].restore(scope, Counters(births, seq, gone))):
            world = kept[0]
            world.births, world.seq = max(births, world.births), max(seq, world.seq)
            world.gone += dict.fromkeys(name for name in gone if name not in {*world.gone, *world.sessions})
            world.gone = world.gone[-MOST["most_gone"] :]
            self.judge(side, scope, "5")

    @rule(side=sides, scope=scope_names, name=ids)
    def a_short_life(self, side: int, scope: str, name: str) -> None:
        self.a_write(side, scope, Session(name, "now", issued=True), [], 1)
        self.a_deletion(1 - side, scope, name)

    @rule(side=sides, scope=scope_names, size=numbers, at=st.integers(-3, 5) | st.just(10**20))
    def a_page(self, side: int, scope: str, size: int, at: int) -> None:
        for project in PROJECTS:
            latest = self.worlds.get(scope, Plain()).latest(project)
            before = latest[at].seq if 0 <= at < len(latest) else None if at < 5 else at
            wanted = [session for session in latest if before is None or session.seq < before][:size]
            assert list(self.doors[side].page(scope, project, before, size)) == wanted

    @rule(scope=scope_names, project=projects, size=numbers, touched=st.lists(ids, max_size=3))
    def a_walk_through_all(self, scope: str, project: str | None, size: int, touched: list[str]) -> None:
        """Page through all while some are touched: each that is not is met once, and none twice at one place."""
        untouched = [each.id for each in self.worlds.get(scope, Plain()).latest(project) if each.id not in touched]
        met: list[Session] = []
        before, left = None, list(touched)
        while page := self.doors[0].page(scope, project, before, size):
            met += page
            before = page[-1].seq
            if left:
                self.a_turn_or_nothing(1, scope, left.pop(), [], 1)
        assert [session.id for session in met if session.id not in touched] == untouched
        assert len({session.seq for session in met}) == len(met)

    @invariant()
    def the_numbers_agree(self) -> None:
        assert len(self.doors[1]) == self.count()
        assert dict(self.doors[0].scopes()) == {name: len(world.sessions) for name, world in self.worlds.items()}


def test_every_store_does_what_lists_and_dicts_would(doors: Doors) -> None:
    class Here(Law):
        """The law, on these stores."""

        def __init__(self) -> None:
            super().__init__(doors)

    run_state_machine_as_test(Here)


# -- many at once ----------------------------------------------------------------------------------------------------


def judge_turns(store: Store, wanted: set[str]) -> None:
    """Assert that a session has exactly these turns, none of them twice, none of them torn."""
    found = store.find(SCOPE, ID, turns=True)
    assert found.session is not None
    assert found.session.turns == len(found.turns) == len(wanted)
    assert {events[0] for events in found.turns} == wanted
    assert all(Counter(events) == {events[0]: 3} for events in found.turns)


def test_no_thread_loses_an_update_or_shares_a_birth(doors: Doors) -> None:
    both, names = doors(), [f"{name}" for name in range(160)]

    def write(name: str) -> int:
        store = both[int(name) % 2]
        store.change(SCOPE, ID, lambda old, gone: turn(old, gone, name))
        found = store.find(SCOPE, ID, turns=True)
        assert found.session is not None
        assert found.session.turns == len(found.turns)
        return store.birth(SCOPE)

    with ThreadPoolExecutor(16) as pool:
        births = list(pool.map(write, names))
    assert sorted(births) == list(range(1, 161))
    judge_turns(both[0], set(names))


def writer(url: str, name: str, turns: int) -> subprocess.Popen[str]:
    """Start a process that writes so many turns."""
    command = [sys.executable, "-m", "tests.store_killed", url, name, str(turns)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen[str], name: str) -> list[str]:
    """Give the turns that a process was told to be written, once it has ended."""
    printed = process.communicate(timeout=30)[0]
    return [f"{name}-{line[:-1]}" for line in printed.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_process_loses_an_update_or_shares_a_birth(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else f"{request.getfixturevalue('redis').url}/1"
    processes = {name: writer(url, name, 60) for name in "abcd"}
    written = [each for name, process in processes.items() for each in acknowledged(process, name)]
    store: Store = SqliteStore(tmp_path / "s.db") if kind == "sqlite" else RedisStore(url)
    assert len({each.partition("-")[2] for each in written}) == len(written) == 240
    judge_turns(store, set(written))
    store.drop(SCOPE)
    store.close()


def test_what_sqlite_acknowledged_outlives_a_killed_process(tmp_path: Path) -> None:
    path, written = tmp_path / "s.db", set[str]()
    for round_ in range(4):
        process = writer(f"sqlite:///{path}", name := f"r{round_}", 10**9)
        assert process.stdout is not None
        for _ in range(1 + 40 * round_):
            written.add(f"{name}-{process.stdout.readline().strip()}")
        process.kill()
        written |= set(acknowledged(process, name))
        store = SqliteStore(path)
        found = store.find(SCOPE, ID, turns=True)
        there = {events[0] for events in found.turns}
        assert written <= there
        written = there  # one more may have been written than was told
        judge_turns(store, there)
        store.close()


# -- stores that go away, or never were --------------------------------------------------------------------------------


def add(old: Session | None, gone: bool) -> Change:
    return turn(old, gone, "x")


def refused(call: Callable[[], object]) -> str:
    """Give why a call was refused, which does not take for ever."""
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        call()
    assert time.monotonic() - started < PATIENCE
    assert caught.value.mend
    return str(caught.value)


def test_a_redis_that_stops_is_told_and_one_that_returns_is_used(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.change(SCOPE, ID, add)
    try:
        redis.stop()
        for call in (lambda: store.change(SCOPE, ID, add), lambda: len(store), lambda: RedisStore(redis.url)):
            assert redis.url in refused(call)
    finally:
        redis.start()
    assert store.birth(SCOPE) == 1
    redis.stop()
    redis.start()
    assert store.birth(SCOPE) == 1
    with redis.hanging():
        assert "Timeout" in refused(lambda: store.find(SCOPE, ID))
    store.change(SCOPE, ID, add)
    judge_turns(store, {"x"})
    store.drop(SCOPE)


def test_a_redis_without_memory_refuses_and_keeps_what_it_has(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.change(SCOPE, ID, add)
    store.redis.config_set("maxmemory", 1)
    try:
        assert "maxmemory" in refused(lambda: store.change(SCOPE, ID, add))
    finally:
        store.redis.config_set("maxmemory", 0)
    judge_turns(store, {"x"})
    store.drop(SCOPE)


def test_what_is_dropped_and_deleted_leaves_nothing_in_redis(redis: RedisServer) -> None:
    store = RedisStore(redis.url + "/2")
    for scope in ("a", "b"):
        store.set_seed(scope, 1)
        store.birth(scope)
        store.change(scope, ID, lambda *_: Change(Session(ID, "now", project_id="p", issued=True), (7, ["x"])))
    store.change("a", ID, lambda *_: Change(None))
    assert sorted(store.redis.keys("*:a")) == [b"mockserver:gone:a", b"mockserver:meta:a"]
    store.drop("a")
    store.drop("b")
    assert store.redis.keys() == []


LOGINS = ["me:s3cr3t@", ":s3cr3t@", ":s3c/r3t@", ":s3c#r3t@", ":r3t]@", "me:77?r3t@", "me:77#r3t@", "me:77/r3t@"]


@pytest.mark.parametrize("login", LOGINS)
def test_no_password_is_told(redis: RedisServer, login: str) -> None:
    with pytest.raises(StoreError) as caught:
        RedisStore(redis.url.replace("//", "//" + login))
    assert not re.search("s3c|r3t|77", str(caught.value).replace(str(redis.port), ""))
    assert "@" not in str(caught.value).replace("PASSWORD@HOST", "")
    assert RedisStore(redis.url.replace("//", "//default:@") + "/3?prefix=p:").url == redis.url + "/3"


def test_who_has_no_client_for_redis_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    assert "-m pip install redis" in refused(lambda: RedisStore("redis://127.0.0.1"))


def foreign_files(folder: Path) -> Iterator[Path]:
    (folder / "text").write_text("no database")
    (folder / "letter").write_text("a letter of many words, " * 1_000)
    for name, pragma in (("other", "journal_mode = WAL"), ("mark", "application_id = 7")):
        with sqlite3.connect(folder / name) as connection:
            connection.execute(f"PRAGMA {pragma}")
            connection.execute("CREATE TABLE sessions (x)")
        connection.close()
    SqliteStore(folder / "later").close()
    with sqlite3.connect(folder / "later") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    yield from list(folder.iterdir())


def test_a_file_that_is_no_store_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    for path in foreign_files(tmp_path):
        before = path.read_bytes(), sorted(tmp_path.iterdir())
        assert str(path) in refused(partial(SqliteStore, path))
        assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before
    assert str(tmp_path) in refused(lambda: SqliteStore(tmp_path))
    refused(lambda: SqliteStore(tmp_path / "no folder" / "s.db"))


def test_nothing_is_written_into_a_file_that_was_removed_or_replaced(tmp_path: Path) -> None:
    path, other = tmp_path / "s.db", tmp_path / "other.db"
    store, second = SqliteStore(path), SqliteStore(other)
    store.change(SCOPE, ID, add)
    second.birth("second")
    second.close()
    for each in tmp_path.glob("s.db*"):
        each.unlink()
    assert "removed" in refused(lambda: store.change(SCOPE, ID, add))
    assert "removed" in refused(lambda: store.find(SCOPE, ID))
    other.rename(path)
    assert store.find(SCOPE, ID) == Found()
    assert store.birth("second") == 2


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file for writing, as another process that writes does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


def patience(store: SqliteStore) -> int:
    """Give how many milliseconds SQLite waits for a lock on behalf of a store; a file that is held can be read."""
    (row,) = store.select("PRAGMA busy_timeout")
    return int(row[0])


def test_a_file_that_another_holds_is_waited_for_until_it_is_free(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    with ThreadPoolExecutor(1) as pool:
        with held(tmp_path / "s.db"):
            waiting = pool.submit(store.birth, SCOPE)
            time.sleep(0.1)  # one that did not wait would have failed by now
        assert waiting.result() == 1


def test_a_file_that_another_holds_is_not_waited_for_for_ever_and_less_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_sqlite, "_PATIENCE", 0.2)
    store = SqliteStore(tmp_path / "s.db")
    with held(tmp_path / "s.db"):
        assert patience(store) == 200
        assert "locked" in refused(lambda: store.birth(SCOPE))
        assert patience(store) == store_sqlite._HASTE * 1000 < 200
        assert store.find(SCOPE, ID) == Found()
    assert patience(store) == 200, "a call succeeded, so that the next waits as long as the first"
    assert store.birth(SCOPE) == 1


class SteppingClock:
    """A clock that is `step` seconds further at each look, so that a call takes as long."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_after_a_call_that_waited_the_next_are_expected_to_wait_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock(0)
    monkeypatch.setattr(store_sqlite, "monotonic", clock)
    monkeypatch.setattr(store_sqlite, "_PATIENCE", 0.01)
    store = SqliteStore(tmp_path / "s.db")
    store.birth(SCOPE)
    expected = {"at first": store.waits}
    clock.step = 0.1
    with held(tmp_path / "s.db"):
        refused(lambda: store.birth(SCOPE))
    clock.step = 0
    expected["after one that waited"] = store.waits
    store.birth(SCOPE)
    expected["after one that did not"] = store.waits
    clock.now += store_sqlite._CAUTION
    expected["a while later"] = store.waits
    assert expected == {
        "at first": False,
        "after one that waited": True,
        "after one that did not": True,
        "a while later": False,
    }


def test_a_file_is_written_ahead(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.birth(SCOPE)
    assert sqlite3.connect(tmp_path / "s.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_dropped_scope_is_gone_at_once_and_its_rows_when_the_file_is_next_opened(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path)
    store.change(SCOPE, ID, add)
    store.close()
    with sqlite3.connect(path) as connection:  # as a process leaves it that is killed between two pieces
        connection.execute("INSERT INTO dropped SELECT key FROM scopes")
        connection.execute("DELETE FROM scopes")
        connection.execute("UPDATE total SET sessions = 0")
    connection.close()
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        for count_rows in (
            "SELECT count(*) FROM sessions",
            "SELECT count(*) FROM turns",
            "SELECT count(*) FROM dropped",
        ):
            assert connection.execute(count_rows).fetchone() == (0,)
    connection.close()
