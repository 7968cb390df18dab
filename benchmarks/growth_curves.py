"""What is measured at growing sizes: sessions, journal, operations, streams at once."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.children import Cores, Stop, peak_memory, processor_seconds, say
from benchmarks.environment import ROOT
from benchmarks.figures import Series, series
from benchmarks.listening import follow_all, in_order
from benchmarks.many import CALLS, asked, holding, told
from benchmarks.measure import Plan, Subject, beside, first_answer, in_turn, mock_with, serving, wrk
from mockserver.contract.schema import load_document

UNCOUNTED = 3
"""Batches that are not counted: after them the journal of every process is full."""

JOURNALS = (0, 10, 100, 1_000, 10_000)
OPERATIONS = (7, 30, 120, 500, 2_000)
STREAMS = (1, 10, 50, 200, 500, 1_000, 2_000)
FOLLOWED = 2_000
"""How many streams are followed in all at each number of streams at once."""

TITLED = 12_000
"""Title calls by which every journal is full."""

CONTRACT = ROOT / "schemas" / "llamacloud-chat" / "2.6.yaml"


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure at growing sizes: size -> samples."""

    chart: str
    """The chart that it stands in; the curves of one have one unit."""
    line: str
    """What is measured."""
    over: str
    """What grows."""
    unit: str
    digits: int
    points: Mapping[int, Series]
    why: str = ""
    """Why it is not flat, where it is not."""


def sessions(cores: Cores, plan: Plan) -> list[Curve]:
    """Time title calls in process among 10 sessions and more, up to those of the plan."""
    sizes = [10**power for power in range(1, 7) if 10**power <= plan.many]
    say(f"growth: making {sum(sizes):,} sessions")
    with ExitStack() as stack:
        held = {size: stack.enter_context(holding("create", size, cores.server, 0)) for size in sizes}
        for each in held.values():
            told(each)
        by_place = {place: _batches(held, place, plan.batches) for place in ("handler", "store")}
    chart, over = "Time of a title call among sessions", "sessions stored"
    return [
        Curve(chart, "in the Handler", over, "µs", 1, by_place["handler"], _FAR),
        Curve(chart, "at the store", over, "µs", 1, by_place["store"], _FAR),
    ]


def _batches(held: Mapping[int, Any], place: str, batches: int) -> Mapping[int, Series]:
    """Have processes time title calls in turn, batch after batch; give microseconds of a call."""
    samples: dict[int, list[float]] = {size: [] for size in held}
    for number in range(UNCOUNTED + batches):
        for size in list(held)[:: -1 if number % 2 else 1]:
            took = asked(held[size], f"{place} title {CALLS['title']}")
            if number >= UNCOUNTED:
                samples[size].append(took * 1e6)
    return {size: series(found) for size, found in samples.items()}


def journal(cores: Cores, plan: Plan) -> list[Curve]:
    """Load mocks with journals of several sizes, each filled; and time calls in process beside full journals."""
    servers = {size: mock_with(f"a journal of {size}", "--journal-size", str(size)) for size in JOURNALS}
    rates = _filled(servers, cores, plan)
    with ExitStack() as stack:
        held = {size: stack.enter_context(holding("title", TITLED, cores.server, 0, size)) for size in JOURNALS}
        memory = {size: series([told(each)["resident_mib"]]) for size, each in held.items()}
        times = _batches(held, "handler", plan.batches)
    over = "exchanges remembered"
    return [
        Curve("Throughput of title with a full journal", "over a socket", over, "requests/s", 0, rates),
        Curve("Time of a title call with a full journal", "in the Handler", over, "µs", 1, times),
        Curve("Memory with a full journal", "resident", over, "MiB", 1, memory, _EXCHANGES),
    ]


def _filled(servers: Mapping[int, Subject], cores: Cores, plan: Plan) -> Mapping[int, Series]:
    """Fill the journals, then load the servers in turn, a second each time; give requests a second."""
    found: dict[int, list[float]] = {size: [] for size in servers}
    say("growth: title with a full journal")
    with ExitStack() as stack:
        running = {size: stack.enter_context(serving(each, cores)) for size, each in servers.items()}
        lengths = {size: first_answer(each.name, running[size]).length for size, each in servers.items()}

        def loaded(size: int) -> tuple[int, float]:
            return wrk(servers[size], running[size].port, cores, 1, lengths[size])

        for size in servers:
            left = size
            while left > 0:
                left -= loaded(size)[0]
        for turn in range(plan.slices):
            for size in list(servers)[:: -1 if turn % 2 else 1]:
                requests, seconds = loaded(size)
                found[size].append(requests / seconds)
    return {size: series(each) for size, each in found.items()}


