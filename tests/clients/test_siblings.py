"""The six operations that every release has, called through each of its doors."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clients import cases
from tests.clients.calls import Driver, Way
from tests.clients.conftest import Drive
from tests.clients.judgement import faults_of_answer, faults_of_request, same
from tests.clients.releases import DOORS, LATER, Door, Release
from tests.talk import MESSAGE

STATUS = {"create": 201, "list": 200, "retrieve": 200, "get_summary": 200}
"""The operations that are answered with JSON, and their status of success."""

UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
BY_SESSION = ("retrieve", "get_summary", "delete", "stream")

every_door = pytest.mark.parametrize("door", DOORS, ids=str)
both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
loose_and_strict = pytest.mark.parametrize("strict", [False, True], ids=["loose", "strict"])


def new_session(driver: Driver, base_url: str, door: Door) -> str:
    """Create a session and give its id."""
    created = driver.call(base_url, "create", {}, resource=door.resource).parsed
    return str(created["session_id"])


def arguments_of(method: str, session_id: str) -> dict[str, Any]:
    """Give right arguments for a method, on a session."""
    turn = {"index_ids": ["idx-abc123", "idx-def456"], "prompt": MESSAGE} if method == "stream" else {}
    return {"session_id": session_id, **turn} if method in BY_SESSION else turn


@every_door
@both_colours
@loose_and_strict
@pytest.mark.parametrize("way", cases.WAYS)
@pytest.mark.parametrize("method", STATUS)
def test_json_is_answered_from_the_releases_own_era_and_parsed_as_it_was_sent(
    drive: Drive, base_url: str, door: Door, method: str, way: Way, strict: bool, asynchronous: bool
) -> None:
    driver, era = drive(door.release), door.release.era
    arguments = arguments_of(method, new_session(driver, base_url, door)) | {"project_id": UUID}
    outcome = driver.call(
        base_url, method, arguments, resource=door.resource, way=way, strict=strict, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert outcome.error is None
    assert (sent.status, sent.contract) == (STATUS[method], era)
    assert faults_of_request(era, sent) == []
    assert faults_of_answer(era, sent) == []
    assert same(outcome.parsed, json.loads(sent.body))
    assert "x-mock-withdrawn" not in sent.headers


@every_door
@both_colours
@loose_and_strict
@pytest.mark.parametrize("way", cases.WAYS)
def test_a_deleted_session_leaves_none(
    drive: Drive, base_url: str, door: Door, way: Way, strict: bool, asynchronous: bool
) -> None:
    driver, era = drive(door.release), door.release.era
    arguments = arguments_of("delete", new_session(driver, base_url, door))
    outcome = driver.call(
        base_url, "delete", arguments, resource=door.resource, way=way, strict=strict, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert (outcome.error, outcome.parsed, outcome.kind) == (None, None, "NoneType")
    assert (sent.status, sent.body, sent.contract) == (204, "", era)
    assert faults_of_request(era, sent) + faults_of_answer(era, sent) == []


@every_door
@both_colours
@pytest.mark.parametrize("way", cases.WAYS)
def test_a_stream_is_given_as_its_text(drive: Drive, base_url: str, door: Door, way: Way, asynchronous: bool) -> None:
    driver, era = drive(door.release), door.release.era
    arguments = arguments_of("stream", new_session(driver, base_url, door))
    outcome = driver.call(base_url, "stream", arguments, resource=door.resource, way=way, asynchronous=asynchronous)
    sent = outcome.exchange
    assert outcome.error is None
    assert (sent.status, sent.contract) == (200, era)
    assert sent.headers["content-type"].startswith("text/event-stream")
    assert faults_of_request(era, sent) + faults_of_answer(era, sent) == []
    assert (outcome.kind, outcome.parsed) == ("str", sent.body)


@every_door
@both_colours
@pytest.mark.parametrize("way", cases.WAYS)
def test_a_strict_client_refuses_a_stream_since_it_is_no_json(
    drive: Drive, base_url: str, door: Door, way: Way, asynchronous: bool
) -> None:
    driver = drive(door.release)
    arguments = arguments_of("stream", new_session(driver, base_url, door))
    outcome = driver.call(
        base_url, "stream", arguments, resource=door.resource, way=way, strict=True, asynchronous=asynchronous
    )
    assert outcome.error is not None
    assert outcome.error.name == "APIResponseValidationError"
    assert "text/event-stream" in outcome.error.message
    assert outcome.exchange.status == 200


@every_door
@both_colours
@pytest.mark.parametrize(
    "arguments",
    [{}, {"page_size": 1}, {"page_size": 2, "project_id": UUID}, {"page_size": 0, "page_token": "page_token"}],
    ids=["default", "one-by-one", "by-twos", "as-in-upstreams-suite"],
)
def test_a_listing_comes_to_its_end_and_gives_every_item_sent(
    drive: Drive, serve: Callable[..., str], door: Door, arguments: dict[str, Any], asynchronous: bool
) -> None:
    base_url, driver, era = serve(seed=0), drive(door.release), door.release.era
    for _ in range(3):
        new_session(driver, base_url, door)
    outcome = driver.call(
        base_url, "list", arguments, resource=door.resource, way="pages", asynchronous=asynchronous, strict=True
    )
    assert outcome.error is None
    assert [fault for each in outcome.exchanges for fault in faults_of_request(era, each)] == []
    assert [fault for each in outcome.exchanges for fault in faults_of_answer(era, each)] == []
    assert same(outcome.parsed, [item for each in outcome.exchanges for item in json.loads(each.body)["items"]])
    assert not json.loads(outcome.exchanges[-1].body).get("next_page_token")


@every_door
@both_colours
@pytest.mark.parametrize("method", [*STATUS, "delete", "stream"])
def test_only_a_door_that_has_moved_is_warned_of(
    drive: Drive, base_url: str, door: Door, method: str, asynchronous: bool
) -> None:
    driver = drive(door.release)
    arguments = arguments_of(method, new_session(driver, base_url, door))
    outcome = driver.call(base_url, method, arguments, resource=door.resource, asynchronous=asynchronous)
    assert outcome.error is None
    assert {each.partition(":")[0] for each in outcome.warnings} == (
        {"DeprecationWarning"} if door.deprecated else set()
    )


@every_door
@given(data=st.data(), strict=st.booleans(), asynchronous=st.booleans(), way=cases.ways)
def test_any_session_can_be_created(
    drive: Drive, base_url: str, door: Door, data: st.DataObject, strict: bool, asynchronous: bool, way: Way
) -> None:
    era = door.release.era
    arguments = data.draw(cases.creations(era))
    outcome = drive(door.release).call(
        base_url, "create", arguments, resource=door.resource, way=way, strict=strict, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert outcome.error is None
    assert faults_of_request(era, sent) + faults_of_answer(era, sent) == []
    assert (sent.status, sent.contract) == (201, era)
    assert same(outcome.parsed, json.loads(sent.body))


@every_door
@given(data=st.data(), session_id=cases.session_ids, scope=cases.scopes(), asynchronous=st.booleans(), way=cases.ways)
def test_any_turn_is_streamed_to_its_end(
    drive: Drive,
    base_url: str,
    door: Door,
    data: st.DataObject,
    session_id: str,
    scope: dict[str, str],
    asynchronous: bool,
    way: Way,
) -> None:
    era = door.release.era
    arguments = data.draw(cases.turns(era)) | scope | {"session_id": session_id}
    outcome = drive(door.release).call(
        base_url, "stream", arguments, resource=door.resource, way=way, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert outcome.error is None
    assert faults_of_request(era, sent) + faults_of_answer(era, sent) == []
    assert (sent.status, sent.contract, outcome.parsed) == (200, era, sent.body)


@every_door
@pytest.mark.parametrize("method", STATUS)
@given(wish=cases.wishes(), strict=st.booleans(), asynchronous=st.booleans(), way=cases.ways)
def test_whatever_is_generated_is_parsed_as_it_was_sent(
    drive: Drive, base_url: str, door: Door, method: str, wish: str, strict: bool, asynchronous: bool, way: Way
) -> None:
    arguments = arguments_of(method, "ses-abc123") | {"extra_headers": {"Prefer": wish}}
    outcome = drive(door.release).call(
        base_url, method, arguments, resource=door.resource, way=way, strict=strict, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert outcome.error is None
    assert (sent.headers["x-mock-source"], sent.contract) == ("generated", door.release.era)
    assert faults_of_answer(door.release.era, sent) == []
    assert same(outcome.parsed, json.loads(sent.body))


@pytest.mark.parametrize("release", LATER, ids=str)
@both_colours
@loose_and_strict
@given(session_id=cases.session_ids, message=cases.messages)
def test_a_release_without_the_title_is_told_that_its_era_has_none(
    drive: Drive,
    base_url: str,
    release: Release,
    strict: bool,
    asynchronous: bool,
    session_id: str,
    message: str,
) -> None:
    arguments = {
        "path": f"/api/v1/chat/{quote(session_id, safe='')}/title",
        "body": {"first_message": message},
        "cast_to": "object",
    }
    outcome = drive(release).call(base_url, "post", arguments, resource="", strict=strict, asynchronous=asynchronous)
    sent = outcome.exchange
    assert (outcome.error, sent.status, sent.contract) == (None, 200, "2.6")
    assert re.search(rf"\b{re.escape(release.era)}(?![\d.]*\d)", sent.headers["x-mock-withdrawn"])
    assert faults_of_request("2.6", sent) + faults_of_answer("2.6", sent) == []
    assert same(outcome.parsed, json.loads(sent.body))
    assert (outcome.parsed["session_id"], outcome.parsed["generated_title"]) == (session_id, message[:50] + "...")
