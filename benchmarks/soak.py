"""The soak: a mock at full load with planned faults and odd clients; what grows, what is left, what is wrong."""

import asyncio
import http.client
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from benchmarks.children import Cores, Stop, say
from benchmarks.environment import ROOT
from benchmarks.figures import Aim, Figure, Row, Section, series
from benchmarks.measure import PATIENCE, Plan, Running, Subject, first_answer, mock_with, serving
from benchmarks.soak_client import LEAVING, LINES, LIVES, ODDS, SESSIONS, TIME, Clients
from benchmarks.soak_plan import AT_ONCE, ODD, PLANNED, Tally
from benchmarks.svg import Chart, Line, page

PICTURE = "docs/benchmarks/soak.svg"
HOOK = ROOT / "benchmarks" / "soak_hook.py"
MINUTE = 60.0
GONE = 10_000
"""Deleted sessions that the mock remembers; so many are made and deleted before the load."""

LOGGED = 30
"""How many lines of what the mock logged are shown."""

SETTLING = 10.0
"""How long, in seconds, the mock may take to let go of what is left after the load."""

NONE, FLAT = Aim("at most", 0), Aim("at most", 1.05)

OPTIONS = ("--clock", TIME, "--stream-rate", str(AT_ONCE), "--body-timeout", "1")


