"""Stores under load, at their bounds, and away: nothing acknowledged is lost, and once happens once."""

import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mockserver.errors import StoreError, StubError
from mockserver.store import redis as store_redis
from mockserver.store import sqlite_file as store_sqlite
from mockserver.store.base import Change, Counters, Found, Limits, Record, Store
from mockserver.store.memory import MemoryStore
from mockserver.store.open import open_store
from mockserver.store.redis import RedisStore
from mockserver.store.sqlite import SharedSqliteStore, SqliteStore
from mockserver.store.sqlite_file import VERSION
from tests.needs import PATIENCE
from tests.redis_server import RedisServer
from tests.store.conftest import Doors
from tests.store_killed import COLLECTION, ID, SCOPE, add_part
from tests.strategies import ROOT

COUNTER = "written"
THREADS = 8


def add(old: Record | None, gone: bool) -> Change:
    return add_part(old, gone, "x")


def judge_parts(store: Store, wanted: set[str]) -> None:
    """Assert that the record has exactly these parts, none of them twice, none of them torn."""
    found = store.find(SCOPE, COLLECTION, ID, parts=True)
    assert found.record is not None
    assert [number for number, _ in found.parts] == list(range(1, len(wanted) + 1))
    assert found.record.data == {"parts": len(wanted)}
    assert {values[0] for _, values in found.parts} == wanted
    assert all(Counter(values) == {values[0]: 3} for _, values in found.parts)


# -- many at once ----------------------------------------------------------------------------------------------------


