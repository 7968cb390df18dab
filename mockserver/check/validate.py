"""`mockserver validate FILE`: what in an OpenAPI document is not served as it is written?"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from mockserver.check.report.locate import Files
from mockserver.check.report.model import Report
from mockserver.check.report.options import report_option, write_report
from mockserver.contract.document import is_remote
from mockserver.contract.openapi import Contract
from mockserver.contract.reader import read_file
from mockserver.errors import UsageError
from mockserver.inspection import Note, counted, inspect, lines_of, located
from mockserver.messages import Finding
from mockserver.server.fetch import fetcher
from mockserver.terminal.text import visible

_QUOTED = re.compile(r"'[^']*'|\d+")


@click.command("validate")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="How it is told."
)
@click.option("--allow-remote-refs", "remote", is_flag=True, help="Read documents on other machines, too.")
@report_option
def command(files: Sequence[str], form: str, remote: bool, reports: Sequence[str]) -> None:
    """List every problem of each OpenAPI document FILE (or at an address), with line and column, reason and remedy.

    An error is an operation that cannot be served; a warning is something that is ignored. It ends with 1 if there are
    errors.
    """
    if len(files) > 1 and (reports or form == "json"):
        raise UsageError("a report is of one document", where="mockserver validate", fix="name one file at a time")
    sys.exit(int(sum(validate(each, form, reports, remote=remote) for each in files) > 0))


def validate(file: str, form: str, reports: Sequence[str], *, remote: bool) -> bool:
    """List the problems of a document; return whether there are errors."""
    contract, notes = inspected(file, remote=remote)
    if reports:
        return bool(write_report(report_of(contract, notes), reports, Files(own=Path(file))))
    click.echo(as_json(contract, notes) if form == "json" else as_text(contract, notes))
    return any(each.problem.level == "error" for each in notes)


def inspected(file: str, *, remote: bool = False) -> tuple[Contract, list[Note]]:
    """Read a document, and list its problems; `remote` reads those of other machines. A UsageError names none."""
    if not is_remote(file) and not Path(file).exists():
        raise UsageError(f"there is no file {file!r}", fix="name an OpenAPI document, in JSON or YAML")
    fetch = fetcher(remote=remote)
    contract = read_file(file, fetch=fetch)
    return contract, located(contract, inspect(contract), fetch)


def as_text(contract: Contract, notes: Sequence[Note]) -> str:
    """Write problems as a compiler does, and count them."""
    count = len(contract.operations)
    lines = [visible(line) for note in notes for line in lines_of(note)]
    end = f"{contract.path}: {counted(notes)} in {count} operation{'s' if count != 1 else ''}"
    return "\n".join([*lines, end])


def as_json(contract: Contract, notes: Sequence[Note]) -> str:
    """Write problems as JSON."""
    found = []
    for note in notes:
        file, line, column = note.where.rsplit(":", 2)
        data = {name: getattr(note.problem, name) for name in ("level", "what", "why", "fix")}
        found.append({"file": file, "line": int(line), "column": int(column), "place": note.place, **data})
    return json.dumps({"file": contract.path, "operations": len(contract.operations), "problems": found}, indent=2)


def report_of(contract: Contract, notes: Sequence[Note]) -> Report:
    """Return problems as a report, which has every other format."""
    findings = tuple(
        Finding(
            where=note.where,
            rule=_QUOTED.sub("...", note.problem.what),
            message=": ".join(filter(None, (note.problem.what, note.problem.why))),
            fault="contract",
            contract=f"{contract.path}{note.place}" if note.place.startswith("#") else note.place,
            level=note.problem.level,
        )
        for note in notes
    )
    rules = {each.rule: each.rule for each in findings}
    return Report("mockserver validate", contract.path, findings, {"operations": len(contract.operations)}, rules=rules)