@dataclass(frozen=True, slots=True)
class Held:
    """What a server holds at one moment."""

    descriptors: int
    threads: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it."""

    seconds: float
    warm: float
    tally: Tally
    uses: Mapping[str, int]
    """How often each planned answer was given, as the mock tells."""
    memory: Sequence[tuple[float, float]]
    """Seconds since the load began, and resident memory in MiB."""
    before: Held
    after: Held
    sessions: int
    """Sessions that are there afterwards and should not be."""
    server: float
    """The part of the time in which the server ran, or waited for its core, where others ran on it."""
    client: float
    """The same of the load."""
    logged: Sequence[str] = ()
    """What the server wrote to stderr."""

    @property
    def errors(self) -> int:
        """What was wrong, and what was planned and did not come, or came without being planned."""
        return self.tally.wrong + unplanned(self.uses, self.tally)

    @property
    def window(self) -> float:
        """The length of the first and of the last part that are compared, in seconds."""
        return min(MINUTE, self.seconds / 4)

    def resident(self, first: float, last: float) -> float:
        """Give the median memory between two moments, in MiB."""
        return median(mib for moment, mib in self.memory if first <= moment <= last)

    @property
    def grown(self) -> float:
        """The memory of the last part as a multiple of that of the first one after the warm-up."""
        end = self.warm + self.seconds
        return self.resident(end - self.window, end) / self.resident(self.warm, self.warm + self.window)


def unplanned(uses: Mapping[str, int], tally: Tally) -> int:
    """Count the planned answers that did not come, and those that came without having been given."""
    return sum(abs(count - tally.seen[name]) for name, count in uses.items())


def soak(cores: Cores, plan: Plan) -> Section:
    """Do it, and tell it."""
    found = _soaked(cores, plan.soak)
    return Section(
        "Soak",
        list(rows(found)),
        list(_figures(found)),
        _how(found),
        list(_commands()),
        [f"![Memory over time]({PICTURE})", *_wrong(found)],
        pictures={PICTURE: page([_chart(found)], "Resident memory of the mock over the time of the soak.", 1)},
    )


def _soaked(cores: Cores, seconds: float) -> Soaked:
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        shutil.copy(HOOK, Path(folder) / "sitecustomize.py")
        told, log = Path(folder) / "tasks", Path(folder) / "log"
        with serving(_hooked(folder, told, log), cores) as running, asyncio.Runner(loop_factory=_loop) as runner:
            first_answer("mockserver", running)
            found = runner.run(_driven(running, told, seconds))
        return replace(found, logged=log.read_text("utf-8", "replace").splitlines())


def _loop() -> asyncio.AbstractEventLoop:
    return uvloop.new_event_loop()


def _hooked(folder: str, told: Path, log: Path) -> Subject:
    """Give the mock with a handler of SIGUSR1 that writes how many tasks there are, and with stderr in a file."""
    mock = mock_with("mockserver", *OPTIONS)
    hook = ["env", f"PYTHONPATH={folder}", f"BENCHMARK_TASKS={told}", f"BENCHMARK_LOG={log}"]
    return Subject(mock.name, lambda port: [*hook, *mock.command(port)])


async def _driven(running: Running, told: Path, seconds: float) -> Soaked:
    """Prepare the mock, load it, and look at what is left."""
    pid, port, tally = running.process.pid, running.port, Tally()
    clients, warm = Clients(port, tally), min(20.0, seconds / 4)
    await clients.learn()
    say(f"soak: {GONE:,} sessions made and deleted")
    _fill_gone(port)
    sessions = _control(port, "GET", "health")["sessions"]
    await asyncio.sleep(1)  # by then it knows that these connections are closed
    before = _held(pid, told)
    _control(port, "POST", "plan", [each.spec() for each in PLANNED])
    say(f"soak: {warm + seconds:.0f} s")
    began, spent, own = time.perf_counter(), _wanted(pid), _wanted(os.getpid())
    memory: list[tuple[float, float]] = []
    watching = asyncio.create_task(_watch(pid, began, memory))
    await clients.run(warm + seconds)
    took, busy, own = time.perf_counter() - began, _wanted(pid) - spent, _wanted(os.getpid()) - own
    watching.cancel()
    planned = _control(port, "GET", "plan")["planned"]
    uses = {each.name: int(entry["uses"]) for each, entry in zip(PLANNED, planned, strict=True)}
    after = await _settled(pid, told, before)
    left = _control(port, "GET", "health")["sessions"] - sessions - SESSIONS
    return Soaked(seconds, warm, tally, uses, memory, before, after, left, busy / took, own / took)


def _wanted(pid: int) -> float:
    """Give for how many seconds the main thread of a process ran so far, or could have but for others on its core."""
    ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
    return (int(ran) + int(waited)) / 1e9


async def _watch(pid: int, began: float, memory: list[tuple[float, float]]) -> None:
    """Note the resident memory twice a second."""
    page_size = os.sysconf("SC_PAGE_SIZE")
    while True:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        memory.append((time.perf_counter() - began, pages * page_size / 2**20))
        await asyncio.sleep(0.5)


def _fill_gone(port: int) -> None:
    """Make and delete as many sessions as the mock remembers to have been deleted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    key = {"authorization": "Bearer any-key"}
    for _ in range(GONE):
        connection.request("POST", "/api/v1/chat", headers=key)
        session = json.loads(connection.getresponse().read())["session_id"]
        connection.request("DELETE", f"/api/v1/chat/{session}", headers=key)
        connection.getresponse().read()
    connection.close()