def at_once(call: Callable[[int], Any], times: int) -> list[Any]:
    """Call so often in several threads, and give what comes of each."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, range(times)))


def test_no_thread_loses_an_update_or_shares_a_count(doors: Doors) -> None:
    both = doors()

    def write(number: int) -> int:
        store = both[number % 2]
        store.update(SCOPE, COLLECTION, ID, partial(add_part, name=f"{number}"))
        found = store.find(SCOPE, COLLECTION, ID, parts=True)
        assert found.record is not None
        assert found.record.data["parts"] == len(found.parts)
        return store.count(SCOPE, COUNTER)

    assert sorted(at_once(write, 160)) == list(range(1, 161))
    judge_parts(both[0], {f"{number}" for number in range(160)})


def test_the_order_of_changes_is_that_of_their_times(doors: Doors) -> None:
    both, clock = doors(), count()

    def write(number: int) -> None:
        def step(*_: object) -> Change:
            at = f"{next(clock):09}"
            time.sleep(0.001 * (number % 3))  # so that others come first
            return Change(Record(COLLECTION, f"{number}", {"at": at}), at=at)

        both[number % 2].update(SCOPE, COLLECTION, f"{number}", step)

    at_once(write, 100)
    times = [record.data["at"] for record in both[0].page(SCOPE, COLLECTION, None, None, 1_000)]
    assert len(times) == 100
    assert times == sorted(times, reverse=True)


def test_a_machine_whose_clock_is_late_is_not_refused(doors: Doors) -> None:
    first, other = doors()
    for store, at in ((first, "2"), (other, "1")):
        store.update(SCOPE, COLLECTION, at, lambda *_, at=at: Change(Record(COLLECTION, at, {}), at=at))
    assert [record.id for record in first.page(SCOPE, COLLECTION, None, None, 10)] == ["1", "2"]


def writer(url: str, name: str, parts: int) -> subprocess.Popen[str]:
    """Start a process that writes so many parts."""
    command = [sys.executable, "-m", "tests.store_killed", url, name, str(parts)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen[str], name: str) -> list[str]:
    """Give the parts that a process was told to be written, once it has ended."""
    printed = process.communicate(timeout=PATIENCE)[0]
    return [f"{name}-{line[:-1]}" for line in printed.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_process_loses_an_update_or_shares_a_count(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else f"{request.getfixturevalue('redis').url}/1"
    processes = {name: writer(url, name, 60) for name in "abcd"}
    written = [each for name, process in processes.items() for each in acknowledged(process, name)]
    store = open_store(url, Limits())
    assert len({each.partition("-")[2] for each in written}) == len(written) == 240
    judge_parts(store, set(written))
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
        found = store.find(SCOPE, COLLECTION, ID, parts=True)
        there = {values[0] for _, values in found.parts}
        assert written <= there
        written = there  # one more may have been written than was told
        judge_parts(store, there)
        store.close()


def test_once_happens_once_however_many_ask(doors: Doors) -> None:
    both = doors()
    for _ in range(5):
        assert sorted(at_once(lambda number: both[number % 2].claim("a", "1", 1), THREADS)) == [0] * (THREADS - 1) + [1]
        both[0].remove_stubs("a")


def test_everyone_who_claims_gets_another_count_up_to_the_last(doors: Doors) -> None:
    both = doors()
    claimed = at_once(lambda number: both[number % 2].claim("a", "1", 60), 100)
    assert sorted(claimed) == [0] * 40 + list(range(1, 61))
    endless = at_once(lambda number: both[number % 2].claim("a", "2"), 100)
    assert sorted(endless) == list(range(1, 101))
    assert both[1].claims("a") == {"1": 60, "2": 100}


def test_no_entry_is_lost_and_none_shares_its_number(doors: Doors) -> None:
    both = doors(Limits(entries=30))
    numbers = at_once(lambda number: both[number % 2].append("a", b"%d" % number), 100)
    assert sorted(numbers) == list(range(1, 101))
    kept = both[0].entries("a")
    assert [number for number, _ in kept] == list(range(71, 101))
    assert all(numbers[int(entry)] == number for number, entry in kept)


def test_there_are_no_more_stubs_than_there_is_room_for(doors: Doors) -> None:
    both = doors(Limits(stubs=3))

    def put(number: int) -> int:
        try:
            return both[number % 2].put_stub("a", {"number": number}).number
        except StubError:
            return 0

    assert sorted(at_once(put, 20)) == [0] * 17 + [1, 2, 3]
    assert sorted(each.number for each in both[0].stubs("a")) == [1, 2, 3]


def test_a_change_of_a_stub_is_seen_by_its_revision(doors: Doors) -> None:
    both = doors()
    made = both[0].put_stub("a", 0)
    changed = at_once(lambda number: both[number % 2].put_stub("a", number, made.number), 40)
    assert sorted(each.revision for each in changed) == list(range(2, 42))
    last = max(changed, key=lambda each: each.revision)
    assert list(both[0].stubs("a")) == [last]


def test_a_step_is_made_again_where_another_process_was_faster(redis: RedisServer) -> None:
    store, other = (RedisStore(redis.url + "/6") for _ in range(2))
    seen: list[tuple[object, bool]] = []
    meanwhile: list[Change] = []

    def step(old: Record | None, gone: bool) -> Change:
        seen.append((old and old.data, gone))
        if meanwhile:
            change = meanwhile.pop()
            other.update(SCOPE, COLLECTION, ID, lambda *_: change)
        return Change(Record(COLLECTION, ID, {"times": len(seen)}))

    meanwhile.append(Change(Record(COLLECTION, ID, {"other": 1})))
    assert store.update(SCOPE, COLLECTION, ID, step) == Record(COLLECTION, ID, {"times": 2}, seq=2)
    other.restore(SCOPE, Counters({}, 0, [(COLLECTION, "gone")]))
    meanwhile.append(Change(None, gone=True))
    assert store.update(SCOPE, COLLECTION, ID, step) == Record(COLLECTION, ID, {"times": 4}, seq=3)
    assert seen == [(None, False), ({"other": 1}, False), ({"times": 2}, False), (None, True)]
    store.drop(SCOPE)
    store.close()
    other.close()


def test_a_step_is_made_again_where_its_id_was_marked_as_gone_meanwhile(redis: RedisServer) -> None:
    store, other = (RedisStore(redis.url + "/6") for _ in range(2))
    seen: list[bool] = []

    def step(_: Record | None, gone: bool) -> Change:
        seen.append(gone)
        other.restore(SCOPE, Counters({}, 0, [(COLLECTION, ID)]))
        return Change(None if gone else Record(COLLECTION, ID, {}))

    assert store.update(SCOPE, COLLECTION, ID, step) is None
    assert seen == [False, True]
    store.drop(SCOPE)
    store.close()
    other.close()


# -- bounds ----------------------------------------------------------------------------------------------------------


def test_no_id_is_taken_for_a_part_of_another(doors: Doors) -> None:
    first, other = doors()
    ids = ["x", "x:0000000000000001", "1:x", "1:x:0000000000000001:0000000000000001"]
    for id in ids:
        first.update("a", COLLECTION, id, lambda *_: Change(Record("", "", {}), [(1, [id]), (2, [])]))  # noqa: B023  # at once
    assert [other.find("a", COLLECTION, id, parts=True).parts for id in ids] == [((1, [id]), (2, [])) for id in ids]
    first.update("a", COLLECTION, "x", lambda *_: Change(None))
    assert [len(other.find("a", COLLECTION, id, parts=True).parts) for id in ids] == [0, 2, 2, 2]


def test_a_record_is_kept_under_the_name_that_was_asked_for(doors: Doors) -> None:
    first, other = doors()
    made = first.update("a", COLLECTION, ID, lambda *_: Change(Record("another", "name", {"x": 1}, "g", seq=99)))
    assert made == Record(COLLECTION, ID, {"x": 1}, "g", seq=1)
    assert other.page("a", COLLECTION, "g", None, 9) == [made]
    assert other.page("a", "another", None, None, 9) == []


def test_what_is_restored_takes_nothing_away(doors: Doors) -> None:
    first, other = doors()
    for _ in range(3):
        first.update("a", COLLECTION, ID, add)
        first.count("a", COUNTER)
    first.restore("a", Counters({COUNTER: 2, "another": 5}, 1, [(COLLECTION, ID), (COLLECTION, "gone")]))
    assert other.counters("a") == ({COUNTER: 3, "another": 5}, 3, [(COLLECTION, "gone")])
    found = other.find("a", COLLECTION, ID, parts=True)
    assert (found.record is not None, len(found.parts), found.gone) == (True, 3, False)


def test_the_id_that_was_deleted_longest_ago_is_forgotten_first(doors: Doors) -> None:
    first, other = doors(Limits(gone=2))
    for id in ("x", "y", "x", "z"):
        first.update("a", COLLECTION, id, add)
        first.update("a", COLLECTION, id, lambda *_: Change(None, gone=True))
    assert list(other.counters("a").gone) == [(COLLECTION, "x"), (COLLECTION, "z")]


def test_an_id_that_is_made_again_is_still_known_as_gone_to_the_next_change(doors: Doors) -> None:
    first, other = doors()
    first.update("a", COLLECTION, ID, add)
    first.update("a", COLLECTION, ID, lambda *_: Change(None, gone=True))
    first.update("a", COLLECTION, ID, lambda *_: Change(Record(COLLECTION, ID, {})))
    seen: list[tuple[bool, bool]] = []

    def look(old: Record | None, gone: bool) -> Change:
        seen.append((old is not None, gone))
        return Change(old)

    other.update("a", COLLECTION, ID, look)
    assert seen == [(True, True)]


def test_a_page_begins_before_a_place_and_ends_after_its_size(doors: Doors) -> None:
    first, other = doors()
    for number in range(1, 6):
        record = Record(COLLECTION, f"{number}", {}, group="g" if number % 2 else None)
        first.update("a", COLLECTION, record.id, lambda *_, made=record: Change(made))
    for group, before, size, wanted in ((None, 4, 2, "32"), ("g", 4, 2, "31"), ("g", 3, 9, "1"), ("g", 6, 2, "53")):
        page = other.page("a", COLLECTION, group, before, size)
        assert "".join(each.id for each in page) == wanted


def test_with_a_stub_go_its_claims_and_no_others(doors: Doors) -> None:
    both = doors()
    first, second = (both[0].put_stub("a", {}).number for _ in range(2))
    both[0].put_stub("b", {})
    for key in ("1", "1:asked", "10", "11:asked", "2", "-1"):
        both[0].claim("a", key)
        both[1].claim("b", key)
    both[1].remove_stubs("a", first)
    assert (first, second) == (1, 2)
    assert both[0].claims("a") == {"10": 1, "11:asked": 1, "2": 1, "-1": 1}
    assert len(both[0].claims("b")) == 6
    with pytest.raises(StubError, match="there is no stub -1"):
        both[1].remove_stubs("a", -1)
    assert len(both[0].claims("a")) == 4


def test_the_journal_that_was_written_to_longest_ago_goes_and_its_stubs_stay(doors: Doors) -> None:
    both = doors(Limits(journals=3))
    both[0].put_stub("a", 1)
    both[0].claim("a", "1")
    for number, scope in enumerate("abcbad"):
        both[number % 2].append(scope, b"")
    assert [len(both[1].entries(scope)) for scope in "abcd"] == [2, 2, 0, 1]
    for scope in "bd":
        both[0].append(scope, b"")
    both[1].append("c", b"")
    assert [[number for number, _ in both[0].entries(each)] for each in "abcd"] == [[], [1, 2, 3], [1], [1, 2]]
    assert (len(both[0].stubs("a")), both[0].claims("a")) == (1, {"1": 1})
    assert both[1].active_scopes() == ["a", "b", "c", "d"]


def test_a_journal_that_was_written_to_again_stays_before_one_that_was_not(doors: Doors) -> None:
    both = doors(Limits(journals=2))
    for number, scope in enumerate("abac"):
        both[number % 2].append(scope, b"")
    assert [len(both[1].entries(scope)) for scope in "abc"] == [2, 0, 1]


def test_a_store_keeps_as_much_as_is_documented(doors: Doors) -> None:
    assert Limits() == (
        1_000_000,
        10_000,
        10_000,
        1_000,
        1_000,
        1_000,
        33_554_432,
        536_870_912,
        536_870_912,
        67_108_864,
    )
    store = doors()[0]
    for number in range(1_001):
        store.append("a", b"%d" % number)
    kept = store.entries("a")
    assert (len(kept), kept[0], kept[-1]) == (1_000, (2, b"1"), (1_001, b"1000"))


def test_records_go_without_their_scope_s_journal_and_stubs_and_these_without_its_records(doors: Doors) -> None:
    first, other = doors()
    for _ in range(2):
        first.update("a", COLLECTION, ID, add)
        first.append("a", b"")
        first.put_stub("a", {})
    first.clear_records("a")
    assert (len(other), len(other.entries("a")), len(other.stubs("a"))) == (0, 2, 2)
    first.update("a", COLLECTION, ID, add)
    first.clear_entries("a")
    first.remove_stubs("a")
    assert (len(other), other.entries("a"), list(other.stubs("a"))) == (1, [], [])


def test_an_entry_that_only_this_process_sees_may_be_any_object(tmp_path: Path) -> None:
    for store in (MemoryStore(), SqliteStore(tmp_path / "s.db")):
        entry = object()
        store.append("a", entry)
        assert store.entries("a")[0][1] is entry
        store.close()


# -- where each is kept ----------------------------------------------------------------------------------------------


def test_what_several_processes_must_see_is_kept_where_they_see_it(tmp_path: Path, redis: RedisServer) -> None:
    file = f"sqlite:///{tmp_path}/s.db"
    opened: list[Store] = [
        open_store("memory://", Limits(entries=10)),
        open_store(file, Limits(entries=10)),
        open_store(file, Limits(entries=10), workers=2),
        open_store(f"{redis.url}/5", Limits(entries=10)),
    ]
    assert [type(each) for each in opened] == [MemoryStore, SqliteStore, SharedSqliteStore, RedisStore]
    assert [(each.shared, each.shared_log) for each in opened] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]
    for store in opened:
        store.close()


def test_the_limits_of_a_store_are_those_it_was_opened_with(tmp_path: Path, redis: RedisServer) -> None:
    for url in ("memory://", f"sqlite:///{tmp_path}/s.db", f"{redis.url}/4"):
        store = open_store(url, Limits(records=1, scopes=2, entries=3), workers=2)
        store.update("a", COLLECTION, "1", add)
        with pytest.raises(StoreError, match="it keeps 1 records"):
            store.update("a", COLLECTION, "2", add)
        store.count("b", COUNTER)
        with pytest.raises(StoreError, match="it keeps 2 scopes"):
            store.count("c", COUNTER)
        for _ in range(5):
            store.append("a", b"")
        assert len(store.entries("a")) == 3
        for scope in "ab":
            store.drop(scope)
        store.close()


def test_a_file_keeps_its_journal_and_stubs_for_several_processes(tmp_path: Path) -> None:
    for number in (1, 2):
        store = SharedSqliteStore(tmp_path / "s.db")
        assert store.append("a", b"") == number
        assert store.put_stub("a", number).number == number
        store.close()


# -- stores that go away, or never were ------------------------------------------------------------------------------


def refused(call: Callable[[], object]) -> str:
    """Give why a call was refused, which does not take for ever."""
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        call()
    assert time.monotonic() - started < PATIENCE
    assert caught.value.fix
    return str(caught.value)


def every_call(store: Store) -> list[Callable[[], object]]:
    """Give a call of each method of a store, but for `close`."""
    return [
        lambda: store.count(SCOPE, COUNTER),
        lambda: store.update(SCOPE, COLLECTION, ID, add),
        lambda: store.find(SCOPE, COLLECTION, ID),
        lambda: store.page(SCOPE, COLLECTION, None, None, 1),
        lambda: store.size(SCOPE, COLLECTION, None),
        lambda: store.collections(SCOPE),
        lambda: store.scopes(),
        lambda: store.seed(SCOPE),
        lambda: store.set_seed(SCOPE, 1),
        lambda: store.counters(SCOPE),
        lambda: store.restore(SCOPE, Counters({}, 0, [])),
        lambda: store.clear_records(SCOPE),
        lambda: len(store),
        lambda: store.append(SCOPE, b""),
        lambda: store.entries(SCOPE),
        lambda: store.clear_entries(SCOPE),
        lambda: store.stubs(SCOPE),
        lambda: store.put_stub(SCOPE, 1),
        lambda: store.remove_stubs(SCOPE),
        lambda: store.claim(SCOPE, "1"),
        lambda: store.claims(SCOPE),
        lambda: store.active_scopes(),
        lambda: store.drop(SCOPE),
    ]


def test_a_redis_that_stops_is_told_and_one_that_returns_is_used(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.update(SCOPE, COLLECTION, ID, add)
    try:
        redis.stop()
        for call in (*every_call(store), lambda: RedisStore(redis.url)):
            told = refused(call)
            assert "Redis cannot be used" in told
            assert redis.url in told
    finally:
        redis.start()
    assert store.count(SCOPE, COUNTER) == 1
    redis.stop()
    redis.start()
    assert store.count(SCOPE, COUNTER) == 1
    with redis.hanging():
        assert "Timeout" in refused(lambda: store.find(SCOPE, COLLECTION, ID))
    time.sleep(store_redis._REST)
    store.update(SCOPE, COLLECTION, ID, add)
    judge_parts(store, {"x"})
    store.drop(SCOPE)
    store.close()


def test_a_redis_that_hangs_is_waited_for_once_and_no_longer_once_it_answers(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock(0)
    monkeypatch.setattr(store_redis, "monotonic", clock)
    monkeypatch.setattr(store_redis, "_PATIENCE", 0.3)
    store = RedisStore(redis.url)
    for _ in range(2):
        with redis.hanging():
            assert "Timeout" in refused(lambda: store.find(SCOPE, COLLECTION, ID))
            for call in every_call(store):  # none of which is sent: it would run once Redis goes on
                assert "it has not answered within 0.3 s" in refused(call)
            clock.now += store_redis._REST
            told = at_once(lambda _: refused(lambda: store.count(SCOPE, COUNTER)), THREADS)
            assert sorted("Timeout" in each for each in told) == [False] * (THREADS - 1) + [True], "one tries again"
        clock.now += store_redis._REST
        store.drop(SCOPE)
        assert store.count(SCOPE, COUNTER) == 1
        store.drop(SCOPE)
    store.close()


def test_every_method_of_a_store_is_called_when_it_is_away() -> None:
    methods = {name for name, member in vars(Store).items() if callable(member) and not name.startswith("_")}
    assert len(every_call(MemoryStore())) == len(methods - {"close", "at_once"} | {"__len__"})


def test_a_redis_without_memory_refuses_and_keeps_what_it_has(redis: RedisServer) -> None:
    store = RedisStore(redis.url)
    store.update(SCOPE, COLLECTION, ID, add)
    store.redis.config_set("maxmemory", 1)
    try:
        assert "maxmemory" in refused(lambda: store.update(SCOPE, COLLECTION, ID, add))
    finally:
        store.redis.config_set("maxmemory", 0)
    judge_parts(store, {"x"})
    store.drop(SCOPE)
    store.close()


def test_what_is_dropped_and_deleted_leaves_nothing_in_redis(redis: RedisServer) -> None:
    store = RedisStore(redis.url + "/2", Limits(journals=2))
    made = Record(COLLECTION, ID, {}, group="p")
    for scope in ("a", "b", "c"):
        store.set_seed(scope, 1)
        store.count(scope, COUNTER)
        store.update(scope, COLLECTION, ID, lambda *_: Change(made, [(7, ["x"]), (2, [])]))
        store.append(scope, b"")
        store.put_stub(scope, 1)
        store.claim(scope, "1")
    store.update("a", COLLECTION, ID, lambda *_: Change(None, gone=True))
    store.clear_entries("b")
    kept = {scope: {key.decode().split(":")[2] for key in store.redis.keys(f"*:{scope}")} for scope in "abc"}
    records, log = {"records", "parts", "order", "sizes"}, {"journal", "logged"}
    rest = {"meta", "counters", "stubs", "claims"}
    assert kept == {"a": rest | {"gone"}, "b": rest | records, "c": rest | records | log}
    for scope in "abc":
        store.drop(scope)
    assert sorted(store.redis.keys()) == [b"mockserver:2:numbered", b"mockserver:2:written"]
    store.close()


LOGINS = ["me:s3cr3t@", ":s3cr3t@", ":s3c/r3t@", ":s3c#r3t@", ":r3t]@", "me:77?r3t@", "me:77#r3t@", "me:77/r3t@"]


@pytest.mark.parametrize("login", LOGINS)
def test_no_password_is_told(redis: RedisServer, login: str) -> None:
    with pytest.raises(StoreError) as caught:
        RedisStore(redis.url.replace("//", "//" + login))
    assert not re.search("s3c|r3t|77", str(caught.value).replace(str(redis.port), ""))
    assert "@" not in str(caught.value).replace("PASSWORD@HOST", "")
    with closing(RedisStore(redis.url.replace("//", "//default:@") + "/3?prefix=p:")) as store:
        assert store.url == redis.url + "/3"


def test_who_has_no_client_for_redis_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    assert "pip install 'llamacloud-mockserver[redis]'" in refused(lambda: RedisStore("redis://127.0.0.1"))


def foreign_files(folder: Path) -> Iterator[Path]:
    (folder / "text").write_text("no database")
    (folder / "letter").write_text("a letter of many words, " * 1_000)
    for name, pragma in (("other", "journal_mode = WAL"), ("mark", "application_id = 7")):
        with sqlite3.connect(folder / name) as connection:
            connection.execute(f"PRAGMA {pragma}")
            connection.execute("CREATE TABLE records (x)")
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
    store.update(SCOPE, COLLECTION, ID, add)
    second.count("second", COUNTER)
    second.close()
    for each in tmp_path.glob("s.db*"):
        each.unlink()
    assert "removed" in refused(lambda: store.update(SCOPE, COLLECTION, ID, add))
    assert "removed" in refused(lambda: store.find(SCOPE, COLLECTION, ID))
    other.rename(path)
    assert store.find(SCOPE, COLLECTION, ID) == Found()
    assert store.count("second", COUNTER) == 2


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file for writing, as another process that writes does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


def patience(store: SqliteStore) -> int:
    """Give how many milliseconds a store waits for a lock."""
    return int(store._patience * 1000)


def test_a_file_that_another_holds_is_waited_for_until_it_is_free(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    with ThreadPoolExecutor(1) as pool:
        with held(tmp_path / "s.db"):
            waiting = pool.submit(store.count, SCOPE, COUNTER)
            time.sleep(0.1)  # one that did not wait would have failed by now
        assert waiting.result() == 1


def test_a_file_that_another_holds_is_not_waited_for_for_ever_and_less_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_sqlite, "_PATIENCE", 0.2)
    store = SqliteStore(tmp_path / "s.db")
    with held(tmp_path / "s.db"):
        assert patience(store) == 200
        assert "locked" in refused(lambda: store.count(SCOPE, COUNTER))
        assert patience(store) == store_sqlite._HASTE * 1000 < 200
        assert store.find(SCOPE, COLLECTION, ID) == Found()
    assert patience(store) == 200, "a call succeeded, so that the next waits as long as the first"
    assert store.count(SCOPE, COUNTER) == 1


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
    store.count(SCOPE, COUNTER)
    expected = {"at first": store.waits}
    clock.step = 0.1
    with held(tmp_path / "s.db"):
        refused(lambda: store.count(SCOPE, COUNTER))
    clock.step = 0
    expected["after one that waited"] = store.waits
    store.count(SCOPE, COUNTER)
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
    store.count(SCOPE, COUNTER)
    assert sqlite3.connect(tmp_path / "s.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_dropped_scope_is_gone_at_once_and_its_rows_when_the_file_is_next_opened(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path)
    store.update(SCOPE, COLLECTION, ID, add)
    store.update(SCOPE, COLLECTION, "gone", add)
    store.update(SCOPE, COLLECTION, "gone", lambda *_: Change(None, gone=True))
    store.count(SCOPE, COUNTER)
    store.close()
    tables = ("records", "parts", "counters", "gone", "dropped")
    count_rows = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in tables)  # noqa: S608  # names of ours
    with sqlite3.connect(path) as connection:  # as a process leaves it that is killed between two pieces
        assert connection.execute(count_rows).fetchall() == [(1,), (1,), (1,), (1,), (0,)]
        connection.execute("INSERT INTO dropped SELECT key FROM scopes")
        connection.execute("DELETE FROM scopes")
        connection.execute("UPDATE total SET records = 0")
    connection.close()
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute(count_rows).fetchall() == [(0,)] * 5
    connection.close()
