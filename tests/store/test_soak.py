"""The soak of the benchmark: it takes what was planned for right, and sees whatever else comes."""

import asyncio
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from benchmarks.listening import PROMPT
from benchmarks.soak import Held, Soaked, rows, unplanned
from benchmarks.soak_client import TIME, Clients, undated
from benchmarks.soak_plan import AT_ONCE, PLANNED, Tally, fits, is_plain, is_whole, stream_kind, title_kind
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.testing.server import make_app

BODY = b'{"session_id":"ses-1","generated_title":"a..."}'
OFTEN = [each._replace(probability=0.1) for each in PLANNED]


def answer(status: int = 200, body: bytes = BODY, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} OK", f"content-length: {len(BODY)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def stream(*events: Mapping[str, Any], mark: str = "", end: bool = True) -> bytes:
    head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + (f"x-soak: {mark}\r\n" if mark else "")
    texts = [f"event: message\ndata: {json.dumps(each)}\n\n".encode() for each in events]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in texts)
    return head.encode() + b"\r\n" + chunks + (b"0\r\n\r\n" if end else b"")


DELTA = {"type": "text_delta", "content": "a"}
TEXT = {"type": "text", "content": "a"}
ASKED = {"type": "user_input", "content": PROMPT}
STOP = {"type": "stop", "is_error": False}
FAILED = {"type": "stop", "is_error": True}


# -- over a socket ---------------------------------------------------------------------------------------------------


@contextmanager
def mock(**settings: Any) -> Iterator[int]:
    chosen: dict[str, Any] = {"seed": 0, "clock": datetime.fromisoformat(TIME), "stream_rate": float(AT_ONCE)}
    with running(make_app(Settings(**{**chosen, "body_timeout": 0.2, **settings}))) as url:
        yield int(url.rpartition(":")[2])


def control(port: int, method: str, route: str, body: object = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, f"/__mock__/{route}", json.dumps(body))
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told


def soaked(port: int, seconds: float, *more: Mapping[str, Any]) -> tuple[Tally, dict[str, int]]:
    """Run the clients against a mock that often does what is planned, and `more`."""
    tally = Tally()
    clients = Clients(port, tally)

    async def run() -> None:
        await clients.learn()
        control(port, "POST", "plan", [*(each.spec() for each in OFTEN), *more])
        await clients.run(seconds)

    asyncio.run(run())
    planned = control(port, "GET", "plan")["planned"]
    return tally, {each.name: entry["uses"] for each, entry in zip(OFTEN, planned, strict=False)}


def test_all_that_comes_is_what_was_planned_or_declared_and_is_counted_to_the_last() -> None:
    with mock() as port:
        tally, uses = soaked(port, 1.5)
        sessions = control(port, "GET", "sessions")["sessions"]
    assert (tally.wrong, tally.examples) == (0, [])
    assert unplanned(uses, tally) == 0
    assert {each.name for each in OFTEN if each.operation == "set_title"} <= tally.seen.keys()
    assert {
        "title",
        "stream",
        "create",
        "retrieve",
        "delete",
        "history",
        "odd: left",
    } <= tally.seen.keys()
    assert all(each["session_id"].removeprefix("ses-").isdigit() for each in sessions)


@pytest.mark.parametrize(
    "more",
    [
        {"operation": "set_title", "partial": {"generated_title": "Another"}},
        {"operation": "set_title", "status": 503},
        {"operation": "set_title", "faults": "close"},
        {"operation": "stream", "faults": "unknown-event", "times": 6},
        {"operation": "stream", "faults": {"cut-stream": {"after": 4, "how": "end"}}, "times": 6},
        {"operation": "create", "status": 503},
        {"operation": "delete", "status": 404},
        {"operation": "retrieve", "partial": {"events": [{"type": "user_input", "content": "Another"}]}},
    ],
    ids=str,
)
def test_an_answer_that_was_not_asked_for_is_seen(more: Mapping[str, Any]) -> None:
    with mock() as port:
        tally, _ = soaked(port, 0.5, more)
    assert tally.wrong
    assert len(tally.examples) == tally.wrong


def test_an_odd_request_whose_answer_changes_under_load_is_seen() -> None:
    tally = Tally()

    async def run(port: int) -> None:
        clients = Clients(port, tally)
        await clients.learn()
        clients.expected = {"no key": clients.expected["no key"].replace(b"Not authenticated", b"Come in")}
        await clients.run(0.2)

    with mock() as port:
        asyncio.run(run(port))
    assert tally.wrong > 0
    assert "no key" in tally.examples[0]


# -- judgement -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "seconds", "lost", "kind"),
    [
        (answer(), 0.001, "", "title"),
        (answer(200, BODY, "x-soak: title-late"), 0.06, "", "title-late"),
        (answer(200, BODY, "x-soak: title-late"), 0.04, "", ""),
        (answer(200, BODY, "x-soak: title-slow"), 0.09, "", "title-slow"),
        (answer(200, BODY, "x-soak: title-slow"), 0.02, "", ""),
        (answer(429, b"{}", "x-soak: title-429", "retry-after-ms: 7"), 0.0, "", "title-429"),
        (answer(429, b"{}", "x-soak: title-429"), 0.0, "", ""),
        (answer(429, b"{}", "retry-after-ms: 7"), 0.0, "", ""),
        (answer(200, BODY[:20], "x-soak: title-truncated"), 0.0, "close", "title-truncated"),
        (answer(200, BODY[:20], "x-soak: title-truncated"), 0.0, "reset", ""),
        (answer(200, BODY[:21], "x-soak: title-truncated"), 0.0, "close", ""),
        (answer(200, BODY[:20]), 0.0, "close", ""),
        (answer(200, BODY, "x-soak: title-truncated"), 0.0, "", ""),
        (answer(200, BODY.replace(b"a", b"b")), 0.0, "", ""),
        (answer(500, BODY), 0.0, "", ""),
        (b"", 0.0, "reset", "title-reset"),
        (b"", 0.0, "close", ""),
    ],
)
def test_a_title_is_of_its_kind_or_of_none(got: bytes, seconds: float, lost: str, kind: str) -> None:
    assert title_kind(got, BODY, seconds, lost) == kind