def _control(port: int, method: str, route: str, body: Any = None) -> Any:
    """Ask a control route."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, f"/__mock__/{route}", None if body is None else json.dumps(body))
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    if answer.status >= 300:
        raise Stop(f"the mock refused {method} {route}: {told}")
    return told


def _held(pid: int, told: Path) -> Held:
    """Count what a server holds."""
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return Held(len(list(Path(f"/proc/{pid}/fd").iterdir())), threads, _tasks(pid, told))


def _tasks(pid: int, told: Path) -> int:
    """Have a server write how many tasks it has."""
    told.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        if told.is_file() and (text := told.read_text("ascii")).endswith("\n"):
            return int(text)
        time.sleep(0.01)
    raise Stop("the mock did not tell its tasks")


async def _settled(pid: int, told: Path, before: Held) -> Held:
    """Give what a server holds once it holds no more than before, or after some time."""
    deadline = time.perf_counter() + SETTLING
    while (held := _held(pid, told)) != before and time.perf_counter() < deadline:
        await asyncio.sleep(0.2)
    return held


def rows(found: Soaked) -> Iterator[Row]:
    """Tell what should be nothing, and how full the load was."""

    def row(measure: str, value: float, aim: Aim | None = None, unit: str = "", digits: int = 0) -> Row:
        return Row(measure, "-", series([value]), aim, unit, digits)

    end = f"the last {found.window:.0f} s beside the first after the warm-up"
    yield Row("resident memory", end, series([found.grown]), FLAT)
    yield row("errors that were not asked for", found.errors, NONE, "errors")
    yield row("lines that the mock logged", len(found.logged), NONE, "lines")
    held = zip(("descriptors", "threads", "tasks"), *map(_counts, (found.before, found.after)), strict=True)
    for name, before, after in held:
        yield row(f"{name} left over ({before} before, {after} after)", after - before, NONE, name)
    yield row("sessions left over", found.sessions, NONE, "sessions")
    yield row("answers that were right, planned ones among them", found.tally.seen.total(), None, "answers")
    yield row("time in which the server ran, or waited for its core", found.server * 100, None, "%")
    yield row("time in which the load did", found.client * 100, None, "%")


def _counts(held: Held) -> tuple[int, int, int]:
    return held.descriptors, held.threads, held.tasks


def _figures(found: Soaked) -> Iterator[Figure]:
    for each in PLANNED:
        came = {"planned": found.uses[each.name], "came": found.tally.seen[each.name]}
        yield _figure(each.name, came)
    names = {each.name for each in PLANNED}
    for kind, count in sorted(found.tally.seen.items()):
        if kind not in names:
            yield _figure(kind, {"came": count})
    yield _figure("anything else", {"came": found.tally.wrong})


def _figure(kind: str, counts: Mapping[str, int]) -> Figure:
    return Figure(kind, "answers", 0, {name: series([count]) for name, count in counts.items()})


def _wrong(found: Soaked) -> Iterator[str]:
    if found.tally.examples:
        yield "Some of what was wrong:\n\n" + "\n".join(f"- `{each}`" for each in found.tally.examples)
    if found.logged:
        yield "The mock logged:\n\n```text\n" + "\n".join(found.logged[:LOGGED]) + "\n```"


def _chart(found: Soaked) -> Chart:
    step = max(1, len(found.memory) // 400)
    note = (
        f"{found.grown:.3f} times from the first {found.window:.0f} s after {found.warm:.0f} s of warm-up to the last"
    )
    line = Line("resident memory", found.memory[::step], note)
    return Chart("Memory under load with faults", "seconds", "MiB", [line], dots=False)


def _how(found: Soaked) -> Sequence[str]:
    return [
        f"{found.warm:.0f} s of warm-up and {found.seconds:.0f} s that count. The server has one core, all clients the "
        f"other: {LINES} connections that ask for titles without a pause, {LIVES} clients that create a session, "
        f"follow a turn ({LEAVING:.0%} of them leave after the first event), read the history and delete the session, "
        f"and {ODDS} that send one of {len(ODD)} odd requests, or leave in the middle of one.",
        "Planned, each with a probability: "
        + ", ".join(f"{each.name} {each.probability:.1%}" for each in PLANNED)
        + ".",
        "Every answer is compared: a title with its whole body; a planned one by the name that its head has; "
        "a stream event by event; a history with what was told of its turn; an odd request's with the one before the "
        "load, byte for byte. An error is an answer that is none of these, and each difference between how often "
        "a planned answer was given, as `/__mock__/plan` tells, and how often it came.",
        f"Before, {GONE:,} sessions are made and deleted, since the mock remembers as many; "
        "its journal of 1,000 exchanges is full after the first second.",
        "Resident memory: VmRSS twice a second; medians are compared. Descriptors and threads are counted in `/proc`, "
        "tasks by a handler of SIGUSR1 (`benchmarks/soak_hook.py`), before the load, and once the clients have gone.",
    ]


def _commands() -> Iterator[str]:
    yield f".cache/bench/venv/bin/mockserver serve --port <port> --seed 0 {' '.join(OPTIONS)}"
