"""How much of its contracts a number of exchanges exercised: the places that there are, and those that were touched."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click

from mockserver.api import AUTO, Api, read_contracts
from mockserver.check.coverage.targets import Place, PlaceInfo, places_of
from mockserver.check.coverage.visit import CoveredExchange, covered, visitor_of
from mockserver.contract.openapi import Contract
from mockserver.contract.router import Router
from mockserver.contract.schema import Schema
from mockserver.control.client import RemoteAdmin, contract_of
from mockserver.control.routes import control_document
from mockserver.data import open_file
from mockserver.errors import StartError, UsageError, reason
from mockserver.journal.exchange import Exchange, from_json
from mockserver.journal.recorder import TORN
from mockserver.messages import DEFAULT_SCOPE, Json


@dataclass(frozen=True, slots=True)
class Coverage:
    """What there is to exercise, and what was."""

    contracts: tuple[str, ...]
    """The names of the contracts, newest first."""
    places: Mapping[Place, PlaceInfo]
    """Every place, in the order of the documents."""
    touched: frozenset[Place]
    exchanges: int = 0
    outside: int = 0
    """How many exchanges belong to no operation: an unknown path, a method that the path does not take."""
    cut: int = 0
    """How many exchanges have a body that was not kept to its end."""

    @property
    def untouched(self) -> list[Place]:
        """What was never exercised."""
        return [place for place in self.places if place not in self.touched]


class CoverageCounter:
    """Counts exchanges, one after the other; what it keeps does not grow with their number.

    With contracts, an exchange is counted in the one that it names, if that is among several of them, else in the
    newest that has its method and path. Without, each is counted in the one that it names, a version of the pack's.
    """

    def __init__(self, contracts: Sequence[Contract] = (), api: Api | None = None) -> None:
        self._api = api
        self._is_given = bool(contracts)
        self._contracts = {contract.name: contract for contract in contracts}
        self._all = Router(contracts)
        self._routers = {each.name: Router([each]) for each in contracts} if len(contracts) > 1 else {}
        self._touched: set[Place] = set()
        self._called: set[tuple[str, str]] = set()
        self._exchanges = self._outside = self._cut = 0

    def serve(self, names: Iterable[str]) -> None:
        """Name the contracts in force, whether or not an exchange names them."""
        for name in names:
            self._router(name)

    def add(self, exchange: CoveredExchange, contract: str = "") -> None:
        """Count an exchange, which names a contract; a UsageError where that one is not at hand."""
        self._exchanges += 1
        self._cut += exchange.is_cut
        match = self._router(contract).match(exchange.method, exchange.path, exchange.headers)
        operation = match.operation
        if operation is None:
            self._outside += 1
            return
        self._called.add((operation.contract, operation.id))
        self._touched |= visitor_of(self._contracts[operation.contract]).touched(operation, match.path, exchange)

    def add_all(self, exchanges: Iterable[Exchange]) -> "CoverageCounter":
        """Count the exchanges of a journal."""
        for each in exchanges:
            self.add(covered(each), each.contract.partition("#")[0])
        return self

    def result(self) -> Coverage:
        """Return what was exercised so far.

        An operation is looked for in each contract in which it was called; one that never was, in the newest.
        """
        contracts = self._in_order() or list(read_contracts(AUTO, self._api))
        places: dict[Place, PlaceInfo] = {}
        for contract, operation in _counted(contracts, self._called):
            places |= places_of(contract, next(each for each in contract.operations if each.id == operation))
        names = tuple(each.name for each in contracts)
        touched = frozenset(self._touched & places.keys())
        return Coverage(names, places, touched, self._exchanges, self._outside, self._cut)

    def _router(self, name: str) -> Router:
        if self._is_given:
            return self._routers.get(name, self._all)
        if name not in self._routers:
            contract = self._named(name)
            self._contracts[name], self._routers[name] = contract, Router([contract])
        return self._routers[name]

    def _in_order(self) -> list[Contract]:
        """Return the contracts, the newest first."""
        found, versions = list(self._contracts.values()), list(self._api.contracts) if self._api is not None else []
        return found if self._is_given else sorted(found, key=lambda each: versions.index(each.name))

    def _named(self, name: str) -> Contract:
        versions = {} if self._api is None else self._api.contracts
        if name in versions:
            return read_contracts(name, self._api)[0]
        raise UsageError(
            f"the journal is of the contract {name!r}",
            why=f"the bundled ones are {', '.join(versions)}; no other says where its document is",
            fix="name its file: --contract FILE",
        )


def _counted(contracts: Sequence[Contract], called: set[tuple[str, str]]) -> list[tuple[Contract, str]]:
    """Return the operations that are counted, each with its contract: where it was called, else the newest."""
    newest: dict[str, str] = {}
    for contract in contracts:
        for operation in contract.operations:
            newest.setdefault(operation.id, contract.name)
    somewhere = {name for _, name in called}
    return [
        (contract, operation.id)
        for contract in contracts
        for operation in contract.operations
        if (contract.name, operation.id) in called
        or (operation.id not in somewhere and newest[operation.id] == contract.name)
    ]


STDIN = "-"
FIX = "give a file that mockserver serve --journal FILE wrote, or the URL of a running mock"


class JournalSource(NamedTuple):
    """The exchanges of one source, and the contracts that its server says it serves, where it can be asked."""

    exchanges: Iterable[Exchange]
    contracts: tuple[str, ...] = ()


def read_journal(source: str) -> JournalSource:
    """Read a file, stdin for "-", or a running mock for a URL, whose path may name a scope: /scope/alice.

    A StartError where it cannot be read, a UsageError with the line where it is no journal, both as it is read.
    """
    if source.startswith(("http://", "https://")):
        return _asked(source)
    return JournalSource(_lines(source))


def _lines(source: str) -> Iterator[Exchange]:
    if source == STDIN:
        yield from read_lines(sys.stdin.buffer, "stdin")
        return
    try:
        with open_file(Path(source)) as file:
            yield from read_lines(file, source)
    except OSError as error:
        fix = "name a file that mockserver serve --journal FILE has written"
        raise StartError("the journal cannot be read", where=source, why=reason(error), fix=fix) from error


def read_lines(lines: Iterable[bytes], name: str) -> Iterator[Exchange]:
    """Read a journal line by line; one that is being written may end within a line, which is told on stderr."""
    shape = Schema(control_document(), "/components/schemas/Exchange", "control")
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        if not line.strip():
            continue
        if line.endswith(TORN + b"\n"):
            click.echo(f"mockserver: {where}: the line was cut short (a full disk?); it is not counted", err=True)
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number > 1 and not line.endswith(b"\n"):
                click.echo(f"mockserver: {where}: the last line has no end; it is not counted", err=True)
                return
            raise _no_journal(where, f"the line is not JSON: {reason(error)}") from error
        yield from _exchanges(value, shape, where)


def _exchanges(value: Json, shape: Schema, where: str) -> Iterator[Exchange]:
    """Yield the exchange of a line, or those of an answer of /__mock__/journal that was saved."""
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
    return UsageError("this is no journal", where=where, why=why, fix=FIX)


def _asked(url: str) -> JournalSource:
    """Ask a running mock; a StartError where there is none, or where it tells nothing."""
    admin = RemoteAdmin(url, DEFAULT_SCOPE)
    try:
        served = contract_of(admin)
        size, names = int(served["journal_size"]), tuple(str(each["name"]) for each in served["contracts"])
        exchanges = [from_json(each) for each in admin.call("GET", "/__mock__/journal").value["exchanges"]]
    except (ValueError, LookupError, TypeError) as error:
        fix = "name the URL of a mock, as mockserver serve says it"
        raise StartError("what runs there is no mock server", where=url, why=repr(error), fix=fix) from error
    finally:
        admin.close()
    if len(exchanges) >= size:
        text = f"the journal keeps {size} exchanges, and is full; what was before is not counted (--journal-size)"
        click.echo(f"mockserver: {url}: {text}", err=True)
    return JournalSource(exchanges, names)
