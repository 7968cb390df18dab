"""The list begins with the newest update, and paging through it meets each session that nobody touches once."""

from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.engine import Mock
from mockserver.messages import Json
from mockserver.settings import Settings
from mockserver.store.memory import MemoryStore
from tests.apis.test_sessions import CHAT, OTHER, PROJECT, Client
from tests.strategies import judge
from tests.talk import ask, value

MOCK = Mock(Settings(seed=0))
CLIENT = Client(MOCK)
"""For what begins with an empty store."""


def ids(page: Json) -> list[str]:
    """Give the ids on a page."""
    return [session["session_id"] for session in page["items"]]


def filled(size: int, client: Client = CLIENT) -> list[str]:
    """Empty a store, create some sessions in it, and give their ids, the newest first."""
    client.mock.store.drop("default")
    return [client.create()["session_id"] for _ in range(size)][::-1]


def page(client: Client = CLIENT, **query: Any) -> Json:
    """Give a page; what is None is not asked for."""
    return client.list(urlencode({name: each for name, each in query.items() if each is not None}))


def after(client: Client, first: Json, **query: Any) -> list[str]:
    """Give the ids on all pages after one."""
    found = []
    while "next_page_token" in first:
        first = page(client, page_token=first["next_page_token"], **query)
        found += ids(first)
    return found


# Order


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["title", "turn"])), max_size=10))
def test_the_newest_update_comes_first(size: int, updates: list[tuple[int, str]]) -> None:
    expected = filled(size)
    for which, kind in updates:
        session_id = expected.pop(which % size)
        CLIENT.title(session_id) if kind == "title" else CLIENT.turn(session_id)
        expected.insert(0, session_id)
    assert ids(page()) == expected
    told = [each["last_updated_at"] for each in page()["items"]]
    assert told == sorted(told, reverse=True)


def test_reading_changes_no_order() -> None:
    expected = filled(3)
    for session_id in expected[::-1]:
        CLIENT.retrieve(session_id)
        CLIENT.summary(session_id)
    assert ids(page()) == expected


def test_the_order_holds_under_a_clock_that_stands_still() -> None:
    client = Client(Mock(Settings(seed=0, clock=datetime(2026, 4, 22))))
    first, second, third = filled(3, client)
    client.title(second)
    assert ids(page(client)) == [second, first, third]
    assert after(client, page(client, page_size=2)) == [third]


# Pages

events = st.lists(st.tuples(st.sampled_from(["title", "turn", "create", "delete"]), st.integers(0, 20)), max_size=4)


def happen(what: str, which: int, live: list[str]) -> str:
    """Let something happen to a session, or to a new one; give its id."""
    if what == "create" or not live:
        live.append(CLIENT.create()["session_id"])
        return live[-1]
    session_id = live[which % len(live)]
    if what == "delete":
        live.remove(session_id)
        CLIENT.call("delete", session_id)
    else:
        CLIENT.call({"title": "set_title", "turn": "stream"}[what], session_id)
    return session_id


@given(st.integers(0, 15), st.lists(st.tuples(st.integers(1, 5), events), min_size=1, max_size=20))
@example(6, [(2, [("delete", 0), ("delete", 0)])])
@example(3, [(2, [("delete", 2)])])
@example(4, [(1, [("turn", 0)])])
def test_a_session_that_nobody_touches_appears_exactly_once(
    size: int, steps: list[tuple[int, list[tuple[str, int]]]]
) -> None:
    live = filled(size)
    seen, untouched = [], set(live)
    shown: Json = {"next_page_token": None}
    for asked, happening in [*steps, *[(5, [])] * 20]:
        shown = page(page_size=asked, page_token=shown["next_page_token"])
        assert len(shown["items"]) <= asked
        seen += ids(shown)
        if "next_page_token" not in shown:
            break
        assert shown["items"]
        assert shown["next_page_token"]
        untouched -= {happen(what, which, live) for what, which in happening}
    assert "next_page_token" not in shown
    assert [seen.count(session_id) for session_id in untouched] == [1] * len(untouched)


@given(st.integers(0, 12), st.integers(1, 13))
def test_pages_are_full_but_for_the_last(size: int, asked: int) -> None:
    expected = filled(size)
    found, shown = [], page(page_size=asked)
    while "next_page_token" in shown:
        assert len(shown["items"]) == asked
        found += ids(shown)
        shown = page(page_size=asked, page_token=shown["next_page_token"])
    assert found + ids(shown) == expected
    assert len(shown["items"]) > 0 or size == 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("asked", [None, 2, 5])
def test_pages_are_what_the_contract_says(version: str, asked: int | None) -> None:
    filled(5)
    shown = page(Client(MOCK, version), page_size=asked)
    assert judge(version).errors("/components/schemas/SessionList", shown) == []
    assert ("next_page_token" in shown) is (asked == 2)


@pytest.mark.parametrize("asked", [None, 0])
def test_a_page_has_fifty_sessions_unless_its_size_is_said(asked: int | None) -> None:
    expected = filled(51)
    first = page(page_size=asked)
    assert ids(first) == expected[:50]
    assert after(CLIENT, first, page_size=asked) == expected[50:]