def operations(cores: Cores, plan: Plan) -> list[Curve]:
    """Start and load mocks with contracts of several sizes."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        servers = []
        for count in OPERATIONS:
            path = Path(folder) / f"{count}.json"
            path.write_text(json.dumps(made_contract(count)), "utf-8")
            servers.append(mock_with(f"{count}", "--contract", path))
        starts = in_turn("growth: start", servers, plan.sides, lambda each: _begun(each, cores))
        loads = beside("growth: title with operations", servers, cores, replace(plan, sides=1))
    over = "operations in the contract"
    spent = {int(name): series([each.processor_us for each in slices]) for name, slices in loads.items()}
    begun = {int(name): series([ms for ms, _ in found]) for name, found in starts.items()}
    memory = {int(name): series([mib for _, mib in found]) for name, found in starts.items()}
    return [
        Curve("Time of a title call with a contract", "processor time", over, "µs", 1, spent),
        Curve("Start with a contract", "to the first answer", over, "ms", 0, begun, _COMPILED),
        Curve("Memory with a contract", "peak", over, "MiB", 1, memory, _COMPILED),
    ]


def _begun(subject: Subject, cores: Cores) -> tuple[float, float]:
    """Start a server; give the ms to its first answer, and its peak memory by then, in MiB."""
    with serving(subject, cores) as running:
        first_answer(subject.name, running)
        return (time.perf_counter() - running.began) * 1000, peak_memory(running.process.pid) / 1024


def made_contract(count: int) -> Any:
    """Give the bundled contract of 2.6 with copies of the title call, each at a path of its own: `count` operations."""
    document = load_document(CONTRACT)
    paths = document["paths"]
    own = sum(method in each for each in paths.values() for method in ("get", "post", "put", "patch", "delete"))
    title = next(path for path in paths if path.endswith("/title"))
    for number in range(count - own):
        post = {**paths[title]["post"], "operationId": f"made_{number}"}
        post.pop("x-upstream-operation-id", None)
        paths[f"/api/v1/area{number % 40}/{{session_id}}/made{number}"] = {**paths[title], "post": post}
    return document


def streams(cores: Cores, plan: Plan) -> list[Curve]:
    """Follow turns, one at a time and up to many at once, each number at a server of its own."""
    times: dict[int, list[float]] = {each: [] for each in STREAMS}
    spent: dict[int, list[float]] = {each: [] for each in STREAMS}
    memory: dict[int, list[float]] = {each: [] for each in STREAMS}
    for number in range(1, plan.sides + 1):
        say(f"growth: streams at once, round {number} of {plan.sides}")
        for at_once in STREAMS[:: 1 if number % 2 else -1]:
            one = _streamed(at_once, cores)
            for found, value in zip((times, spent, memory), one, strict=True):
                found[at_once].append(value)
    over = "streams at once"

    def points(found: Mapping[int, Sequence[float]]) -> Mapping[int, Series]:
        return {size: series(samples) for size, samples in found.items()}

    return [
        Curve("Time of an event", "until all have ended", over, "µs", 1, points(times)),
        Curve("Time of an event", "processor time of the server", over, "µs", 1, points(spent)),
        Curve("Memory with streams at once", "peak", over, "MiB", 1, points(memory), _OPEN),
    ]


def _streamed(at_once: int, cores: Cores) -> tuple[float, float, float]:
    """Follow so many turns at once, again and again; give µs an event, processor µs an event, peak memory in MiB."""
    mock = mock_with("streams")
    with serving(mock, cores) as running:
        first_answer(mock.name, running)
        pid, seconds, events = running.process.pid, 0.0, 0
        before = processor_seconds(pid)
        for first in range(0, FOLLOWED, at_once):
            told = follow_all(running.port, [f"ses-{first + each:06d}" for each in range(at_once)])
            turns = [each.events() for each in told]
            if not all(map(in_order, turns)):
                raise Stop(f"of {at_once} streams at once some were not whole and in order")
            seconds += max(each.ended for each in told) - min(each.began for each in told)
            events += sum(map(len, turns))
        spent = processor_seconds(pid) - before
        return seconds / events * 1e6, spent / events * 1e6, peak_memory(pid) / 1024


_FAR = (
    "the instructions are the same (see Many sessions); what they touch lies ever further away, "
    "as the caches of the processor hold a smaller part of it"
)
_EXCHANGES = "each exchange that is remembered takes its place, until the oldest goes"
_COMPILED = "every operation is read, and its validators are made and tried, before the first answer"
_OPEN = "each has a connection, a task, and its turn, which is planned and validated whole before its first byte"
