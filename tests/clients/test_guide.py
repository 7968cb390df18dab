"""The ways of use that upstream's pages show, against the mock."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.exchange import Json
from tests.clients import cases
from tests.clients.conftest import Drive
from tests.clients.judgement import events_of, faults_of_answer
from tests.clients.releases import DOORS, Door
from tests.talk import MESSAGE


def printed(events: list[Json]) -> str:
    """Give what the guide's reader prints of some events."""

    def words(event: Json) -> str:
        if event["type"] == "text_delta":
            return str(event["content"])
        return "\n[end of turn]\n" if event["type"] == "stop" else f"{event}\n"

    return "".join(map(words, events))


@pytest.mark.parametrize("door", DOORS, ids=str)
@given(data=st.data(), session_id=cases.session_ids)
def test_the_guides_reader_prints_every_event_to_the_end_of_the_turn(
    drive: Drive, base_url: str, door: Door, data: st.DataObject, session_id: str
) -> None:
    arguments = data.draw(cases.turns(door.release.era)) | {"session_id": session_id}
    outcome = drive(door.release).call(
        base_url, "stream", arguments, resource=door.resource, way="guide", asynchronous=True
    )
    assert outcome.error is None
    assert faults_of_answer(door.release.era, outcome.exchange) == []
    assert outcome.parsed == printed(list(events_of(outcome.exchange.body)))
    assert outcome.parsed.endswith("\n[end of turn]\n")


@pytest.mark.parametrize("door", DOORS, ids=str)
@given(wish=cases.wishes())
def test_the_guides_reader_reads_any_generated_turn(drive: Drive, base_url: str, door: Door, wish: str) -> None:
    arguments: dict[str, Any] = {"session_id": "ses-abc123", "index_ids": ["idx-abc123"], "prompt": MESSAGE}
    outcome = drive(door.release).call(
        base_url,
        "stream",
        arguments | {"extra_headers": {"Prefer": wish}},
        resource=door.resource,
        way="guide",
        asynchronous=True,
    )
    assert outcome.error is None
    assert faults_of_answer(door.release.era, outcome.exchange) == []
    assert outcome.parsed == printed(list(events_of(outcome.exchange.body)))


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