@pytest.mark.parametrize(
    ("got", "lost", "left", "kind"),
    [
        (stream(DELTA, TEXT, STOP), "", False, "stream"),
        (stream(DELTA, TEXT, STOP, mark="stream-slow"), "", False, "stream-slow"),
        (stream(DELTA, TEXT, {"type": "surprise"}, STOP), "", False, ""),
        (stream(DELTA, TEXT), "", False, ""),
        (stream(DELTA, DELTA, TEXT, STOP), "", False, ""),
        (stream(DELTA, TEXT, FAILED), "", False, ""),
        (stream(DELTA, TEXT, STOP), "close", False, ""),
        (stream(DELTA, TEXT, mark="stream-cut", end=False), "close", False, "stream-cut"),
        (stream(DELTA, TEXT, mark="stream-cut", end=False), "reset", False, ""),
        (stream(DELTA, mark="stream-cut", end=False), "close", False, ""),
        (stream(DELTA, mark="stream-torn", end=False), "reset", False, "stream-torn"),
        (stream(DELTA, TEXT, STOP, FAILED, mark="stream-torn", end=False), "reset", False, ""),
        (stream(DELTA, end=False), "", True, "stream-left"),
        (stream(DELTA, mark="stream-cut", end=False), "", True, "stream-cut"),
        (answer(429, b"{}", "x-soak: stream-429"), "", False, "stream-429"),
        (answer(503, b"{}"), "", False, ""),
        (b"", "reset", False, "stream-torn"),
        (b"", "close", False, ""),
    ],
)
def test_a_stream_is_of_its_kind_or_of_none(got: bytes, lost: str, left: bool, kind: str) -> None:
    assert stream_kind(got, lost, left=left) == kind


def test_what_is_plain_at_once_is_a_title_by_the_long_way_too() -> None:
    assert is_plain(answer(), BODY)
    for got in (answer(429), answer(200, BODY, "x-soak: title-late"), answer(200, BODY[1:])):
        assert not is_plain(got, BODY)


def test_an_answer_is_whole_with_its_last_byte() -> None:
    for whole in (answer(), stream(DELTA, TEXT, STOP)):
        assert [is_whole(whole[:end]) for end in (10, len(whole) - 1, len(whole))] == [False, False, True]


@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        ([], {"stream-429"}),
        ([ASKED], {"left"}),
        ([ASKED, TEXT, STOP], {"left", "stream", "stream-slow"}),
        ([ASKED, TEXT, FAILED], {"left", "stream-cut", "stream-torn", "stream-stalled"}),
        ([TEXT, STOP], set()),
    ],
)
def test_a_history_fits_what_became_of_its_turn(events: list[Mapping[str, Any]], kinds: set[str]) -> None:
    history = json.dumps({"events": events}).encode()
    turns = {each.name for each in PLANNED if each.operation == "stream"} | {"left", "stream"}
    assert {kind for kind in turns if fits(history, kind)} == kinds


def test_the_date_of_an_answer_is_not_compared() -> None:
    assert (
        undated(b"HTTP/1.1 200 OK\r\ndate: now\r\na: b\r\n\r\ndate: kept")
        == b"HTTP/1.1 200 OK\r\na: b\r\n\r\ndate: kept"
    )


# -- the rows --------------------------------------------------------------------------------------------------------

GOOD = Soaked(
    seconds=100.0,
    warm=10.0,
    tally=Tally(),
    uses={each.name: 0 for each in PLANNED},
    memory=[(float(second), 60.0) for second in range(111)],
    before=Held(14, 2, 2),
    after=Held(14, 2, 2),
    sessions=0,
    server=1.0,
    client=0.3,
)


def missed(found: Soaked) -> list[str]:
    return [each.measure.partition(" (")[0] for each in rows(found) if each.verdict not in ("met", "-")]


def test_a_mock_that_holds_nothing_back_misses_no_bar() -> None:
    assert missed(GOOD) == []
    assert sum(each.verdict == "met" for each in rows(GOOD)) == 7


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"memory": [(float(second), 60.0 + 0.05 * second) for second in range(111)]}, "resident memory"),
        ({"tally": Tally(wrong=1)}, "errors that were not asked for"),
        ({"uses": {**GOOD.uses, "title-429": 1}}, "errors that were not asked for"),
        ({"logged": ["Traceback"]}, "lines that the mock logged"),
        ({"after": Held(15, 2, 2)}, "descriptors left over"),
        ({"after": Held(14, 3, 2)}, "threads left over"),
        ({"after": Held(14, 2, 3)}, "tasks left over"),
        ({"sessions": 1}, "sessions left over"),
    ],
    ids=str,
)
def test_each_leak_misses_its_bar(change: dict[str, Any], row: str) -> None:
    assert missed(replace(GOOD, **change)) == [row]


def test_memory_during_the_warm_up_is_not_compared() -> None:
    warming = [(second, 10.0 if second < GOOD.warm else 60.0) for second, _ in GOOD.memory]
    assert replace(GOOD, memory=warming).grown == 1.0
