"""What a check found, as one record that every command makes and every format writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from mockserver.messages import Json

Side: TypeAlias = Literal["server", "client", "contract", "mock"]
"""Whose fault a problem is."""

Level: TypeAlias = Literal["error", "warning", "note"]
"""How much a problem weighs: an error fails the run, the others are told."""

FORMAT = 1
"""The version of a report written as JSON."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How to see a problem again: commands for a shell, and a program in Python."""

    curl: str
    python: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was found; however many cases show it, it is told once.

    `where` is a JSON pointer into what was looked at: /response/body/session_id, /request/query/page_size;
    `contract` is a place in a contract, as `<contract>#<pointer>`.
    """

    rule: str
    fault: Side
    message: str
    operation: str = ""
    where: str = ""
    expected: Json = None
    received: Json = None
    contract: str = ""
    level: Level = "error"
    reproduction: Reproduction | None = None
    count: int = 1
    """How many cases show it."""

    @property
    def cause(self) -> tuple[str, str, str, str]:
        """What makes two problems the same one."""
        return self.rule, self.fault, self.operation, self.where


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report; cells are text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All that a command found; `figures` are names and values in the order in which they are told."""

    command: str
    subject: str
    problems: tuple[Problem, ...] = ()
    figures: Mapping[str, Json] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    """The rules that were looked at, each with its sentence."""
    passed: tuple[str, ...] = ()
    """What was looked at and found right, by name: an operation and a rule, say."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that fail a run."""
        return tuple(each for each in self.problems if each.level == "error")


def gathered(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Tell each cause once, as it was first seen, with how many cases show it."""
    found: dict[tuple[str, str, str, str], Problem] = {}
    for each in problems:
        before = found.get(each.cause)
        found[each.cause] = each if before is None else replace(before, count=before.count + each.count)
    return tuple(found.values())


def as_json(report: Report) -> Json:
    """Write a report as JSON; its form is schemas/mockserver-report/1.yaml."""
    return {
        "format": FORMAT,
        "command": report.command,
        "subject": report.subject,
        "clean": not report.errors,
        "figures": dict(report.figures),
        "problems": [_problem_json(each) for each in report.problems],
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": [list(r) for r in t.rows], "notes": list(t.notes)}
            for t in report.tables
        ],
        "rules": dict(report.rules),
        "passed": list(report.passed),
    }


def _problem_json(problem: Problem) -> Json:
    made: dict[str, Any] = {
        "rule": problem.rule,
        "fault": problem.fault,
        "level": problem.level,
        "message": problem.message,
        "operation": problem.operation or None,
        "where": problem.where,
        "expected": problem.expected,
        "received": problem.received,
        "contract": problem.contract or None,
        "count": problem.count,
    }
    again = problem.reproduction
    made["reproduction"] = None if again is None else {"curl": again.curl, "python": again.python}
    return made
