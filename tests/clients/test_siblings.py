"""The six operations that every release has, called through each of its doors."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.sessions import title_of
from mockserver.engine import Mock
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.clients import cases
from tests.clients.calls import Driver, Way
from tests.clients.conftest import Drive
from tests.clients.judgement import events_of, faults_of_answer, faults_of_request, node, place_of, same
from tests.clients.releases import DOORS, LATER, Door, Release
from tests.conftest import app_of
from tests.pairs import pairwise
from tests.talk import MESSAGE

STATUS = {"create": 201, "list": 200, "retrieve": 200, "get_summary": 200}
"""The operations that are answered with JSON, and their status of success."""

UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
ANOTHER = "00000000-0000-0000-0000-000000000000"
BY_SESSION = ("retrieve", "get_summary", "delete", "stream")

every_door = pytest.mark.parametrize("door", DOORS, ids=str)


@pytest.fixture(scope="module")
def documented_url() -> Iterator[str]:
    """Give the base URL of a mock that answers with what the document shows."""
    with running(app_of(Mock(Settings(seed=0, answers="documented")))) as url:
        yield url


def new_session(driver: Driver, base_url: str, door: Door, **arguments: Any) -> str:
    """Create a session and give its id."""
    created = driver.call(base_url, "create", arguments, resource=door.resource).parsed
    return str(created["session_id"])


def arguments_of(method: str, session_id: str) -> dict[str, Any]:
    """Give right arguments for a method, on a session."""
    turn = {"index_ids": ["idx-abc123", "idx-def456"], "prompt": MESSAGE} if method == "stream" else {}
    return {"session_id": session_id, **turn} if method in BY_SESSION else turn


@pairwise(door=DOORS, method=[*STATUS], way=cases.WAYS, strict=cases.BOTH, asynchronous=cases.BOTH)
def test_json_is_answered_from_the_releases_own_era_and_parsed_as_it_was_sent(
    drive: Drive, base_url: str, door: Door, method: str, way: Way, strict: bool, asynchronous: bool
) -> None:
    driver, era = drive(door.release), door.release.era
    session_id = new_session(driver, base_url, door, project_id=UUID)
    arguments = arguments_of(method, session_id) | {"project_id": UUID}
    outcome = driver.call(
        base_url, method, arguments, resource=door.resource, way=way, strict=strict, asynchronous=asynchronous
    )
    sent = outcome.exchange
    assert outcome.error is None
    assert (sent.status, sent.contract, sent.headers["x-mock-source"]) == (STATUS[method], era, "simulated")
    told = outcome.parsed["items"][0] if method == "list" else outcome.parsed
    assert (told["session_id"] == session_id) is (method != "create")
    assert faults_of_request(era, sent) == []
    assert faults_of_answer(era, sent) == []
    assert same(outcome.parsed, json.loads(sent.body))
    assert "x-mock-withdrawn" not in sent.headers


@pairwise(door=DOORS, way=cases.WAYS, strict=cases.BOTH, asynchronous=cases.BOTH)
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
    for method in BY_SESSION:
        later = driver.call(base_url, method, arguments_of(method, arguments["session_id"]), resource=door.resource)
        assert later.error is not None
        assert (later.error.name, later.error.body) == ("NotFoundError", {"detail": "Session not found"})


@pairwise(door=DOORS, way=cases.WAYS, asynchronous=cases.BOTH)
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
    assert sent.headers["x-mock-source"] == "simulated"


@pairwise(door=DOORS, strict=cases.BOTH, asynchronous=cases.BOTH)
def test_a_turn_is_kept_in_the_history_without_its_deltas_and_its_stop_is_the_record_of_the_run(
    drive: Drive, base_url: str, door: Door, strict: bool, asynchronous: bool
) -> None:
    driver = drive(door.release)
    arguments = arguments_of("stream", new_session(driver, base_url, door))
    told = driver.call(base_url, "stream", arguments, resource=door.resource, asynchronous=asynchronous)
    events = list(events_of(told.exchange.body))
    session = {"session_id": arguments["session_id"]}
    outcome = driver.call(
        base_url, "retrieve", session, resource=door.resource, strict=strict, asynchronous=asynchronous
    )
    kept = [event for event in events if not event["type"].endswith("_delta")]
    assert same(outcome.parsed["events"], [{"type": "user_input", "content": MESSAGE}, *kept])
    run = {**events[-1]["usage"], "is_error": False, "error": None, "export_config_ids": arguments["index_ids"]}
    assert same(outcome.parsed["job_metadata"], run)
    titled = door.release.era != "2.6"  # there, a title is made by its own call alone
    assert outcome.parsed["generated_title"] == (MESSAGE + "..." if titled else None)


@pairwise(door=DOORS, way=cases.WAYS, asynchronous=cases.BOTH)
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


@pairwise(
    door=DOORS,
    asynchronous=cases.BOTH,
    arguments=[{}, {"page_size": 1}, {"page_size": 2, "project_id": UUID}, {"page_size": 0, "page_token": "x"}],
)
def test_a_listing_comes_to_its_end_and_gives_every_item_sent(
    drive: Drive, serve: Callable[..., str], door: Door, arguments: dict[str, Any], asynchronous: bool
) -> None:
    base_url, driver, era = serve(seed=0), drive(door.release), door.release.era
    created = [new_session(driver, base_url, door, project_id=UUID) for _ in range(3)]
    if "project_id" in arguments:
        new_session(driver, base_url, door, project_id=ANOTHER)
    outcome = driver.call(
        base_url, "list", arguments, resource=door.resource, way="pages", asynchronous=asynchronous, strict=True
    )
    assert outcome.error is None
    assert [fault for each in outcome.exchanges for fault in faults_of_request(era, each)] == []
    assert [fault for each in outcome.exchanges for fault in faults_of_answer(era, each)] == []
    assert same(outcome.parsed, [item for each in outcome.exchanges for item in json.loads(each.body)["items"]])
    assert [each["session_id"] for each in outcome.parsed] == created[::-1]
    assert len(outcome.exchanges) == -(-len(created) // (arguments.get("page_size") or len(created)))
    assert not json.loads(outcome.exchanges[-1].body).get("next_page_token")


@pairwise(door=DOORS, method=[*STATUS, "delete", "stream"], asynchronous=cases.BOTH)
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
    assert outcome.parsed["index_ids"] == arguments.get("index_ids")
    assert (outcome.parsed["generated_title"], outcome.parsed["job_metadata"]) == (None, None)
    if era == "2.17":
        assert outcome.parsed["shared_access"] == (arguments.get("shared_access") or "read_only")


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


@pairwise(door=DOORS, way=cases.WAYS, strict=cases.BOTH, asynchronous=cases.BOTH)
def test_where_the_document_answers_its_examples_are_given_to_the_letter(
    drive: Drive, documented_url: str, door: Door, way: Way, strict: bool, asynchronous: bool
) -> None:
    era = door.release.era
    for method, status in STATUS.items():
        outcome = drive(door.release).call(
            documented_url,
            method,
            arguments_of(method, "ses-abc123"),
            resource=door.resource,
            way=way,
            strict=strict,
            asynchronous=asynchronous,
        )
        sent = outcome.exchange
        place = place_of(era, sent)
        assert place is not None
        at = ("paths", place.path, place.method, "responses", str(status), "content", "application/json", "examples")
        example = next(iter(node(era, *at).values()))["value"]
        assert outcome.error is None
        assert same(json.loads(sent.body), example)
        assert same(outcome.parsed, example)
        assert (sent.headers["x-mock-source"], sent.contract) == ("documented", era)


@every_door
@given(
    method=st.sampled_from([*STATUS]),
    wish=cases.wishes(),
    strict=st.booleans(),
    asynchronous=st.booleans(),
    way=cases.ways,
)
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
@given(session_id=cases.session_ids, message=cases.messages, strict=st.booleans(), asynchronous=st.booleans())
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
    assert (outcome.parsed["session_id"], outcome.parsed["generated_title"]) == (session_id, title_of(message, 50))
