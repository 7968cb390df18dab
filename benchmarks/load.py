"""The load: wrk where it is installed, else a client of our own; and servers that are loaded by turns."""

import json
import random
import re
import resource
import select
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from statistics import median, quantiles

from benchmarks import servers
from benchmarks.servers import Call, Cores, Running, Server, Stop

CONNECTIONS = 16

APART = 1_000_000
"""Numbers of calls that one slice of load may use up: the next slice counts on from there."""

BUSY = 0.9
"""From this share of its core on, the load may have been what was slow."""

_SCRIPT = """\
local path, among, number, pairs, made = %s, %d, %d, %s, {}
wrk.method, wrk.body = %s, %s
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer any-key"
if pairs then
  response = function(status, headers, text)
    made[#made + 1] = string.match(text, '"session_id":"([^"]+)"')
  end
end
if pairs or string.find(path, "{n", 1, true) then
  request = function()
    if #made > 0 then return wrk.format("DELETE", path .. "/" .. table.remove(made)) end
    number = among > 0 and math.random(0, among - 1) or number + 1
    return wrk.format(nil, (string.gsub(path, "{n:06d}", string.format("%%06d", number))))
  end
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n[%%d, %%f, %%d, %%d, %%f]\\n', summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one slice of load found."""

    requests: int
    seconds: float
    bytes: int
    failed: int
    """Connections and requests that failed, and answers with another status than 2xx."""
    p99_ms: float
    busy: float = 0.0
    """The share of its core that the load used."""
    server_us: float = 0.0
    """Processor time of the server for one request, in microseconds."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def byte_rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds


def default_load() -> str:
    """Name what sends the load on this machine."""
    return "wrk" if shutil.which("wrk") else "own"


def by_wrk(port: int, call: Call, seconds: float, first: int = 0) -> Load:
    """Load a server by wrk."""
    body, pairs = json.dumps(call.body) if call.body else "nil", str(call.delete).lower()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % (json.dumps(call.path), call.among, first, pairs, json.dumps(call.method), body))
        script.flush()
        command = f"wrk --threads 1 --connections {CONNECTIONS} --duration {max(1, round(seconds))}s --script"
        text = servers.output([*command.split(), script.name, f"http://127.0.0.1:{port}{call.path.format(n=0)}"])
    return Load(*json.loads(text.strip().splitlines()[-1]))


def by_own(port: int, call: Call, seconds: float, first: int = 0, most: int = -1) -> Load:
    """Load a server by plain sockets and epoll until the time is over or, if `most` is given, so many were sent."""
    source = Requests(call, count(first + 1), most)
    lines = [Line(socket.create_connection(("127.0.0.1", port), servers.PATIENCE), source) for _ in range(CONNECTIONS)]
    by_number, began = {each.socket.fileno(): each for each in lines}, time.perf_counter()
    with ExitStack() as stack, select.epoll() as poll:
        for each in lines:
            stack.enter_context(each.socket)
            poll.register(each.socket, select.EPOLLIN)
            each.send()
        while any(each.waiting for each in lines) and time.perf_counter() - began < seconds:
            for number, _ in poll.poll(0.1):
                if not by_number[number].receive():
                    poll.unregister(number)
        spent = time.perf_counter() - began
    late = sorted(ms for each in lines for ms in each.latencies)
    p99 = quantiles(late, n=100)[98] if len(late) > 1 else 0.0
    return Load(len(late), spent, sum(each.received for each in lines), sum(each.failed for each in lines), p99)


@dataclass(slots=True)
class Requests:
    """The requests of a call, one after the other; all connections share them."""

    call: Call
    numbers: Iterator[int]
    left: int
    made: list[str] = field(default_factory=list)

    def next(self) -> bytes:
        """Return the next request; nothing where there are no more."""
        if self.left == 0:
            return b""
        self.left -= 1
        if self.made:
            return written("DELETE", f"{self.call.path}/{self.made.pop()}")
        number = random.randrange(self.call.among) if self.call.among else next(self.numbers)
        return written(self.call.method, self.call.path.format(n=number), self.call.body)

    def answered(self, answer: bytes) -> None:
        """Note the session that was created, for the call that deletes it."""
        if self.call.delete and (found := re.search(rb'"session_id":"([^"]+)"', answer)):
            self.made.append(found[1].decode())


@dataclass(slots=True)
class Line:
    """A connection that waits for one answer at a time."""

    socket: socket.socket
    source: Requests
    latencies: list[float] = field(default_factory=list)
    received: int = 0
    failed: int = 0
    waiting: bool = False
    _got: bytes = b""
    _began: float = 0.0

    def send(self) -> bool:
        """Send the next request, if there is one."""
        request = self.source.next()
        self._got, self._began, self.waiting = b"", time.perf_counter(), bool(request)
        self.socket.sendall(request)
        return self.waiting

    def receive(self) -> bool:
        """Take what arrived; when the answer is whole, go on. Say whether the connection is still used."""
        part = self.socket.recv(262_144)
        self._got += part
        if not part:
            self.waiting, self.failed = False, self.failed + 1
            return False
        if not is_whole(self._got):
            return True
        self.latencies.append((time.perf_counter() - self._began) * 1000)
        self.received += len(self._got)
        self.failed += not self._got.startswith(b"HTTP/1.1 2")
        self.source.answered(self._got)
        return self.send()


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def is_whole(answer: bytes) -> bool:
    """Say whether an answer has all that its head declares."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    if declared := _LENGTH.search(answer, 0, end + 2):
        return len(answer) >= end + 4 + int(declared[1])
    return answer.endswith(b"\r\n0\r\n\r\n") or answer.startswith(b"HTTP/1.1 204")


