"""What all checking commands have in common: where their reports go, and with which exit code they end."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, NamedTuple

import click

from mockserver.api import NONE, complete, default_name, names
from mockserver.check.report.formats import FORMATS, as_terminal, verdict_text
from mockserver.check.report.locate import NO_FILES, Files
from mockserver.check.report.model import Report
from mockserver.data import open_for_writing
from mockserver.errors import StartError, UsageError, reason
from mockserver.terminal.text import is_terminal

INTERRUPTED = 130
"""The exit code of a run that was ended by Ctrl-C, as shells have it: 128 and the number of SIGINT."""


class ReportTarget(NamedTuple):
    """A format of a report, and the file it goes to; no file is stdout."""

    format: str
    file: Path | None


def read_target(text: str) -> ReportTarget:
    """Read FORMAT or FORMAT=FILE; a UsageError names the formats."""
    name, equals, file = text.partition("=")
    if name not in FORMATS or (equals and not file):
        raise UsageError(f"{text!r} is no report", fix=f"write FORMAT or FORMAT=FILE; {', '.join(FORMATS)}")
    return ReportTarget(name, Path(file) if file else None)


def _checked(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a report that cannot be meant before anything is done."""
    for text in value:
        read_target(text)
    return value


def report_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that says where the report of a command goes."""
    text = f"A report: FORMAT or FORMAT=FILE, of {', '.join(FORMATS)}; may be repeated.  [default: terminal]"
    return click.option("--report", "reports", multiple=True, metavar="FORMAT[=FILE]", help=text, callback=_checked)(
        command
    )


def api_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that says which API pack is in force; see `mockserver.api.choose`."""
    text = f"The API pack: one of {', '.join(names())}, or {NONE}.  [default: {default_name()}, but for a FILE]"
    return click.option("--api", envvar="MOCKSERVER_API", help=text, shell_complete=complete)(command)


def deliver(report: Report, reports: Sequence[str], files: Files = NO_FILES) -> None:
    """Write a report to where it shall go, and end: with 0 where nothing is wrong, else with 1."""
    sys.exit(write_report(report, reports, files))


def write_report(report: Report, reports: Sequence[str], files: Files = NO_FILES) -> int:
    """Write a report to where it shall go; return the exit code.

    `files` are those of the contracts, for the places in them. A StartError where a file cannot be written.
    """
    targets = [read_target(text) for text in reports] or [ReportTarget("terminal", None)]
    for target in targets:
        if target.file is None and target.format == "terminal" and is_terminal(sys.stdout):
            click.echo(as_terminal(report, files, get_terminal_size().columns), nl=False)
            continue
        text = FORMATS[target.format](report, files)
        if target.file is None:
            click.echo(text, nl=False)
        else:
            write_file(target.file, text)
    if all(target.file is not None for target in targets):
        click.echo(f"{report.command}: {verdict_text(report)}", err=True)
    return INTERRUPTED if report.interrupted else 1 if report.errors else 0


def write_file(path: Path, text: str) -> None:
    """Write a report to a file; a StartError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = open_for_writing(path)
        os.set_blocking(descriptor, True)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        fix = "name another file"
        raise StartError("a report cannot be written", where=str(path), why=reason(error), fix=fix) from error
