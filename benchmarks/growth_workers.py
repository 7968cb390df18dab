"""Title calls by one worker and by more, up to the cores that there are, on the stores that workers can share."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.children import Cores, Stop, processor_seconds, say
from benchmarks.environment import PYTHON
from benchmarks.figures import Series, series
from benchmarks.growth_curves import Curve
from benchmarks.kept import lacking, redis_server
from benchmarks.measure import PATIENCE, Plan, Subject, first_answer, mock_with, serving, wrk

STORE = ("--store", "sqlite:///sessions.db")

SLICES = 2
"""How often so many workers are loaded for a second, in each round."""

_TURNS = "one process writes to the file at a time, the others sleep, look again, and read anew what was written"
_TWICE = (
    "as without a journal; and one worker has its journal in memory, several have it in the file, "
    "so that each request writes twice"
)
_WHY = {
    **{("SQLite", unit): _TWICE for unit in ("requests/s", "µs")},
    **{("SQLite, no journal", unit): _TURNS for unit in ("requests/s", "µs")},
    ("Redis", "requests/s"): "all ask one Redis, which has one core, here that of the load",
}
"""Why the work is not done twice as fast by two, or costs more, by store and unit."""

WORKER = b"multiprocessing.spawn"
"""What stands in the command line of a worker."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What so many workers did."""

    requests_per_second: float
    processor_us: float
    """Processor time of all workers for one request, in microseconds."""
    memory_mib: float
    """Of one worker, the mean: what it has alone, and its part of what it shares."""


def workers(cores: Cores, plan: Plan) -> list[Curve]:
    """Measure both stores, as far as this machine has them."""
    found = {
        "SQLite": _crews("SQLite", [*STORE], cores, plan),
        "SQLite, no journal": _crews("SQLite, no journal", [*STORE, "--journal-size", "0"], cores, plan),
    }
    if not lacking():
        with redis_server(cores.load) as port:
            found["Redis"] = _crews("Redis", ["--store", f"redis://127.0.0.1:{port}/0"], cores, plan)
    return [
        *_curves("Throughput of title by workers", "requests/s", 0, found, "requests_per_second"),
        *_curves("Processor time of title by workers", "µs", 0, found, "processor_us"),
        *_curves("Memory of a worker", "MiB", 1, found, "memory_mib"),
    ]


def _curves(chart: str, unit: str, digits: int, found: dict[str, dict[int, list[Crew]]], field: str) -> Iterator[Curve]:
    for store, by_count in found.items():
        points: dict[int, Series] = {
            count: series([getattr(each, field) for each in crews]) for count, crews in by_count.items()
        }
        yield Curve(chart, store, "workers", unit, digits, points, _WHY.get((store, unit), ""))


def _crews(name: str, options: Sequence[str], cores: Cores, plan: Plan) -> dict[int, list[Crew]]:
    """Load 1, 2, 4, ... workers and as many as there are cores, each number anew in each round."""
    most = max(1, len(cores.every))
    counts = sorted({most, *(2**power for power in range(10) if 2**power < most)})
    found: dict[int, list[Crew]] = {count: [] for count in counts}
    for number in range(1, plan.sides + 1):
        say(f"growth: workers on {name}, round {number} of {plan.sides}")
        for count in counts:
            subject = mock_with(f"{count} workers on {name}", *options, "--workers", str(count))
            found[count] += _crew(subject, count, cores, plan)
    return found


def on_every_core(subject: Subject, cores: Cores) -> Subject:
    """Give a server that is started on all cores, though what starts it is on one."""
    code = (
        "import os, sys; os.sched_setaffinity(0, map(int, sys.argv[1].split(','))); os.execv(sys.argv[2], sys.argv[2:])"
    )
    every = ",".join(map(str, cores.every))
    return replace(subject, command=lambda port: [PYTHON, "-c", code, every, *subject.command(port)])


def _crew(subject: Subject, count: int, cores: Cores, plan: Plan) -> list[Crew]:
    """Start workers anew and load them, a slice after the other; they share all cores, one of them with the load."""
    with serving(on_every_core(subject, cores), cores) as running:
        length = first_answer(subject.name, running).length
        pids = _pids(running.process.pid, count)
        wrk(subject, running.port, cores, plan.warm, length)
        return [_slice(subject, running.port, cores, length, pids) for _ in range(SLICES)]


def _pids(parent: int, count: int) -> list[int]:
    """Give the processes that serve: the children of a supervisor, or the process itself where it serves alone."""
    if count == 1:
        return [parent]
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
        found = [int(each) for each in children if WORKER in Path(f"/proc/{each}/cmdline").read_bytes()]
        if len(found) == count:
            return found
        time.sleep(0.01)
    raise Stop(f"{count} workers did not start within {PATIENCE:g} s")


def _slice(subject: Subject, port: int, cores: Cores, length: int, pids: Sequence[int]) -> Crew:
    before = sum(map(processor_seconds, pids))
    requests, seconds = wrk(subject, port, cores, 1, length)
    spent = sum(map(processor_seconds, pids)) - before
    memory = sum(map(_proportional, pids)) / len(pids) / 1024
    return Crew(requests / seconds, spent / requests * 1e6, memory)


def _proportional(pid: int) -> int:
    """Give the memory of a process in KiB, of what it shares with others its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
