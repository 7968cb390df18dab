"""A pytest plugin for `make check`: a table at the end of what was checked, with cases and findings."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from mockserver.check.report.formats import as_terminal
from mockserver.check.report.model import Report, Table

CHECKED = "checked"
"""The name of the property of a test that says what it checked."""


class Checked(NamedTuple):
    """What a test checked: by what, what it was, how many cases there were, what was found, and how long it took."""

    by: str
    subject: str
    cases: int
    findings: int
    seconds: float


_found: list[Checked] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test says that it checked."""
    if report.when == "call":
        told: list[tuple[str, Any]] = list(report.user_properties)
        _found.extend(Checked(*value) for name, value in told if name == CHECKED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if _found:
        text = as_terminal(Report("self-check", "this mock", tables=(table(_found),)))
        terminalreporter.section("what was checked")
        terminalreporter.write(text.partition("\n\n")[2].rpartition("\n\n")[0] + "\n")


def table(found: list[Checked]) -> Table:
    """Put together what was checked, a row for each subject in the order in which they came, and all of it."""
    return Table("Checked", ("by", "what", "runs", "cases", "findings", "seconds"), [*_rows(found)])


def _rows(found: list[Checked]) -> Iterator[tuple[str, ...]]:
    for by, subject in sorted({(each.by, each.subject) for each in found}):
        yield _row(by, subject, [each for each in found if (each.by, each.subject) == (by, subject)])
    yield _row("all", "", found)


def _row(by: str, subject: str, found: list[Checked]) -> tuple[str, ...]:
    cases, findings = sum(each.cases for each in found), sum(each.findings for each in found)
    return by, subject, str(len(found)), str(cases), str(findings), f"{sum(each.seconds for each in found):.0f}"
