"""What any program sent to a mock and tried again, as a report; what its user got cannot be seen from there."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise

import click

from mockserver.api import default
from mockserver.check.client.checks import RULES
from mockserver.check.client.errors import HEEDED, is_retried
from mockserver.check.client.result import HANDLED, MISHANDLED, UNEXERCISED
from mockserver.check.coverage.report import coverage_of, joined, summary_of
from mockserver.check.report.model import Problem, Report, Reproduction, Table, gathered
from mockserver.check.report.options import deliver, read_target
from mockserver.journal.exchange import Call, Exchange, calls_of
from mockserver.messages import Headers
from mockserver.testing.run import Ran

UNSEEN = "not observable"
UNKNOWN = "(none)"
"""Stands for the operation of a request that names none."""

_SLACK = 0.01
"""Seconds by which a wait may be measured too short."""

_RULES = ("exercised", "request-valid", "retry-count", "retry-wait")
_PLANNED = "stub-used"


def teller(reports: Sequence[str], *, coverage: bool = False) -> Callable[[Ran], bool]:
    """Give what tells of a run in these reports, and says whether something was wrong; a UsageError for no report.

    With `coverage` they tell how much of the contracts was exercised, too; without a report, stderr tells the totals.
    """
    for each in reports:
        read_target(each)

    def tell(ran: Ran) -> bool:
        report = program_report(ran)
        if coverage:
            found = coverage_of(ran.contracts, (each for journal in ran.journals for each in journal))
            report = joined(report, found)
            if not reports:
                click.echo(summary_of(found, report.subject), err=True)
                return False
        with suppress(SystemExit):  # with which code it ends is the runner's to say
            deliver(report, reports)
        return bool(report.errors)

    return tell


def program_report(ran: Ran) -> Report:
    """Make the report on a program."""
    exchanges = [each for journal in ran.journals for each in journal]
    calls = [call for journal in ran.journals for call in calls_of(journal)]
    problems = gathered([*_silent(ran, exchanges), *_sent(ran, exchanges), *_unused(ran), *_again(ran, calls)])
    names = [*ran.operations, *({UNKNOWN} if any(not each.operation for each in exchanges) else ())]
    rows = [_row(name, [call for call in calls if (call[0].operation or UNKNOWN) == name], problems) for name in names]
    return Report(
        command="run",
        subject=" ".join(ran.command),
        problems=problems,
        figures={"calls": len(calls), "requests": len(exchanges), "exit code": ran.code, "seed": ran.seed},
        tables=(Table("Verdicts", ("operation", "calls", "request", "retry", "answer, event, page, error"), rows),),
        rules={name: RULES[name] for name in _RULES} | {_PLANNED: "Every stub is used."},
        passed=tuple(
            f"{row[0]} {kind}"
            for row in rows
            for kind, cell in zip(("request", "retry"), row[2:4], strict=True)
            if cell.startswith(HANDLED)
        ),
    )


def _row(name: str, calls: Sequence[Call], problems: Sequence[Problem]) -> list[str]:
    """Give the verdicts on one operation."""
    if not calls:
        return [name, "0", UNEXERCISED.upper(), UNEXERCISED.upper(), UNSEEN]
    wrong = {each.rule for each in problems if each.operation == name and each.level == "error"}
    asked = [call for call in calls if len(call) > 1 or is_asked(call[-1])]
    if not any(default().client.retry_count in Headers(each.headers) for call in calls for each in call):
        again = f"{UNSEEN}: the client does not count its attempts"
    elif not asked:
        again = UNEXERCISED.upper()
    else:
        again = MISHANDLED.upper() if wrong & {"retry-count", "retry-wait"} else f"{HANDLED} {len(asked)}"
    sent = MISHANDLED.upper() if "request-valid" in wrong else f"{HANDLED} {sum(map(len, calls))}"
    return [name, str(len(calls)), sent, again, UNSEEN]


def is_asked(exchange: Exchange) -> bool:
    """Say whether an answer asks its client to try again."""
    word = Headers(exchange.answer_headers).text(b"x-should-retry")
    return is_retried(exchange.status) if word is None else word == "true"


# -- problems --------------------------------------------------------------------------------------------------------


def _silent(ran: Ran, exchanges: Sequence[Exchange]) -> Iterator[Problem]:
    if not exchanges:
        text = "no request came: nothing was judged. Does the command read LLAMA_CLOUD_BASE_URL?"
        yield Problem("exercised", "client", text, level="note" if ran.allowed.silence else "error")


def _sent(ran: Ran, exchanges: Sequence[Exchange]) -> Iterator[Problem]:
    for each in exchanges:
        for finding in each.violations:
            yield Problem(
                rule="request-valid",
                fault="client",
                message=finding.message,
                operation=each.operation or UNKNOWN,
                where=f"/request{finding.where}",
                expected=finding.expected,
                received=finding.received,
                contract=finding.contract,
                level="note" if ran.allowed.invalid else "error",
                reproduction=_reproduction(each),
            )


def _unused(ran: Ran) -> Iterator[Problem]:
    for planned in ran.unused:
        for answer in planned.unused:
            text = f"{planned} was never used: {answer}"
            where = f"/stub/{planned.number}"
            yield Problem(
                _PLANNED, "client", text, planned.operation, where, level="note" if ran.allowed.unused else "error"
            )


def _again(ran: Ran, calls: Sequence[Call]) -> Iterator[Problem]:
    """Judge what was tried again: never what must not be, and never sooner than the server said.

    That something was not tried again is no fault: a program may have told its client so.
    """
    for call in calls:
        for before, after in pairwise(call):
            if before.status >= 400 and not is_asked(before) and not before.faults:
                text = f"after {before.status} it was tried again, which nothing asks for"
                yield _problem("retry-count", text, before, False, True)
            least = wait_of(before)
            spent = _moment(after) - _moment(before)
            if least is not None and not ran.clock_stands and spent < least - _SLACK:
                text = f"it was tried again after {spent:.3f} s, where the server said {least:g} s"
                yield _problem("retry-wait", text, before, least, round(spent, 3))


def _problem(rule: str, text: str, exchange: Exchange, expected: float, received: float) -> Problem:
    return Problem(rule, "client", text, exchange.operation or UNKNOWN, "/requests", expected, received)


def wait_of(exchange: Exchange) -> float | None:
    """Give how long an answer makes its client wait, in seconds; None where it says nothing that is heeded."""
    headers = Headers(exchange.answer_headers)
    millis, seconds = headers.text(b"retry-after-ms"), headers.text(b"retry-after")
    found: float | None = None
    with suppress(TypeError, ValueError):
        found = float(millis or "") / 1000
    if found is None and seconds is not None:
        try:
            found = float(seconds)
        except ValueError:
            with suppress(ValueError, TypeError):
                found = parsedate_to_datetime(seconds).timestamp() - _moment(exchange)
    return found if found is not None and 0 < found <= HEEDED else None


def _moment(exchange: Exchange) -> float:
    return datetime.fromisoformat(exchange.at + "+00:00").timestamp()


def _reproduction(exchange: Exchange) -> Reproduction:
    """Say how to send it again."""
    target = exchange.path + (f"?{exchange.query}" if exchange.query else "")
    kind = Headers(exchange.headers).text(b"content-type")
    body = exchange.body.decode("utf-8", "replace")
    parts = [f"curl -si -X {exchange.method} {_quoted('http://127.0.0.1:4010' + target)}"]
    parts.append("-H 'Authorization: Bearer any-key'")
    parts += [f"-H {_quoted(f'Content-Type: {kind}')}"] if kind else []
    parts += [f"-d {_quoted(body)}"] if body else []
    headers = {"Authorization": "Bearer any-key", **({"Content-Type": kind} if kind else {})}
    python = [
        "import httpx",
        "",
        f"url = {'http://127.0.0.1:4010' + target!r}",
        f"headers = {json.dumps(headers)}",
        f"print(httpx.request({exchange.method!r}, url, headers=headers, content={body!r}.encode()))",
    ]
    return Reproduction(" \\\n  ".join(parts), "\n".join(python))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
