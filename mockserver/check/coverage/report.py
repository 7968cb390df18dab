"""A coverage as a report: how much of each kind and operation, and a note for each place that was never touched."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import click

from mockserver.api import choose, read_contracts
from mockserver.check.coverage.count import Coverage, CoverageCounter, read_journal
from mockserver.check.coverage.targets import RULES, Place
from mockserver.check.coverage.visit import CoveredExchange
from mockserver.check.report.formats import as_terminal
from mockserver.check.report.locate import files_of
from mockserver.check.report.model import Report, Table
from mockserver.check.report.options import api_option, deliver, report_option
from mockserver.check.target import Answer, Target
from mockserver.contract.openapi import Contract
from mockserver.journal.exchange import Exchange
from mockserver.messages import Finding, Json, Request

GROUPS: Mapping[str, Sequence[str]] = {
    "operation": ("operation",),
    "statuses": ("status",),
    "media types": ("media-type",),
    "parameters": ("parameter-sent", "parameter-left-out"),
    "fields": ("field-present", "field-absent"),
    "types": ("type",),
    "branches": ("branch",),
    "members": ("member",),
    "limits": ("limit",),
    "violations": ("violation",),
}
"""The columns of the table, and the kinds of places that they count."""

TITLE = "Coverage: touched of all places"
FAIL_UNDER = "fail-under"
SOMETHING = "something-heard"

_MORE_RULES = {
    FAIL_UNDER: "As much of the contract is exercised as was asked for.",
    SOMETHING: "There is an exchange to count.",
}


class Share(NamedTuple):
    """How many of how many."""

    touched: int
    all: int

    def __str__(self) -> str:
        """Show both, or "-" if there are none."""
        return f"{self.touched}/{self.all}" if self.all else "-"

    @property
    def percent(self) -> float:
        """What that is in percent, with one place, never rounded up; of nothing, all of it."""
        return 1_000 * self.touched // self.all / 10 if self.all else 100.0


def share(coverage: Coverage, kinds: Collection[str] = RULES, operation: tuple[str, str] | None = None) -> Share:
    """Count the places of some kinds, of one operation (contract, name) or of all."""
    chosen = [
        place
        for place in coverage.places
        if place.kind in kinds and operation in (None, (place.contract, place.operation))
    ]
    return Share(sum(place in coverage.touched for place in chosen), len(chosen))


def report_of(coverage: Coverage, subject: str, *, each: bool = False, fail_under: float | None = None) -> Report:
    """Make the report of a coverage. `each` tells also what lies below a place that was never touched."""
    findings = [*_shortfall(coverage, fail_under), *_silence(coverage), *untouched(coverage, each=each)]
    more = {name: text for name, text in _MORE_RULES.items() if name != FAIL_UNDER or fail_under is not None}
    figures = {"contracts": ", ".join(coverage.contracts), **figures_of(coverage)}
    rules = {**more, **RULES}
    return Report("coverage", subject, tuple(findings), figures, (table_of(coverage),), rules, _whole(coverage))


def joined(report: Report, coverage: Coverage) -> Report:
    """Add a coverage to the report of the run that it is of."""
    return replace(
        report,
        findings=(*report.findings, *untouched(coverage)),
        figures={**report.figures, "coverage": figures_of(coverage)["coverage"]},
        tables=(*report.tables, table_of(coverage)),
        rules={**report.rules, **RULES},
    )


def figures_of(coverage: Coverage) -> dict[str, Json]:
    """Return the totals."""
    total = share(coverage)
    figures: dict[str, Json] = {"coverage": f"{total.percent:g} %", "touched": total.touched, "places": total.all}
    figures["exchanges"] = coverage.exchanges
    figures |= {"of no operation": coverage.outside} if coverage.outside else {}
    return figures | ({"with a cut body": coverage.cut} if coverage.cut else {})


def table_of(coverage: Coverage) -> Table:
    """Return the table: a line for each operation, and two for all of them."""
    columns = [name for name, kinds in GROUPS.items() if share(coverage, kinds).all]
    several = len({place.contract for place in coverage.places}) > 1
    rows = [
        _row(coverage, columns, each, f"{each[1]} ({each[0]})" if several else each[1]) for each in _named(coverage)
    ]
    rows.append(_row(coverage, columns, None, "all"))
    shares = [*(share(coverage, GROUPS[name]) for name in columns), share(coverage)]
    rows.append(["percent", *(f"{each.percent:g}" for each in shares), ""])
    notes = []
    if coverage.cut:
        notes.append(f"What a body has that was cut ({coverage.cut}) is not seen: keep more of it, by --journal-body.")
    return Table(TITLE, ["", *columns, "all", "percent"], rows, notes)


def _row(coverage: Coverage, columns: Sequence[str], operation: tuple[str, str] | None, title: str) -> list[str]:
    total = share(coverage, operation=operation)
    cells = [str(share(coverage, GROUPS[name], operation)) for name in columns]
    return [title, *cells, str(total), f"{total.percent:g}"]


def _named(coverage: Coverage) -> list[tuple[str, str]]:
    return list(dict.fromkeys((place.contract, place.operation) for place in coverage.places))


def _whole(coverage: Coverage) -> tuple[str, ...]:
    """Name what was exercised wholly, by operation and kind."""
    found = []
    for operation in _named(coverage):
        for name, kinds in GROUPS.items():
            part = share(coverage, kinds, operation)
            if part.all and part.touched == part.all:
                found.append(f"{operation[1]} ({operation[0]}): {name}")
    return tuple(found)


# -- findings ----------------------------------------------------------------------------------------------------------


def _shortfall(coverage: Coverage, fail_under: float | None) -> Iterator[Finding]:
    total = share(coverage)
    if fail_under is not None and 100 * total.touched < fail_under * total.all:
        text = f"{total.percent:g} % of the contract was exercised, less than {fail_under:g} %"
        yield Finding("", FAIL_UNDER, text, "client", expected=fail_under, received=total.percent)


def _silence(coverage: Coverage) -> Iterator[Finding]:
    if not coverage.exchanges:
        yield Finding("", SOMETHING, "there is no exchange: nothing was exercised", "client", level="warning")


def untouched(coverage: Coverage, *, each: bool = False) -> list[Finding]:
    """Return a finding for each place that was never touched, the same place of several operations once.

    What lies below such a place is counted with it, unless `each` is to be told by itself, and by operation.
    """
    left = dict.fromkeys(coverage.untouched)
    if each:
        return [_finding(coverage, [place], 0) for place in left]
    outermost = [place for place in left if not _is_below(coverage, place, left)]
    below = Counter(_outermost(coverage, place, left) for place in left)
    alike: dict[tuple[str, ...], list[Place]] = {}
    for place in outermost:
        known = coverage.places[place]
        alike.setdefault((place.contract, place.kind, known.origin, known.untouched), []).append(place)
    return [_finding(coverage, places, sum(below[each] - 1 for each in places)) for places in alike.values()]


def _is_below(coverage: Coverage, place: Place, left: Mapping[Place, None]) -> bool:
    """Return whether all that a place lies in was never touched, either."""
    parents = coverage.places[place].parents
    return bool(parents) and all(parent in left for parent in parents)


def _outermost(coverage: Coverage, place: Place, left: Mapping[Place, None]) -> Place:
    """Return the place that is reported for another: the outermost untouched one that it lies in."""
    while _is_below(coverage, place, left):
        place = coverage.places[place].parents[0]
    return place


def _finding(coverage: Coverage, places: Sequence[Place], below: int) -> Finding:
    """Return the finding that a place, in one operation or more, was never touched."""
    first = places[0]
    known = coverage.places[first]
    more = f" ({below} place{'s' * (below != 1)} below)" if below else ""
    names = Counter(name for _, name in _named(coverage))
    operations = [
        each.operation if names[each.operation] == 1 else f"{each.operation} ({each.contract})" for each in places
    ]
    return Finding(
        rule=first.kind,
        fault="client",
        message=known.untouched + more,
        operation=", ".join(operations),
        where=known.where,
        contract=f"{first.contract}#{first.pointer if len(places) == 1 else known.origin}",
        level="warning" if first.kind == "operation" else "note",
    )


@click.command("coverage")
@click.argument("journals", metavar="JOURNAL", nargs=-1, required=True)
@api_option
@click.option(
    "--contract",
    help="auto, a version of the API pack's, or a file.  [default: for each exchange, the one that it names]",
)
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="End with 1 where it is less.")
@click.option("--all", "each", is_flag=True, help="Tell each place by itself, with those below one never touched.")
@report_option
def command(
    journals: Sequence[str],
    api: str | None,
    contract: str | None,
    fail_under: float | None,
    each: bool,
    reports: Sequence[str],
) -> None:
    """Show how much of the contract the exchanges of a JOURNAL exercised, and what was never touched.

    A JOURNAL is a file that `mockserver serve --journal FILE` wrote, the same on stdin for -, or the URL of a running
    mock. Several are counted together.
    """
    pack = choose(api, contract)
    counter = CoverageCounter(() if contract is None else read_contracts(contract, pack), pack)
    for journal in map(read_journal, journals):
        counter.serve(journal.contracts)
        counter.add_all(journal.exchanges)
    deliver(
        report_of(counter.result(), ", ".join(journals), each=each, fail_under=fail_under),
        reports,
        files_of(contract, pack),
    )


class RecordingTarget(Target):
    """Asks as another target does, and keeps what was said; it may be asked by several threads."""

    def __init__(self, inner: Target) -> None:
        super().__init__(inner._client, inner.base, inner.patience)
        self.headers = inner.headers
        self._inner = inner
        self._heard: list[tuple[Request, Answer]] = []

    def ask(self, request: Request) -> Answer:
        """Ask, and keep request and answer; what could not be sent was not said."""
        answer = self._inner.ask(request)
        if answer.failure != "unsent":
            self._heard.append((request, answer))
        return answer

    def coverage(self, contracts: Sequence[Contract]) -> Coverage:
        """Return what was exercised of these contracts, the newest first."""
        counter = CoverageCounter(contracts)
        for request, answer in self._heard:
            counter.add(_talk(request, answer))
        return counter.result()


def _talk(request: Request, answer: Answer) -> CoveredExchange:
    asked = (request.method, request.path, request.query, request.headers, request.body)
    return CoveredExchange(*asked, answer.status, answer.headers, answer.body, bool(answer.status and answer.failure))


def coverage_of(contracts: Sequence[Contract], exchanges: Iterable[Exchange]) -> Coverage:
    """Return what the exchanges of a mock exercised of the contracts that it serves."""
    return CoverageCounter(contracts).add_all(exchanges).result()


def summary_of(coverage: Coverage, subject: str) -> str:
    """Write the totals and the table, without what was never touched."""
    report = Report("coverage", subject, figures=figures_of(coverage), tables=(table_of(coverage),))
    return as_terminal(report).rpartition("\n\n")[0]
