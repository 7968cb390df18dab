"""The load: wrk where it is installed, else a client of our own; and servers that are loaded by turns."""

import json
import os
import random
import re
import select
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count, islice
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


def by_wrk(port: int, call: Call, seconds: float, first: int = 0) -> Load:
    """Load a server by wrk."""
    body, pairs = json.dumps(call.body) if call.body else "nil", str(call.delete).lower()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % (json.dumps(call.path), call.among, first, pairs, json.dumps(call.method), body))
        script.flush()
        command = f"wrk --threads 1 --connections {CONNECTIONS} --duration {max(1, round(seconds))}s --script"
        text = servers.output([*command.split(), script.name, f"http://127.0.0.1:{port}{call.path.format(n=0)}"])
    return Load(*json.loads(text.strip().splitlines()[-1]))


def by_own(port: int, call: Call, seconds: float, first: int = 0, most: int | None = None) -> Load:
    """Load a server by plain sockets and epoll until the time is over or, if `most` is given, so many were sent."""
    made, late, size, failed = list[str](), list[float](), 0, 0
    requests, waiting, began = islice(requests_of(call, first, made), most), dict[int, Line](), time.perf_counter()
    with ExitStack() as stack, select.epoll() as poll:
        for request in islice(requests, CONNECTIONS):
            line = Line(stack.enter_context(socket.create_connection(("127.0.0.1", port), servers.PATIENCE)))
            waiting[line.socket.fileno()] = line
            poll.register(line.socket, select.EPOLLIN)
            line.send(request)
        while waiting and time.perf_counter() - began < seconds:
            for number, _ in poll.poll(0.1):
                line = waiting[number]
                part = line.socket.recv(262_144)
                line.got += part
                if part and not is_whole(line.got):
                    continue
                failed += not part or not line.got.startswith(b"HTTP/1.1 2")
                if part:
                    late.append((time.perf_counter() - line.began) * 1000)
                    size += len(line.got)
                    made += [each.decode() for each in _CREATED.findall(line.got) if call.delete]
                if request := next(requests, b"") if part else b"":
                    line.send(request)
                else:
                    poll.unregister(number)
                    del waiting[number]
        spent = time.perf_counter() - began
    p99 = quantiles(late, n=100)[98] if len(late) > 1 else 0.0
    return Load(len(late), spent, size, failed, p99)


def requests_of(call: Call, first: int, made: list[str]) -> Iterator[bytes]:
    """Yield the requests of a call, the number of each in its path; what was `made` is deleted first."""
    for number in count(first + 1):
        if made:
            yield written("DELETE", f"{call.path}/{made.pop()}")
        else:
            drawn = random.randrange(call.among) if call.among else number
            yield written(call.method, call.path.format(n=drawn), call.body)


@dataclass(slots=True)
class Line:
    """A connection that waits for one answer at a time."""

    socket: socket.socket
    began: float = 0.0
    got: bytes = b""

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.began, self.got = time.perf_counter(), b""
        self.socket.sendall(request)


_CREATED = re.compile(rb'"session_id":"([^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def is_whole(answer: bytes) -> bool:
    """Return whether an answer has all that its head declares."""
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
    spent, before = servers.processor_seconds(running.process.pid), os.times()
    found = (by_wrk if bench.load == "wrk" else by_own)(running.port, call, 1, number * APART)
    if found.failed or not found.requests:
        raise Stop(f"{running.name} failed under the load of {call.method} {call.path}: {found}")
    after = os.times()  # of this process and of the children that it has waited for
    busy = (sum(after[:4]) - sum(before[:4])) / (after.elapsed - before.elapsed)
    spent = servers.processor_seconds(running.process.pid) - spent
    return replace(found, busy=busy, server_us=spent / found.requests * 1e6)


def limited(found: dict[str, Loaded]) -> list[str]:
    """Name the servers that may be faster than the load."""
    slow = [name for name, each in found.items() if each.median("busy") > BUSY]
    return [f"**The load may have been the limit**, not the server: of {', '.join(slow)}."] if slow else []
