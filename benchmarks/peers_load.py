"""Starts servers and loads them in turn, while all of them run; one that fails is left out, and why is told."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.children import Cores, Stop, say
from benchmarks.measure import PATIENCE, Load, Plan, Running, Subject, ask, load, serving
from benchmarks.peers_judge import Judged, asking, judged
from benchmarks.peers_servers import MOCK, Peer
from benchmarks.processes import tree_memory

CONNECTIONS = (1, 16, 256)
GROUP = 3
"""After so many others the mock is loaded again, so that each is compared with it in what is nearly the same moment."""

WARM, WARM_TOOL = 1, 8
"""Seconds of load before anything is counted; the longer for the tools: most compile themselves as they run."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What the mock and another server did, one after the other."""

    ours: Load
    theirs: Load


@dataclass(slots=True)
class Measured:
    """All that was measured of one server; `pairs` are by connections, and empty for the mock itself."""

    judged: Judged
    starts: list[float] = field(default_factory=list)
    """Milliseconds from the start of a new process to its first answer with the status 200."""
    idle: list[float] = field(default_factory=list)
    """Resident memory in MiB, of all its processes, after the first answer."""
    busy: list[float] = field(default_factory=list)
    """The same after the load."""
    loads: dict[int, list[Load]] = field(default_factory=lambda: {each: [] for each in CONNECTIONS})
    pairs: dict[int, list[Pair]] = field(default_factory=lambda: {each: [] for each in CONNECTIONS})


class Left(dict[str, str]):
    """Servers that are left out, and why, in a sentence each."""

    def among(self, peers: Sequence[Peer]) -> list[Peer]:
        """Give those that are still measured."""
        return [each for each in peers if each.name not in self]


def first_ok(name: str, running: Running) -> float:
    """Ask until a server answers with 200, and give the milliseconds since it was started."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        try:
            if ask(running.port).status == 200:
                return (time.perf_counter() - running.began) * 1000
        except OSError:
            pass
        if running.process.poll() is not None:
            raise Stop(f"{name} ended with exit code {running.process.returncode} before it answered")
        time.sleep(0.001)
    raise Stop(f"{name} did not answer with 200 within {PATIENCE:g} s")


def started(peer: Peer, cores: Cores) -> float:
    """Measure one start, in milliseconds."""
    with serving(peer.subject, cores, stderr=subprocess.DEVNULL) as running:
        return first_ok(peer.name, running)


def looked_at(peer: Peer, cores: Cores) -> Judged:
    """Start a server and judge its answers."""
    with serving(peer.subject, cores, stderr=subprocess.DEVNULL) as running:
        first_ok(peer.name, running)
        return judged(asking(running.port))


def measure(peers: Sequence[Peer], cores: Cores, plan: Plan, left: Left) -> dict[str, Measured]:
    """Judge, start and load all servers; what fails is put into `left`, but for the mock, which ends the run."""
    found: dict[str, Measured] = {}
    for each in left.among(peers):
        say(f"peers: looking at the answers of {each.name}")
        with LeavingOut(each, left):
            found[each.name] = Measured(looked_at(each, cores))
    for number in range(plan.peer_starts + 1):
        say(f"peers: starts, round {number} of {plan.peer_starts}")
        for each in left.among(peers):
            with LeavingOut(each, left):
                took = started(each, cores)
                if number:  # the first one is not counted
                    found[each.name].starts.append(took)
    for number in range(1, plan.peer_sides + 1):
        _side(peers, cores, plan, left, found, f"peers: side {number} of {plan.peer_sides}")
    return {name: each for name, each in found.items() if name not in left}


class LeavingOut:
    """Notes why a server is left out where the block fails; the mock is never left out."""

    def __init__(self, peer: Peer, left: Left) -> None:
        self._peer, self._left = peer, left

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, _: object) -> bool:
        if self._peer.name == MOCK or not isinstance(problem, Exception):
            return False
        self._left[self._peer.name] = str(problem)
        say(f"peers: {self._peer.name} is left out: {problem}")
        return True


def _side(
    peers: Sequence[Peer], cores: Cores, plan: Plan, left: Left, found: Mapping[str, Measured], what: str
) -> None:
    """Start all servers, load them in turn, and read their memory before and after."""
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for each in left.among(peers):
            say(f"{what}: starting {each.name}")
            with LeavingOut(each, left):
                running[each.name] = stack.enter_context(serving(each.subject, cores, stderr=subprocess.DEVNULL))
                first_ok(each.name, running[each.name])
                found[each.name].idle.append(tree_memory(running[each.name].process.pid))
                seconds = WARM_TOOL if each.kind == "tool" else WARM
                _load(each.subject, running[each.name], cores, seconds, CONNECTIONS[1])
        for number in range(plan.peer_rounds):
            for connections in CONNECTIONS:
                say(f"{what}, round {number + 1} of {plan.peer_rounds}: {connections} connections")
                _round(left.among(peers), running, cores, connections, left, found, backwards=bool(number % 2))
        for each in left.among(peers):
            with LeavingOut(each, left):
                found[each.name].busy.append(tree_memory(running[each.name].process.pid))
                if ask(running[each.name].port).status != 200:
                    raise Stop(f"{each.name} answers wrongly after the load")


def _round(
    peers: Sequence[Peer],
    running: Mapping[str, Running],
    cores: Cores,
    connections: int,
    left: Left,
    found: Mapping[str, Measured],
    *,
    backwards: bool,
) -> None:
    """Load each server for a second, the mock before every few others, and note the pairs."""
    by_name = {each.name: each for each in peers}
    ours: Load | None = None
    for name in turns([each.name for each in peers], backwards=backwards):
        with LeavingOut(by_name[name], left):
            got = _load(by_name[name].subject, running[name], cores, 1, connections)
            found[name].loads[connections].append(got)
            if name == MOCK:
                ours = got
            elif ours is not None:
                found[name].pairs[connections].append(Pair(ours, got))


def turns(names: Sequence[str], *, backwards: bool) -> Iterator[str]:
    """Give the order of a round: the mock, a few others, the mock again, and so on."""
    others = [name for name in names if name != MOCK]
    for place, name in enumerate(reversed(others) if backwards else others):
        if place % GROUP == 0:
            yield MOCK
        yield name


def _load(subject: Subject, running: Running, cores: Cores, seconds: int, connections: int) -> Load:
    """Load a server; Stop where it has ended or fails."""
    if running.process.poll() is not None:
        raise Stop(f"{subject.name} ended with exit code {running.process.returncode} under load")
    got = load(subject, running.port, cores, seconds, connections)
    if got.failed or not got.requests:
        raise Stop(
            f"{got.failed} requests of {subject.name} failed, and {got.requests} were answered, "
            f"at {connections} connections"
        )
    return got