@pytest.mark.parametrize("asked", [1001, 10**9, 10**30])
def test_a_page_has_a_thousand_sessions_at_the_most(asked: int) -> None:
    client = Client(Mock(Settings(seed=0)))
    expected = filled(1002, client)
    first = page(client, page_size=asked)
    assert ids(first) == expected[:1000]
    assert after(client, first, page_size=asked) == expected[1000:]


def test_a_page_of_less_than_nothing_is_refused() -> None:
    for asked in ("-1", "x", "1.5", ""):
        assert CLIENT.send("GET", "", query=f"page_size={asked}").status == 422


# Tokens


def garbled(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@given(st.text(max_size=30) | st.text("abcXYZ0123456789-_=", max_size=30) | st.binary(max_size=12).map(repr))
@example("page_token")
@example("YWZ0ZXI6")
@example(garbled("after:"))
@example(garbled("after:-1"))
@example(garbled("after:1.5"))
@example(garbled("after:٣"))
@example(garbled("after:" + "9" * 5000))
@example(garbled("before:1"))
@example("東京")
def test_what_is_no_token_gives_the_first_page(token: str) -> None:
    expected = filled(3)
    assert ids(page(page_size=2, page_token=token)) == expected[:2]


@pytest.mark.parametrize("junk", ["!", "!!!!", "%%%%", "    ", "\n\n\n\n", "====", "\u00e9"])
def test_a_token_that_something_was_put_into_gives_the_first_page(junk: str) -> None:
    expected = filled(3)
    token = page(page_size=2)["next_page_token"]
    for damaged in (junk + token, token[:3] + junk + token[3:], token + junk + "x"):
        assert ids(page(page_size=2, page_token=damaged)) == expected[:2]


def test_a_token_holds_its_place_whatever_page_size_follows() -> None:
    expected = filled(9)
    token = page(page_size=3)["next_page_token"]
    assert ids(page(page_size=2, page_token=token)) == expected[3:5]
    assert ids(page(page_token=token)) == expected[3:]


def test_a_token_holds_its_place_when_its_session_is_gone() -> None:
    expected = filled(6)
    token = page(page_size=3)["next_page_token"]
    CLIENT.call("delete", expected[2])
    CLIENT.title(expected[1])
    assert ids(page(page_token=token)) == expected[3:]


@given(st.integers(0, 6))
def test_a_token_of_an_earlier_life_does_no_harm(size: int) -> None:
    filled(4)
    token = page(page_size=3)["next_page_token"]
    expected = filled(size)
    shown = page(page_token=token)
    assert ids(shown) == [each for each in expected if each in ids(shown)]
    assert "next_page_token" not in shown


def test_a_token_stays_good_for_another_server_on_the_same_sessions() -> None:
    store = MemoryStore()
    expected = filled(5, Client(Mock(Settings(seed=0), store)))
    token = page(Client(Mock(Settings(seed=0), store)), page_size=2)["next_page_token"]
    assert ids(page(Client(Mock(Settings(seed=9), store)), page_token=token)) == expected[2:]


def test_a_token_of_another_scope_shows_nothing_of_that_scope() -> None:
    theirs = filled(5)
    token = page(page_size=2)["next_page_token"]
    mine = value(ask(MOCK.handle, "POST", CHAT, x_mock_scope="mine"))["session_id"]
    shown = value(ask(MOCK.handle, "GET", CHAT, query=f"page_token={quote(token)}", x_mock_scope="mine"))
    assert set(ids(shown)) <= {mine}
    assert not set(ids(shown)) & set(theirs)


# Projects


@pytest.mark.parametrize("spelt", [PROJECT, PROJECT.upper(), PROJECT.replace("-", ""), "urn:uuid:" + PROJECT])
def test_a_project_lists_its_own_sessions_however_its_id_is_spelt(spelt: str) -> None:
    filled(1)
    mine = CLIENT.create(f"project_id={spelt}")["session_id"]
    CLIENT.create(f"project_id={OTHER}")
    assert ids(page(project_id=PROJECT)) == ids(page(project_id=spelt)) == [mine]


def test_without_a_project_all_are_listed() -> None:
    expected = filled(1)
    for project in (PROJECT, OTHER):
        expected.insert(0, CLIENT.create(f"project_id={project}")["session_id"])
    assert ids(page()) == expected


def test_an_adopted_session_belongs_to_the_project_that_it_was_first_asked_for_in() -> None:
    filled(0)
    CLIENT.call("set_title", "session_id", f"project_id={PROJECT}")
    assert ids(page(project_id=PROJECT)) == ["session_id"]
    assert ids(page(project_id=OTHER)) == []


@given(st.lists(st.sampled_from([None, PROJECT, OTHER]), max_size=12), st.integers(1, 4))
def test_a_project_is_paged_like_the_whole(projects: list[str | None], asked: int) -> None:
    filled(0)
    made = [(CLIENT.create(f"project_id={each}" if each else "")["session_id"], each) for each in projects]
    expected = [session_id for session_id, each in reversed(made) if each == PROJECT]
    first = page(page_size=asked, project_id=PROJECT)
    assert ids(first) == expected[:asked]
    assert after(CLIENT, first, page_size=asked, project_id=PROJECT) == expected[asked:]
