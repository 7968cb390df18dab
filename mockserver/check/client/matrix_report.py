"""A matrix as a report: the table of verdicts, what changed from release to release, and what is wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from mockserver.check.client.checks import RULES
from mockserver.check.client.matrix import Row
from mockserver.check.client.report import OddAnswer, gathered
from mockserver.check.client.report import findings as findings_of
from mockserver.check.client.result import (
    HANDLED,
    MISHANDLED,
    NOT_IN_CONTRACT,
    UNEXERCISED,
    ClientMethod,
    Result,
    verdict_of,
)
from mockserver.check.part import sdk_of
from mockserver.check.report.model import Report, Table
from mockserver.messages import Finding, Json

SAYS, DOES = "says", "does"


class ReleaseChange(NamedTuple):
    """One change; `seen` is whether the release says it of itself, or does it."""

    release: str
    seen: str
    text: str


def changes(rows: Sequence[Row]) -> list[ReleaseChange]:
    """Compare each release with the one before it."""
    there = [row for row in rows if row.unavailable is None]
    found: list[ReleaseChange] = []
    for before, after in pairwise(there):
        found += [ReleaseChange(after.release, SAYS, text) for text in described(before.surface, after.surface)]
        found += [ReleaseChange(after.release, DOES, text) for text in done(before, after)]
    return found


# -- what a release says of itself -----------------------------------------------------------------------------------


def described(before: Json, after: Json) -> Iterator[str]:
    """Describe what changed between two descriptions."""
    old, new = before["doors"], after["doors"]
    for door in new.keys() - old.keys():
        yield f"the resource {door} is new, with {', '.join(new[door]['methods'])}"
    for door in old.keys() - new.keys():
        yield f"the resource {door} is gone"
    for door in (door for door in new if door in old):
        yield from _methods(door, old[door]["methods"], new[door]["methods"])
        yield from _models(door, old[door]["models"], new[door]["models"])


def _come_and_gone(what: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    yield from (f"{what} {name} is new" for name in new if name not in old)
    yield from (f"{what} {name} is gone" for name in old if name not in new)


def _methods(door: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    yield from _come_and_gone(f"{door}: the method", old, new)
    deprecated: dict[str, list[str]] = {}
    for name in (name for name in new if name in old):
        yield from (
            f"{door}.{name}: {text}" for text in _members("parameter", old[name]["parameters"], new[name]["parameters"])
        )
        if old[name]["returns"] != new[name]["returns"]:
            yield f"{door}.{name} gives {new[name]['returns']}, before {old[name]['returns']}"
        if new[name]["deprecated"] != old[name]["deprecated"]:
            deprecated.setdefault(new[name]["deprecated"] or "", []).append(name)
    for text, names in deprecated.items():
        which = "every method" if len(names) == len(new) else ", ".join(names)
        yield f"{door}: {which} is {f'deprecated: {text}' if text else 'deprecated no more'}"


def _models(door: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    yield from _come_and_gone(f"{door}: the model", old, new)
    found: dict[str, list[str]] = {}
    for name in (name for name in new if name in old):
        for text in _members("field", old[name], new[name]):
            found.setdefault(text, []).append(name)
    for text, names in found.items():
        yield f"{door}: {text}{',' * (', ' in text)} in {', '.join(names)}"


def _members(kind: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    """Describe what changed in the parameters of a method or the fields of a model."""
    for name, each in new.items():
        need = "required" if each["required"] else "optional"
        if name not in old:
            yield f"the {need} {kind} {name} is new"
        elif each["required"] != old[name]["required"]:
            yield f"the {kind} {name} is {need} now"
        elif each["type"] != old[name]["type"]:
            after, before = _classes(each["type"]), _classes(old[name]["type"])
            if sorted(after) == sorted(before):
                yield f"the classes of {name} are in another order, with {after[0]} before {before[0]}"
            else:
                yield f"the {kind} {name} is {each['type']}, before {old[name]['type']}"
    yield from (f"the {kind} {name} is gone" for name in old if name not in new)


def _classes(text: str) -> list[str]:
    """Return the names in a type, without those that hold the others."""
    return re.findall(r"\w+(?!\w*\[)", text)


# -- what it does ----------------------------------------------------------------------------------------------------


def done(before: Row, after: Row) -> Iterator[str]:
    """Describe what changed in what two releases did against their own contracts."""
    old, new = before.own, after.own
    if old is not None and new is not None:
        for (place, kind), count in new.tallies.items():
            earlier = old.tallies.get((place, kind), count)
            if verdict_of(earlier) != verdict_of(count):
                yield f"{place}: {kind} is {verdict_of(count)}, before {verdict_of(earlier)}"
        yield from _warnings(old.warnings, new.warnings)
        yield from _looked(gathered(old.looked), gathered(new.looked))


def _warnings(old: Mapping[ClientMethod, set[str]], new: Mapping[ClientMethod, set[str]]) -> Iterator[str]:
    found: dict[str, list[ClientMethod]] = {}
    for place, texts in new.items():
        for text in texts - old.get(place, set()) if place in old else ():
            found.setdefault(text, []).append(place)
    for text, places in found.items():
        yield f"{_describe(places)}: calls warn: {text}"


def _looked(old: Mapping[OddAnswer, tuple[str, str]], new: Mapping[OddAnswer, tuple[str, str]]) -> Iterator[str]:
    """Describe what changed in how clients read answers outside the contract, equal changes together."""
    found: dict[tuple[str, str, str, str], list[ClientMethod]] = {}
    for (what, spot), texts in new.items():
        earlier = old.get((what, spot), texts)
        for kind, was, now in zip(("loose", "strict"), earlier, texts, strict=True):
            if was != now:
                found.setdefault((what, kind, was, now), []).append(spot.place)
    for (what, kind, was, now), places in found.items():
        yield f"{_describe(places)}: {what} becomes {now} in a {kind} client, before {was}"


def _describe(places: Sequence[ClientMethod]) -> str:
    found = list(dict.fromkeys(map(str, places)))
    return ", ".join(found[:2]) + (f" and {len(found) - 2} more" if len(found) > 2 else "")


WRONG, SILENT = MISHANDLED.upper(), UNEXERCISED.upper()


_CHANGES = "What changed from one release to the next"
_CHANGE_NOTES = (
    "says: the package says so of itself: its methods, their parameters, its models.",
    "does: it was seen in calls against the release's own contract, or outside it.",
)


def matrix_report(rows: Sequence[Row], contracts: Sequence[str], seconds: float) -> Report:
    """Make the report on a matrix."""
    found = changes(rows)
    subject = f"{len(rows)} release{'s' * (len(rows) != 1)} of {sdk_of(rows[0].api).package}"
    results = {id(each.tallies): each for row in rows for each in row.results.values()}.values()
    return Report(
        command="matrix",
        subject=f"{subject}, contracts {', '.join(contracts)}",
        findings=tuple(findings(rows)),
        figures={
            "calls": sum(each.calls for each in results),
            "requests": sum(each.requests for each in results),
            "changes": len(found),
            "seconds": round(seconds, 1),
        },
        tables=(verdict_table(rows, contracts), Table(_CHANGES, ("since", "seen", "what"), found, _CHANGE_NOTES)),
        rules=RULES,
        passed=tuple(
            f"{row.release} {name} {place} {kind}"
            for row in rows
            for name, result in row.results.items()
            for (place, kind), count in result.tallies.items()
            if verdict_of(count) == HANDLED
        ),
    )


def verdict_table(rows: Sequence[Row], contracts: Sequence[str]) -> Table:
    """Return a row for each release and a column for each contract."""
    made = [[row.release, *own_cells(row), *(cell(row, name) for name in contracts)] for row in rows]
    notes = [
        "auto is the version of the contract that the release was made from.",
        f"{HANDLED}: what the client sends, what its user gets and what it tries again is as it must be.",
        f"{SILENT}: the client has no method for the operation, so that nothing could be judged.",
        f"{NOT_IN_CONTRACT}: the client has a method for an operation that the contract does not have.",
    ]
    return Table("Releases and contracts", ("release", "contract", "resources", *contracts), made, notes)


def own_cells(row: Row) -> list[str]:
    """Return the version of a release, and where it keeps how many methods."""
    own = row.own
    if row.surface is None:
        return ["", ""]
    doors = row.surface["doors"].items()
    resources = ", ".join(f"{door} ({len(each['methods'])}{_deprecated(each['methods'])})" for door, each in doors)
    return ["" if own is None else own.version, resources]


def _deprecated(methods: Mapping[str, Mapping[str, str | None]]) -> str:
    return ", deprecated" if methods and all(each["deprecated"] for each in methods.values()) else ""


def cell(row: Row, contract: str) -> str:
    """Return the verdict on a release and a contract in a few words."""
    result = row.results.get(contract)
    if result is None:
        return "NOT RUN"
    wrong, silent = operations(result, MISHANDLED), operations(result, UNEXERCISED)
    strict = {each.variant.strict for each in result.broken.values()} == {True}
    parts = [f"{WRONG}: {', '.join(wrong)}{' by strict clients' * strict}"] if wrong else []
    parts += [f"{SILENT}: {', '.join(silent)}"] if silent else []
    surplus = dict.fromkeys(place.operation for place in result.surplus)
    parts += [f"{NOT_IN_CONTRACT}: {', '.join(surplus)}"] if surplus else []
    return "; ".join(parts) or HANDLED


def operations(result: Result, verdict: str) -> list[str]:
    """Name the operations of which some kind of answer has a verdict."""
    found = [place.operation for (place, _), count in result.tallies.items() if verdict_of(count) == verdict]
    return list(dict.fromkeys(found))


def findings(rows: Sequence[Row]) -> Iterator[Finding]:
    """Yield what is wrong; what a release makes of another version's answers is a warning.

    One cause in several releases is one finding.
    """
    for row in rows:
        if row.unavailable is not None:
            message = f"NOT RUN: nothing was judged, since {row.unavailable.what}"
            yield Finding("", "exercised", message, "client", contract=row.release)
    found: dict[tuple[str, ...], tuple[Finding, list[str]]] = {}
    for row in rows:
        for name, result in row.results.items():
            for each in findings_of(result):
                is_error = row.is_own(name) or each.rule == "not-in-contract"
                level = each.level if is_error else "warning"
                key: tuple[str, ...] = (name, level, *each.cause, each.message if each.level == "warning" else "")
                before = found.get(key)
                made = each if before is None else replace(before[0], count=before[0].count + each.count)
                found[key] = (replace(made, level=level), [*(before[1] if before else []), row.release])
    for key, (finding, releases) in found.items():
        first, last = releases[0], releases[-1]
        span = first if first == last else f"{first} to {last}"
        yield replace(finding, message=f"{span} against {key[0]}: {finding.message}")
