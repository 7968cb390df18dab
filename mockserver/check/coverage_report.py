"""A coverage as a report: how much of each kind and operation, and a note for each place that was never touched."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from mockserver.check.coverage import Coverage
from mockserver.check.coverage_places import RULES
from mockserver.check.coverage_walk import Place
from mockserver.check.report import Problem, Report, Table
from mockserver.exchange import Json

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
        """Tell both; "-" where there are none."""
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
    problems = [*_shortfall(coverage, fail_under), *_silence(coverage), *untouched(coverage, each=each)]
    more = {name: text for name, text in _MORE_RULES.items() if name != FAIL_UNDER or fail_under is not None}
    figures = {"contracts": ", ".join(coverage.contracts), **figures_of(coverage)}
    rules = {**more, **RULES}
    return Report("coverage", subject, tuple(problems), figures, (table_of(coverage),), rules, _whole(coverage))


def joined(report: Report, coverage: Coverage) -> Report:
    """Add a coverage to the report of the run that it is of."""
    return replace(
        report,
        problems=(*report.problems, *untouched(coverage)),
        figures={**report.figures, "coverage": figures_of(coverage)["coverage"]},
        tables=(*report.tables, table_of(coverage)),
        rules={**report.rules, **RULES},
    )


def figures_of(coverage: Coverage) -> dict[str, Json]:
    """Give the totals."""
    total = share(coverage)
    figures: dict[str, Json] = {"coverage": f"{total.percent:g} %", "touched": total.touched, "places": total.all}
    figures["exchanges"] = coverage.exchanges
    figures |= {"of no operation": coverage.outside} if coverage.outside else {}
    return figures | ({"with a cut body": coverage.cut} if coverage.cut else {})


def table_of(coverage: Coverage) -> Table:
    """Give the table: a line for each operation, and two for all of them."""
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


# -- problems ----------------------------------------------------------------------------------------------------------


def _shortfall(coverage: Coverage, fail_under: float | None) -> Iterator[Problem]:
    total = share(coverage)
    if fail_under is not None and 100 * total.touched < fail_under * total.all:
        text = f"{total.percent:g} % of the contract was exercised, less than {fail_under:g} %"
        yield Problem(FAIL_UNDER, "client", text, expected=fail_under, received=total.percent)


def _silence(coverage: Coverage) -> Iterator[Problem]:
    if not coverage.exchanges:
        yield Problem(SOMETHING, "client", "there is no exchange: nothing was exercised", level="warning")


def untouched(coverage: Coverage, *, each: bool = False) -> list[Problem]:
    """Give a problem for each place that was never touched, the same place of several operations once.

    What lies below such a place is counted with it, unless `each` is to be told by itself, and by operation.
    """
    left = dict.fromkeys(coverage.untouched)
    if each:
        return [_problem(coverage, [place], 0) for place in left]
    outermost = [place for place in left if not _is_below(coverage, place, left)]
    below = Counter(_outermost(coverage, place, left) for place in left)
    alike: dict[tuple[str, ...], list[Place]] = {}
    for place in outermost:
        known = coverage.places[place]
        alike.setdefault((place.contract, place.kind, known.origin, known.untouched), []).append(place)
    return [_problem(coverage, places, sum(below[each] - 1 for each in places)) for places in alike.values()]


def _is_below(coverage: Coverage, place: Place, left: Mapping[Place, None]) -> bool:
    """Say whether all that a place lies in was never touched, either."""
    parents = coverage.places[place].parents
    return bool(parents) and all(parent in left for parent in parents)


def _outermost(coverage: Coverage, place: Place, left: Mapping[Place, None]) -> Place:
    """Give the place that is told for another: the one that it lies in, and that lies in none that was not touched."""
    while _is_below(coverage, place, left):
        place = coverage.places[place].parents[0]
    return place


def _problem(coverage: Coverage, places: Sequence[Place], below: int) -> Problem:
    """Tell that a place, in one operation or more, was never touched."""
    first = places[0]
    known = coverage.places[first]
    more = f" ({below} place{'s' * (below != 1)} below)" if below else ""
    names = Counter(name for _, name in _named(coverage))
    told = [each.operation if names[each.operation] == 1 else f"{each.operation} ({each.contract})" for each in places]
    return Problem(
        rule=first.kind,
        fault="client",
        message=known.untouched + more,
        operation=", ".join(told),
        where=known.where,
        contract=f"{first.contract}#{first.pointer if len(places) == 1 else known.origin}",
        level="warning" if first.kind == "operation" else "note",
    )
