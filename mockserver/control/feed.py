"""What the page shows of the journal: rows of exchanges as they come, and all about one of them."""

import json
from collections.abc import Iterable, Sequence

from mockserver.contract.openapi import Contract
from mockserver.contract.tree import lookup, pointed
from mockserver.engine import Mock
from mockserver.journal.exchange import Exchange, as_json, calls_of
from mockserver.journal.verify import distance
from mockserver.messages import Finding, Json
from mockserver.stub.rules import StubEntry

FIRST_ROWS = 10_000
"""The most exchanges of the first batch."""

MOST_ROWS = 100
"""The most exchanges of a later one; of more, the newest are sent, and how many were left out."""

PAUSE = 0.25
"""Seconds between two batches."""

SHARED_PAUSE = 1.0
"""The same where the journal is in a database."""

NEAREST = 3
"""How many stubs an exchange is compared with, the nearest first."""

LONGEST_NODE = 20_000
"""Longest part of a contract that is shown beside a finding, in characters of JSON."""


class JournalFeed:
    """The exchanges of a scope as they come, in batches of server-sent events.

    Nobody announces an exchange: the journal is looked at while somebody listens, so that a mock without a page has
    nothing to do.
    """

    def __init__(self, mock: Mock, scope: str, after: int) -> None:
        self._mock, self._scope, self._after = mock, scope, after
        self._most = FIRST_ROWS
        self.pause = SHARED_PAUSE if mock.store.shared_log else PAUSE

    def batch(self) -> bytes:
        """Return the event of all that came since the last batch; b"" if nothing did."""
        last, exchanges = self._mock.newest(self._scope, self._after, self._most)
        self._most = MOST_ROWS
        if last == self._after:
            return b""
        forgotten = last < self._after
        before = 0 if forgotten else self._after
        rows = [row_of(each) for each in exchanges]
        batch = {"forgotten": forgotten, "skipped": max(0, last - before - len(rows)), "rows": rows}
        self._after = last
        return f"id: {last}\ndata: {json.dumps(batch, separators=(',', ':'))}\n\n".encode()


def row_of(exchange: Exchange) -> Json:
    """Write what a list shows of an exchange."""
    first = _first(exchange.findings)
    return {
        "number": exchange.number,
        "at": exchange.at,
        "method": exchange.method,
        "path": exchange.path,
        "query": exchange.query,
        "operation": exchange.operation or None,
        "status": exchange.status,
        "source": exchange.source,
        "fault": None if first is None else first.fault,
        "message": None if first is None else first.message,
        "stub": exchange.stub or None,
        "faults": list(exchange.faults),
        "attempt": exchange.attempt,
    }


def _first(findings: Iterable[Finding]) -> Finding | None:
    """Return the finding that a row shows: an error before what is only reported."""
    return next(iter(sorted(findings, key=lambda each: each.level != "error")), None)


def exchange_value(mock: Mock, scope: str, number: int) -> Json:
    """Write all about an exchange; None if the journal has none of this number."""
    exchanges = mock.exchanges(scope)
    found = next((each for each in exchanges if each.number == number), None)
    if found is None:
        return None
    call = next(call for call in calls_of(exchanges) if found in call)
    stubs = mock.served.stubs.entries(scope)
    return {
        "exchange": as_json(found),
        "call": [each.number for each in call],
        "places": [node_at(mock.served.contracts, each.contract) for each in found.findings],
        "stubs": [_compared(each, found) for each in _nearest(stubs, found)],
    }


def _nearest(stubs: Sequence[StubEntry], exchange: Exchange) -> list[StubEntry]:
    """Return the stubs that come nearest to a request, the nearest first; those of its operation before others."""

    def rank(entry: StubEntry) -> tuple[bool, bool, int]:
        found = distance(exchange, entry.operation, entry.when)
        return entry.number != exchange.stub, any(each.where == "/operation" for each in found), len(found)

    return sorted(stubs, key=rank)[:NEAREST]


def _compared(entry: StubEntry, exchange: Exchange) -> Json:
    found = distance(exchange, entry.operation, entry.when)
    return {
        "number": entry.number,
        "description": str(entry),
        "differences": [each._asdict() for each in found],
    }


def node_at(contracts: Iterable[Contract], place: str | None) -> Json:
    """Return what the contract says at a place, as JSON: for a keyword, the schema that has it.

    None if that is unknown or too long to be shown.
    """
    name, _, pointer = (place or "").partition("#")
    document = next((each.document for each in contracts if each.name == name), None)
    try:
        node = None if document is None else lookup(document, pointed("#" + pointer))
        while document is not None and not isinstance(node, dict) and pointer:
            pointer = pointer.rpartition("/")[0]
            node = lookup(document, pointed("#" + pointer))
    except KeyError:
        return None
    return node if len(json.dumps(node, default=str)) <= LONGEST_NODE else None
