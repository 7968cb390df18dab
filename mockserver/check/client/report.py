"""What a client did, as a report: verdicts, problems, and what was only looked at."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from mockserver.check.client.cases import KINDS
from mockserver.check.client.checks import RULES
from mockserver.check.client.result import (
    HANDLED,
    MISHANDLED,
    NOT_IN_CONTRACT,
    UNEXERCISED,
    CaseCount,
    ClientMethod,
    Failure,
    Looked,
    Result,
    verdict_of,
)
from mockserver.check.report.model import Report, Table
from mockserver.messages import Finding, Reproduction

_MANY = 3
"""More operations than this are counted."""

_LONGEST_STUB = 4_000
"""How many characters of a stub a reproduction shows."""


def client_report(result: Result) -> Report:
    """Make the report on one client and one contract."""
    against = result.contract if result.contract == result.version else f"{result.contract} ({result.version})"
    tables = [verdict_table(result)]
    if result.looked:
        tables.append(looked_table(result.looked))
    return Report(
        command="check-client",
        subject=f"{result.sdk.package} {result.release} against contract {against}",
        findings=tuple(findings(result)),
        figures={
            "Python": result.surface["python"],
            "calls": result.calls,
            "requests": result.requests,
            **{verdict: result.count(verdict) for verdict in (HANDLED, MISHANDLED, UNEXERCISED)},
            "looked at": len(result.looked),
        },
        tables=tuple(tables),
        rules=RULES,
        passed=tuple(
            f"{place} {kind}" for (place, kind), each in result.tallies.items() if verdict_of(each) == HANDLED
        ),
    )


# -- findings --------------------------------------------------------------------------------------------------------


def findings(result: Result) -> Iterator[Finding]:
    """Yield what was mishandled, and what was never exercised."""
    for each in result.broken.values():
        seen = f"(first seen with {each.case.kind} {each.case.name!r}, {each.variant} client)"
        yield replace(
            each.finding,
            message=f"{each.finding.message} {seen}",
            operation=str(each.place),
            contract=each.finding.contract or each.case.operation.place,
            reproduction=reproduction(each, result),
        )
    yield from unexercised(result)
    for place in result.surplus:
        message = f"{NOT_IN_CONTRACT}: {place.operation}: the client has it, and contract {result.version} does not"
        yield Finding("", "not-in-contract", message, "client", contract=result.version, operation=str(place))


def accepting(report: Report, allowed: Collection[str]) -> Report:
    """Return a report in which findings of the rules and operations that are allowed (RULE:OPERATION) fail nothing."""

    names = frozenset(allowed)

    def accepted(finding: Finding) -> Finding:
        method = finding.operation.rpartition(".")[2]
        is_allowed = not names.isdisjoint({f"{finding.rule}:{name}" for name in (method, finding.operation)})
        return replace(finding, level="note") if is_allowed else finding

    return replace(report, findings=tuple(map(accepted, report.findings)))


def unexercised(result: Result) -> Iterator[Finding]:
    """Yield what could not be judged: an error where nothing could, a warning for each missing method."""
    nothing = all(not each.exercised for each in result.tallies.values())
    if nothing and (result.tallies or not result.surplus):
        why = "the client has no method for any operation of the contract"
        yield Finding("", "exercised", f"nothing was judged: {why}", "client", contract=result.version)
    for place, tallies in by_place(result).items():
        why = next((each.why for _, each in tallies if each.why), "")
        if why:
            message = f"NEVER EXERCISED: {why}, which contract {result.version} has"
            yield Finding("", "exercised", message, "client", operation=str(place), level="warning")


def by_place(result: Result) -> dict[ClientMethod, list[tuple[str, CaseCount]]]:
    """Group the counts by operation."""
    pairs = groupby(result.tallies.items(), lambda pair: pair[0][0])
    return {place: [(kind, count) for (_, kind), count in group] for place, group in pairs}


def reproduction(broken: Failure, result: Result) -> Reproduction | None:
    """Describe how to reproduce it: what to stub on a served mock, and the call; None where that is too long."""
    case, place = broken.case, broken.place
    stub = json.dumps({"operation": case.operation.id, "answers": list(case.answers)}, ensure_ascii=False)
    if len(stub) > _LONGEST_STUB or any("edges" in str(each.get("example")) for each in case.answers):
        return None
    quoted = stub.replace("'", "'\\''")
    served = f"mockserver serve --answers documented --contract {result.version}"
    asked = f"curl -s http://127.0.0.1:4010/__mock__/stubs -H 'content-type: application/json' -d '{quoted}'"
    kind = result.sdk.clients[broken.variant.asynchronous]
    strict = ", _strict_response_validation=True" if broken.variant.strict else ""
    arguments = ", ".join(f"{name}={value!r}" for name, value in case.arguments.items())
    more = f", timeout={case.timeout}" if case.timeout is not None else ""
    lines = [
        f"# {served}" + (", with the stub of the curl command" if case.answers else ""),
        f"from {result.sdk.module} import {kind}",
        "",
        f'client = {kind}(base_url="http://127.0.0.1:4010", api_key="any-key"{strict})',
        _call(broken, f"{place}({arguments}{more})"),
    ]
    return Reproduction(f"# {served}\n{asked}" if case.answers else f"# {served}", "\n".join(lines))


def _call(broken: Failure, text: str) -> str:
    """Write a call in the way in which it was made."""
    awaited = "await " if broken.variant.asynchronous else ""
    door, _, call = text.partition("(")
    resource, _, method = door.rpartition(".")
    match broken.case.way:
        case "events" | "streamed":
            context = "async with" if broken.variant.asynchronous else "with"
            body = "list(response.iter_lines())" if broken.case.way == "events" else "response.parse()"
            return (
                f"{context} client.{resource}.with_streaming_response.{method}({call} as response:\n    print({body})"
            )
        case "raw":
            return f"print({awaited}client.{resource}.with_raw_response.{method}({call}.parse())"
        case "pages":
            return f"print([each {'async ' if awaited else ''}for each in client.{door}({call}])"
        case _:
            return f"print({awaited}client.{door}({call})"


# -- tables ----------------------------------------------------------------------------------------------------------


def cell(count: CaseCount | None) -> str:
    """Return the verdict on a kind of answer; "" where the operation has no such kind."""
    if count is None:
        return ""
    verdict = verdict_of(count)
    if verdict == UNEXERCISED:
        return verdict.upper()
    return f"{verdict} {count.cases}" if verdict == HANDLED else f"{verdict.upper()} {count.wrong} of {count.cases}"


def verdict_table(result: Result) -> Table:
    """Return a row for each operation and a column for each kind of answer."""
    rows = []
    for place, tallies in by_place(result).items():
        found = dict(tallies)
        rows.append([str(place), *(cell(found.get(kind)) for kind in KINDS)])
    rows += [[str(place), NOT_IN_CONTRACT, *[""] * (len(KINDS) - 1)] for place in result.surplus]
    notes = [f"{kind}: {text}." for kind, text in KINDS.items()]
    return Table("Verdicts", ("operation", *KINDS), rows, [*notes, *deprecations(result)])


def deprecations(result: Result) -> Iterator[str]:
    """Describe what the client warned of at its calls."""
    warned: dict[tuple[str, str], list[str]] = {}
    for place, texts in result.warnings.items():
        for text in sorted(texts):
            warned.setdefault((place.door, text), []).append(place.operation)
    for (door, text), operations in warned.items():
        yield f"{door} warns at {len(operations)} of its operations: {text}"


def looked_table(looked: Mapping[Looked, str]) -> Table:
    """Return a row for each answer outside the contract; equal ones share a row."""
    rows: dict[tuple[str, str, str], list[FieldSpot]] = {}
    for (what, spot), (loose, strict) in gathered(looked).items():
        rows.setdefault((what, loose, strict), []).append(spot)
    order = list(dict.fromkeys(what for what, _, _ in rows))
    made = [
        [what, describe_places(spots), loose, strict]
        for (what, loose, strict), spots in sorted(rows.items(), key=lambda row: order.index(row[0][0]))
    ]
    columns = ("answer", "where", "what a loose client makes of it", "a strict one")
    return Table("Outside the contract: looked at, not judged", columns, made)


class FieldSpot(NamedTuple):
    """An operation, with the field that is broken in its answer, if it is one."""

    place: ClientMethod
    field: str


OddAnswer = tuple[str, FieldSpot]
"""An answer outside the contract: what is wrong with it, and where."""


def gathered(looked: Mapping[Looked, str]) -> dict[OddAnswer, tuple[str, str]]:
    """Return for each answer what a loose client and what a strict one makes of it, async ones where they differ."""
    found: dict[OddAnswer, dict[tuple[bool, bool], str]] = {}
    for (place, case, variant), text in looked.items():
        what, _, field = case.partition(" /")
        found.setdefault((what, FieldSpot(place, field)), {})[variant.strict, variant.asynchronous] = text
    return {answer: (_both(texts, strict=False), _both(texts, strict=True)) for answer, texts in found.items()}


def _both(texts: Mapping[tuple[bool, bool], str], *, strict: bool) -> str:
    sync, other = texts.get((strict, False), ""), texts.get((strict, True))
    return sync if other in (None, sync) else f"{sync}; async: {other}"


def describe_places(spots: Sequence[FieldSpot]) -> str:
    """Name places in short: an operation once for all its doors, with the field, or the number of its fields."""
    fields: dict[str, set[str]] = {}
    for place, field in spots:
        fields.setdefault(place.operation, set()).update([field] if field else [])
    if len(fields) > _MANY and not any(fields.values()):
        return f"{', '.join(list(fields)[:2])} and {len(fields) - 2} more"
    return ", ".join(_counted(*each) for each in fields.items())


def _counted(operation: str, names: Collection[str]) -> str:
    if len(names) > 1:
        return f"{operation} ({len(names)} fields)"
    return " ".join([operation, *names])
