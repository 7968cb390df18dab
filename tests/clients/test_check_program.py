"""What a program sends to a mock and tries again is judged, operation by operation; what its user gets is not seen."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.client.traffic import UNSEEN, program_report, teller
from mockserver.check.report.model import Report
from mockserver.errors import UsageError
from mockserver.journal.exchange import Exchange
from mockserver.messages import Finding
from mockserver.testing.run import Allowed, Ran
from tests.clients.checked import released
from tests.strategies import ROOT

OPERATIONS = ("create", "list")
COUNTER = b"x-stainless-retry-count"


def exchange(attempt: int | None = 0, status: int = 200, second: float = 0.0, **more: Any) -> Exchange:
    """Give an attempt of one call, made `second` seconds after the full minute; without a number, uncounted."""
    counted = [] if attempt is None else [(COUNTER, b"%d" % attempt)]
    at = f"2026-04-22T12:34:{second:09.6f}"
    path = "/api/v1/chat"
    made = Exchange(
        *(1, at, "s", "GET", path, "", counted, b"", 0, "list", "2.17#/paths", {}, status, [], b"", 0, "simulated")
    )
    return made._replace(attempt=attempt or 0, **more)


def ran(*exchanges: Exchange, **more: Any) -> Ran:
    """Give a run that made these exchanges."""
    made = Ran(("program",), 0, 1, Allowed(), OPERATIONS, [list(exchanges)], [], False, api=API)
    return made._replace(**more)


def row(report: Report, name: str) -> Sequence[str]:
    """Give the verdicts on an operation."""
    return next(each for each in report.tables[0].rows if each[0] == name)


def told(report: Report) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in report.findings]


def test_what_is_sent_and_tried_again_as_it_must_be_is_handled_and_what_its_user_gets_is_not_observable() -> None:
    wait = [(b"retry-after-ms", b"500")]
    report = program_report(ran(exchange(0, 429, 1.0, answer_headers=wait), exchange(1, 200, 1.6)))
    assert report.findings == ()
    assert row(report, "list") == ["list", "1", "handled 2", "handled 1", UNSEEN]
    assert row(report, "create") == ["create", "0", "NEVER EXERCISED", "NEVER EXERCISED", UNSEEN]
    assert report.passed == ("list request", "list retry")
    assert report.figures["requests"] == 2


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_must_not_be_tried_again_is_found(status: int) -> None:
    report = program_report(ran(exchange(0, status), exchange(1)))
    assert told(report) == [("retry-count", f"after {status} it was tried again, which nothing asks for")]
    assert row(report, "list")[3] == "MISHANDLED"


def test_a_word_of_the_server_on_whether_to_try_again_is_heeded() -> None:
    forced, forbidden = [(b"x-should-retry", b"true")], [(b"x-should-retry", b"false")]
    assert told(program_report(ran(exchange(0, 404, answer_headers=forced), exchange(1)))) == []
    report = program_report(ran(exchange(0, 503, answer_headers=forbidden), exchange(1)))
    assert [rule for rule, _ in told(report)] == ["retry-count"]


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({b"retry-after-ms": b"500"}, 0.5),
        ({b"retry-after": b"2"}, 2),
        ({b"retry-after": b"Wed, 22 Apr 2026 12:34:10 GMT"}, 9),
        ({b"retry-after-ms": b"500", b"retry-after": b"30"}, 0.5),
    ],
)
def test_an_attempt_that_comes_sooner_than_the_server_said_is_found(headers: dict[bytes, bytes], least: float) -> None:
    first = exchange(0, 429, 1.0, answer_headers=list(headers.items()))
    report = program_report(ran(first, exchange(1, 200, 1.1)))
    assert told(report) == [("retry-wait", f"it was tried again after 0.100 s, where the server said {least:g} s")]
    assert told(program_report(ran(first, exchange(1, 200, 1.0 + least)))) == []
    assert told(program_report(ran(first, exchange(1, 200, 1.1), clock_stands=True))) == []


@pytest.mark.parametrize("text", [b"61", b"0", b"-1", b"soon", b"nan"])
def test_a_wait_that_clients_do_not_heed_is_not_asked_of_them(text: bytes) -> None:
    first = exchange(0, 429, 1.0, answer_headers=[(b"retry-after", text)])
    assert told(program_report(ran(first, exchange(1, 200, 1.1)))) == []


def test_that_nothing_was_tried_again_is_no_fault_since_a_program_may_have_said_so() -> None:
    report = program_report(ran(exchange(0, 503)))
    assert report.findings == ()
    assert row(report, "list")[3] == "handled 1"


def test_of_a_client_that_does_not_count_its_attempts_these_cannot_be_seen() -> None:
    report = program_report(ran(exchange(None, 503), exchange(None)))
    assert row(report, "list")[3] == "not observable: the client does not count its attempts"


def test_silence_is_a_problem_unless_it_is_allowed() -> None:
    assert [each.level for each in program_report(ran()).findings] == ["error"]
    assert [each.level for each in program_report(ran(allowed=Allowed(silence=True))).findings] == ["note"]


def test_what_is_no_report_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="'prose' is no report"):
        teller(["prose"])


# -- the command -----------------------------------------------------------------------------------------------------

PROGRAM = """
from llama_cloud import LlamaCloud, UnprocessableEntityError

