"""What upstream's generated tests try, tried by tests of our own, so that it holds for the releases of today."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from mockserver.api import make_settings
from mockserver.engine import Mock
from mockserver.server.uvicorn import running
from tests.clients.calls import Outcome, Way
from tests.clients.cases import BOTH, WAYS
from tests.clients.conftest import Drive
from tests.clients.judgement import faults_of_answer, faults_of_request, same
from tests.clients.releases import DOORS, PYTHON_2_19, TYPESCRIPTS, Door, Release
from tests.conftest import app_of
from tests.pairs import pairwise
from tests.talk import MESSAGE

UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
SCOPE = {"organization_id": UUID, "project_id": UUID}
INDEXES = {"index_ids": ["idx-abc123", "idx-def456"]}
TURN = {**INDEXES, "prompt": MESSAGE}


class Method(NamedTuple):
    """A method of the newest Python release: what it must be given, what it may be given, and what it gives."""

    name: str
    required: dict[str, Any]
    optional: dict[str, Any]
    status: int
    kind: str

    def __str__(self) -> str:
        return self.name


SESSION = {"session_id": "session_id"}
METHODS = (
    Method("create", {}, {**INDEXES, "shared_access": "read_only"}, 201, "(Beta)?ChatCreateResponse"),
    Method("retrieve", SESSION, {}, 200, "(Beta)?ChatRetrieveResponse"),
    Method("list", {}, {"page_size": 0, "page_token": "page_token"}, 200, "(Sync|Async)PaginatedCursor.*"),
    Method("delete", SESSION, {}, 204, "NoneType"),
    Method("get_summary", SESSION, {}, 200, "(Beta)?ChatGetSummaryResponse"),
    Method("stream", {**SESSION, **TURN}, {"require_all_indexes": True}, 200, "dict"),
)
NEWEST = [door for door in DOORS if door.release == PYTHON_2_19]
CLIENTS: dict[str, dict[str, Any]] = {
    "loose": {},
    "strict": {"strict": True},
    "async-loose": {"asynchronous": True},
    "async-strict": {"asynchronous": True, "strict": True},
    "aiohttp": {"aiohttp": True, "strict": True},
}
CLOSED: dict[Way, list[bool] | None] = {"plain": None, "raw": [True], "streaming": [False, True]}
"""Whether a raw response is closed when it is given, and after its block."""

every_typescript = pytest.mark.parametrize("release", TYPESCRIPTS, ids=str)


@pytest.fixture(scope="module")
def json_url() -> Iterator[str]:
    """Give the base URL of a mock that answers a turn as the generated tests want it."""
    with running(app_of(Mock(make_settings({"seed": 0, "stream": "json"})))) as url:
        yield url


def assert_faultless(era: str, outcome: Outcome) -> None:
    """Assert that a call went well, asked what the contract asks for, and was answered as it says."""
    assert outcome.error is None
    assert outcome.exchange.contract == era
    assert faults_of_request(era, outcome.exchange) + faults_of_answer(era, outcome.exchange) == []


@pairwise(door=NEWEST, client=[*CLIENTS], method=METHODS, all_params=BOTH)
def test_a_method_is_answered_in_every_way_of_calling_it(
    drive: Drive, json_url: str, door: Door, client: str, method: Method, all_params: bool
) -> None:
    driver = drive(door.release, suite="aiohttp" in CLIENTS[client])
    arguments = method.required | (SCOPE | method.optional if all_params else {})
    for way in WAYS:
        outcome = driver.call(json_url, method.name, arguments, resource=door.resource, way=way, **CLIENTS[client])
        sent = outcome.exchange
        assert_faultless(door.release.era, outcome)
        assert (sent.status, sent.headers["x-mock-source"]) == (method.status, "simulated")
        assert sent.request_headers["x-stainless-lang"] == "python"
        assert re.fullmatch(method.kind, str(outcome.kind))
        assert same(outcome.parsed, json.loads(sent.body) if sent.body else None)
        assert outcome.closed == CLOSED[way]
        asked = SESSION if method.required and method.name not in ("delete", "stream") else {}
        if method.name == "create" and all_params:
            asked = method.optional
        assert {name: outcome.parsed[name] for name in asked} == asked


@pairwise(door=NEWEST, client=[*CLIENTS], method=[each for each in METHODS if "session_id" in each.required])
def test_an_empty_session_id_is_refused_before_anything_is_sent(
    drive: Drive, json_url: str, door: Door, client: str, method: Method
) -> None:
    driver = drive(door.release, suite="aiohttp" in CLIENTS[client])
    arguments = method.required | {"session_id": ""}
    for way in WAYS:
        outcome = driver.call(json_url, method.name, arguments, resource=door.resource, way=way, **CLIENTS[client])
        assert outcome.error is not None
        assert (outcome.error.name, outcome.exchanges) == ("ValueError", [])
        assert "session_id" in outcome.error.message


TYPED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "create": ([], {**SCOPE, **INDEXES}),
    "retrieve": (["session_id"], SCOPE),
    "list": ([], {**SCOPE, "page_size": 0, "page_token": "page_token"}),
    "delete": (["session_id"], SCOPE),
    "getSummary": (["session_id"], SCOPE),
    "stream": (["session_id"], {**SCOPE, **TURN}),
}
"""The methods of TypeScript: what they must be given, and all that they may be."""

every_typed = pytest.mark.parametrize("method", TYPED)


def required(method: str) -> list[Any]:
    """Give what a method of TypeScript must be given."""
    return [*TYPED[method][0], TURN] if method == "stream" else TYPED[method][0]


@every_typescript
@every_typed
def test_however_a_typescript_call_is_waited_for_it_is_one_answer(
    drive: Drive, json_url: str, release: Release, method: str
) -> None:
    outcome = drive(release).call(json_url, method, required(method), way="same")
    assert_faultless(release.era, outcome)
    raw_is_response, data_is_response, same_data, same_response = outcome.parsed
    assert (raw_is_response, data_is_response) == (True, False)
    assert (same_data, same_response) == (True, True)


@every_typescript
@every_typed
def test_all_parameters_of_a_typescript_method_are_taken(
    drive: Drive, json_url: str, release: Release, method: str
) -> None:
    positional, params = TYPED[method]
    outcome = drive(release).call(json_url, method, [*positional, params])
    assert_faultless(release.era, outcome)
    assert outcome.exchange.target.count(UUID) == 2
    if method != "list":  # a page of TypeScript fills in what is left out
        assert same(outcome.parsed, json.loads(outcome.exchange.body) if outcome.exchange.body else None)


@pairwise(release=TYPESCRIPTS, method=[*TYPED], all_params=BOTH)
def test_the_options_of_a_typescript_call_are_obeyed_and_lead_to_an_unknown_path(
    drive: Drive, json_url: str, release: Release, method: str, all_params: bool
) -> None:
    positional, params = TYPED[method]
    given = params if all_params else TURN if method == "stream" else {}
    options = {"path": "/_stainless_unknown_path"}
    outcome = drive(release).call(json_url, method, [*positional, given, options])
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.status) == ("NotFoundError", 404)
    assert outcome.exchange.target.partition("?")[0] == "/_stainless_unknown_path"
    assert same(outcome.error.body, {"detail": "Not Found"})
