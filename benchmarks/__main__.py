"""The command: measure, print, and write BENCHMARKS.md and benchmarks/results.json."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.children import Cores, Stop, end_on_signals, say, usable_cores
from benchmarks.environment import ROOT, Machine, check_flags, machine, prepare, versions
from benchmarks.figures import Aim, Ratio, Series, divided, series
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
from benchmarks.report import Figure, Instructions, Results, as_json, as_markdown, summary

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
        results = measured(QUICK if options.quick else FULL, "python -m benchmarks" + " --quick" * options.quick)
    except Stop as stop:
        print(f"benchmarks: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    print(summary(results))
    if options.write or not options.quick:
        RESULTS.write_text(as_json(results), "utf-8")
        REPORT.write_text(as_markdown(results), "utf-8")
        say("written: BENCHMARKS.md, benchmarks/results.json")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, under two minutes; not written")
    parser.add_argument("--write", action="store_true", help="write the report after --quick, too")
    return parser.parse_args()


def _require() -> None:
    """Stop where this machine cannot measure, saying what to install."""
    if not hasattr(os, "sched_setaffinity"):
        raise Stop("the benchmark needs Linux: it pins processes to cores and reads /proc", 3)
    if shutil.which("wrk") is None:
        raise Stop("wrk is not installed; install it with: apt-get install wrk", 3)


def measured(plan: Plan, command: str) -> Results:
    """Measure all."""
    host = machine()
    check_flags()
    prepare()
    cores = usable_cores()
    os.sched_setaffinity(0, {cores.load})
    servers = subjects(_constant(cores))
    in_turn("start, not counted", servers, 1, lambda each: start_time(each, cores))
    starts = in_turn("start", servers, plan.starts, lambda each: start_time(each, cores))
    loads = in_turn("load", servers, plan.rounds, lambda each: loaded(each, cores, plan))
    counted = instructions(plan.calls, cores)
    figures = _figures(starts, loads)
    return Results(
        taken=datetime.now(UTC).date().isoformat(),
        command=command,
        plan=plan,
        one_core=cores.server == cores.load,
        machine=host,
        versions=versions(),
        ratios=_ratios(figures),
        figures=figures,
        instructions=None if counted is None else Instructions(counted, _committed(host)),
    )


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


def _ratios(figures: Sequence[Figure]) -> tuple[Ratio, ...]:
    by_measure: dict[str, dict[str, Series]] = {each.measure: dict(each.by_server) for each in figures}
    return tuple(
        Ratio(measure, against, divided(by_measure[measure]["mockserver"], by_measure[measure][against]), aim)
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
