"""What an earlier release has kept is read, or refused by name and left as it is; it is never misread."""

import json
import sqlite3
from pathlib import Path

import pytest
from msgspec import structs

from mockserver.apis.llamacloud_chat.state import SESSIONS, convert, new_session
from mockserver.control.app import start_mock
from mockserver.errors import StateError, StoreError
from mockserver.messages import Json
from mockserver.settings import Settings
from mockserver.store.base import Limits
from mockserver.store.memory import MemoryStore
from mockserver.store.open import open_store
from mockserver.store.redis import RedisStore
from mockserver.store.snapshot import dump_state, load_state, restore_state
from tests.redis_server import RedisServer
from tests.strategies import ROOT
from tests.talk import ask, value

RECORD = ["ses-1", "2026-04-22T12:34:41.342245", "a title", {"turns": 1}, ["idx-a"], "read_only", "p", True, 1, 4]
EVENTS = [{"type": "user_input", "content": "x"}, {"type": "stop", "is_error": False}]

# -- a file ----------------------------------------------------------------------------------------------------------

OLD_TABLES = """
CREATE TABLE scopes (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, births INTEGER NOT NULL,
  seq INTEGER NOT NULL, seed TEXT, sessions INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE TABLE sessions (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
  project TEXT, record BLOB NOT NULL, UNIQUE (scope, id));
CREATE TABLE turns (session INTEGER NOT NULL, number INTEGER NOT NULL, events BLOB NOT NULL,
  PRIMARY KEY (session, number));
CREATE TABLE gone (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id TEXT NOT NULL, UNIQUE (scope, id));
CREATE TABLE total (sessions INTEGER NOT NULL);
CREATE TABLE dropped (scope INTEGER PRIMARY KEY);
INSERT INTO total VALUES (1);
INSERT INTO scopes VALUES (1, 'default', 4, 1, NULL, 1, 0);
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_of_the_old_layout_is_refused_by_name_and_stays_as_it_is(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "sessions.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD_TABLES)
        row = (json.dumps(RECORD).encode(),)
        connection.execute("INSERT INTO sessions VALUES (1, 1, 'ses-1', 1, 'p', ?)", row)
        connection.execute("PRAGMA application_id = 1836016491")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{path}", Limits(), workers)
    assert caught.value.what == "the file of the store has the old layout"
    assert str(path) in caught.value.where
    assert "version 1" in caught.value.why
    assert "GET /__mock__/state" in caught.value.fix
    assert "--state" in caught.value.fix
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before


# -- a Redis ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "mine:"])
@pytest.mark.parametrize("kept", ["scopes", "journals", "planners"])
def test_a_redis_of_the_old_layout_is_refused_by_name_and_stays_as_it_is(
    redis: RedisServer, prefix: str, kept: str
) -> None:
    url = f"{redis.url}/9" + (f"?prefix={prefix}" if prefix else "")
    other = RedisStore(f"{redis.url}/9?prefix=another:")
    client = other.redis
    begin = prefix or "mockserver:"
    if kept == "scopes":
        client.hset(begin + "scopes", "default", 1)
        client.hset(begin + "sessions:default", "ses-1", f"{1:016} 1 " + json.dumps(RECORD))
        client.set(begin + "count", 1)
    elif kept == "journals":
        client.zadd(begin + "journals", {"default": 1})
    else:
        client.sadd(begin + "planners", "default")
    before = {key: client.dump(key) for key in client.scan_iter()}
    try:
        with pytest.raises(StoreError) as caught:
            RedisStore(url)
        assert f"keys of the old layout under {begin}" in caught.value.what
        assert redis.url in caught.value.where
        assert "GET /__mock__/state" in caught.value.fix
        assert "--state" in caught.value.fix
        assert {key: client.dump(key) for key in client.scan_iter()} == before
    finally:
        client.flushdb()
    store = RedisStore(url)
    assert len(store) == 0, "what was refused is gone, so that it is used"
    store.close()
    other.close()


# -- a saved state ---------------------------------------------------------------------------------------------------

HEAD: Json = {"mockserver": "state", "version": 1}
SCOPE: Json = {"scope": "default", "seed": 7, "births": 4, "gone": ["ses-9", "ses-8"]}
SESSION: Json = {"session": RECORD, "seq": 5, "events": EVENTS}
QUIET: Json = {"session": ["adopted", "now", None, None, None, None, None, False, 0, 2], "seq": 8, "events": []}


def lines(*values: Json) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "state.jsonl"
    path.write_bytes(lines(HEAD, SCOPE, SESSION, QUIET))
    return path


def test_a_state_of_version_1_is_kept_with_all_that_it_says(old: Path) -> None:
    store = MemoryStore()
    assert load_state(store, old, convert=convert) == 2
    first = new_session(
        "ses-1",
        "2026-04-22T12:34:41.342245",
        title="a title",
        job_metadata={"turns": 1},
        index_ids=["idx-a"],
        shared_access="read_only",
        project_id="p",
        issued=True,
        turns=1,
        born=4,
    )
    second = new_session("adopted", "now", born=2)
    assert store.page("default", SESSIONS, None, None, 9) == [
        structs.replace(second, seq=8),
        structs.replace(first, seq=5),
    ]
    assert store.find("default", SESSIONS, "ses-1", parts=True).parts == ((1, EVENTS),)
    assert store.find("default", SESSIONS, "adopted", parts=True).parts == ()
    assert store.counters("default") == ({SESSIONS: 4}, 8, [(SESSIONS, "ses-9"), (SESSIONS, "ses-8")])
    assert store.seed("default") == 7
    assert store.find("default", SESSIONS, "ses-8").gone


def test_what_was_read_of_version_1_is_saved_as_version_2(old: Path, tmp_path: Path) -> None:
    store, again = MemoryStore(), MemoryStore()
    restore_state(store, old.read_bytes(), convert=convert)
    new = tmp_path / "new.jsonl"
    new.write_bytes(b"".join(dump_state(store)))
    assert json.loads(new.read_text().splitlines()[0]) == {"mockserver": "state", "version": 2}
    assert load_state(again, new) == 2
    assert b"".join(dump_state(again)) == new.read_bytes()


def test_without_one_who_can_read_it_a_state_of_version_1_is_refused_by_name(old: Path) -> None:
    store = MemoryStore()
    with pytest.raises(StateError) as caught:
        load_state(store, old)
    assert "version 1" in caught.value.why
    assert caught.value.where == f"{old}, line 1"
    assert len(store) == 0


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({**SCOPE, "births": "4"}, "counters and gone"),
        ({**SCOPE, "births": -1}, "counters and gone"),
        ({**SCOPE, "gone": "ses-9"}, "gone"),
        ({**SCOPE, "gone": [5]}, "gone"),
        ({**SCOPE, "seed": "7"}, "seed"),
        ({"scope": "default", "seed": 7, "gone": []}, "it has no 'births'"),
        ({**SESSION, "session": RECORD[1:]}, "it is no session"),
        ({**SESSION, "session": "ses-1"}, "it is no session"),
        ({**SESSION, "session": [5, *RECORD[1:]]}, "it is no record"),
        ({**SESSION, "seq": 0}, "it is no record"),
        ({**SESSION, "events": {}}, "it is no session"),
        ({**SESSION, "session": [*RECORD[:6], 5, *RECORD[7:]]}, "it is no record"),
        ({**SESSION, "session": [*RECORD[:8], -1, 4]}, "it is no record"),
        ([], "it is no object"),
        ({"mockserver": "state"}, "it has no 'session'"),
    ],
    ids=str,
)
def test_a_line_that_version_1_had_not_is_refused_with_its_place(bad: Json, why: str) -> None:
    store = MemoryStore()
    with pytest.raises(StateError) as caught:
        restore_state(store, lines(HEAD, SCOPE, bad), convert=convert)
    assert why in caught.value.why
    assert caught.value.where == "the state, line 3"
    assert len(store) == 0


def test_a_line_of_version_2_is_none_of_version_1() -> None:
    new: Json = {"scope": "default", "seed": None, "counters": {}, "gone": []}
    with pytest.raises(StateError, match="it has no 'births'"):
        restore_state(MemoryStore(Limits()), lines(HEAD, new), convert=convert)


BEGUN: Json = {
    "session": ["ses-1", "2026-04-22T12:34:41.342245", "a title", None, ["idx-a"], None, None, True, 1, 4],
    "seq": 5,
    "events": [{"type": "user_input", "content": "x"}],
}


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    path = tmp_path / "begun.jsonl"
    path.write_bytes(lines(HEAD, SCOPE, BEGUN))
    return path


def test_a_server_of_the_chat_starts_from_a_state_of_version_1(begun: Path) -> None:
    mock = start_mock(Settings(seed=1, state=str(begun)))
    assert mock.loaded == 1
    told = value(ask(mock.handle, "GET", "/api/v1/chat/ses-1"))
    assert (told["generated_title"], told["last_updated_at"]) == ("a title", "2026-04-22T12:34:41.342245")
    assert (told["index_ids"], told["events"]) == (["idx-a"], BEGUN["events"])
    assert ask(mock.handle, "GET", "/api/v1/chat/ses-9").status == 404, "it is known as gone"
    turn = {"index_ids": ["idx-a"], "prompt": "y"}
    response = ask(mock.handle, "POST", "/api/v1/chat/ses-1/messages/stream", turn)
    assert response.stream is not None
    response.stream.close(0)
    events = value(ask(mock.handle, "GET", "/api/v1/chat/ses-1"))["events"]
    assert [each["content"] for each in events if each["type"] == "user_input"] == ["x", "y"]


def test_a_server_without_a_pack_refuses_a_state_of_version_1_by_name(begun: Path) -> None:
    contract = ROOT / "schemas" / "llamacloud-chat" / "2.17.yaml"
    with pytest.raises(StateError, match="a state of version 1, which the API that is served cannot read"):
        start_mock(Settings(seed=1, api="none", contract=str(contract), state=str(begun)))
