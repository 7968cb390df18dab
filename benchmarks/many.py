"""Many sessions beside few: title calls over a socket, calls in process, memory, and the start from a saved state."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.children import Cores, Stop, child, output, say
from benchmarks.environment import PYTHON, ROOT
from benchmarks.figures import Aim, Figure, Row, Section, Series, divided, series
from benchmarks.measure import FEW, Plan, Slice, Subject, beside, collected, in_turn, mock_with, start_time

INSIDE = ROOT / "benchmarks" / "inside.py"
SAVED, HANDFUL = 100_000, 10
"""Sessions of the states that the servers start from."""

OPERATIONS = {"title": "title", "create": "create", "list": "list, first page", "list-on": "list, page in the middle"}
CALLS = {"title": 400, "create": 200, "list": 100, "list-on": 100}
"""Calls of one batch."""

COUNTED_CALLS = 200
"""Calls by which two counted runs differ."""

NO_SLOWER, SAME = Aim("at least", 0.95), Aim("at most", 1.1)


def many_sessions(cores: Cores, plan: Plan) -> Section:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        loads, starts = _over_socket(Path(folder), cores, plan)
    times, sizes = _in_process(cores, plan)
    counts = _instructions(cores, plan.counted)
    few, many = _named(FEW), _named(plan.many)
    handful, saved = _named(HANDFUL), _named(SAVED)
    rates = {name: series([each.requests_per_second for each in found]) for name, found in loads.items()}
    spent = {name: series([each.processor_us for each in found]) for name, found in loads.items()}
    rows = [
        Row("throughput of title", f"{saved} beside {handful}", divided(rates[saved], rates[handful]), NO_SLOWER),
        Row("processor time of title", f"{saved} beside {handful}", divided(spent[saved], spent[handful])),
        *(
            Row(f"time of {OPERATIONS[operation]} {_PLACES[place]}", f"{many} beside {few}", ratio, aim)
            for (place, operation), by_size in times.items()
            for ratio, aim in [(divided(by_size[many], by_size[few]), SAME)]
        ),
        *(
            Row(
                f"instructions of {OPERATIONS[operation]} in the Handler",
                f"{_named(plan.counted)} beside {few}",
                ratio,
                SAME,
            )
            for operation, by_size in counts.items()
            for ratio in [divided(by_size[_named(plan.counted)], by_size[few])]
        ),
        *(
            Row(f"memory of a session {_MADE[how]}", "-", each, Aim("at most", 1023), "bytes", 0)
            for how, each in sizes.items()
        ),
    ]
    figures = [
        Figure("throughput of title", "requests/s", 0, rates),
        Figure("processor time of title", "µs", 1, spent),
        Figure("start to the first answer", "ms", 0, {name: series(found) for name, found in starts.items()}),
        *(
            Figure(f"{OPERATIONS[operation]} {_PLACES[place]}", "µs", 1, by_size)
            for (place, operation), by_size in times.items()
        ),
        *(
            Figure(f"{OPERATIONS[operation]} in the Handler", "instructions", 0, by_size)
            for operation, by_size in counts.items()
        ),
    ]
    return Section("Many sessions", rows, figures, _how(plan), list(_commands(plan)))


_PLACES = {"store": "at the store", "handler": "in the Handler"}
_MADE = {"create": "made by create", "title": "made by a title"}


def _named(count: int) -> str:
    return f"{count:,} sessions"


def _over_socket(folder: Path, cores: Cores, plan: Plan) -> tuple[dict[str, list[Slice]], dict[str, list[float]]]:
    """Load a mock with many sessions and one with a handful; and time how long such mocks take to start."""
    servers = []
    for count in (SAVED, HANDFUL):
        state = folder / f"{count}.jsonl"
        output([PYTHON, "-P", INSIDE, "save", str(count), state], cores.load)
        servers.append(mock_with(_named(count), "--state", state, sessions=count))
    empty = Subject("no state", mock_with("").command)
    starts = in_turn("start from a state", [*servers, empty], plan.sides + 2, lambda each: start_time(each, cores))
    return beside("title among many", servers, cores, plan), starts


def _in_process(cores: Cores, plan: Plan) -> tuple[dict[tuple[str, str], dict[str, Series]], Mapping[str, Series]]:
    """Time calls among few and among many sessions, batch after batch; give bytes for a session, too.

    The two processes are on one core and take turns; what is timed is processor time.
    """
    say(f"in process: making {plan.many:,} sessions, twice")
    samples: dict[tuple[str, str], dict[int, list[float]]] = {
        (place, operation): {FEW: [], plan.many: []} for place in _PLACES for operation in OPERATIONS
    }
    with ExitStack() as stack:
        titled = stack.enter_context(holding("title", plan.many, cores.load))
        held = {count: stack.enter_context(holding("create", count, cores.server)) for count in (plan.many, FEW)}
        sizes = {"create": told(held[plan.many]), "title": told(titled)}
        told(held[FEW])
        say(f"in process: {plan.batches} batches")
        for number in range(plan.batches + 1):
            for (place, operation), found in samples.items():
                for count in (FEW, plan.many)[:: -1 if number % 2 else 1]:
                    took = asked(held[count], f"{place} {operation} {CALLS[operation]}")
                    if number:  # the first one is not counted
                        found[count].append(took * 1e6)
    times = {key: {_named(count): series(each) for count, each in by_size.items()} for key, by_size in samples.items()}
    return times, {how: series([each["bytes_per_session"]]) for how, each in sizes.items()}


def _instructions(cores: Cores, many: int) -> dict[str, dict[str, Series]]:
    """Count the instructions of a call among few and among many sessions; nothing without valgrind, or for 0."""
    if not many or shutil.which("valgrind") is None:
        return {}
    return {
        operation: {_named(count): series([_counted(operation, count, cores)]) for count in (FEW, many)}
        for operation in OPERATIONS
    }


def _counted(operation: str, count: int, cores: Cores) -> float:
    say(f"instructions: {operation} among {count:,} sessions")
    inside = [str(INSIDE), "count", operation, str(count)]
    once, twice = (collected([*inside, str(calls)], cores) for calls in (COUNTED_CALLS, 2 * COUNTED_CALLS))
    return (twice - once) / COUNTED_CALLS


@contextmanager
def holding(how: str, count: int, core: int, *more: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that holds sessions in memory; `more` is what else `inside.py hold` takes."""
    command: list[str | Path] = [PYTHON, "-P", INSIDE, "hold", how, *map(str, (count, *more))]
    with child(command, core, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process


def told(process: "subprocess.Popen[bytes]") -> Mapping[str, float]:
    """Read what a process tells once it has its sessions."""
    return dict(json.loads(_line(process)))


def asked(process: "subprocess.Popen[bytes]", line: str) -> float:
    """Have calls timed; give the seconds of one."""
    if process.stdin is None:
        raise Stop("the process cannot be asked")
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    return float(_line(process))


def _line(process: "subprocess.Popen[bytes]") -> bytes:
    line = process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise Stop("the process that holds the sessions ended")
    return line


def _how(plan: Plan) -> Sequence[str]:
    return [
        f"Over a socket: {plan.sides} rounds; in each a mock with {SAVED:,} sessions and one with {HANDFUL} start "
        f"from saved states, and are loaded in turn for a second, {plan.slices} times. "
        "Each call names a session drawn by chance.",
        f"In process: a process with {plan.many:,} sessions and one with {FEW:,}, on one core, are asked in turn, "
        f"{plan.batches} times, for a batch of {min(CALLS.values())} to {max(CALLS.values())} calls; "
        "sessions and pages are drawn by chance, a page has 50 sessions, and the time is processor time.",
        f"Instructions: those of {2 * COUNTED_CALLS} calls less those of {COUNTED_CALLS}, divided by {COUNTED_CALLS}, "
        "counted by callgrind; they say what is done, the times also how far the memory is that it is done in.",
        f"Memory of a session: the growth of VmHWM while {plan.many:,} of them are made in the Handler, "
        "divided by their number. None has had a turn.",
        f"Start from a state: {plan.sides + 2} rounds.",
    ]


def _commands(plan: Plan) -> Iterator[str]:
    python, inside = PYTHON.relative_to(ROOT), INSIDE.relative_to(ROOT)
    yield f"{python} -P {inside} save {SAVED} <state>"
    yield ".cache/bench/venv/bin/mockserver serve --port <port> --seed 0 --state <state>"
    yield f"{python} -P {inside} hold create {plan.many}"
    yield f"{python} -P {inside} hold title {plan.many}"
