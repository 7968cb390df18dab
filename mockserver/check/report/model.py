"""What a check found, as one record that every command makes and every format writes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mockserver.messages import Finding, Json, Reproduction


def format_value(value: Json, most: int = 60) -> str:
    """Write a value in a line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 3] + "..."


FORMAT = 1
"""The version of a report written as JSON."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report; cells are text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was not looked at, and why: an operation that was never reached, or a rule."""

    name: str
    why: str
    is_operation: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """All that a command found; `figures` are names and values in the order in which they are told."""

    command: str
    subject: str
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, Json] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    """The rules that were looked at, each with its sentence."""
    passed: tuple[str, ...] = ()
    """What was looked at and found right, by name: an operation and a rule, say."""
    skipped: tuple[Skipped, ...] = ()
    """What was not looked at, which is never said to be right."""
    interrupted: bool = False
    """Whether the run was ended from outside before it was complete."""

    @property
    def unreached(self) -> tuple[str, ...]:
        """The operations that were never reached."""
        return tuple(each.name for each in self.skipped if each.is_operation)

    @property
    def clean(self) -> bool:
        """Whether nothing in it is an error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that fail a run."""
        return tuple(each for each in self.findings if each.level == "error")


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a report, or any part of one, with each of its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {mapped(key, change): mapped(each, change) for key, each in value.items()}
    if isinstance(value, Reproduction):
        return Reproduction(*(change(each) for each in value))
    if isinstance(value, list | tuple):
        return type(value)(mapped(each, change) for each in value)
    if isinstance(value, Report | Table | Finding | Skipped):
        return replace(value, **{each.name: mapped(getattr(value, each.name), change) for each in fields(value)})
    return value


def gathered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return each cause once, as it was first seen, with how many cases show it."""
    found: dict[tuple[str, str, str, str], Finding] = {}
    for each in findings:
        before = found.get(each.cause)
        found[each.cause] = each if before is None else replace(before, count=before.count + each.count)
    return tuple(found.values())


def as_json(report: Report) -> Json:
    """Write a report as JSON; its form is schemas/mockserver-report/1.yaml."""
    return {
        "format": FORMAT,
        "command": report.command,
        "subject": report.subject,
        "clean": report.clean,
        "figures": dict(report.figures),
        "problems": [finding_json(each) for each in report.findings],
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": [list(r) for r in t.rows], "notes": list(t.notes)}
            for t in report.tables
        ],
        "rules": dict(report.rules),
        "passed": list(report.passed),
        "skipped": [{"name": each.name, "why": each.why} for each in report.skipped],
        "interrupted": report.interrupted,
    }


def finding_json(finding: Finding) -> dict[str, Json]:
    """Return a finding as JSON."""
    again = None if finding.reproduction is None else finding.reproduction._asdict()
    told = {"operation": finding.operation or None, "contract": finding.contract or None, "reproduction": again}
    return {each.name: getattr(finding, each.name) for each in fields(finding)} | told
