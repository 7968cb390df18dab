"""Journals as they are found: a file with a line of JSON for each exchange, the same on stdin, or a running mock."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from mockserver.acts import control_document
from mockserver.errors import StartError, UsageError
from mockserver.exchange import DEFAULT_SCOPE, Json
from mockserver.journal import Exchange, from_json
from mockserver.remote import RemoteDesk
from mockserver.schema import Schema

STDIN = "-"
MEND = "give a file that mockserver serve --journal FILE wrote, or the URL of a running mock"


class Journal(NamedTuple):
    """The exchanges of one source, and the contracts that its server says it serves, where it can be asked."""

    exchanges: Iterable[Exchange]
    contracts: tuple[str, ...] = ()


def read_journal(source: str) -> Journal:
    """Read a file, stdin for "-", or a running mock for a URL, whose path may name a scope: /scope/alice.

    A StartError where it cannot be read, a UsageError with the line where it is no journal, both as it is read.
    """
    if source.startswith(("http://", "https://")):
        return _asked(source)
    return Journal(_lines(source))


def _lines(source: str) -> Iterator[Exchange]:
    if source == STDIN:
        yield from read_lines(sys.stdin.buffer, "stdin")
        return
    try:
        with Path(source).open("rb") as file:
            yield from read_lines(file, source)
    except OSError as error:
        why = error.strerror or str(error)
        raise StartError("the journal cannot be read", where=source, why=why, mend="see its name and path") from error


def read_lines(lines: Iterable[bytes], name: str) -> Iterator[Exchange]:
    """Read a journal line by line; one that is being written may end within a line, which is told on stderr."""
    shape = Schema(control_document(), "/components/schemas/Exchange", "control")
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number > 1 and not line.endswith(b"\n"):
                click.echo(f"mockserver: {where}: the last line has no end; it is not counted", err=True)
                return
            raise _no_journal(where, f"the line is not JSON: {error}") from error
        yield from _exchanges(value, shape, where)


def _exchanges(value: Json, shape: Schema, where: str) -> Iterator[Exchange]:
    """Give the exchange of a line, or those of an answer of /__mock__/journal that was saved."""
    many = value.get("exchanges") if isinstance(value, dict) else None
    for each in many if isinstance(many, list) else [value]:
        if not shape.is_valid(each):
            finding = shape.explain(each)[0]
            raise _no_journal(where, f"it is no exchange: {finding.where or 'the line'}: {finding.message}")
        try:
            yield from_json(each)
        except (ValueError, LookupError) as error:
            raise _no_journal(where, f"it is no exchange: {error}") from error


def _no_journal(where: str, why: str) -> UsageError:
    return UsageError("this is no journal", where=where, why=why, mend=MEND)


def _asked(url: str) -> Journal:
    """Ask a running mock; a StartError where there is none, or where it tells nothing."""
    desk = RemoteDesk(url, DEFAULT_SCOPE)
    try:
        size, names, exchanges = desk.journal_size, desk.contracts, desk.exchanges()
    except (ValueError, LookupError, TypeError) as error:
        mend = "name the URL of a mock, as mockserver serve says it"
        raise StartError("what runs there is no mock server", where=url, why=repr(error), mend=mend) from error
    finally:
        desk.close()
    if len(exchanges) >= size:
        text = f"the journal keeps {size} exchanges, and is full; what was before is not counted (--journal-size)"
        click.echo(f"mockserver: {url}: {text}", err=True)
    return Journal(exchanges, names)
