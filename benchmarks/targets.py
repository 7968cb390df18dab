"""What is to be reached, in one table, and which part of the path holds back what is not: figures of the same run."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from benchmarks import in_tests, peers, title, workers
from benchmarks.figures import Row, Section, Series, Table
from benchmarks.kept import MEMORY, REDIS

SERVER = "server and event loop"
"""uvicorn, httptools and the socket: all that the bare ASGI callable takes."""

EDGE, HANDLER = "edge", "Handler"

Held: TypeAlias = Callable[[Sequence[Section]], Mapping[str, float]]
"""Gives the shares of the parts of a path, 0 to 1, by name; none where the run has no figures of them."""


class Target(NamedTuple):
    """One row that is to be reached; `against` is how the name of what it is compared with begins."""

    section: str
    measure: str
    against: str
    held: Held


class Part(NamedTuple):
    """One part of the path of a request."""

    name: str
    spent: float
    """Processor time, in microseconds."""
    share: float


def figure(sections: Sequence[Section], section: str, measure: str) -> Mapping[str, Series]:
    """Give a figure by servers; nothing where it was not measured."""
    figures = (each for found in sections if found.name == section for each in found.figures)
    return next((each.by_server for each in figures if each.measure == measure), {})


def path(sections: Sequence[Section]) -> list[Part]:
    """Divide the processor time of a title call among the parts of its path; nothing where it was not measured."""
    spent = figure(sections, title.NAME, title.PROCESSOR)
    handler, app = (figure(sections, title.NAME, name) for name in (title.HANDLER, title.APP))
    if title.OURS not in spent or title.BARE not in spent or title.OURS not in handler or title.OURS not in app:
        return []
    whole, server = spent[title.OURS].median, spent[title.BARE].median
    share = handler[title.OURS].median / app[title.OURS].median
    parts = ((SERVER, server), (HANDLER, (whole - server) * share), (EDGE, (whole - server) * (1 - share)))
    return [Part(name, each, each / whole) for name, each in parts]


def _of_path(sections: Sequence[Section]) -> Mapping[str, float]:
    return {each.name: each.share for each in path(sections)}


def _of_start(sections: Sequence[Section]) -> Mapping[str, float]:
    """Divide a start: what any server on uvicorn needs, and what the mock loads."""
    starts = figure(sections, title.NAME, title.START)
    if title.OURS not in starts or title.BARE not in starts:
        return {}
    shared = starts[title.BARE].median / starts[title.OURS].median
    return {"interpreter and uvicorn": shared, "the mock's modules and contract": 1 - shared}


def _of_call(sections: Sequence[Section]) -> Mapping[str, float]:
    """Divide a call in process: the Handler, and the client with the transport."""
    call = figure(sections, in_tests.NAME, f"a call, {in_tests.ASYNC}")
    alone = figure(sections, title.NAME, title.HANDLER)
    if in_tests.OURS not in call or title.OURS not in alone:
        return {}
    handler = alone[title.OURS].median / call[in_tests.OURS].median
    return {"httpx and the transport": 1 - handler, HANDLER: handler}


def _of_redis(sections: Sequence[Section]) -> Mapping[str, float]:
    """Divide a call over Redis: what it takes in memory, and the client of Redis with its thread."""
    spent = figure(sections, "Stores", "processor time of title")
    if REDIS not in spent or MEMORY not in spent:
        return {}
    shared = spent[MEMORY].median / spent[REDIS].median
    return {"client of Redis and its thread": 1 - shared, "all else": shared}


TARGETS = (
    Target(title.NAME, title.THROUGHPUT, title.PLAIN, _of_path),
    Target(title.NAME, title.THROUGHPUT, title.BARE, _of_path),
    Target(peers.NAME, peers.THROUGHPUT, "", _of_path),
    Target(peers.NAME, peers.LATE, title.PLAIN, _of_path),
    Target(title.NAME, title.START, title.PLAIN, _of_start),
    Target(in_tests.NAME, f"time of a call, {in_tests.ASYNC}", in_tests.STARLETTE, _of_call),
    Target(workers.NAME, workers.PROCESSOR, workers.ONE, _of_redis),
)
"""What is to be reached, in the order of the table."""


def row_of(target: Target, sections: Sequence[Section]) -> Row | None:
    """Give the row of a target: the first with a bar that fits; None where it was not measured."""
    rows = (row for each in sections if each.name == target.section for row in each.rows if row.aim is not None)
    return next((row for row in rows if row.measure == target.measure and row.against.startswith(target.against)), None)


def to_reach(sections: Sequence[Section]) -> Table:
    """Make the table: each target with its figure and verdict, and what holds it back where it is not met."""
    head = ["to reach", "compared with", "figure", "spread", "bar", "verdict", "where the time goes, if not met"]
    return Table("to reach", head, [_line(each, row_of(each, sections), sections) for each in TARGETS])


def _line(target: Target, row: Row | None, sections: Sequence[Section]) -> Sequence[str]:
    if row is None:
        return [target.measure, target.against or "the fastest that validates", "-", "-", "-", "NOT MEASURED", "-"]
    held = shares(target.held(sections)) if row.verdict != "met" else ""
    spread = f"{row.series.spread:.1%}" + " (too wide to rely on)" * row.series.wide
    return [row.measure, row.against, f"{row.series.median:.2f}", spread, str(row.aim), row.verdict, held or "-"]


def shares(parts: Mapping[str, float]) -> str:
    """Say the shares of parts, the largest first."""
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return ", ".join(f"{name} {share:.0%}" for name, share in ordered)


def parts_of_path(sections: Sequence[Section]) -> Table | None:
    """Make the table of the parts of a title call's path; None where they were not measured."""
    lines = [[each.name, f"{each.spent:.1f}", f"{each.share:.0%}"] for each in path(sections)]
    return Table("path of a title call", ["part", "processor time, µs", "share"], lines) if lines else None
