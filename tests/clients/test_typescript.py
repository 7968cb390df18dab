"""The TypeScript client, whose installable releases have no title of their own."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.sessions import title_of
from tests.clients import cases
from tests.clients.calls import Driver, Outcome, Way
from tests.clients.conftest import Drive
from tests.clients.judgement import faults_of_answer, faults_of_request, same
from tests.clients.releases import TYPESCRIPTS, Release
from tests.clients.test_refusals import CLASSES
from tests.talk import MESSAGE

pytestmark = pytest.mark.parametrize("release", TYPESCRIPTS, ids=str)

JSON_METHODS = {"create": 201, "list": 200, "retrieve": 200, "getSummary": 200}
UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
PROJECT = "b3b2e5f6-1f0a-4c7e-9d53-0d8a6c1c2f11"
"""A project that no other test knows."""

TURN = {"index_ids": ["idx-abc123"], "prompt": MESSAGE}
ways: st.SearchStrategy[Way] = st.sampled_from(["plain", "raw", "with"])
every_way = pytest.mark.parametrize("way", ["plain", "raw", "with"])


def arguments_of(driver: Driver, base_url: str, method: str) -> list[Any]:
    """Give right arguments for a method, on a new session where it wants one."""
    if method in ("create", "list"):
        return [{"project_id": UUID}]
    created = driver.call(base_url, "create", []).parsed
    return [created["session_id"], {"project_id": UUID} | (TURN if method == "stream" else {})]


def assert_faithful(outcome: Outcome, way: Way) -> None:
    """Assert that the client gives what was on the wire."""
    sent = outcome.exchange
    assert outcome.error is None
    if way == "raw":
        assert outcome.read == {"status": sent.status, "headers": sent.headers, "text": sent.body}
    else:
        assert same(outcome.parsed, json.loads(sent.body))
    if way == "with":
        assert outcome.read == {"status": sent.status, "headers": sent.headers, "text": None}


@settings(max_examples=25)
@given(session_id=cases.session_ids, message=cases.messages, scope=cases.scopes(), way=ways)
def test_any_title_is_answered_from_the_era_that_had_it(
    drive: Drive, base_url: str, release: Release, session_id: str, message: str, scope: dict[str, str], way: Way
) -> None:
    path = f"/api/v1/chat/{quote(session_id, safe='')}/title"
    options = {"body": {"first_message": message}, "query": scope}
    outcome = drive(release).call(base_url, "post", [path, options], resource="", way=way)
    sent = outcome.exchange
    assert faults_of_request("2.6", sent) + faults_of_answer("2.6", sent) == []
    assert_faithful(outcome, way)
    assert (sent.status, sent.contract) == (200, "2.6")
    assert re.search(rf"\b{re.escape(release.era)}(?![\d.]*\d)", sent.headers["x-mock-withdrawn"])
    told = json.loads(sent.body)
    assert (told["session_id"], told["generated_title"]) == (session_id, title_of(message, 50))


@every_way
@pytest.mark.parametrize("method", JSON_METHODS)
def test_json_is_answered_from_the_releases_own_era_and_parsed_as_it_was_sent(
    drive: Drive, base_url: str, release: Release, method: str, way: Way
) -> None:
    driver = drive(release)
    outcome = driver.call(base_url, method, arguments_of(driver, base_url, method), way=way)
    sent = outcome.exchange
    assert (sent.status, sent.contract) == (JSON_METHODS[method], release.era)
    assert faults_of_request(release.era, sent) + faults_of_answer(release.era, sent) == []
    if method == "list" and way != "raw":
        told = {"next_page_token": "", **json.loads(sent.body)}
        assert same(outcome.parsed, told)
    else:
        assert_faithful(outcome, way)


def test_a_listing_comes_to_its_end_and_gives_every_item_sent(drive: Drive, base_url: str, release: Release) -> None:
    driver = drive(release)
    created = [driver.call(base_url, "create", [{"project_id": PROJECT}]).parsed["session_id"] for _ in range(3)]
    outcome = driver.call(base_url, "list", [{"page_size": 2, "project_id": PROJECT}], way="pages")
    assert outcome.error is None
    assert [each["session_id"] for each in outcome.parsed[:3]] == created[::-1]
    assert len(outcome.exchanges) == -(-len(outcome.parsed) // 2)
    assert same(outcome.parsed, [item for each in outcome.exchanges for item in json.loads(each.body)["items"]])


def test_a_deleted_session_leaves_null(drive: Drive, base_url: str, release: Release) -> None:
    driver = drive(release)
    outcome = driver.call(base_url, "delete", arguments_of(driver, base_url, "delete"))
    assert (outcome.error, outcome.kind) == (None, "null")
    assert (outcome.exchange.status, outcome.exchange.body, outcome.exchange.contract) == (204, "", release.era)
    again = driver.call(base_url, "delete", [outcome.exchange.target.rpartition("/")[2].partition("?")[0]])
    assert again.error is not None
    assert (again.error.name, again.error.body) == ("NotFoundError", {"detail": "Session not found"})
    assert faults_of_request(release.era, outcome.exchange) == []


@pytest.mark.parametrize("way", ["plain", "raw"])
def test_a_stream_is_given_as_its_text(drive: Drive, base_url: str, release: Release, way: Way) -> None:
    driver = drive(release)
    outcome = driver.call(base_url, "stream", arguments_of(driver, base_url, "stream"), way=way)
    sent = outcome.exchange
    assert outcome.error is None
    assert faults_of_request(release.era, sent) + faults_of_answer(release.era, sent) == []
    assert (outcome.read["text"] if outcome.read else outcome.parsed) == sent.body


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_path_is_not_found(drive: Drive, base_url: str, release: Release, method: str) -> None:
    outcome = drive(release).call(base_url, method, ["/_stainless_unknown_path"], resource="")
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.status, outcome.exchange.status) == ("NotFoundError", 404, 404)
    assert same(outcome.error.body, json.loads(outcome.exchange.body))


@pytest.mark.parametrize("status", CLASSES)
def test_a_preferred_error_raises_the_exception_of_its_status(
    drive: Drive, base_url: str, release: Release, status: int
) -> None:
    arguments = ["ses-abc123", {}, {"headers": {"Prefer": f"code={status}"}}]
    outcome = drive(release).call(base_url, "getSummary", arguments)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.status) == (CLASSES[status].replace("APIStatus", "API"), status)
    assert outcome.error.message == f"{status} {outcome.exchange.body}"


def test_a_message_that_is_no_text_is_an_unprocessable_entity(drive: Drive, base_url: str, release: Release) -> None:
    options = {"body": {"first_message": None}}
    outcome = drive(release).call(base_url, "post", ["/api/v1/chat/ses-abc123/title", options], resource="")
    assert outcome.error is not None
    assert outcome.error.name == "UnprocessableEntityError"
    assert [each["loc"] for each in outcome.error.body["detail"]] == [["body", "first_message"]]