client = LlamaCloud()
session = client.chat.create(index_ids=["idx-1"])
client.chat.list()
try:
    client.chat.stream(session.session_id, index_ids=[], prompt="x")
except UnprocessableEntityError:
    print("refused")
"""

PLAN = """
- {operation: list, status: 429, retry_after_ms: 20}
- {operation: delete, status: 404}
"""


def run(folder: Path, *options: str) -> tuple["subprocess.CompletedProcess[str]", Any]:
    """Run the program beside a mock; give how it ended, and its report."""
    python = str(released("2.19.0") / "bin" / "python")
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    file = folder / "report.json"
    command = [sys.executable, "-m", "mockserver", "run", "--seed", "1", "--stubs", str(folder / "plan.yaml")]
    done = subprocess.run(
        [*command, "--report", f"json={file}", *options, "--", python, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, json.loads(file.read_text("utf-8"))


def test_a_program_of_the_official_client_is_judged_by_what_it_sends_and_tries_again(tmp_path: Path) -> None:
    done, report = run(tmp_path)
    assert (done.returncode, done.stdout) == (1, "refused\n")
    assert report["command"] == "run"
    rows = {row[0]: row[1:] for row in report["tables"][0]["rows"]}
    assert rows["create"] == ["1", "handled 1", "NEVER EXERCISED", UNSEEN]
    assert rows["list"] == ["1", "handled 2", "handled 1", UNSEEN]
    assert rows["stream"] == ["1", "MISHANDLED", "NEVER EXERCISED", UNSEEN]
    assert rows["delete"] == ["0", "NEVER EXERCISED", "NEVER EXERCISED", UNSEEN]
    sent, unused = report["problems"]
    assert (sent["rule"], sent["where"], sent["received"]) == ("request-valid", "/request/body/index_ids", [])
    assert "messages/stream" in sent["reproduction"]["curl"]
    compile(sent["reproduction"]["python"], "again.py", "exec")
    assert (unused["rule"], unused["operation"]) == ("stub-used", "delete")


def test_what_is_allowed_is_told_as_a_note_and_fails_nothing(tmp_path: Path) -> None:
    done, report = run(tmp_path, "--allow-invalid", "--allow-unused")
    assert done.returncode == 0
    assert report["clean"] is True
    assert {each["level"] for each in report["problems"]} == {"note"}


def test_a_problem_is_told_once_however_often_it_is_seen() -> None:
    twice = [exchange(0, 404), exchange(1, 404), exchange(2)]
    (problem,) = program_report(ran(*twice)).findings
    assert isinstance(problem, Finding)
    assert problem.count == 2
