"""The same seed gives the same bytes: an answer depends on seed, scope and request, a played one on history, too."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.cli import ready_lines
from mockserver.engine import Mock
from mockserver.messages import Json, Response
from mockserver.settings import SOURCES, Settings, Source
from tests.strategies import BODIES, ROOT, every_operation, operations, target
from tests.talk import TITLE, ask, header, value, whole

Step: TypeAlias = tuple[str, str]
"""A call: the operation, and the session that it is about."""

CALLS = [(version, name) for version, name in every_operation() if version == "2.6"]
CLOCK = datetime(2026, 4, 22)
CHAT = "/api/v1/chat"
STILL: tuple[Source, ...] = ("canned", "documented", "generated")
"""The sources that know no history."""

PRINT_ALL = """
import sys
from tests.apis.test_seed import transcript
sys.stdout.write(transcript(int(sys.argv[1])))
"""


def mock_of(seed: int, source: Source = "simulated", version: str = "2.6") -> Mock:
    return Mock(Settings(contract=version, answers=source, seed=seed, clock=CLOCK))


def call(
    mock: Mock,
    name: str,
    session_id: str = "ses-abc123",
    prefer: str | None = None,
    scope: str | None = None,
    version: str = "2.6",
) -> Response:
    operation = operations(version)[name]
    path = target(operation, session_id)
    return whole(ask(mock.handle, operation.method, path, BODIES.get(name), prefer=prefer, x_mock_scope=scope))


def bodies(seed: int, source: Source) -> list[bytes]:
    mock = mock_of(seed, source)
    return [call(mock, name, session_id).body for _, name in CALLS for session_id in ("a", "b", "c")]


def transcript(seed: int) -> str:
    """Give all answers of all sources as one text, and what a life of sessions says."""
    made: dict[str, Json] = {source: [body.decode() for body in bodies(seed, source)] for source in SOURCES}
    made["lives"] = [body.decode() for version in VERSIONS for body in lived(mock_of(seed, version=version), version)]
    return json.dumps(made)


def lived(mock: Mock, version: str, scope: str | None = None) -> list[bytes]:
    """Give the answers of a life of sessions: created, asked, titled, listed page by page, shown and deleted."""
    answers: list[Response] = []

    def told(method: str, path: str, body: Any = None, **more: str) -> Response:
        answers.append(whole(ask(mock.handle, method, path, body, x_mock_scope=scope, **more)))
        return answers[-1]

    for indexes in (None, ["idx-a"], ["idx-a", "idx-b"]):
        session = f"{CHAT}/{value(told('POST', CHAT, {'index_ids': indexes}))['session_id']}"
        for prompt in ("What were the main findings?", "And in Q3?"):
            told("POST", session + "/messages/stream", {"index_ids": indexes or ["idx-c"], "prompt": prompt})
        if "set_title" in operations(version):
            told("POST", session + "/title", {"first_message": "Findings"})
        told("GET", session + "/summary")
        told("GET", session)
    page = value(told("GET", CHAT, query="page_size=2"))
    told("GET", CHAT, query=f"page_token={page['next_page_token']}")
    told("DELETE", session)
    told("GET", session)
    return [response.body for response in answers]


# -- answers without a history ---------------------------------------------------------------------------------------


def test_two_processes_give_the_same_bytes() -> None:
    made = set()
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", PRINT_ALL, "17"]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        made.add(done.stdout)
    assert made == {transcript(17)}


@pytest.mark.parametrize("source", STILL)
def test_without_a_history_the_order_of_requests_does_not_matter(source: Source) -> None:
    calls = [(name, session_id) for _, name in CALLS for session_id in "abc"]
    found: list[dict[Step, bytes]] = []
    for order in (calls, calls[::-1], Random(1).sample(calls, len(calls))):
        mock = mock_of(5, source)
        found.append({each: call(mock, *each).body for each in order})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("source", STILL)
def test_without_a_history_a_repeated_request_gets_the_same_answer(source: Source) -> None:
    mock = mock_of(5, source)
    for _, name in CALLS:
        assert call(mock, name) == call(mock, name)


@pytest.mark.parametrize("source", ["canned", "generated"])
def test_another_seed_gives_other_answers(source: Source) -> None:
    made = {tuple(bodies(seed, source)) for seed in range(4)}
    assert len(made) == 4


def test_documented_answers_need_no_chance() -> None:
    assert bodies(1, "documented") == bodies(2, "documented")


@pytest.mark.parametrize("seed", [0, 1, -1, 2**32, 2**63, -(2**70)])
def test_an_answer_is_a_function_of_its_seed(seed: int) -> None:
    first, second = (Mock(Settings(contract="2.6", answers="generated", seed=seed)) for _ in range(2))
    for _, name in CALLS:
        assert call(first, name) == call(second, name)


def test_another_request_gets_another_answer() -> None:
    mock = Mock(Settings(contract="2.6", answers="generated", seed=5))
    asked = [
        ask(mock.handle, "GET", CHAT),
        ask(mock.handle, "GET", CHAT, query="page_size=1"),
        ask(mock.handle, "GET", CHAT, query="page_size=2"),
        ask(mock.handle, "POST", CHAT),
        ask(mock.handle, "POST", CHAT, {}),
        ask(mock.handle, "POST", CHAT, {"index_ids": ["a"]}),
        ask(mock.handle, "GET", CHAT + "/a"),
        ask(mock.handle, "GET", CHAT + "/b"),
        ask(mock.handle, "GET", CHAT + "/b/summary"),
    ]
    assert len({response.body for response in asked}) == len(asked)


def test_headers_do_not_change_what_is_made_up() -> None:
    mock = Mock(Settings(contract="2.6", answers="generated", seed=5))
    plain = ask(mock.handle, "GET", CHAT + "/a")
    retried = ask(mock.handle, "GET", CHAT + "/a", x_stainless_retry_count="3", authorization="Bearer other")
    assert plain.body == retried.body


def test_the_wished_seed_wins_over_the_servers_and_over_the_scopes() -> None:
    one, two = (Mock(Settings(contract="2.6", answers="generated", seed=seed)) for seed in (1, 2))
    assert call(one, "retrieve").body != call(two, "retrieve").body
    assert call(one, "retrieve", prefer="seed=2").body == call(two, "retrieve").body
    one.store.set_seed("default", 9)
    assert call(one, "retrieve", prefer="seed=2").body == call(two, "retrieve").body


def test_seeds_as_large_as_can_be_wished_for_are_told_apart() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))
    wished = ["0", "-0", "1", "-1", "999999999999999999", "-999999999999999999"]
    made = {seed: call(mock, "retrieve", prefer=f"dynamic=true, seed={seed}").body for seed in wished}
    assert made["0"] == made["-0"]
    assert len(set(made.values())) == len(wished) - 1


# -- played answers: the same history gives the same bytes -----------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_requests_in_the_same_order_are_answered_with_the_same_bytes(version: str) -> None:
    assert lived(mock_of(4, version=version), version) == lived(mock_of(4, version=version), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_another_seed_gives_other_ids_and_other_turns(version: str) -> None:
    lives = [lived(mock_of(seed, version=version), version) for seed in range(4)]
    ids = [json.loads(life[0])["session_id"] for life in lives]
    turns = [life[1] for life in lives]
    assert len(set(ids)) == len(set(turns)) == 4


def test_turns_of_a_session_that_create_never_issued_differ_by_seed_too() -> None:
    assert len({call(mock_of(seed), "stream").body for seed in range(4)}) == 4


def test_titles_need_no_chance() -> None:
    made = []
    for seed in (1, 2):
        mock = mock_of(seed)
        made.append([ask(mock.handle, "POST", TITLE, {"first_message": text}) for text in ("a", "b", "a")])
    assert made[0] == made[1]


def test_what_changes_nothing_gets_the_same_answer_again() -> None:
    mock = mock_of(5)
    for name in ("stream", "set_title"):
        call(mock, name)
    for name in ("get_summary", "retrieve", "list", "set_title", "get_summary", "delete"):
        assert call(mock, name) == call(mock, name)


def test_what_is_repeated_where_it_counts_gets_another_answer() -> None:
    mock = mock_of(5)
    for name in ("create", "stream"):
        assert len({call(mock, name).body for _ in range(5)}) == 5


ALONE = ("set_title", "get_summary", "retrieve", "delete", "stream")
"""The operations about one session that its caller names."""

lives_of_sessions = st.fixed_dictionaries({each: st.lists(st.sampled_from(ALONE), max_size=6) for each in "abc"})


@given(lives_of_sessions, st.randoms(use_true_random=False))
@example({"a": ["stream", "retrieve"], "b": ["stream", "delete", "stream", "retrieve"], "c": []}, Random(0))
def test_what_is_said_of_one_session_does_not_depend_on_what_is_done_to_others(
    lives: dict[str, list[str]], chance: Random
) -> None:
    turns = [session_id for session_id, names in lives.items() for _ in names]
    chance.shuffle(turns)
    left = {session_id: list(names) for session_id, names in lives.items()}
    mixed = [(left[session_id].pop(0), session_id) for session_id in turns]
    apart = [(name, session_id) for session_id, names in lives.items() for name in names]
    assert answers_by_session(mixed) == answers_by_session(apart)


def answers_by_session(calls: Iterable[Step]) -> dict[str, list[bytes]]:
    """Give what was said of each session, in the order of its own calls."""
    mock = mock_of(5)
    found: dict[str, list[bytes]] = {}
    for name, session_id in calls:
        found.setdefault(session_id, []).append(call(mock, name, session_id).body)
    return found


def test_an_id_depends_on_how_many_sessions_came_before_it_in_its_scope_and_on_nothing_else() -> None:
    plain, busy = mock_of(5), mock_of(5)
    ids = [value(call(plain, "create"))["session_id"] for _ in range(4)]
    found: list[str] = []
    for number in range(4):
        for name in ("list", "create", "stream"):
            call(busy, name, scope="elsewhere")
        if number:  # none of these makes a session
            for name in ("stream", "set_title", "retrieve", "list"):
                call(busy, name, found[-1])
        if number == 3:
            call(busy, "delete", found[0])
        found.append(value(call(busy, "create"))["session_id"])
    assert found == ids
    adopting = mock_of(5)
    call(adopting, "get_summary", "adopted")
    assert [value(call(adopting, "create"))["session_id"] for _ in range(3)] == ids[1:]


# -- scopes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["canned", "generated"])
def test_another_scope_gives_other_answers_and_the_same_again(source: Source) -> None:
    mock = mock_of(5, source)
    made = {scope: [call(mock, "retrieve", each, scope=scope).body for each in "abcdefgh"] for scope in "xyz"}
    assert len({tuple(each) for each in made.values()}) == 3
    assert made["x"] == [call(mock, "retrieve", each, scope="x").body for each in "abcdefgh"]


def test_the_same_life_in_another_scope_has_other_ids_and_other_turns() -> None:
    mock = mock_of(5)
    first, second = (lived(mock, "2.6", scope) for scope in "xy")
    assert len(first) == len(second)
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_what_happens_in_a_scope_does_not_depend_on_what_happens_in_others() -> None:
    mock = mock_of(5)
    lived(mock, "2.6", "x")
    after = lived(mock, "2.6", "y")
    assert after == lived(mock_of(5), "2.6", "y")


def test_a_scope_is_the_same_by_header_and_by_path() -> None:
    by_header, by_path = mock_of(5), mock_of(5)
    path = target(operations("2.6")["stream"])
    told = whole(ask(by_path.handle, "POST", "/scope/x" + path, BODIES["stream"]))
    assert call(by_header, "stream", scope="x") == told


def test_sessions_of_one_scope_are_not_seen_from_another() -> None:
    mock = Mock(Settings(seed=5))
    for scope in "xy":
        ask(mock.handle, "POST", TITLE, {"first_message": scope}, x_mock_scope=scope)
    assert dict(mock.store.scopes()) == {"x": 1, "y": 1}
    for scope in "xy":
        (session,) = value(ask(mock.handle, "GET", CHAT, x_mock_scope=scope))["items"]
        assert session["generated_title"] == f"{scope}..."


def scoped(mock: Mock, source: Source, scope: str | None) -> Sequence[bytes]:
    if source == "simulated":
        return lived(mock, "2.6", scope)
    return [call(mock, name, each, scope=scope).body for _, name in CALLS for each in "abc"]


@pytest.mark.parametrize("scope", [None, "x"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_scopes_own_seed_counts_in_it_as_the_servers_would_and_nowhere_else(
    source: Source, scope: str | None
) -> None:
    mock = mock_of(5, source)
    mock.store.set_seed(scope or "default", 7)
    assert scoped(mock, source, scope) == scoped(mock_of(7, source), source, None)
    assert scoped(mock, source, "other") == scoped(mock_of(5, source), source, "other")


def test_a_scopes_own_seed_is_not_told_as_a_wish() -> None:
    mock = mock_of(5, "generated")
    mock.store.set_seed("x", 7)
    assert header(call(mock, "retrieve", scope="x"), "preference-applied") is None


# -- chance ----------------------------------------------------------------------------------------------------------


def test_no_global_chance_is_used_or_changed() -> None:
    state = random.getstate()
    first = transcript(3)
    assert random.getstate() == state
    random.seed(99)
    assert transcript(3) == first
    random.setstate(state)


def test_a_drawn_seed_is_told_and_gives_the_same_answers_again() -> None:
    drawn, other = Mock(Settings(contract="2.6", answers="generated")), Mock(Settings())
    told = ready_lines(drawn, "http://127.0.0.1:1").splitlines()[0].rpartition("seed ")[2].partition(";")[0]
    again = Mock(Settings(contract="2.6", answers="generated", seed=int(told)))
    assert call(drawn, "retrieve") == call(again, "retrieve")
    assert drawn.seed != other.seed
