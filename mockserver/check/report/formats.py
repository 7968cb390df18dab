"""A report in the forms that people and CI systems read: terminal, Markdown, HTML, JSON, JUnit, SARIF, annotations."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import TypeAlias
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mockserver.check.report.locate import NO_FILES, Files, Spot, spot
from mockserver.check.report.model import (
    Report,
    Table,
    as_json,
    finding_json,
    format_value,
    mapped,
)
from mockserver.data import data_dir
from mockserver.messages import Finding, Json
from mockserver.page.bundle import report_page
from mockserver.terminal.text import encodable, in_line, visible

NARROWEST = 8
"""A column of a table is not narrower than this."""

Writer: TypeAlias = Callable[[Report, Files], str]
"""Writes a report; the files are those of its contracts."""


def as_terminal(report: Report, _: Files = NO_FILES, width: int = 0) -> str:
    """Write a report for the terminal: figures, tables, findings, verdict; in so many columns, if a width is given.

    Only commands to paste are never broken.
    No text of a server begins a line, since some CI systems take commands from lines of a log.
    """
    again = [each.reproduction for each in report.findings]
    report = mapped(report, in_line)
    lines = [f"{report.command}: {report.subject}"]
    if report.figures:
        text = "  " + ", ".join(f"{name} {plain(value)}" for name, value in report.figures.items())
        lines += fitted(text, width)
    for table in report.tables:
        lines += ["", *_text_table(table, width)]
    for number, (finding, reproduction) in enumerate(zip(report.findings, again, strict=True), 1):
        lines += ["", *(part for line in _text_finding(number, finding) for part in fitted(line, width))]
        if reproduction is not None:
            lines.append("   again:")
            lines += [f"     {visible(line)}" for line in reproduction.curl.splitlines()]
    if report.unreached:
        unreached = [f"  {each.name}: {each.why}" for each in report.skipped if each.is_operation]
        lines += ["", "not reached:", *(part for line in unreached for part in fitted(line, width))]
    lines += ["", f"{report.command}: {verdict_text(report)}"]
    return "\n".join(lines) + "\n"


def verdict_text(report: Report) -> str:
    """Describe the outcome in a few words."""
    count = len(report.errors)
    others = len(report.findings) - count
    verdict = "nothing wrong" if not count else f"{count} problem{'s' * (count != 1)}"
    if not count and report.unreached:
        verdict += " in what was reached"
    verdict += f", {others} to note" if others else ""
    if report.unreached:
        verdict += f", {len(report.unreached)} not reached"
    return verdict + (" (interrupted)" if report.interrupted else "")


def plain(value: Json) -> str:
    """Write a text as it is, any other value as JSON, cut where it is long."""
    return value if isinstance(value, str) else format_value(value, 300)


def _text_finding(number: int, finding: Finding) -> Iterator[str]:
    title = f"{number}. {finding.rule}"
    title += f" ({finding.operation})" if finding.operation else ""
    title += f": the {finding.fault}'s fault" if finding.level == "error" else f": {finding.level}"
    yield title
    yield f"   {finding.message}"
    details = {
        "where": finding.where,
        "expected": "" if finding.expected is None else plain(finding.expected),
        "received": "" if finding.received is None and finding.expected is None else plain(finding.received),
        "contract": finding.contract,
        "seen in": f"{finding.count} cases" if finding.count > 1 else "",
    }
    yield from (f"   {name}: {text}" for name, text in details.items() if text)


def _text_table(table: Table, width: int = 0) -> Iterator[str]:
    rows = [list(table.columns), *(list(row) for row in table.rows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    if width:
        _narrow(widths, width)
    yield from fitted(table.title, width)
    for number, row in enumerate(rows):
        cells = [fitted(cell, most, 0) if width else [cell] for cell, most in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield "  " + "  ".join(cell.ljust(most) for cell, most in zip(parts, widths, strict=True)).rstrip()
        if number == 0:
            yield "  " + "  ".join("-" * most for most in widths)
    yield from (part for note in table.notes for part in fitted(f"  {note}", width))


def _narrow(widths: list[int], width: int) -> None:
    """Narrow the widest columns of a table until it fits."""
    while sum(widths) + 2 * len(widths) > width and max(widths, default=0) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def fitted(line: str, width: int, indent: int = 2) -> list[str]:
    """Break a line into lines of so many columns, the later ones indented by more; 0 leaves it as it is."""
    if not width or len(line) <= width:
        return [line]
    margin = line[: len(line) - len(line.lstrip())]
    return wrap(line, width, subsequent_indent=margin + " " * indent, break_on_hyphens=False)


def as_markdown(report: Report, _: Files = NO_FILES) -> str:
    """Write a report in Markdown, for the summary of a CI run."""
    report = mapped(report, visible)
    mark = "❌" if report.errors else "⚠️" if report.unreached or report.interrupted else "✅"
    verdict = f"{mark} {verdict_text(report)}"
    lines = [f"## {report.command}: {_cell(report.subject)}", "", verdict]
    if report.figures:
        lines += ["", ", ".join(f"{name} **{_cell(plain(value))}**" for name, value in report.figures.items())]
    for table in report.tables:
        lines += ["", f"### {table.title}", "", *markdown_table(table)]
    if report.skipped:
        skipped = [(each.name, each.why) for each in report.skipped]
        lines += ["", "### Not looked at", "", *markdown_table(Table("", ("what", "why"), skipped))]
    if report.findings:
        lines += ["", "### Problems", ""]
        columns = ("rule", "whose fault", "operation", "where", "what", "cases")
        rows = [
            (each.rule, _blame(each), each.operation, each.where, each.message, str(each.count))
            for each in report.findings
        ]
        lines += markdown_table(Table("", columns, rows))
        for each in report.findings:
            if each.reproduction is not None:
                fence = _fence(each.reproduction.curl + each.reproduction.python)
                lines += ["", f"<details><summary>{_cell(each.rule)} {_cell(each.where)}</summary>", ""]
                lines += [f"{fence}sh", each.reproduction.curl, fence, "", f"{fence}python", each.reproduction.python]
                lines += [fence, "", "</details>"]
    return "\n".join(lines) + "\n"


def _blame(finding: Finding) -> str:
    return finding.fault if finding.level == "error" else finding.level


def _fence(text: str) -> str:
    """Return a fence that stands nowhere in a text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(3, longest + 1)


