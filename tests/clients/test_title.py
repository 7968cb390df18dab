"""set_title, called by the releases that have it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.sessions import title_of
from tests.clients import cases
from tests.clients.calls import Driver, Outcome, Way
from tests.clients.conftest import Drive
from tests.clients.judgement import faults_of_answer, faults_of_request, place_of, same
from tests.clients.releases import TITLING, Release
from tests.talk import MESSAGE

pytestmark = pytest.mark.parametrize("release", TITLING, ids=str)
every_style = pytest.mark.parametrize(("way", "strict", "asynchronous"), cases.STYLES)
both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
EXAMPLE = {
    "last_updated_at": "2026-04-22T12:34:41.342245",
    "session_id": "ses-abc123",
    "generated_title": "What were the main findings in Q3?...",
    "index_ids": ["idx-abc123", "idx-def456"],
    "job_metadata": {
        "duration_ms": 0,
        "error": "error",
        "export_config_ids": ["string"],
        "is_error": True,
        "total_input_tokens": 0,
        "total_output_tokens": 0,
        "turns": 0,
    },
}


def set_title(driver: Driver, base_url: str, session_id: str, message: Any, /, **more: Any) -> Outcome:
    style = {name: more.pop(name) for name in ("way", "strict", "asynchronous") if name in more}
    return driver.call(base_url, "set_title", {"session_id": session_id, "first_message": message, **more}, **style)


@given(
    session_id=cases.session_ids,
    message=cases.messages,
    scope=cases.scopes(),
    way=cases.ways,
    strict=st.booleans(),
    asynchronous=st.booleans(),
)
def test_any_title_is_asked_for_as_the_contract_says_answered_by_it_and_parsed_whole(
    drive: Drive,
    base_url: str,
    release: Release,
    session_id: str,
    message: str,
    scope: dict[str, str],
    way: Way,
    strict: bool,
    asynchronous: bool,
) -> None:
    outcome = set_title(
        drive(release), base_url, session_id, message, **scope, way=way, strict=strict, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert faults_of_request(release.era, sent) == []
    place = place_of(release.era, sent)
    assert place is not None
    assert place.values == {"session_id": session_id}
    assert json.loads(sent.request_body) == {"first_message": message}
    assert (outcome.error, outcome.warnings) == (None, [])
    assert (sent.status, sent.contract) == (200, release.era)
    assert faults_of_answer(release.era, sent) == []
    assert outcome.kind in ("ChatSetTitleResponse", "BetaChatSetTitleResponse")
    assert same(outcome.parsed, json.loads(sent.body))
    expected = None if way == "plain" else {"status": 200, "headers": sent.headers, "text": sent.body}
    assert outcome.read == expected
    assert (outcome.parsed["session_id"], outcome.parsed["generated_title"]) == (session_id, title_of(message, 50))


@every_style
def test_the_documented_call_gets_the_documented_title(
    drive: Drive, base_url: str, release: Release, way: Way, strict: bool, asynchronous: bool
) -> None:
    outcome = set_title(
        drive(release), base_url, "session_id", MESSAGE, way=way, strict=strict, asynchronous=asynchronous
    )
    assert outcome.error is None
    assert outcome.parsed["generated_title"] == "What were the main findings in Q3?..."
    assert outcome.parsed.keys() == EXAMPLE.keys()


@every_style
def test_the_documented_example_is_given_to_the_letter_on_wish(
    drive: Drive, base_url: str, release: Release, way: Way, strict: bool, asynchronous: bool
) -> None:
    wish = {"Prefer": "example=documented"}
    outcome = set_title(
        drive(release),
        base_url,
        "session_id",
        MESSAGE,
        extra_headers=wish,
        way=way,
        strict=strict,
        asynchronous=asynchronous,
    )
    assert same(json.loads(outcome.exchange.body), EXAMPLE)
    assert same(outcome.parsed, EXAMPLE)
    assert outcome.exchange.headers["x-mock-source"] == "documented"


@given(wish=cases.wishes(), strict=st.booleans(), way=cases.ways, asynchronous=st.booleans())
def test_whatever_is_generated_is_parsed_as_it_was_sent(
    drive: Drive, base_url: str, release: Release, asynchronous: bool, wish: str, strict: bool, way: Way
) -> None:
    outcome = set_title(
        drive(release),
        base_url,
        "ses-abc123",
        MESSAGE,
        extra_headers={"Prefer": wish},
        way=way,
        strict=strict,
        asynchronous=asynchronous,
    )
    assert outcome.error is None
    assert outcome.exchange.headers["x-mock-source"] == "generated"
    assert faults_of_answer(release.era, outcome.exchange) == []
    assert same(outcome.parsed, json.loads(outcome.exchange.body))


@both_colours
@pytest.mark.parametrize("session_id", ["", ".", ".."])
def test_an_id_that_is_no_segment_is_refused_before_anything_is_sent(
    drive: Drive, base_url: str, release: Release, session_id: str, asynchronous: bool
) -> None:
    outcome = set_title(drive(release), base_url, session_id, MESSAGE, asynchronous=asynchronous)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.exchanges) == ("ValueError", [])


@given(wrong=cases.no_messages, way=cases.ways, strict=st.booleans(), asynchronous=st.booleans())
def test_a_message_that_is_no_text_is_an_unprocessable_entity(
    drive: Drive, base_url: str, release: Release, asynchronous: bool, wrong: Any, way: Way, strict: bool
) -> None:
    outcome = set_title(
        drive(release), base_url, "ses-abc123", wrong, way=way, strict=strict, asynchronous=asynchronous
    )
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.status) == ("UnprocessableEntityError", 422)
    assert same(outcome.error.body, json.loads(outcome.exchange.body))
    assert faults_of_answer(release.era, outcome.exchange) == []
    (detail,) = outcome.error.body["detail"]
    assert (detail["type"], detail["loc"]) == ("string_type", ["body", "first_message"])
    assert same(detail["input"], wrong)


@both_colours
@pytest.mark.parametrize("name", ["project_id", "organization_id"])
@pytest.mark.parametrize("wrong", ["abc", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26"])
def test_a_scope_that_is_no_uuid_is_an_unprocessable_entity(
    drive: Drive, base_url: str, release: Release, name: str, wrong: str, asynchronous: bool
) -> None:
    outcome = set_title(drive(release), base_url, "ses-abc123", MESSAGE, **{name: wrong}, asynchronous=asynchronous)
    assert outcome.error is not None
    assert outcome.error.name == "UnprocessableEntityError"
    assert [(each["type"], each["loc"]) for each in outcome.error.body["detail"]] == [("uuid_parsing", ["query", name])]
