"""A saved state starts a server where the other one stood."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mockserver.engine import Mock
from mockserver.errors import StateError, StoreError, StoreFullError, UsageError
from mockserver.messages import Json
from mockserver.settings import Settings
from mockserver.store.base import Change, Session, Step
from mockserver.store.memory import MemoryStore
from mockserver.store.snapshot import dump_state, load_state, open_store
from mockserver.testing.server import start_mock
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
    gone = mock.store.counters("default").gone
    assert len(gone) == 1
    other = restarted(mock, tmp_path)
    assert ask(other.handle, "GET", f"{CHAT}/{gone[0]}").status == 404


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
    assert [each.id for each in store.page("default", None, None, 10)] == ["mine"]


SCOPE = '{"scope":"a","seed":null,"births":0,"gone":[]}\n'
SESSION = '{"session":["x","y",null,null,null,null,null,true,0,1],"seq":SEQ,"events":[]}\n'
HEAD = '{"mockserver":"state","version":1}\n'


def test_the_lines_that_are_broken_below_are_right_before(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text(HEAD + SCOPE + SESSION.replace("SEQ", "5"))
    store = MemoryStore()
    assert load_state(store, path) == 1
    assert [each.seq for each in store.page("a", None, None, 5)] == [5]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "the root"),
        ("nonsense\n", "line 1"),
        ('{"mockserver":"state","version":2}\n', "line 1"),
        (HEAD + "[]\n", "line 2"),
        (HEAD + '{"scope":"a b","seed":null,"births":0,"gone":[]}\n', "line 2"),
        (HEAD + '{"scope":"a"}\n', "line 2"),
        (HEAD + '{"session":["x"],"seq":1,"events":[]}\n', "line 2"),
        (
            HEAD + '{"scope":"a","seed":null,"births":0,"gone":[]}\n{"session":["x","y"],"seq":"1","events":[]}\n',
            "line 3",
        ),
        (HEAD + "\udcff", "line 2"),
    ],
)
def test_a_broken_state_is_refused_with_its_line(text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StateError) as caught:
        load_state(MemoryStore(), path)
    assert str(path) in caught.value.where
    assert where in caught.value.where or where == "the root"
    assert caught.value.mend


def test_a_state_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        load_state(MemoryStore(), tmp_path / "none.jsonl")
    assert "none.jsonl" in caught.value.where


def test_a_state_is_lines_of_json() -> None:
    lines = [json.loads(line) for line in b"".join(dump_state(lived().store)).splitlines()]
    assert lines[0] == {"mockserver": "state", "version": 1}
    assert {line["scope"] for line in lines if "scope" in line} == {"default", "other"}


@pytest.mark.parametrize("url", ["", "memory", "memory://x", "sqlite:", "sqlite://x", "postgres://h", "file:///x"])
def test_a_store_that_there_is_not_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        open_store(url, 1, 1)


def test_no_password_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        open_store("postgres://user:secret@host", 1, 1)
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError) as unreached:
        open_store("redis://user:secret@127.0.0.1:1/0", 1, 1)
    assert "secret" not in str(unreached.value)


class Moving(MemoryStore):
    """A store in which a session is touched while its state is saved."""

    moved = False

    def page(self, scope: str, project: str | None, before: int | None, size: int) -> Sequence[Session]:
        found = super().page(scope, project, before, size)
        if found and not self.moved:
            self.moved = True
            oldest = list(super().page(scope, None, None, 5_000))[-1]
            self.change(scope, oldest.id, lambda old, _: Change(old and old._replace(title="moved")))
        return found


def keeping(session: Session) -> Step:
    """Give the step that keeps a session, whatever there was."""
    return lambda _old, _gone: Change(session)


def test_a_session_that_is_touched_while_the_state_is_saved_is_saved() -> None:
    store = Moving()
    for number in range(1_500):
        made = Session(f"ses-{number}", "now")
        store.change("default", made.id, keeping(made))
    lines = [json.loads(line) for line in b"".join(dump_state(store)).splitlines()[2:]]
    assert len({line["session"][0] for line in lines}) == len(lines) == 1_500
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)


def test_a_state_that_does_not_fit_leaves_the_store_empty(tmp_path: Path) -> None:
    path = saved(lived(), tmp_path)
    store = MemoryStore(max_records=3)
    with pytest.raises(StoreFullError):
        load_state(store, path)
    assert (len(store), dict(store.scopes())) == (0, {})


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (']},["idx-a"]', "]},[1]", "/index_ids"),
        ('"turns":2', '"turns":"x"', "/job_metadata"),
        ('{"type":"user_input"', '{"type":"laughter"', "/events"),
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
        start_mock(Settings(state=path))
    assert where in caught.value.why
    assert "line 3" in caught.value.where