def markdown_table(table: Table) -> list[str]:
    """Write a table in Markdown."""
    lines = ["| " + " | ".join(map(_cell, table.columns)) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.rows]
    return [*lines, *(("", *table.notes) if table.notes else ())]


def _cell(text: str) -> str:
    for char in "\\`|<>":
        text = text.replace(char, "\\" + char)
    return " ".join(text.split())


def as_json_text(report: Report, _: Files = NO_FILES) -> str:
    """Write a report as JSON."""
    return json.dumps(mapped(as_json(report), encodable), indent=2, ensure_ascii=False, default=str) + "\n"


def as_html(report: Report, _: Files = NO_FILES) -> str:
    """Write a report as the page that shows it: one file, which opens from disk."""
    return report_page(json.loads(as_json_text(report))).decode()


def as_junit(report: Report, _: Files = NO_FILES) -> str:
    """Write a report as JUnit XML: what was found right is a test that passed, a problem one that failed.

    A rule has the same name for an operation whether it passed or failed.
    """
    report = mapped(report, visible)
    suites = Element("testsuites")
    cases: dict[str, list[Finding]] = {name: [] for name in report.passed}
    for each in report.findings:
        cases.setdefault(f"{each.operation}: {each.rule}" if each.operation else each.rule, []).append(each)
    failed = sum(any(each.level == "error" for each in found) for found in cases.values())
    tests, unseen = len(cases) + len(report.skipped), len(report.skipped)
    counts = {"tests": str(tests), "failures": str(failed), "errors": "0", "skipped": str(unseen)}
    suite = SubElement(suites, "testsuite", {"name": f"mockserver {report.command}", **counts})
    properties = SubElement(suite, "properties")
    for name, value in {"subject": report.subject, **report.figures}.items():
        SubElement(properties, "property", {"name": name, "value": plain(value)})
    for name, found in cases.items():
        _junit_case(SubElement(suite, "testcase", {"classname": report.command, "name": name}), found)
    for skipped in report.skipped:
        case = SubElement(suite, "testcase", {"classname": report.command, "name": skipped.name})
        SubElement(case, "skipped", {"message": skipped.why})
    indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _junit_case(case: Element, found: Sequence[Finding]) -> None:
    """Write what was found of one rule and operation into its test."""
    errors = [each for each in found if each.level == "error"]
    others = [each for each in found if each.level != "error"]
    if errors:
        first = errors[0]
        message = first.message + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
        SubElement(case, "failure", {"message": message, "type": first.rule}).text = _texts(errors)
    if others:
        SubElement(case, "system-out").text = _texts(others)


