"""What any program sent to a mock and tried again, as a report; what its user got cannot be seen from there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise

import click

from mockserver.check.client.checks import RULES
from mockserver.check.client.errors import HEEDED, is_retried
from mockserver.check.client.result import HANDLED, MISHANDLED, UNEXERCISED
from mockserver.check.coverage.report import coverage_of, joined, summary_of
from mockserver.check.part import part_of
from mockserver.check.report.model import Report, Table, gathered
from mockserver.check.report.options import deliver, read_target
from mockserver.check.report.reproduce import reproduction
from mockserver.journal.exchange import Call, Exchange, calls_of
from mockserver.messages import Finding, Headers, Level, Reproduction, Request
from mockserver.testing.run import Ran, url_variable

UNSEEN = "not observable"
UNKNOWN = "(none)"
"""Stands for the operation of a request that names none."""

_SLACK = 0.01
"""Seconds by which a wait may be measured too short."""

_RULES = ("exercised", "request-valid", "retry-count", "retry-wait")
_STUB_USED = "stub-used"


def teller(reports: Sequence[str], *, coverage: bool = False) -> Callable[[Ran], bool]:
    """Return a function that reports a run, and returns whether anything was wrong; a UsageError for an unknown format.

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
    counter = b"" if ran.api is None else ran.api.client.retry_count
    calls = [call for journal in ran.journals for call in calls_of(journal)]
    findings = gathered([*_silent(ran, exchanges), *_sent(ran, exchanges), *_unused(ran), *_again(ran, calls)])
    names = [*ran.operations, *({UNKNOWN} if any(not each.operation for each in exchanges) else ())]
    rows = [
        _row(name, [call for call in calls if (call[0].operation or UNKNOWN) == name], findings, counter)
        for name in names
    ]
    return Report(
        command="run",
        subject=" ".join(ran.command),
        findings=findings,
        figures={"calls": len(calls), "requests": len(exchanges), "exit code": ran.code, "seed": ran.seed},
        tables=(Table("Verdicts", ("operation", "calls", "request", "retry", "answer, event, page, error"), rows),),
        rules={name: RULES[name] for name in _RULES} | {_STUB_USED: "Every stub is used."},
        passed=tuple(
            f"{row[0]} {kind}"
            for row in rows
            for kind, cell in zip(("request", "retry"), row[2:4], strict=True)
            if cell.startswith(HANDLED)
        ),
    )


def _row(name: str, calls: Sequence[Call], findings: Sequence[Finding], counter: bytes) -> list[str]:
    """Return the verdicts on one operation."""
    if not calls:
        return [name, "0", UNEXERCISED.upper(), UNEXERCISED.upper(), UNSEEN]
    wrong = {each.rule for each in findings if each.operation == name and each.level == "error"}
    asked = [call for call in calls if len(call) > 1 or is_asked(call[-1])]
    if not counter or not any(counter in Headers(each.headers) for call in calls for each in call):
        again = f"{UNSEEN}: the client does not count its attempts"
    elif not asked:
        again = UNEXERCISED.upper()
    else:
        again = MISHANDLED.upper() if wrong & {"retry-count", "retry-wait"} else f"{HANDLED} {len(asked)}"
    sent = MISHANDLED.upper() if "request-valid" in wrong else f"{HANDLED} {sum(map(len, calls))}"
    return [name, str(len(calls)), sent, again, UNSEEN]


def is_asked(exchange: Exchange) -> bool:
    """Return whether an answer asks its client to try again."""
    word = Headers(exchange.answer_headers).text(b"x-should-retry")
    return is_retried(exchange.status) if word is None else word == "true"


# -- findings --------------------------------------------------------------------------------------------------------


def _silent(ran: Ran, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    if not exchanges:
        text = f"no request came: nothing was judged. Does the command read {url_variable(ran.api)}?"
        yield Finding("", "exercised", text, "client", level="note" if ran.allowed.silence else "error")


def _sent(ran: Ran, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    for each in exchanges:
        for finding in each.violations:
            yield replace(
                finding,
                rule="request-valid",
                operation=each.operation or UNKNOWN,
                where=f"/request{finding.where}",
                level="note" if ran.allowed.invalid else "error",
                reproduction=_reproduction(ran, each),
            )


def _unused(ran: Ran) -> Iterator[Finding]:
    for stub in ran.unused:
        for answer in stub.unused:
            text = f"{stub} was never used: {answer}"
            where = f"/stub/{stub.number}"
            level: Level = "note" if ran.allowed.unused else "error"
            yield Finding(where, _STUB_USED, text, "client", operation=stub.operation, level=level)


def _again(ran: Ran, calls: Sequence[Call]) -> Iterator[Finding]:
    """Judge what was tried again: never what must not be, and never sooner than the server said.

    That something was not tried again is no fault: a program may have told its client so.
    """
    for call in calls:
        for before, after in pairwise(call):
            if before.status >= 400 and not is_asked(before) and not before.faults:
                text = f"after {before.status} it was tried again, which nothing asks for"
                yield _finding("retry-count", text, before, False, True)
            least = wait_of(before)
            spent = _moment(after) - _moment(before)
            if least is not None and not ran.clock_stands and spent < least - _SLACK:
                text = f"it was tried again after {spent:.3f} s, where the server said {least:g} s"
                yield _finding("retry-wait", text, before, least, round(spent, 3))


def _finding(rule: str, text: str, exchange: Exchange, expected: float, received: float) -> Finding:
    operation = exchange.operation or UNKNOWN
    return Finding("/requests", rule, text, "client", expected, received, operation=operation)


def wait_of(exchange: Exchange) -> float | None:
    """Return how long an answer makes its client wait, in seconds; None where it sets no wait that clients obey."""
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


def _reproduction(ran: Ran, exchange: Exchange) -> Reproduction:
    """Describe how to send a request again."""
    kept = [field for field in exchange.headers if field[0] in (b"authorization", b"content-type")]
    request = Request(exchange.method, exchange.path, exchange.query, Headers(kept), exchange.body)
    return reproduction("http://127.0.0.1:4010", [request], part_of(ran.api).key_variable)
