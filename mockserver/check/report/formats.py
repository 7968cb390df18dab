"""A report in the forms that people and CI systems read: terminal, Markdown, JSON, JUnit XML, SARIF, annotations."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mockserver.check.report.locate import NO_FILES, Files, spot
from mockserver.check.report.model import Report, Table, as_json, finding_json, format_value
from mockserver.messages import Finding, Json

Writer: TypeAlias = Callable[[Report, Files], str]
"""Writes a report; the files are those of its contracts."""


def as_terminal(report: Report, _: Files = NO_FILES) -> str:
    """Write a report for the terminal: figures, tables, findings, verdict."""
    lines = [f"{report.command}: {report.subject}"]
    if report.figures:
        lines.append("  " + ", ".join(f"{name} {plain(value)}" for name, value in report.figures.items()))
    for table in report.tables:
        lines += ["", *_text_table(table)]
    for number, finding in enumerate(report.findings, 1):
        lines += ["", *_text_finding(number, finding)]
    lines += ["", f"{report.command}: {verdict_text(report)}"]
    return "\n".join(lines) + "\n"


def verdict_text(report: Report) -> str:
    """Describe the outcome in a few words."""
    count = len(report.errors)
    others = len(report.findings) - count
    verdict = "nothing wrong" if not count else f"{count} problem{'s' * (count != 1)}"
    return verdict + (f", {others} to note" if others else "")


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
    if finding.reproduction is not None:
        yield "   again:"
        yield from (f"     {line}" for line in finding.reproduction.curl.splitlines())


def _text_table(table: Table) -> Iterator[str]:
    rows = [list(table.columns), *(list(row) for row in table.rows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    yield table.title
    for number, row in enumerate(rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "  " + "  ".join("-" * width for width in widths)
    yield from (f"  {note}" for note in table.notes)


def as_markdown(report: Report, _: Files = NO_FILES) -> str:
    """Write a report in Markdown, for the summary of a CI run."""
    verdict = f"{'❌' if report.errors else '✅'} {verdict_text(report)}"
    lines = [f"## {report.command}: {_cell(report.subject)}", "", verdict]
    if report.figures:
        lines += ["", ", ".join(f"{name} **{_cell(plain(value))}**" for name, value in report.figures.items())]
    for table in report.tables:
        lines += ["", f"### {table.title}", "", *markdown_table(table)]
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
    return json.dumps(as_json(report), indent=2, ensure_ascii=False, default=str) + "\n"


def as_junit(report: Report, _: Files = NO_FILES) -> str:
    """Write a report as JUnit XML: what was found right is a test that passed, a problem one that failed."""
    suites = Element("testsuites")
    failed = report.errors
    tests = len(report.passed) + len(report.findings)
    counts = {"tests": str(tests), "failures": str(len(failed)), "errors": "0", "skipped": "0"}
    suite = SubElement(suites, "testsuite", {"name": f"mockserver {report.command}", **counts})
    properties = SubElement(suite, "properties")
    for name, value in {"subject": report.subject, **report.figures}.items():
        SubElement(properties, "property", {"name": name, "value": _clean(plain(value))})
    for name in report.passed:
        SubElement(suite, "testcase", {"classname": report.command, "name": _clean(name)})
    for each in report.findings:
        name = " ".join(filter(None, (each.rule, each.operation, each.where)))
        case = SubElement(suite, "testcase", {"classname": report.command, "name": _clean(name)})
        text = _clean("\n".join(_text_finding(1, each)))
        if each.level == "error":
            SubElement(case, "failure", {"message": _clean(each.message), "type": each.rule}).text = text
        else:
            SubElement(case, "system-out").text = text
    indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(
        char if char in "\t\n\r" or (char >= " " and not 0xD800 <= ord(char) < 0xE000) else "�" for char in text
    )


def as_sarif(report: Report, files: Files = NO_FILES) -> str:
    """Write a report as SARIF 2.1.0, with the places in the contract's file."""
    ids = list(dict.fromkeys([*report.rules, *(each.rule for each in report.findings)]))
    driver = {
        "name": "mockserver",
        "version": version("llamacloud-mockserver"),
        "rules": [{"id": each, "shortDescription": {"text": report.rules.get(each, each)}} for each in ids],
    }
    results = [_sarif_result(each, ids.index(each.rule), files) for each in report.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    document = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


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
        uri = {"uri": Path(found.file).as_posix()}
        location["physicalLocation"] = {"artifactLocation": uri, "region": {"startLine": found.line}}
    if finding.contract:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.contract}]
    if location:
        made["locations"] = [location]
    return made


def as_annotations(report: Report, files: Files = NO_FILES) -> str:
    """Write a report as the workflow commands that CI systems show beside the code."""
    lines = []
    for each in report.findings:
        kind = "notice" if each.level == "note" else each.level
        found = spot(each.contract, files) if each.contract else None
        fields = {"file": found.file, "line": str(found.line)} if found is not None else {}
        fields["title"] = f"{each.rule} {each.operation}".strip()
        pairs = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in fields.items())
        text = f"{each.where}: {each.message}" if each.where else each.message
        lines.append(f"::{kind} {pairs}::{_escaped(text)}")
    return "".join(line + "\n" for line in lines)


def _escaped(text: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


FORMATS: Mapping[str, Writer] = {
    "terminal": as_terminal,
    "markdown": as_markdown,
    "json": as_json_text,
    "junit": as_junit,
    "sarif": as_sarif,
    "github": as_annotations,
}
"""The formats, by the name that `--report` calls them."""
