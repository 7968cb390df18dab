"""The same seed gives the same bytes: an answer depends on seed, scope and request alone."""

import json
import os
import random
import subprocess
import sys
from datetime import datetime
from random import Random

import pytest

from mockserver.cli import ready_lines
from mockserver.engine import Mock
from mockserver.exchange import Handler, Request, Response
from mockserver.settings import ERAS, SOURCES, Settings, Source
from tests.strategies import BODIES, ROOT, every_operation, operations, target
from tests.talk import TITLE, ask

CALLS = [(era, name) for era, name in every_operation() if era == "2.6"]
CLOCK = datetime(2026, 4, 22)

PRINT_ALL = """
import sys
from tests.test_seed import transcript
sys.stdout.write(transcript(int(sys.argv[1])))
"""


def call(handler: Handler, name: str, session_id: str = "ses-abc123", prefer: str | None = None) -> Response:
    operation = operations("2.6")[name]
    return ask(handler, operation.method, target(operation, session_id), BODIES.get(name), prefer=prefer)


def bodies(seed: int, source: Source) -> list[bytes]:
    mock = Mock(Settings(contract="2.6", answers=source, seed=seed, clock=CLOCK))
    return [call(mock.handle, name, session_id).body for _, name in CALLS for session_id in ("a", "b", "c")]


def transcript(seed: int) -> str:
    """Give all answers of all sources as one text."""
    made = {source: [body.decode() for body in bodies(seed, source)] for source in SOURCES}
    return json.dumps(made)


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


@pytest.mark.parametrize("source", SOURCES)
def test_the_order_of_requests_does_not_matter(source: Source) -> None:
    calls = [(name, session_id) for _, name in CALLS for session_id in "abc"]
    found: list[dict[tuple[str, str], bytes]] = []
    for order in (calls, calls[::-1], Random(1).sample(calls, len(calls))):
        mock = Mock(Settings(contract="2.6", answers=source, seed=5, clock=CLOCK))
        found.append({each: call(mock.handle, *each).body for each in order})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("source", SOURCES)
def test_a_repeated_request_gets_the_same_answer(source: Source) -> None:
    mock = Mock(Settings(contract="2.6", answers=source, seed=5, clock=CLOCK))
    for _, name in CALLS:
        assert call(mock.handle, name) == call(mock.handle, name)


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
        assert call(first.handle, name) == call(second.handle, name)


def test_another_request_gets_another_answer() -> None:
    mock = Mock(Settings(contract="2.6", answers="generated", seed=5))
    path = "/api/v1/chat"
    asked = [
        ask(mock.handle, "GET", path),
        ask(mock.handle, "GET", path, query="page_size=1"),
        ask(mock.handle, "GET", path, query="page_size=2"),
        ask(mock.handle, "POST", path),
        ask(mock.handle, "POST", path, {}),
        ask(mock.handle, "POST", path, {"index_ids": ["a"]}),
        ask(mock.handle, "GET", path + "/a"),
        ask(mock.handle, "GET", path + "/b"),
        ask(mock.handle, "GET", path + "/b/summary"),
    ]
    assert len({response.body for response in asked}) == len(asked)


def test_headers_do_not_change_what_is_made_up() -> None:
    mock = Mock(Settings(contract="2.6", answers="generated", seed=5))
    plain = ask(mock.handle, "GET", "/api/v1/chat/a")
    retried = ask(mock.handle, "GET", "/api/v1/chat/a", x_stainless_retry_count="3", authorization="Bearer other")
    assert plain.body == retried.body


def in_scope(mock: Mock, scope: str) -> Handler:
    def handle(request: Request) -> Response:
        return mock.handle(request._replace(scope=scope))

    return handle


@pytest.mark.parametrize("source", ["canned", "generated"])
def test_another_scope_gives_other_answers_and_the_same_again(source: Source) -> None:
    mock = Mock(Settings(contract="2.6", answers=source, seed=5))
    made = {scope: [call(in_scope(mock, scope), "retrieve", each).body for each in "abcdefgh"] for scope in "xyz"}
    assert len({tuple(each) for each in made.values()}) == 3
    assert made["x"] == [call(in_scope(mock, "x"), "retrieve", each).body for each in "abcdefgh"]


def test_sessions_of_one_scope_are_not_seen_from_another() -> None:
    mock = Mock(Settings(seed=5))
    for scope in "xy":
        ask(in_scope(mock, scope), "POST", TITLE, {"first_message": scope})
    assert len(mock.store) == 2


def test_the_wished_seed_wins_over_the_servers() -> None:
    one, two = (Mock(Settings(contract="2.6", answers="generated", seed=seed)) for seed in (1, 2))
    assert call(one.handle, "retrieve").body != call(two.handle, "retrieve").body
    assert call(one.handle, "retrieve", prefer="seed=2").body == call(two.handle, "retrieve").body


def test_seeds_as_large_as_can_be_wished_for_are_told_apart() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))
    wished = ["0", "-0", "1", "-1", "999999999999999999", "-999999999999999999"]
    made = {seed: call(mock.handle, "retrieve", prefer=f"dynamic=true, seed={seed}").body for seed in wished}
    assert made["0"] == made["-0"]
    assert len(set(made.values())) == len(wished) - 1


@pytest.mark.parametrize("era", ERAS)
def test_simulated_answers_are_the_same_for_the_same_history_and_clock(era: str) -> None:
    if "set_title" not in operations(era):
        era = "auto"
    made = []
    for seed in (1, 2):
        mock = Mock(Settings(contract=era, seed=seed, clock=CLOCK))
        made.append([ask(mock.handle, "POST", TITLE, {"first_message": text}) for text in ("a", "b", "a")])
    assert made[0] == made[1]


def test_no_global_chance_is_used_or_changed() -> None:
    state = random.getstate()
    first = bodies(3, "generated")
    assert random.getstate() == state
    random.seed(99)
    assert bodies(3, "generated") == first
    random.setstate(state)


def test_a_drawn_seed_is_told_and_gives_the_same_answers_again() -> None:
    drawn, other = Mock(Settings(contract="2.6", answers="generated")), Mock(Settings())
    told = ready_lines(drawn, "http://127.0.0.1:1").splitlines()[0].rpartition("seed ")[2]
    again = Mock(Settings(contract="2.6", answers="generated", seed=int(told)))
    assert call(drawn.handle, "retrieve") == call(again.handle, "retrieve")
    assert drawn.seed != other.seed
