"""The command: measure, print, and write BENCHMARKS.md and benchmarks/results.json."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.checking import checking
from benchmarks.children import Cores, Stop, end_on_signals, say, usable_cores
from benchmarks.environment import CACHE, ROOT, Machine, check_flags, machine, prepare, versions
from benchmarks.figures import Section
from benchmarks.growth import growth
from benchmarks.imports import imports
from benchmarks.in_tests import in_tests
from benchmarks.kept import stores
from benchmarks.many import many_sessions
from benchmarks.measure import FULL, QUICK, Plan, instructions
from benchmarks.peers import other_tools
from benchmarks.picture import PLACE, drawn
from benchmarks.report import Instructions, Results, as_json, as_markdown, summary
from benchmarks.soak import soak
from benchmarks.streams import streams
from benchmarks.title import title
from benchmarks.workers import two_workers

RESULTS = ROOT / "benchmarks" / "results.json"
REPORT = ROOT / "BENCHMARKS.md"

DAILY = ("title", "tests")
"""The sections of a quick run."""

PEERS = ("peers", "tests")
"""The sections with other tools: servers, and what else there is for a test."""


def main() -> None:
    """Run, and end with an exit code: 0 measured, 1 something is wrong, 3 something is not installed."""
    options = _options()
    end_on_signals()
    try:
        _require()
        command = "python -m benchmarks" + " --quick" * options.quick
        results = measured(QUICK if options.quick else FULL, command, chosen(options), count=not options.only)
    except Stop as stop:
        print(f"benchmarks: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    print(summary(results, all_of_it=not options.only))
    failed = [each.name for each in results.sections if each.failed]
    written = as_json(results)
    _draw(results, written, CACHE)
    if not options.only and (options.write or not options.quick):
        RESULTS.write_text(written, "utf-8")
        REPORT.write_text(as_markdown(results), "utf-8")
        _draw(results, written)
        say("written: BENCHMARKS.md, benchmarks/results.json, the pictures in docs")
    if failed:
        print(f"benchmarks: not measured: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


def _draw(results: Results, written: str, folder: Path = ROOT) -> None:
    """Keep the pictures, each at its place in a folder: those of the sections, and that of the results as written."""
    pictures = {name: text for section in results.sections for name, text in section.pictures.items()}
    for name, text in {**pictures, PLACE: drawn(json.loads(written))}.items():
        if text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    daily = f"fewer and shorter rounds of {', '.join(DAILY)}, and the instructions: under two minutes; not written"
    parser.add_argument("--quick", action="store_true", help=daily)
    parser.add_argument("--write", action="store_true", help="with --quick: all sections, and the report is written")
    text = "some sections, not all; not written"
    parser.add_argument("--only", action="append", choices=list(SECTIONS), default=[], help=text)
    told = f"the same as {' '.join(f'--only {name}' for name in PEERS)}"
    parser.add_argument("--peers", action="store_true", help=told)
    options = parser.parse_args()
    options.only += PEERS if options.peers else ()
    return options


def chosen(options: argparse.Namespace) -> Sequence[str]:
    """Give the sections that are measured: those that were asked for, those of every day, or all."""
    if options.only:
        return [name for name in SECTIONS if name in options.only]
    return DAILY if options.quick and not options.write else list(SECTIONS)


def _require() -> None:
    """Stop where this machine cannot measure, saying what to install."""
    if not hasattr(os, "sched_setaffinity"):
        raise Stop("the benchmark needs Linux: it pins processes to cores and reads /proc", 3)
    if shutil.which("wrk") is None:
        raise Stop("wrk is not installed; install it with: apt-get install wrk", 3)


def measured(plan: Plan, command: str, names: Sequence[str], *, count: bool) -> Results:
    """Measure the sections of these names, and, if `count`, the instructions of one request."""
    host = machine()
    check_flags()
    prepare()
    cores = usable_cores()
    os.sched_setaffinity(0, {cores.load})
    sections = [section(name, cores, plan) for name in names]
    counted = instructions(plan.calls, cores) if count else None
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


def section(name: str, cores: Cores, plan: Plan) -> Section:
    """Measure a section; one that fails stands in the report as such, and costs no other its figures."""
    try:
        return SECTIONS[name](cores, plan)
    except (Stop, OSError, RuntimeError, ValueError, LookupError) as error:
        why = str(error).strip() or type(error).__name__
        say(f"{name} FAILED: {why}")
        return Section(
            name, (), (), ["It failed."], notes=[f"**NOT MEASURED**: {why.splitlines()[0][:300]}"], failed=True
        )


SECTIONS: Mapping[str, Callable[[Cores, Plan], Section]] = {
    "title": title,
    "imports": imports,
    "peers": other_tools,
    "workers": two_workers,
    "many": many_sessions,
    "stores": stores,
    "streams": streams,
    "tests": in_tests,
    "check": checking,
    "growth": growth,
    "soak": soak,
}


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
