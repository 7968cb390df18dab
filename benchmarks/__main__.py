"""The command: measure, print, and write BENCHMARKS.md and benchmarks/results.json."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.children import Cores, Stop, end_on_signals, say, usable_cores
from benchmarks.environment import ROOT, Machine, check_flags, machine, prepare, versions
from benchmarks.figures import Aim, Figure, Row, Section, Series, divided, series
from benchmarks.in_tests import in_tests
from benchmarks.kept import stores
from benchmarks.many import many_sessions
from benchmarks.measure import (
    FULL,
    QUICK,
    Loaded,
    Plan,
    first_answer,
    in_turn,
    instructions,
    loaded,
    serving,
    start_time,
    subjects,
)
from benchmarks.report import Instructions, Results, as_json, as_markdown, summary, title_commands
from benchmarks.streams import streams

RESULTS = ROOT / "benchmarks" / "results.json"
REPORT = ROOT / "BENCHMARKS.md"
PLAIN, BARE = "plain Starlette", "bare ASGI"

AIMS = (
    ("throughput", PLAIN, Aim("at least", 0.9)),
    ("throughput", BARE, Aim("at least", 0.5)),
    ("processor time per request", PLAIN, None),
    ("processor time per request", BARE, None),
    ("start", PLAIN, Aim("at most", 1.5)),
    ("peak memory", PLAIN, Aim("at most", 1.5)),
)
"""The ratios that are reported, with what is aimed at."""


def main() -> None:
    """Run, and end with an exit code: 0 measured, 1 something is wrong, 3 something is not installed."""
    options = _options()
    end_on_signals()
    try:
        _require()
        command = "python -m benchmarks" + " --quick" * options.quick
        results = measured(QUICK if options.quick else FULL, command, options.only)
    except Stop as stop:
        print(f"benchmarks: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    print(summary(results, all_of_it=not options.only))
    if not options.only and (options.write or not options.quick):
        RESULTS.write_text(as_json(results), "utf-8")
        REPORT.write_text(as_markdown(results), "utf-8")
        say("written: BENCHMARKS.md, benchmarks/results.json")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, under 90 s; not written")
    parser.add_argument("--write", action="store_true", help="write the report after --quick, too")
    text = "some sections, not all; not written"
    parser.add_argument("--only", action="append", choices=list(SECTIONS), default=[], help=text)
    return parser.parse_args()


def _require() -> None:
    """Stop where this machine cannot measure, saying what to install."""
    if not hasattr(os, "sched_setaffinity"):
        raise Stop("the benchmark needs Linux: it pins processes to cores and reads /proc", 3)
    if shutil.which("wrk") is None:
        raise Stop("wrk is not installed; install it with: apt-get install wrk", 3)


def measured(plan: Plan, command: str, only: Sequence[str] = ()) -> Results:
    """Measure all, or some sections of it."""
    host = machine()
    check_flags()
    prepare()
    cores = usable_cores()
    os.sched_setaffinity(0, {cores.load})
    sections = [measure(cores, plan) for name, measure in SECTIONS.items() if not only or name in only]
    counted = instructions(plan.calls, cores) if not only else None
    return Results(
        taken=datetime.now(UTC).date().isoformat(),
        command=command,
        plan=plan,
        one_core=cores.server == cores.load,
        machine=host,
        versions=versions(),
        sections=sections,
        instructions=None if counted is None else Instructions(counted, _committed(host)),
    )


def _title(cores: Cores, plan: Plan) -> Section:
    """Measure the title call beside servers that validate nothing."""
    servers = subjects(_constant(cores))
    in_turn("start, not counted", servers, 1, lambda each: start_time(each, cores))
    starts = in_turn("start", servers, plan.starts, lambda each: start_time(each, cores))
    loads = in_turn("load", servers, plan.rounds, lambda each: loaded(each, cores, plan))
    figures = _figures(starts, loads)
    how = [
        "plain Starlette: `benchmarks/reference.py`, an app with one route that parses the JSON and returns JSON.",
        "bare ASGI: a callable that returns a constant of the same length and reads nothing.",
        f"Load: {plan.rounds} rounds; in each, every server in turn is started anew, "
        f"warmed up for {plan.warm} s and loaded for {plan.load} s.",
        "Before and after the load the answer is checked; a failed request, or answers of another length, end the run.",
        "Processor time is the server's user and system time during the load, divided by the requests.",
        "Peak memory is VmHWM after the load.",
        f"Start: {plan.starts} rounds, from the start of a new process to the first right answer, asked for every ms.",
    ]
    return Section("The title call", _rows(figures), figures, how, list(title_commands(plan)))


SECTIONS: Mapping[str, Callable[[Cores, Plan], Section]] = {
    "title": _title,
    "many": many_sessions,
    "stores": stores,
    "streams": streams,
    "tests": in_tests,
}


def _constant(cores: Cores) -> str:
    """Give an answer of the mock, for the bare server to repeat."""
    mock = subjects("")[0]
    with serving(mock, cores) as running:
        return first_answer(mock.name, running).body.decode()


def _figures(starts: dict[str, list[float]], loads: dict[str, list[Loaded]]) -> tuple[Figure, ...]:
    rates = {name: series([each.requests_per_second for each in found]) for name, found in loads.items()}
    times = {name: series([each.processor_us for each in found]) for name, found in loads.items()}
    peaks = {name: series([each.peak_kib / 1024 for each in found]) for name, found in loads.items()}
    return (
        Figure("throughput", "requests/s", 0, rates),
        Figure("processor time per request", "µs", 1, times),
        Figure("start", "ms", 0, {name: series(found) for name, found in starts.items()}),
        Figure("peak memory", "MiB", 1, peaks),
    )


def _rows(figures: Sequence[Figure]) -> tuple[Row, ...]:
    by_measure: dict[str, Mapping[str, Series]] = {each.measure: each.by_server for each in figures}
    return tuple(
        Row(measure, against, divided(by_measure[measure]["mockserver"], by_measure[measure][against]), aim)
        for measure, against, aim in AIMS
    )


def _committed(host: Machine) -> float | None:
    """Give the committed count of instructions, if it is of this interpreter and processor."""
    git = ["git", "show", "HEAD:benchmarks/results.json"]
    told = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False) if shutil.which("git") else None
    if told is None or told.returncode:
        return None
    before: dict[str, Any] = json.loads(told.stdout)
    then = before["machine"]
    if (then["python"], then["processor"]) != (host.python, host.processor) or not before.get("instructions"):
        return None
    return float(before["instructions"]["per_request"])


if __name__ == "__main__":
    main()