def _texts(found: Sequence[Finding]) -> str:
    again = ["\n   again:\n" + each.reproduction.curl if each.reproduction else "" for each in found]
    texts = ("\n".join(_text_finding(number, each)) for number, each in enumerate(found, 1))
    return "\n".join(map("".join, zip(texts, again, strict=True)))


def as_sarif(report: Report, files: Files = NO_FILES) -> str:
    """Write a report as SARIF 2.1.0, with the places in the contract's file."""
    report = mapped(report, encodable)
    ids = list(dict.fromkeys([*report.rules, *(each.rule for each in report.findings)]))
    driver = {
        "name": "mockserver",
        "version": version("llamacloud-mockserver"),
        "rules": [{"id": each, "shortDescription": {"text": report.rules.get(each, each)}} for each in ids],
    }
    results = [_sarif_result(each, ids.index(each.rule), files) for each in report.findings]
    run: Json = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    if f'"{PACKED}"' in json.dumps(results):
        run["originalUriBaseIds"] = {PACKED: {"uri": data_dir().as_uri() + "/"}}
    if report.skipped or report.interrupted:
        notes = [f"{each.name} was not looked at: {each.why}" for each in report.skipped]
        notifications = [{"level": "warning", "message": {"text": text}} for text in notes]
        succeeded = not report.interrupted
        run["invocations"] = [{"executionSuccessful": succeeded, "toolExecutionNotifications": notifications}]
    document = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


PACKED = "MOCKSERVER"
"""The base of addresses of the contracts that come with an API pack."""

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _sarif_result(finding: Finding, index: int, files: Files) -> Json:
    text = ": ".join(filter(None, (finding.operation, finding.where, finding.message)))
    properties = ["fault", "expected", "received", "count", *(["reproduction"] if finding.reproduction else [])]
    data = finding_json(finding)
    made: Json = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.level,
        "message": {"text": text},
        "partialFingerprints": {"cause/v1": "|".join(finding.cause)},
        "properties": {name: data[name] for name in properties},
    }
    found = spot(finding.contract, files) if finding.contract else None
    location: Json = {}
    if found is not None:
        location["physicalLocation"] = {"artifactLocation": _artifact(found), "region": {"startLine": found.line}}
    if finding.contract:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.contract}]
    if location:
        made["locations"] = [location]
    return made


def _artifact(found: Spot) -> Json:
    """Return the address of a file: below the folder of the run if it is there, else where it lies."""
    path, here = found.path.resolve(), Path.cwd()
    if path.is_relative_to(here):
        return {"uri": quote(path.relative_to(here).as_posix())}
    if path.is_relative_to(data_dir()):
        return {"uri": quote(path.relative_to(data_dir()).as_posix()), "uriBaseId": PACKED}
    return {"uri": path.as_uri()}


def as_annotations(report: Report, files: Files = NO_FILES) -> str:
    """Write a report as the workflow commands that CI systems show beside the code."""
    lines = []
    report = mapped(report, visible)
    for each in report.findings:
        kind = "notice" if each.level == "note" else each.level
        found = spot(each.contract, files) if each.contract else None
        fields = {"file": found.file, "line": str(found.line)} if found is not None else {}
        fields["title"] = f"{each.rule} {each.operation}".strip()
        pairs = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in fields.items())
        text = f"{each.where}: {each.message}" if each.where else each.message
        lines.append(f"::{kind} {pairs}::{_escaped(text)}")
    for skipped in (each for each in report.skipped if each.is_operation):
        lines.append(f"::warning title=not reached {_escaped(skipped.name, ',:')}::{_escaped(skipped.why)}")
    return "".join(line + "\n" for line in lines)


def _escaped(text: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


FORMATS: Mapping[str, Writer] = {
    "terminal": as_terminal,
    "markdown": as_markdown,
    "json": as_json_text,
    "html": as_html,
    "junit": as_junit,
    "sarif": as_sarif,
    "github": as_annotations,
}
"""The formats, by the name that `--report` calls them."""
