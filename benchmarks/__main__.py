"""The command: measure, print the report and, after a whole run, write it into BENCHMARKS.md."""

import argparse
import ast
import json
import os
import platform
import shutil
import signal
import sys
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import servers
from benchmarks.calls import (
    documented,
    generated,
    growth,
    in_process,
    large,
    many,
    operations,
    same_operation_elsewhere,
    start,
    title,
)
from benchmarks.load import Bench
from benchmarks.peers import peers
from benchmarks.report import BEFORE, FILES, LINES, Report, Row, Section, placed
from benchmarks.servers import ROOT, Cores
from benchmarks.soak import soak

RESULTS, DOCUMENT = ROOT / "benchmarks" / "results.json", ROOT / "BENCHMARKS.md"

LINES_BEFORE = 17_044
"""Lines of code in `mockserver/` before it was rebuilt, counted as below."""

_NO_CODE = {getattr(tokenize, name) for name in "COMMENT NL NEWLINE INDENT DEDENT ENCODING ENDMARKER".split()}


def code(_bench: Bench) -> Section:
    """Count the lines of code, and the files that have any."""
    counted = [code_lines(path) for path in (ROOT / "mockserver").rglob("*.py")]
    rows = [Row(LINES, BEFORE, [sum(counted) / LINES_BEFORE]), Row(FILES, "-", [sum(map(bool, counted))])]
    note = f"{sum(counted):,} lines are neither blank nor comment nor docstring; {BEFORE} there were {LINES_BEFORE:,}."
    return Section("Code", rows, notes=[note])


def code_lines(path: Path) -> int:
    """Count the lines of a module that are neither blank nor comment nor docstring."""
    prose = set[int]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    with path.open("rb") as file:
        tokens = [each for each in tokenize.tokenize(file.readline) if each.type not in _NO_CODE]
    return len({line for each in tokens for line in range(each.start[0], each.end[0] + 1)} - prose)


SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    "title": title,
    "operations": operations,
    "elsewhere": same_operation_elsewhere,
    "documented": documented,
    "start": start,
    "in-process": in_process,
    "code": code,
    "peers": peers,
    "generated": generated,
    "large": large,
    "many": many,
    "growth": growth,
    "soak": soak,
}

DAILY = ("title", "operations", "elsewhere", "documented", "start", "in-process", "code")
"""What a quick run measures."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; end with 0 if all was measured, 1 if something was not."""
    options = options_of(arguments)
    for each in (signal.SIGTERM, signal.SIGHUP):  # so that servers are stopped on these, too
        signal.signal(each, lambda number, _: sys.exit(128 + number))
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("benchmarks: this needs Linux, since it pins processes to cores and reads /proc")
    cores = sorted(os.sched_getaffinity(0))
    bench = Bench(Cores(cores[0], cores[-1]), options.load, sides=3, rounds=6, starts=20, calls=15, soak=300)
    if options.quick:
        bench = replace(bench, sides=1, rounds=4, starts=5, calls=5, soak=15)
    before = os.getloadavg()[0]
    servers.prepare()
    os.sched_setaffinity(0, {bench.cores.load})
    sections = {name: section(name, bench) for name in chosen(options)}
    report = Report(described(bench, before), sections, whole=not (options.quick or options.only))
    print(report.as_text())
    if report.whole:
        RESULTS.write_text(report.as_json(), "utf-8")
        DOCUMENT.write_text(placed(DOCUMENT.read_text("utf-8"), report.as_text()), "utf-8")
        servers.say("written: BENCHMARKS.md and benchmarks/results.json")
    if failed := [name for name, each in report.sections.items() if each.failed]:
        sys.exit(f"benchmarks: NOT MEASURED: {', '.join(failed)}")


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"two minutes: {', '.join(DAILY)}; writes nothing")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section; may be repeated; writes nothing")
    usual = "wrk" if shutil.which("wrk") else "own"
    parser.add_argument("--load", choices=("wrk", "own"), default=usual, help="what sends the load")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> Sequence[str]:
    """Return the sections that are measured."""
    return [name for name in SECTIONS if name in (options.only or (DAILY if options.quick else SECTIONS))]


def section(name: str, bench: Bench) -> Section:
    """Measure a section; one that fails reports why, and the others keep their figures."""
    try:
        return SECTIONS[name](bench)
    except (servers.Stop, OSError, RuntimeError, ValueError, LookupError) as error:
        servers.say(f"{name} FAILED: {error}")
        return Section(name, failed=(str(error).strip() or type(error).__name__).splitlines()[0][:300])


def described(bench: Bench, load_before: float) -> Sequence[str]:
    """Describe in lines when and on what the figures were taken, without names or paths of the machine."""
    facts = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), "unknown")
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    packages = ("starlette", "uvicorn", "httptools", "uvloop", "jsonschema-rs")
    versions = json.loads(servers.output([servers.PYTHON, "-c", code, *packages]))
    apart = "one core for all" if bench.cores.server == bench.cores.load else "a core for the server, one for the load"
    load = "wrk" if bench.load == "wrk" else "our own client, not wrk"
    busy = " (**not idle**)" if load_before > 0.5 else ""
    return [
        f"Taken on {datetime.now(UTC).date()}: {model}; {apart}; load average before {load_before:.2f}{busy}.",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {each}" for name, each in versions.items()) + ".",
        f"Load by {load}; {bench.sides} times {bench.rounds} rounds, {bench.starts} starts.",
    ]


if __name__ == "__main__":
    main()
