"""What a start imports, and how long that takes: the interpreter's own account of `mockserver serve`."""

import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.children import Cores, Stop, clean_env, say
from benchmarks.environment import MOCKSERVER, PYTHON, ROOT
from benchmarks.figures import Figure, Row, Section, Table, series
from benchmarks.measure import PATIENCE, Plan

OURS = "mockserver"
SHOWN = 12
"""How many packages the table shows."""

_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def imports(cores: Cores, plan: Plan) -> Section:
    """Measure all of it."""
    rounds = max(3, plan.rounds)
    told = [_started(cores, number, rounds) for number in range(1, rounds + 1)]
    found = [by_package(each) for each in told]
    total = series([sum(each.values()) / 1000 for each in found])
    ours = series([each.get(OURS, 0) / 1000 for each in found])
    rows = [Row("time of all imports until it is ready", "-", total, unit="ms", digits=1)]
    figures = [
        Figure("imports of the mock's own modules", "ms", 1, {OURS: ours}),
        Figure("modules imported", "modules", 0, {OURS: series([float(len(_LINE.findall(each))) for each in told])}),
    ]
    how = [
        f"{rounds} starts of `mockserver serve` under `python -X importtime`, to the line that says that it is ready; "
        "each package with all its modules, without what it imports from others.",
        "Which modules a start loads is held by tests (`tests/project/test_house.py`), on their names and not on time.",
    ]
    return Section("Imports of a start", rows, figures, how, [" ".join(map(str, _command()))], tables=[_table(found)])


def _command() -> list[str]:
    python, command = PYTHON.relative_to(ROOT), MOCKSERVER.relative_to(ROOT)
    return [str(python), "-X", "importtime", str(command), "serve", "--port", "0", "--seed", "0"]


def _started(cores: Cores, number: int, rounds: int) -> str:
    """Start the mock, stop it when it is ready, and give what the interpreter told."""
    say(f"imports: round {number} of {rounds}")
    command = ["taskset", "--cpu-list", str(cores.server), *_command()]
    with subprocess.Popen(
        command, cwd=ROOT, env=clean_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        ready = process.stdout.readline() if process.stdout is not None else ""
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=PATIENCE)
    if "is ready" not in ready:
        raise Stop(f"the mock did not start:\n{told[-2000:]}")
    return told


def by_package(told: str) -> dict[str, int]:
    """Add up the microseconds of the modules of each package."""
    found: dict[str, int] = {}
    for spent, name in _LINE.findall(told):
        package = name.partition(".")[0]
        found[package] = found.get(package, 0) + int(spent)
    return found


def _table(found: Sequence[Mapping[str, int]]) -> Table:
    """Give the packages that take most, by their medians."""
    names = {name for each in found for name in each}
    spent = {name: median(each.get(name, 0) for each in found) / 1000 for name in names}
    whole = sum(spent.values())
    most = sorted(names, key=lambda name: -spent[name])[:SHOWN]
    rows = [[name, f"{spent[name]:.1f}", f"{spent[name] / whole:.0%}"] for name in most]
    rest = whole - sum(spent[name] for name in most)
    return Table("imports", ["package", "ms", "share"], [*rows, ["all others", f"{rest:.1f}", f"{rest / whole:.0%}"]])
