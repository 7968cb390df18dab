"""What released clients make of each fault, over a socket: exceptions, retries, and the journal of them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.messages import Json
from mockserver.testing.server import MockServer, open_mock
from tests.clients.calls import Outcome, Way
from tests.clients.cases import BOTH
from tests.clients.conftest import Drive
from tests.clients.environments import ROOT
from tests.clients.releases import PYTHON_2_6, PYTHON_2_19, TYPESCRIPT_2_16, Door
from tests.pairs import pairwise
from tests.talk import MESSAGE

PYTHONS = (Door(PYTHON_2_6), Door(PYTHON_2_19, "chat"))
each_python = pytest.mark.parametrize("door", PYTHONS, ids=str)
both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
SESSION = {"session_id": "ses-1"}
TURN = {**SESSION, "index_ids": ["idx-1"], "prompt": MESSAGE}
RETRIES = 5
"""How often the clients retry by default."""


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with open_mock(live=True, seed=0) as opened:
        yield opened


@pytest.fixture
def live(server: MockServer) -> MockServer:
    """Give a mock that remembers nothing of other tests."""
    server.reset()
    return server


def summarize(drive: Drive, live: MockServer, door: Door, **style: Any) -> Outcome:
    """Ask for a summary."""
    driver = drive(door.release)
    if door.release.language == "typescript":
        return driver.call(live.base_url, "getSummary", ["ses-1"], **style)
    return driver.call(live.base_url, "get_summary", SESSION, resource=door.resource, **style)


def stream(drive: Drive, live: MockServer, door: Door, way: Way, **style: Any) -> Outcome:
    """Ask for a turn."""
    driver = drive(door.release)
    if door.release.language == "typescript":
        arguments = ["ses-1", {name: TURN[name] for name in ("index_ids", "prompt")}]
        return driver.call(live.base_url, "stream", arguments, way=way, **style)
    return driver.call(live.base_url, "stream", TURN, resource=door.resource, way=way, **style)


def name_of(outcome: Outcome) -> str | None:
    return None if outcome.error is None else outcome.error.name


# Retries

ERRORS = {
    400: ("BadRequestError", 1),
    401: ("AuthenticationError", 1),
    403: ("PermissionDeniedError", 1),
    404: ("NotFoundError", 1),
    408: ("APIStatusError", 6),
    409: ("ConflictError", 6),
    422: ("UnprocessableEntityError", 1),
    429: ("RateLimitError", 6),
    500: ("InternalServerError", 6),
    503: ("InternalServerError", 6),
}
"""The exception of each status, and how many requests come before it."""

DOORS = (*PYTHONS, Door(TYPESCRIPT_2_16))
each_door = pytest.mark.parametrize("door", DOORS, ids=str)


def assert_attempts(live: MockServer, count: int) -> None:
    """Assert that there was one call, and that its attempts were counted by the client and by the journal alike."""
    (call,) = live.journal.calls
    assert [each.attempt for each in call] == list(range(count))
    told = [dict(each.headers)[b"x-stainless-retry-count"] for each in live.journal]
    assert told == [b"%d" % number for number in range(count)]
    live.journal.verify("get_summary", times=1, attempts=count)


@each_door
@pytest.mark.parametrize("status", ERRORS)
def test_a_permanent_error_is_raised_after_as_many_requests_as_its_status_is_worth(
    drive: Drive, live: MockServer, door: Door, status: int
) -> None:
    live.stub.create("get_summary", status=status, retry_after_ms=1, times="always")
    outcome = summarize(drive, live, door, max_retries=RETRIES)
    name, count = ERRORS[status]
    assert outcome.error is not None
    typescript = door.release.language == "typescript"
    assert outcome.error.name == (name.replace("APIStatus", "API") if typescript else name)
    assert outcome.error.status == status
    assert_attempts(live, count)


@both_colours
def test_a_title_that_is_refused_for_ever_is_one_call_of_six_attempts(
    drive: Drive, live: MockServer, asynchronous: bool
) -> None:
    live.stub.create("set_title", status=429, retry_after_ms=1, times="always")
    arguments = {**SESSION, "first_message": MESSAGE}
    outcome = drive(PYTHON_2_6).call(
        live.base_url, "set_title", arguments, asynchronous=asynchronous, max_retries=RETRIES
    )
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.body) == ("RateLimitError", {"detail": "Too Many Requests"})
    live.journal.verify("set_title", times=1, attempts=6, first_message=MESSAGE)
    assert [each.attempt for each in live.journal] == [0, 1, 2, 3, 4, 5]
    assert len(outcome.exchanges) == 6
    live.check()


@each_door
@pytest.mark.parametrize(
    ("status", "again", "count"), [(500, False, 1), (429, False, 1), (400, True, 6), (404, True, 6)]
)
def test_the_word_of_the_service_on_retrying_wins_over_the_status(
    drive: Drive, live: MockServer, door: Door, status: int, again: bool, count: int
) -> None:
    live.stub.create("get_summary", status=status, should_retry=again, retry_after_ms=1, times="always")
    outcome = summarize(drive, live, door, max_retries=RETRIES)
    assert name_of(outcome) == ERRORS[status][0]
    assert_attempts(live, count)


def test_an_error_and_a_reset_are_outlived(drive: Drive, live: MockServer) -> None:
    live.stub.create("set_title", status=429, retry_after_ms=1).then(faults="reset").then()
    arguments = {**SESSION, "first_message": MESSAGE}
    outcome = drive(PYTHON_2_6).call(live.base_url, "set_title", arguments, max_retries=2)
    assert (outcome.error, outcome.parsed["generated_title"]) == (None, f"{MESSAGE}...")
    live.journal.verify("set_title", times=1, attempts=3)
    assert [(each.status, each.faults) for each in live.journal] == [(429, ()), (200, ("reset",)), (200, ())]
    live.check()


@pytest.mark.parametrize(("door", "fault"), [(PYTHONS[1], "truncate"), (DOORS[-1], "close")], ids=str)
def test_a_connection_that_fails_is_tried_again(drive: Drive, live: MockServer, door: Door, fault: str) -> None:
    live.stub.create("get_summary", faults=fault)
    outcome = summarize(drive, live, door, max_retries=1)
    assert outcome.error is None
    assert_attempts(live, 2)


# One answer

MALFORMED: dict[str, Json] = {
    "close": "close",
    "reset": "reset",
    "reset-body": "reset-body",
    "truncate": "truncate",
    "malformed-json": "malformed-json",
    "empty-body": "empty-body",
    "wrong-charset": "wrong-charset",
    "wrong-content-type": "wrong-content-type",
    "text/plain": {"wrong-content-type": "text/plain"},
    "missing": {"break": {"missing": "/session_id"}},
    "null": {"break": {"null": "/session_id"}},
    "wrong-type": {"break": {"wrong-type": "/job_metadata"}},
}
CONNECTION, VALIDATION = "APIConnectionError", "APIResponseValidationError"
MADE: dict[str, tuple[str | None, str | None, str | None]] = {
    "close": (CONNECTION, CONNECTION, CONNECTION),
    "reset": (CONNECTION, CONNECTION, CONNECTION),
    "reset-body": (CONNECTION, CONNECTION, "TypeError"),
    "truncate": (CONNECTION, CONNECTION, "TypeError"),
    "malformed-json": ("JSONDecodeError", "JSONDecodeError", "SyntaxError"),
    "empty-body": ("JSONDecodeError", "JSONDecodeError", None),
    "wrong-charset": ("UnicodeDecodeError", "UnicodeDecodeError", None),
    "wrong-content-type": (None, None, None),
    "text/plain": (None, None, None),
    "missing": (None, VALIDATION, None),
    "null": (None, VALIDATION, None),
    "wrong-type": (None, VALIDATION, None),
}
"""The exception of each fault: of the Python client, of a strict one, of the TypeScript client."""


@pairwise(door=PYTHONS, case=[*MADE], strict=BOTH, asynchronous=BOTH)
def test_python_raises_this_for_a_damaged_answer_and_retries_only_a_connection(
    drive: Drive, live: MockServer, door: Door, case: str, strict: bool, asynchronous: bool
) -> None:
    live.stub.create("get_summary", faults=MALFORMED[case])
    retries = 0 if MADE[case][strict] == CONNECTION else RETRIES
    outcome = summarize(drive, live, door, strict=strict, asynchronous=asynchronous, max_retries=retries)
    assert name_of(outcome) == MADE[case][strict]
    assert len(live.journal) == 1
    live.check()


@pytest.mark.parametrize("case", MADE)
def test_typescript_raises_this_for_a_damaged_answer_and_retries_only_a_connection(
    drive: Drive, live: MockServer, case: str
) -> None:
    live.stub.create("get_summary", faults=MALFORMED[case])
    outcome = summarize(drive, live, DOORS[-1], max_retries=0 if MADE[case][2] == CONNECTION else RETRIES)
    assert name_of(outcome) == MADE[case][2]
    kinds = {"empty-body": "undefined", "wrong-content-type": "String", "text/plain": "String"}
    assert outcome.kind == (None if outcome.error else kinds.get(case, "Object"))
    assert len(live.journal) == 1


@each_python
def test_a_wrong_value_is_kept_as_it_came_and_json_is_read_under_any_name(
    drive: Drive, live: MockServer, door: Door
) -> None:
    live.stub.create("get_summary", faults={"break": {"missing": "/session_id"}})
    live.stub.create("get_summary", faults={"break": {"wrong-type": "/job_metadata"}})
    live.stub.create("get_summary", faults="wrong-content-type")
    missing, wrong, plain = (summarize(drive, live, door) for _ in range(3))
    assert "session_id" not in missing.parsed
    assert wrong.parsed["job_metadata"] == 17
    assert plain.parsed["session_id"] == "ses-1"
    assert {each.kind for each in (missing, wrong, plain)} == {"ChatGetSummaryResponse"}


@each_python
@both_colours
def test_an_event_of_an_unknown_type_is_kept_and_refused_by_a_strict_client(
    drive: Drive, live: MockServer, door: Door, asynchronous: bool
) -> None:
    event = {"type": "surprise", "content": "This event is in no contract."}
    live.stub.create("retrieve", partial={"events": [event]}, invalid=True, times=2)
    driver = drive(door.release)
    style: dict[str, Any] = {"resource": door.resource, "asynchronous": asynchronous}
    loose = driver.call(live.base_url, "retrieve", SESSION, **style)
    assert (loose.error, loose.parsed["events"]) == (None, [event])
    assert name_of(driver.call(live.base_url, "retrieve", SESSION, strict=True, **style)) == VALIDATION


@each_python
@pytest.mark.parametrize(("status", "parsed"), [(204, ""), (299, "ses-1")])
def test_a_status_of_success_is_one_whichever_it_is(
    drive: Drive, live: MockServer, door: Door, status: int, parsed: str
) -> None:
    live.stub.create("get_summary", status=status, invalid=True)
    outcome = summarize(drive, live, door)
    assert outcome.error is None
    assert (outcome.parsed or {"session_id": ""})["session_id"] == parsed


@pytest.mark.parametrize(
    ("door", "asynchronous"),
    [*((door, each) for door in PYTHONS for each in (False, True)), (DOORS[-1], False)],
    ids=str,
)
def test_an_answer_that_is_too_late_times_out(drive: Drive, live: MockServer, door: Door, asynchronous: bool) -> None:
    live.stub.create("get_summary", delay=30)
    outcome = summarize(drive, live, door, timeout=0.1, asynchronous=asynchronous)
    typescript = door.release.language == "typescript"
    assert name_of(outcome) == ("APIConnectionTimeoutError" if typescript else "APITimeoutError")


# Streams

CUT: dict[str, Json] = {
    "closed": {"cut-stream": 2},
    "reset": {"cut-stream": {"after": 2, "how": "reset"}},
    "truncated": "truncate",
    "silent": {"stall-stream": {"after": 2, "seconds": 30}},
    "ended": {"cut-stream": {"after": 2, "how": "end"}},
    "malformed": "malformed-json",
    "unknown": "unknown-event",
    "charset": "wrong-charset",
}
READ: dict[str, tuple[str | None, str | None]] = {
    "closed": ("RemoteProtocolError", CONNECTION),
    "reset": ("ReadError", CONNECTION),
    "truncated": ("RemoteProtocolError", CONNECTION),
    "silent": ("ReadTimeout", "APITimeoutError"),
    "ended": (None, None),
    "malformed": ("JSONDecodeError", None),
    "unknown": (None, None),
    "charset": (None, None),
}
"""The exception of each fault where a stream is read line by line, and where it is called for plainly."""


@pairwise(door=PYTHONS, case=[*READ], asynchronous=BOTH)
def test_a_damaged_stream_that_is_read_line_by_line_raises_this_and_is_not_asked_for_again(
    drive: Drive, live: MockServer, door: Door, case: str, asynchronous: bool
) -> None:
    live.stub.create("stream", faults=CUT[case])
    patience = 0.15 if case == "silent" else 20.0
    outcome = stream(drive, live, door, "guide", timeout=patience, asynchronous=asynchronous, max_retries=RETRIES)
    assert name_of(outcome) == READ[case][0]
    assert len(live.journal) == 1
    if outcome.error is not None:
        assert "LlamaCloudError" not in outcome.error.bases
    if case in ("closed", "reset", "silent"):
        assert len(outcome.times or []) >= 2
    if case == "ended":
        assert "[end of turn]" not in outcome.parsed


@each_python
@pytest.mark.parametrize("case", READ)
def test_a_damaged_stream_that_is_called_for_plainly_raises_this(
    drive: Drive, live: MockServer, door: Door, case: str
) -> None:
    live.stub.create("stream", faults=CUT[case])
    outcome = stream(drive, live, door, "plain", timeout=0.15 if case == "silent" else 20.0)
    assert name_of(outcome) == READ[case][1]


def test_a_stream_that_is_called_for_plainly_is_asked_for_again(drive: Drive, live: MockServer) -> None:
    live.stub.create("stream", faults=CUT["closed"])
    outcome = stream(drive, live, PYTHONS[0], "plain", max_retries=1)
    assert (outcome.error, "stop" in outcome.parsed) == (None, True)
    live.journal.verify("stream", times=1, attempts=2)


@each_python
def test_a_turn_that_was_cut_off_stands_in_the_history_as_such(drive: Drive, live: MockServer, door: Door) -> None:
    live.stub.create("stream", faults=CUT["closed"])
    assert name_of(stream(drive, live, door, "guide")) == "RemoteProtocolError"
    parsed = drive(door.release).call(live.base_url, "retrieve", SESSION, resource=door.resource).parsed
    assert [parsed["events"][0]["type"], parsed["events"][-1]["type"]] == ["user_input", "stop"]
    assert parsed["events"][-1]["is_error"] is True


@pytest.mark.parametrize(
    ("case", "error"), [("closed", "TypeError"), ("reset", "TypeError"), ("malformed", "SyntaxError"), ("ended", None)]
)
def test_typescript_raises_this_for_a_damaged_stream(
    drive: Drive, live: MockServer, case: str, error: str | None
) -> None:
    live.stub.create("stream", faults=CUT[case])
    outcome = stream(drive, live, DOORS[-1], "guide", max_retries=RETRIES)
    assert name_of(outcome) == error
    assert len(live.journal) == 1


def test_typescript_waits_for_a_silent_stream_beyond_its_timeout(drive: Drive, live: MockServer) -> None:
    live.stub.create("stream", faults={"stall-stream": {"after": 2, "seconds": 0.3}})
    outcome = stream(drive, live, DOORS[-1], "guide", timeout=0.1)
    assert name_of(outcome) == "TypeError"
    assert len(outcome.times or []) == 2


# The documents


def documented() -> dict[str, tuple[str, str]]:
    """Give what the documents say of each fault: of Python, of TypeScript; the first row that names it counts."""
    text = (ROOT / "docs" / "testing.md").read_text("utf-8").partition("What the official clients make of them")[2]
    told: dict[str, tuple[str, str]] = {}
    for cell, python, typescript in re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE):
        for name in re.findall(r"`([a-z-]+)`", cell):
            told.setdefault(name, (python, python if typescript == "the same" else typescript))
    return told


@pytest.mark.parametrize("case", MADE)
def test_the_documents_tell_the_exceptions_of_a_damaged_answer(case: str) -> None:
    kind = MALFORMED[case] if isinstance(MALFORMED[case], str) else next(iter(MALFORMED[case]))
    python, typescript = documented()[kind]
    for name in filter(None, MADE[case][:2]):
        assert re.search(rf"`(json\.)?{name}`", python)
    assert f"`{MADE[case][2]}`" in typescript or MADE[case][2] is None
    assert (MADE[case][0] is None) is ("the value" in python)


@pytest.mark.parametrize(
    ("case", "kind"), [("closed", "cut-stream"), ("reset", "cut-stream"), ("silent", "stall-stream")]
)
def test_the_documents_tell_the_exceptions_of_a_cut_stream(case: str, kind: str) -> None:
    assert all(re.search(rf"`(httpx\.)?{name}`", documented()[kind][0]) for name in READ[case])