def written(method: str, path: str, body: str = "") -> bytes:
    """Write a request as it is sent."""
    fields = {"host": "127.0.0.1", **servers.HEADERS, "content-length": str(len(body.encode()))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode()


def fill(port: int, call: Call, calls: int) -> None:
    """Send a call exactly so many times, its numbers from 0 on."""
    found = by_own(port, call, 10 * servers.PATIENCE, -1, calls)
    if found.failed or found.requests != calls:
        raise Stop(f"of {calls} calls of {call.method} {call.path} not all were answered rightly: {found}")


# -- by turns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bench:
    """How, how often and how long is measured."""

    cores: Cores
    load: str
    """What sends the load: wrk, or our own client."""
    sides: int
    """How often the servers of a comparison are started anew."""
    rounds: int
    """How often they are then loaded, each for a second, by turns."""
    starts: int
    calls: int
    """Rounds of calls in process."""
    soak: int
    """Seconds of the soak that count."""


@dataclass(slots=True)
class Loaded:
    """What was found of one server: slice by slice, and its peak memory in MiB each time that it was started."""

    slices: list[Load] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def median(self, figure: str) -> float:
        """Return the median of a field of the slices."""
        return float(median(getattr(each, figure) for each in self.slices))

    def divided(self, other: "Loaded", figure: str) -> Sequence[float]:
        """Divide a field by that of another, round by round, so that what slowed a whole round down cancels out."""
        pairs = zip(self.slices, other.slices, strict=True)
        return [getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in pairs]


def side_by_side(what: str, compared: Sequence[Server], call: Call, bench: Bench) -> dict[str, Loaded]:
    """Load servers by turns while all of them run: A B, B A, A B, and so on; answers are checked before and after."""
    found, number = {each.name: Loaded() for each in compared}, count()
    calls = {each.name: each.call or call for each in compared}
    for side in range(1, bench.sides + 1):
        servers.say(f"{what}: {side} of {bench.sides}")
        with ExitStack() as stack:
            running = [stack.enter_context(servers.serving(each, bench.cores)) for each in compared]
            for server, each in zip(compared, running, strict=True):
                servers.first_answer(each, calls[each.name])
                server.prepare(each.port)
                servers.checked(each, calls[each.name])
                one_slice(bench, each, calls[each.name], next(number))  # a warm-up
            for turn in range(bench.rounds):
                for each in running[:: -1 if turn % 2 else 1]:
                    found[each.name].slices.append(one_slice(bench, each, calls[each.name], next(number)))
            for each in running:
                found[each.name].peaks.append(servers.memory_mib(each.process.pid))
                servers.checked(each, calls[each.name])
    return found


def one_slice(bench: Bench, running: Running, call: Call, number: int) -> Load:
    """Load a server for a second; Stop where a request fails."""
    spent, own, began = servers.processor_seconds(running.process.pid), _own_seconds(), time.perf_counter()
    found = (by_wrk if bench.load == "wrk" else by_own)(running.port, call, 1, number * APART)
    if found.failed or not found.requests:
        raise Stop(f"{running.name} failed under the load of {call.method} {call.path}: {found}")
    busy = (_own_seconds() - own) / (time.perf_counter() - began)
    spent = servers.processor_seconds(running.process.pid) - spent
    return replace(found, busy=busy, server_us=spent / found.requests * 1e6)


def _own_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def limited(found: dict[str, Loaded]) -> list[str]:
    """Say of which servers the load may have been slower than they are."""
    slow = [name for name, each in found.items() if each.median("busy") > BUSY]
    return [f"**The load may have been the limit**, not the server: of {', '.join(slow)}."] if slow else []
