"""A matrix as a report: the table of verdicts, what changed from release to release, and what is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mockserver.check.client_judge import RULES
from mockserver.check.client_report import problems as problems_of
from mockserver.check.client_result import HANDLED, MISHANDLED, UNEXERCISED, Result, verdict_of
from mockserver.check.matrix import Row
from mockserver.check.matrix_changes import Change, changes
from mockserver.check.report import Problem, Report, Table

WRONG, SILENT = MISHANDLED.upper(), UNEXERCISED.upper()


def matrix_report(rows: Sequence[Row], contracts: Sequence[str], seconds: float) -> Report:
    """Make the report on a matrix."""
    found = changes(rows)
    results = {id(each.tallies): each for row in rows for each in row.results.values()}.values()
    return Report(
        command="matrix",
        subject=f"{len(rows)} release{'s' * (len(rows) != 1)} of llama-cloud, contracts {', '.join(contracts)}",
        problems=tuple(problems(rows)),
        figures={
            "calls": sum(each.calls for each in results),
            "requests": sum(each.requests for each in results),
            "changes": len(found),
            "seconds": round(seconds, 1),
        },
        tables=(verdict_table(rows, contracts), change_table(found)),
        rules=RULES,
        passed=tuple(
            f"{row.release} {name} {place} {kind}"
            for row in rows
            for name, result in row.results.items()
            for (place, kind), tally in result.tallies.items()
            if verdict_of(tally) == HANDLED
        ),
    )


def verdict_table(rows: Sequence[Row], contracts: Sequence[str]) -> Table:
    """Give a row for each release and a column for each contract."""
    made = [[row.release, *own_cells(row), *(cell(row, name) for name in contracts)] for row in rows]
    notes = [
        "auto is the era that the release was made from.",
        f"{HANDLED}: what the client sends, what its user gets and what it tries again is as it must be.",
        f"{SILENT}: the client has no method for the operation, so that nothing could be judged.",
    ]
    return Table("Releases and contracts", ("release", "era", "resources", *contracts), made, notes)


def own_cells(row: Row) -> list[str]:
    """Tell the era of a release, and where it keeps how many methods."""
    own = row.own
    if row.surface is None:
        return ["", ""]
    doors = row.surface["doors"].items()
    told = ", ".join(f"{door} ({len(each['methods'])}{_deprecated(each['methods'])})" for door, each in doors)
    return ["" if own is None else own.era, told]


def _deprecated(methods: Mapping[str, Mapping[str, str | None]]) -> str:
    return ", deprecated" if methods and all(each["deprecated"] for each in methods.values()) else ""


def cell(row: Row, contract: str) -> str:
    """Tell the verdict on a release and a contract in a few words."""
    result = row.results.get(contract)
    if result is None:
        return "NOT RUN"
    by_operation = {verdict: operations(result, verdict) for verdict in (MISHANDLED, UNEXERCISED)}
    parts = []
    if wrong := by_operation[MISHANDLED]:
        variants = {each.variant.strict for each in result.broken.values()}
        kind = " by strict clients" if variants == {True} else ""
        parts.append(f"{WRONG}: {', '.join(wrong)}{kind}")
    if silent := by_operation[UNEXERCISED]:
        parts.append(f"{SILENT}: {', '.join(silent)}")
    return "; ".join(parts) or HANDLED


def operations(result: Result, verdict: str) -> list[str]:
    """Name the operations of which some kind of answer has a verdict."""
    found = [place.operation for (place, _), tally in result.tallies.items() if verdict_of(tally) == verdict]
    return list(dict.fromkeys(found))


def change_table(found: Sequence[Change]) -> Table:
    """Give a row for each change."""
    made = [[each.release, each.seen, each.text] for each in found]
    notes = [
        "says: the package says so of itself: its methods, their parameters, its models.",
        "does: it was seen in calls against the release's own contract, or outside it.",
    ]
    return Table("What changed from one release to the next", ("since", "seen", "what"), made, notes)


def problems(rows: Sequence[Row]) -> Iterator[Problem]:
    """Give what is wrong; what a release makes of another era's contract is told, and fails nothing.

    One cause in several releases is one problem.
    """
    found: dict[tuple[str, ...], tuple[Problem, list[str]]] = {}
    for row in rows:
        for name, result in row.results.items():
            for each in problems_of(result):
                level = each.level if row.is_own(name) else "warning"
                key: tuple[str, ...] = (name, level, *each.cause, each.message if each.level == "warning" else "")
                before = found.get(key)
                made = each if before is None else replace(before[0], count=before[0].count + each.count)
                found[key] = (replace(made, level=level), [*(before[1] if before else []), row.release])
    for key, (problem, releases) in found.items():
        first, last = releases[0], releases[-1]
        span = first if first == last else f"{first} to {last}"
        yield replace(problem, message=f"{span} against {key[0]}: {problem.message}")
