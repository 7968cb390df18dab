"""What is refused, and the exception in which each release tells it."""

import json
from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from tests.clients import cases
from tests.clients.calls import Outcome, Way
from tests.clients.conftest import Drive
from tests.clients.judgement import faults_of_answer, same
from tests.clients.releases import DOORS, PYTHONS, TITLING, Door, Release
from tests.pairs import pairwise
from tests.talk import MESSAGE

CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "APIStatusError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
}

every_release = pytest.mark.parametrize("release", PYTHONS, ids=str)
both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def any_call(release: Release) -> tuple[str, dict[str, Any]]:
    """Give a call that a release can make: of its title where it has one."""
    if release in TITLING:
        return "set_title", {"session_id": "ses-abc123", "first_message": MESSAGE}
    return "get_summary", {"session_id": "ses-abc123"}


def assert_told(outcome: Outcome, status: int) -> None:
    """Assert that an answer of this status is told in its own class, with its body, after one request."""
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.status) == (CLASSES[status], status)
    assert "APIStatusError" in (outcome.error.name, *outcome.error.bases)
    assert outcome.exchange.status == status
    assert same(outcome.error.body, json.loads(outcome.exchange.body))
    assert outcome.error.message == f"Error code: {status} - {outcome.error.body}"


@pairwise(release=PYTHONS, status=[*CLASSES], way=cases.WAYS, asynchronous=cases.BOTH)
def test_a_preferred_error_raises_the_exception_of_its_status(
    drive: Drive, base_url: str, release: Release, status: int, way: Way, asynchronous: bool
) -> None:
    method, arguments = any_call(release)
    arguments |= {"extra_headers": {"Prefer": f"code={status}"}}
    outcome = drive(release).call(base_url, method, arguments, way=way, asynchronous=asynchronous)
    assert_told(outcome, status)
    assert outcome.exchange.contract == release.era
    assert faults_of_answer(release.era, outcome.exchange) == []


@every_release
@both_colours
def test_a_wrong_key_is_an_authentication_error_and_the_right_one_is_none(
    drive: Drive, serve: Callable[..., str], release: Release, asynchronous: bool
) -> None:
    base_url = serve(seed=0, api_key="the-right-key")
    method, arguments = any_call(release)
    wrong, right = (
        drive(release).call(base_url, method, arguments, key=key, asynchronous=asynchronous)
        for key in ("a-wrong-key", "the-right-key")
    )
    assert_told(wrong, 401)
    assert wrong.exchange.headers["www-authenticate"].startswith("Bearer")
    assert faults_of_answer(release.era, wrong.exchange) == []
    assert (right.error, right.exchange.status) == (None, 200)


@pairwise(release=PYTHONS, method=["get", "post", "put", "patch", "delete"], asynchronous=cases.BOTH)
def test_an_unknown_path_is_not_found(
    drive: Drive, base_url: str, release: Release, method: str, asynchronous: bool
) -> None:
    arguments = {"path": "/_stainless_unknown_path", "cast_to": "object"}
    assert_told(drive(release).call(base_url, method, arguments, resource="", asynchronous=asynchronous), 404)


@pairwise(release=PYTHONS, session_id=["", ".", ".."], asynchronous=cases.BOTH)
def test_an_id_that_is_no_segment_is_refused_before_anything_is_sent(
    drive: Drive, base_url: str, release: Release, session_id: str, asynchronous: bool
) -> None:
    method, arguments = any_call(release)
    arguments |= {"session_id": session_id}
    outcome = drive(release).call(base_url, method, arguments, asynchronous=asynchronous)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.exchanges) == ("ValueError", [])


WRONG: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("create", {"index_ids": ["idx-1"] * 11}, "too_long", ["body", "index_ids"]),
    ("create", {"index_ids": "idx-1"}, "list_type", ["body", "index_ids"]),
    ("list", {"project_id": "abc"}, "uuid_parsing", ["query", "project_id"]),
    ("list", {"page_size": "abc"}, "int_parsing", ["query", "page_size"]),
    ("retrieve", {"session_id": "s", "organization_id": "abc"}, "uuid_parsing", ["query", "organization_id"]),
    ("get_summary", {"session_id": "s", "project_id": "abc"}, "uuid_parsing", ["query", "project_id"]),
    ("delete", {"session_id": "s", "project_id": "abc"}, "uuid_parsing", ["query", "project_id"]),
    ("stream", {"session_id": "s", "index_ids": [], "prompt": "x"}, "too_short", ["body", "index_ids"]),
    (
        "stream",
        {"session_id": "s", "index_ids": ["i"], "prompt": "x" * 1001},
        "string_too_long",
        ["body", "prompt"],
    ),
]
"""A method, arguments of which one is wrong, and how and where it is told to be."""


@pairwise(door=DOORS, asynchronous=cases.BOTH, wrong=WRONG)
def test_a_wrong_argument_is_an_unprocessable_entity_that_names_its_place(
    drive: Drive,
    base_url: str,
    door: Door,
    asynchronous: bool,
    wrong: tuple[str, dict[str, Any], str, list[str]],
) -> None:
    method, arguments, kind, place = wrong
    outcome = drive(door.release).call(base_url, method, arguments, resource=door.resource, asynchronous=asynchronous)
    assert_told(outcome, 422)
    assert faults_of_answer(door.release.era, outcome.exchange) == []
    assert outcome.error is not None
    assert [(each["type"], each["loc"]) for each in outcome.error.body["detail"]] == [(kind, place)]


@pytest.mark.parametrize(("release", "asynchronous"), [*zip(PYTHONS, cycle(cases.BOTH))], ids=str)
def test_an_overloaded_service_is_asked_again_as_often_as_the_client_may(
    drive: Drive, base_url: str, release: Release, asynchronous: bool
) -> None:
    method, arguments = any_call(release)
    arguments |= {"extra_headers": {"Prefer": "code=503"}}
    outcome = drive(release).call(base_url, method, arguments, max_retries=1, asynchronous=asynchronous)
    assert outcome.error is not None
    assert outcome.error.name == "InternalServerError"
    assert [each.request_headers["x-stainless-retry-count"] for each in outcome.exchanges] == ["0", "1"]
