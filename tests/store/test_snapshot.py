"""A saved state starts a server where the other one stood."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mockserver.control.app import start_mock
from mockserver.engine import Mock
from mockserver.errors import StateError, StoreError, StoreFullError, UsageError
from mockserver.messages import Json
from mockserver.settings import Settings
from mockserver.store.base import Change, Found, Limits, Record, Store, Update
from mockserver.store.memory import MemoryStore
from mockserver.store.open import open_store
from mockserver.store.snapshot import dump_state, load_state, restore_state
from tests.talk import MESSAGE, ask, value

CHAT = "/api/v1/chat"


def lived() -> Mock:
    """Give a mock in which something has happened, in two scopes."""
    mock = Mock(Settings(seed=1))
    for scope in ("default", "other"):
        for _ in range(3):
            session = value(ask(mock.handle, "POST", CHAT, {"index_ids": ["idx-a"]}, x_mock_scope=scope))
            path = f"{CHAT}/{session['session_id']}"
            turn = {"index_ids": ["idx-a"], "prompt": MESSAGE}
            for _ in range(2):
                response = ask(mock.handle, "POST", f"{path}/messages/stream", turn, x_mock_scope=scope)
                assert response.stream is not None
                response.stream.close(len(response.stream.chunks))
        ask(mock.handle, "DELETE", path, x_mock_scope=scope)
    ask(mock.handle, "POST", f"{CHAT}/adopted/title", {"first_message": "x"})
    mock.store.set_seed("other", 7)
    return mock


def saved(mock: Mock, folder: Path) -> Path:
    path = folder / "state.jsonl"
    path.write_bytes(b"".join(dump_state(mock.store)))
    return path


def shown(mock: Mock, scope: str) -> Json:
    """Give all that can be seen of a scope from outside."""
    sessions = value(ask(mock.handle, "GET", CHAT, x_mock_scope=scope))
    details = [
        value(ask(mock.handle, "GET", f"{CHAT}/{each['session_id']}", x_mock_scope=scope)) for each in sessions["items"]
    ]
    return sessions, details


def restarted(mock: Mock, folder: Path) -> Mock:
    store = MemoryStore()
    load_state(store, saved(mock, folder))
    return Mock(Settings(seed=1), store)


def test_a_server_started_from_a_state_shows_the_same(tmp_path: Path) -> None:
    mock = lived()
    other = restarted(mock, tmp_path)
    for scope in ("default", "other"):
        assert shown(other, scope) == shown(mock, scope)
        assert other.store.seed(scope) == mock.store.seed(scope)
    assert b"".join(dump_state(other.store)) == b"".join(dump_state(mock.store))


def test_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    mock = lived()
    ((collection, gone),) = mock.store.counters("default").gone
    assert collection == "sessions"
    other = restarted(mock, tmp_path)
    assert ask(other.handle, "GET", f"{CHAT}/{gone}").status == 404


def test_new_ids_go_on_where_the_old_ones_ended(tmp_path: Path) -> None:
    mock = lived()
    other = restarted(mock, tmp_path)
    made = [value(ask(each.handle, "POST", CHAT))["session_id"] for each in (mock, other)]
    assert made[0] == made[1]


def test_a_page_token_stays_good(tmp_path: Path) -> None:
    mock = lived()
    first = value(ask(mock.handle, "GET", CHAT, query="page_size=1"))
    query = f"page_size=1&page_token={first['next_page_token']}"
    other = restarted(mock, tmp_path)
    assert value(ask(other.handle, "GET", CHAT, query=query)) == value(ask(mock.handle, "GET", CHAT, query=query))


def test_a_store_that_is_not_empty_is_left_as_it_is(tmp_path: Path) -> None:
    path = saved(lived(), tmp_path)
    store = MemoryStore()
    mock = Mock(Settings(seed=1), store)
    ask(mock.handle, "POST", f"{CHAT}/mine/title", {"first_message": "x"})
    assert load_state(store, path) == 0
    assert [each.id for each in store.page("default", "sessions", None, None, 10)] == ["mine"]


HEAD = '{"mockserver":"state","version":2}\n'
SCOPE = '{"scope":"a","seed":null,"counters":{"c":1},"gone":[["c","old"]]}\n'
RECORD = '{"collection":"c","id":"x","data":{"y":1},"group":null,"seq":5,"parts":[[3,["z"]]]}\n'


def test_the_lines_that_are_broken_below_are_right_before(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text(HEAD + SCOPE + RECORD)
    store = MemoryStore()
    assert load_state(store, path) == 1
    assert store.find("a", "c", "x", parts=True) == Found(Record("c", "x", {"y": 1}, seq=5), ((3, ["z"]),))
    assert store.counters("a") == ({"c": 1}, 5, [("c", "old")])


BAD_IN_SCOPE = [
    ('"a"', '"a b"'),
    ('"a"', "5"),
    ("null", '"7"'),
    ("null", "true"),
    ('{"c":1}', "[]"),
    ('{"c":1}', '{"c":-1}'),
    ('{"c":1}', '{"c":true}'),
    ('{"c":1}', '{"c":9007199254740992}'),
    ('[["c","old"]]', '{"c":"old"}'),
    ('["c","old"]', '"co"'),
    ('["c","old"]', '["c"]'),
    ('["c","old"]', '["c",5]'),
]
BAD_IN_RECORD = [
    ('"collection"', '"collected"'),
    ('"c"', "5"),
    ('"x"', "null"),
    ('{"y":1}', '["y"]'),
    ("null", "5"),
    (":5", ":0"),
    (":5", ":9007199254740992"),
    (":5", ":5.0"),
    (":5", ":true"),
    ('[[3,["z"]]]', "{}"),
    ('[3,["z"]]', "3"),
    ('[3,["z"]]', "[3]"),
    ("[3", "[-1"),
    ("[3", '["3"'),
    ('["z"]', '"z"'),
]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "the root"),
        ("nonsense\n", "line 1"),
        ('{"mockserver":"state","version":3}\n', "line 1"),
        ('{"mockserver":"state"}\n', "line 1"),
        (HEAD + "[]\n", "line 2"),
        (HEAD + RECORD, "line 2"),
        (HEAD + "\udcff", "line 2"),
        (HEAD + '{"scope":"a"}\n', "line 2"),
        *((HEAD + SCOPE.replace(*each), "line 2") for each in BAD_IN_SCOPE),
        *((HEAD + SCOPE + RECORD.replace(*each), "line 3") for each in BAD_IN_RECORD),
    ],
)
def test_a_broken_state_is_refused_with_its_line(text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    store = MemoryStore()
    with pytest.raises(StateError) as caught:
        load_state(store, path)
    assert len(store.scopes()) == 0
    assert str(path) in caught.value.where
    assert where in caught.value.where or where == "the root"
    assert caught.value.fix


def test_a_state_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        load_state(MemoryStore(), tmp_path / "none.jsonl")
    assert "none.jsonl" in caught.value.where


def test_a_state_is_lines_of_json() -> None:
    lines = [json.loads(line) for line in b"".join(dump_state(lived().store)).splitlines()]
    assert lines[0] == {"mockserver": "state", "version": 2}
    assert {line["scope"] for line in lines if "scope" in line} == {"default", "other"}


@pytest.mark.parametrize("url", ["", "memory", "memory://x", "sqlite:", "sqlite://x", "postgres://h", "file:///x"])
def test_a_store_that_there_is_not_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        open_store(url, Limits())


def test_no_password_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        open_store("postgres://user:secret@host", Limits())
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError) as unreached:
        open_store("redis://user:secret@127.0.0.1:1/0", Limits())
    assert "secret" not in str(unreached.value)


class Moving(MemoryStore):
    """A store in which a record is touched while its state is saved."""

    moved = False

    def page(
        self, scope: str, collection: str, group: str | None, past: int | None, size: int, *, oldest: bool = False
    ) -> Sequence[Record]:
        found = super().page(scope, collection, group, past, size, oldest=oldest)
        if found and not self.moved:
            self.moved = True
            earliest = list(super().page(scope, collection, None, None, 5_000))[-1]
            self.update(scope, collection, earliest.id, lambda old, _: Change(old and old.changed(moved=True)))
        return found


def keeping(record: Record, *parts: tuple[int, list[Json]]) -> Update:
    """Give the step that keeps a record, whatever there was."""
    return lambda _old, _gone: Change(record, parts)


def test_a_record_that_is_touched_while_the_state_is_saved_is_saved() -> None:
    store = Moving()
    for number in range(1_500):
        store.update("default", "c", f"{number}", keeping(Record("c", f"{number}", {})))
    lines = [json.loads(line) for line in b"".join(dump_state(store)).splitlines()[2:]]
    assert len({line["id"] for line in lines}) == len(lines) == 1_500
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)


def test_a_state_that_does_not_fit_leaves_the_store_empty(tmp_path: Path) -> None:
    path = saved(lived(), tmp_path)
    store = MemoryStore(Limits(records=3))
    with pytest.raises(StoreFullError):
        load_state(store, path)
    assert (len(store), dict(store.scopes())) == (0, {})


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"index_ids":["idx-a"],"shared', '"index_ids":[1],"shared', "/index_ids"),
        ('"turns":2,"duration_ms"', '"turns":"x","duration_ms"', "/job_metadata"),
        ('{"type":"user_input"', '{"type":"laughter"', "/events"),
        ('"turns":2,"born"', '"turns":"x","born"', "its turns cannot be 'x'"),
        ('"turns":2,"born"', '"turns":true,"born"', "its turns cannot be True"),
        ('"turns":2,"born"', '"turns":-1,"born"', "its turns cannot be -1"),
        ('"issued":true', '"issued":1', "its issued cannot be 1"),
        (',"born":1', "", "it is no session: a session has updated_at"),
        (',"born":1', ',"born":1,"colour":"red"', "it is no session: a session has updated_at"),
        ('"collection":"sessions"', '"collection":"dogs"', "'dogs'"),
    ],
)
def test_a_state_that_the_contract_forbids_is_refused_with_its_place(
    old: str, new: str, where: str, tmp_path: Path
) -> None:
    path = saved(lived(), tmp_path)
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(StateError) as caught:
        start_mock(Settings(state=str(path)))
    assert where in caught.value.why
    assert "line 3" in caught.value.where


# -- any records -----------------------------------------------------------------------------------------------------


def mixed() -> Store:
    """Give a store with records of two collections and scopes, some with parts, groups and ids that are gone."""
    store = MemoryStore()
    for number in range(4):
        for scope, collection in (("a", "dogs"), ("a", "cats"), ("b", "dogs")):
            made = Record(collection, f"{number}", {"big": 2**70, "number": number}, group="g" if number % 2 else None)
            store.update(scope, collection, made.id, keeping(made, (number, [number]), (9, [])))
            store.count(scope, collection)
    for collection in ("dogs", "cats"):
        store.update("a", collection, "2", lambda *_: Change(None, gone=True))
    store.set_seed("b", -(2**70))
    store.append("a", b"not saved")
    store.put_stub("a", "not saved")
    return store


def test_records_of_any_collection_are_saved_and_read_with_their_parts_groups_and_order(tmp_path: Path) -> None:
    store, other = mixed(), MemoryStore()
    (tmp_path / "state.jsonl").write_bytes(b"".join(dump_state(store)))
    assert load_state(other, tmp_path / "state.jsonl") == len(store) == 10
    for scope, collection in (("a", "dogs"), ("a", "cats"), ("b", "dogs")):
        records = store.page(scope, collection, None, None, 9)
        assert other.page(scope, collection, None, None, 9) == records
        assert other.page(scope, collection, "g", None, 9) == store.page(scope, collection, "g", None, 9) != []
        for id in (each.id for each in records):
            assert other.find(scope, collection, id, parts=True) == store.find(scope, collection, id, parts=True)
    assert [other.counters(scope)[::2] for scope in "ab"] == [store.counters(scope)[::2] for scope in "ab"]
    assert [other.seed(scope) for scope in "ab"] == [None, -(2**70)]
    assert other.active_scopes() == []


def test_a_state_that_is_restored_replaces_all_records_and_leaves_journal_and_stubs() -> None:
    store = mixed()
    before = b"".join(dump_state(store))
    store.update("a", "dogs", "later", keeping(Record("dogs", "later", {})))
    store.count("c", "dogs")
    assert restore_state(store, before) == 10
    assert b"".join(dump_state(store)) == before
    assert (len(store.entries("a")), len(store.stubs("a"))) == (1, 1)


def test_the_state_of_one_scope_can_be_restored_into_another() -> None:
    store = mixed()
    text = b"".join(dump_state(store, "b"))
    assert restore_state(store, text, only="c") == 4
    assert store.page("c", "dogs", None, None, 9) == store.page("b", "dogs", None, None, 9)
    with pytest.raises(StateError, match="more than one scope"):
        restore_state(store, b"".join(dump_state(store)), only="c")


def test_what_cannot_be_restored_leaves_what_was_there() -> None:
    store = MemoryStore(Limits(records=2))
    store.update("a", "c", "x", keeping(Record("c", "x", {}), (1, ["z"])))
    before = b"".join(dump_state(store))
    with pytest.raises(StoreFullError):
        restore_state(store, b"".join(dump_state(mixed())))
    assert b"".join(dump_state(store)) == before


def test_each_record_is_checked_with_its_parts_before_any_is_kept() -> None:
    store, seen = MemoryStore(), []

    def check(record: Record, parts: Sequence[tuple[int, Json]]) -> str:
        seen.append((record.id, list(parts)))
        return "" if record.id != "3" else "three is too many"

    with pytest.raises(StateError) as caught:
        restore_state(store, b"".join(dump_state(mixed())), check)
    assert (caught.value.why, caught.value.where) == ("three is too many", "the state, line 7")
    assert seen[0] == ("0", [(0, [0]), (9, [])])
    assert dict(store.scopes()) == {}
