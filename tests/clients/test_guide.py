"""The ways of use that upstream's pages show, against the mock."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.api import make_settings
from mockserver.engine import Mock
from mockserver.messages import Json
from mockserver.server.uvicorn import running
from tests.clients import cases
from tests.clients.calls import Outcome
from tests.clients.conftest import Drive
from tests.clients.environments import ROOT
from tests.clients.judgement import events_of, faults_of_answer
from tests.clients.releases import DOORS, TYPESCRIPTS, Door, Release
from tests.conftest import app_of
from tests.talk import MESSAGE

both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
TURN: dict[str, Any] = {"session_id": "ses-abc123", "index_ids": ["idx-abc123", "idx-def456"], "prompt": MESSAGE}
SCRIPTS = sorted((ROOT / "fixtures" / "llamacloud-chat" / "stream").glob("200.*.json"))
RATE = 40
"""Events a second of the slow server."""


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    """Give the base URL of a mock that takes its time to tell a turn."""
    with running(app_of(Mock(make_settings({"seed": 0, "stream_delay": 0.2, "stream_rate": RATE})))) as url:
        yield url


def printed(events: list[Json]) -> str:
    """Give what the guide's reader prints of some events."""

    def words(event: Json) -> str:
        if event["type"] == "text_delta":
            return str(event["content"])
        return "\n[end of turn]\n" if event["type"] == "stop" else f"{event}\n"

    return "".join(map(words, events))


def said(events: list[Json], kind: str) -> str:
    """Give what the events of a kind say together."""
    return "".join(event["content"] for event in events if event["type"] == kind)


def assert_whole(events: list[Json]) -> None:
    """Assert that events are one turn in its order, whose deltas add up to the texts that they precede."""
    kinds = " ".join(event["type"] for event in events)
    assert re.fullmatch(r"(thinking_delta )+thinking (tool_call tool_result )+(text_delta )+text stop", kinds), (
        f"no turn: {kinds}"
    )
    assert said(events, "text_delta") == said(events, "text") != ""
    assert said(events, "thinking_delta") == said(events, "thinking") != ""
    calls, results = ([each for each in events if each["type"] == kind] for kind in ("tool_call", "tool_result"))
    assert [(each["call_id"], each["name"]) for each in calls] == [(each["call_id"], each["name"]) for each in results]
    assert (events[-1]["is_error"], events[-1]["error"]) == (False, None)


@pytest.mark.parametrize("door", DOORS, ids=str)
@given(data=st.data(), session_id=cases.session_ids, asynchronous=st.booleans())
def test_the_guides_reader_prints_every_event_to_the_end_of_the_turn(
    drive: Drive, base_url: str, door: Door, data: st.DataObject, session_id: str, asynchronous: bool
) -> None:
    arguments = data.draw(cases.turns(door.release.era)) | {"session_id": session_id}
    outcome = drive(door.release).call(
        base_url, "stream", arguments, resource=door.resource, way="guide", asynchronous=asynchronous
    )
    assert outcome.error is None
    assert faults_of_answer(door.release.era, outcome.exchange) == []
    events = list(events_of(outcome.exchange.body))
    assert_whole(events)
    assert outcome.parsed == printed(events)
    assert outcome.parsed.endswith("\n[end of turn]\n")


@pytest.mark.parametrize("door", DOORS, ids=str)
@given(wish=cases.wishes(), asynchronous=st.booleans())
def test_the_guides_reader_reads_any_generated_turn(
    drive: Drive, base_url: str, door: Door, wish: str, asynchronous: bool
) -> None:
    outcome = drive(door.release).call(
        base_url,
        "stream",
        TURN | {"extra_headers": {"Prefer": wish}},
        resource=door.resource,
        way="guide",
        asynchronous=asynchronous,
    )
    assert outcome.error is None
    assert faults_of_answer(door.release.era, outcome.exchange) == []
    assert outcome.parsed == printed(list(events_of(outcome.exchange.body)))


READERS = ((DOORS[0], False), (DOORS[-1], True))


@pytest.mark.parametrize(
    ("path", "door", "asynchronous"),
    [(path, *READERS[number % 2]) for number, path in enumerate(SCRIPTS)],
    ids=lambda each: str(getattr(each, "stem", each)),
)
def test_the_guides_reader_prints_a_scripted_turn_as_its_file_has_it(
    drive: Drive, base_url: str, door: Door, asynchronous: bool, path: Path
) -> None:
    script = json.loads(path.read_text("utf-8"))
    wish = {"Prefer": f"example={path.stem.partition('.')[2]}"}
    outcome = drive(door.release).call(
        base_url,
        "stream",
        TURN | {"extra_headers": wish},
        resource=door.resource,
        way="guide",
        asynchronous=asynchronous,
    )
    assert outcome.error is None
    assert faults_of_answer(door.release.era, outcome.exchange) == []
    assert outcome.parsed == printed([step["event"] for step in script])


def assert_bit_by_bit(outcome: Outcome) -> None:
    """Assert that a turn was printed while it was told: from its first event to its last time went by."""
    assert outcome.error is None
    assert outcome.times is not None
    events = list(events_of(outcome.exchange.body))
    assert_whole(events)
    told = (len(events) - 1) / RATE
    assert told > 0.4
    assert outcome.times[-1] - outcome.times[0] > told / 4


@pytest.mark.parametrize("door", [DOORS[0], DOORS[-1]], ids=str)
@both_colours
def test_a_turn_is_read_while_it_is_told(drive: Drive, slow_url: str, door: Door, asynchronous: bool) -> None:
    outcome = drive(door.release).call(
        slow_url, "stream", TURN, resource=door.resource, way="guide", asynchronous=asynchronous
    )
    assert_bit_by_bit(outcome)
    assert outcome.parsed == printed(list(events_of(outcome.exchange.body)))


@pytest.mark.parametrize("release", TYPESCRIPTS, ids=str)
def test_typescript_reads_a_turn_by_the_lines_of_its_response_while_it_is_told(
    drive: Drive, slow_url: str, release: Release
) -> None:
    session_id, turn = TURN["session_id"], {name: TURN[name] for name in ("index_ids", "prompt")}
    outcome = drive(release).call(slow_url, "stream", [session_id, turn], way="guide")
    assert_bit_by_bit(outcome)
    assert faults_of_answer(release.era, outcome.exchange) == []
    *told, end, rest = outcome.parsed.rsplit("\n", 2)
    assert (end, rest) == ("[end of turn]", "")
    events = list(events_of(outcome.exchange.body))
    assert said(events, "text_delta") in "\n".join(told)
    assert outcome.parsed.count("\n") == sum(event["type"] != "text_delta" for event in events) + 1


def test_the_documented_request_gets_the_documented_shape(base_url: str) -> None:
    answer = httpx.post(
        f"{base_url}/api/v1/chat/session_id/title",
        headers={"Content-Type": "application/json", "Authorization": "Bearer My API Key"},
        content='{"first_message": "What were the main findings in Q3?"}',
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told["generated_title"] == "What were the main findings in Q3?..."
    assert told["session_id"] == "session_id"
    assert told.keys() == {"last_updated_at", "session_id", "generated_title", "index_ids", "job_metadata"}


def test_the_documented_creation_has_no_body(base_url: str) -> None:
    answer = httpx.post(f"{base_url}/api/v1/chat", headers={"Authorization": "Bearer My API Key"})
    assert answer.status_code == 201
    assert isinstance(json.loads(answer.text)["session_id"], str)
