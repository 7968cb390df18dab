"""The measurements: each starts a server anew, makes sure that it answers rightly, and gives one sample."""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.children import Cores, Stop, child, output, peak_memory, processor_seconds, say
from benchmarks.environment import MOCKSERVER, PYTHON, ROOT

T = TypeVar("T")

SESSION = "ses-abc123"
PATH = f"/api/v1/chat/{SESSION}/title"
MESSAGE = "How do I rotate the keys of an index without any downtime?"
BODY = json.dumps({"first_message": MESSAGE})
TITLE = MESSAGE[:50] + "..."
CONNECTIONS = 16
PATIENCE = 60.0
"""How long a server may take to answer rightly, in seconds."""

HANDLER = ROOT / "benchmarks" / "handler.py"

_REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    f"authorization: Bearer any-key\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}"
).encode()

_SCRIPT = f"""\
wrk.method = "POST"
wrk.body = {json.dumps(BODY)}
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer any-key"
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format(
    '\\n{{"requests": %d, "microseconds": %d, "bytes": %d, "failed": %d, "p50": %d, "p99": %d}}\\n',
    summary.requests, summary.duration, summary.bytes, failed, latency:percentile(50), latency:percentile(99)))
end
"""

_ANY = """\
request = function()
  return wrk.format("POST", string.format("/api/v1/chat/ses-%06d/title", math.random(0, {last})))
end
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how long is measured; times in seconds."""

    rounds: int
    warm: int
    load: int
    starts: int
    calls: int
    sides: int
    """How often servers that are loaded in turn while all of them run are started anew."""
    slices: int
    """How often each of them is then loaded, a second each time."""
    many: int
    """Sessions of the larger mock in process; the smaller has FEW."""
    batches: int
    """How often calls in process are timed, a batch each time."""
    turns: int
    """How many turns are followed one after the other, in each round."""
    crowds: int
    """How often many streams at once are followed."""
    soak: int
    """How long the mock is kept under load with faults, in seconds, after it is warm."""
    counted: int
    """Among how many sessions instructions are counted, too; 0 for none, since it takes minutes."""
    peer_starts: int
    """How often each of the other tools is started."""
    peer_sides: int
    """How often they are then started anew to be loaded side by side."""
    peer_rounds: int
    """How often each of them is then loaded, a second at each number of connections."""


FEW = 1_000
FULL = Plan(
    rounds=9,
    warm=1,
    load=5,
    starts=21,
    calls=2000,
    sides=3,
    slices=5,
    many=1_000_000,
    batches=21,
    turns=200,
    crowds=5,
    soak=600,
    counted=100_000,
    peer_starts=5,
    peer_sides=2,
    peer_rounds=3,
)
QUICK = Plan(
    rounds=3,
    warm=1,
    load=1,
    starts=4,
    calls=500,
    sides=1,
    slices=3,
    many=100_000,
    batches=9,
    turns=60,
    crowds=3,
    soak=20,
    counted=0,
    peer_starts=2,
    peer_sides=1,
    peer_rounds=2,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the servers that are compared; `command` gives what starts it on a port."""

    name: str
    command: Callable[[int], Sequence[str | Path]]
    sessions: int = 0
    """How many sessions the load picks from, ses-000000 and on; with 0 it is always the same one."""


def mock_with(name: str, *options: str | Path, sessions: int = 0) -> Subject:
    """Give the mock with options."""
    return Subject(name, lambda port: [MOCKSERVER, "serve", "--port", str(port), "--seed", "0", *options], sessions)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs; `began` is the moment before its start, on the clock of time.perf_counter."""

    process: subprocess.Popen[bytes]
    port: int
    began: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one server did under load."""

    requests_per_second: float
    processor_us: float
    """Processor time of the server for one request, in microseconds."""
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `length` is that of the whole answer on the wire."""

    status: int
    body: bytes
    length: int


def subjects(constant: str) -> tuple[Subject, ...]:
    """Give the servers that are compared, the mock first; the bare one always answers with `constant`."""
    start = "import benchmark_reference; benchmark_reference.main()"

    def plain(port: int) -> list[str | Path]:
        return [PYTHON, "-c", start, "plain", str(port)]

    def bare(port: int) -> list[str | Path]:
        return [PYTHON, "-c", start, "bare", str(port), constant]

    return mock_with("mockserver"), Subject("plain Starlette", plain), Subject("bare ASGI", bare)


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int) -> Answer:
    """Send the request once on a connection of its own; OSError where nobody answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(_REQUEST)
        got = b""
        while b"\r\n\r\n" not in got:
            got += _received(connection)
        head, _, body = got.partition(b"\r\n\r\n")
        declared = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        length = int(declared[1]) if declared else 0
        while len(body) < length:
            body += _received(connection)
    return Answer(int(head.split(b" ", 2)[1]), body, len(head) + 4 + len(body))


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(65536)
    if not part:
        raise ConnectionResetError("the connection was closed in mid-answer")
    return part


def checked(name: str, answer: Answer) -> Answer:
    """Give the answer back if it is right; Stop if it is not."""
    try:
        told = json.loads(answer.body)
        right = answer.status == 200 and told["session_id"] == SESSION and told["generated_title"] == TITLE
    except (ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise Stop(f"{name} answered wrongly: {answer.status} {answer.body[:300]!r}")
    return answer


def first_answer(name: str, running: Running) -> Answer:
    """Ask again and again until the server answers; the answer must be right."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        try:
            return checked(name, ask(running.port))
        except ConnectionRefusedError:
            time.sleep(0.001)
        if running.process.poll() is not None:
            raise Stop(f"{name} ended with exit code {running.process.returncode} before it answered")
    raise Stop(f"{name} did not answer within {PATIENCE:g} s")


@contextmanager
def serving(subject: Subject, cores: Cores, **more: Any) -> Iterator[Running]:
    """Run a server on its core for as long as the block lasts, in an empty folder, outside the project."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        began = time.perf_counter()
        with child(subject.command(port), cores.server, stdout=subprocess.DEVNULL, cwd=folder, **more) as process:
            yield Running(process, port, began)


def start_time(subject: Subject, cores: Cores) -> float:
    """Measure from the start of a new process to its first right answer, in milliseconds."""
    with serving(subject, cores) as running:
        first_answer(subject.name, running)
        return (time.perf_counter() - running.began) * 1000


@dataclass(frozen=True, slots=True)
class Slice:
    """What one server did in one slice of load."""

    requests_per_second: float
    processor_us: float
    """Processor time of the server for one request, in microseconds."""


def beside(what: str, servers: Sequence[Subject], cores: Cores, plan: Plan) -> dict[str, list[Slice]]:
    """Load servers in turn, a second each time, while all of them run."""
    return in_slices(what, servers, cores, plan, _slice)


def in_slices(
    what: str,
    servers: Sequence[Subject],
    cores: Cores,
    plan: Plan,
    take: Callable[[Subject, Running, Cores, int], T],
) -> dict[str, list[T]]:
    """Load servers in turn, slice after slice, while all of them run; every other time in the opposite order.

    `take` loads one, whose answers have the given length, and says what it did. Answers are checked before and after.
    """
    found: dict[str, list[T]] = {each.name: [] for each in servers}
    for number in range(1, plan.sides + 1):
        say(f"{what}: round {number} of {plan.sides}")
        with ExitStack() as stack:
            running = {each: stack.enter_context(serving(each, cores)) for each in servers}
            lengths = {each: first_answer(each.name, running[each]).length for each in servers}
            for each in servers:
                wrk(each, running[each].port, cores, plan.warm, lengths[each])
            for turn in range(plan.slices):
                for each in servers[:: -1 if turn % 2 else 1]:
                    found[each.name].append(take(each, running[each], cores, lengths[each]))
            for each in servers:
                checked(each.name, ask(running[each].port))
    return found


def _slice(subject: Subject, running: Running, cores: Cores, length: int) -> Slice:
    before = processor_seconds(running.process.pid)
    requests, seconds = wrk(subject, running.port, cores, 1, length)
    return Slice(requests / seconds, (processor_seconds(running.process.pid) - before) / requests * 1e6)


def loaded(subject: Subject, cores: Cores, plan: Plan) -> Loaded:
    """Put a new server under load, answers checked before and after."""
    with serving(subject, cores) as running:
        pid, port = running.process.pid, running.port
        length = first_answer(subject.name, running).length
        wrk(subject, port, cores, plan.warm, length)
        before = processor_seconds(pid)
        requests, seconds = wrk(subject, port, cores, plan.load, length)
        spent = processor_seconds(pid) - before
        checked(subject.name, ask(port))
        return Loaded(requests / seconds, spent / requests * 1e6, peak_memory(pid))


def wrk_command(seconds: int, script: str | Path, port: int | str, connections: int | str = CONNECTIONS) -> list[str]:
    """Give the command of the load."""
    url = f"http://127.0.0.1:{port}{PATH}"
    return [
        "wrk",
        "--threads",
        "1",
        *f"--connections {connections} --duration {seconds}s".split(),
        "-s",
        str(script),
        url,
    ]


@dataclass(frozen=True, slots=True)
class Load:
    """What a load got: how many answers in how many seconds, with how many bytes in all, and how late they came."""

    requests: int
    seconds: float
    bytes: int
    failed: int
    """Connections and requests that failed, and answers of another status than 2xx and 3xx."""
    p50_ms: float
    p99_ms: float


def load(subject: Subject, port: int, cores: Cores, seconds: int, connections: int = CONNECTIONS) -> Load:
    """Run the load; Stop where it could not be run."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT + (_ANY.format(last=subject.sessions - 1) if subject.sessions else ""))
        script.flush()
        text = output(wrk_command(seconds, script.name, port, connections), cores.load)
    told = json.loads(text.strip().splitlines()[-1])
    taken, late = told["microseconds"] / 1e6, (told["p50"] / 1000, told["p99"] / 1000)
    return Load(told["requests"], taken, told["bytes"], told["failed"], *late)


def wrk(subject: Subject, port: int, cores: Cores, seconds: int, length: int) -> tuple[int, float]:
    """Run the load; give the requests answered and the seconds taken. Stop at any failure or strange length."""
    found = load(subject, port, cores, seconds)
    if found.failed or not found.requests:
        raise Stop(f"{subject.name} failed under load: {found}")
    mean = found.bytes / found.requests
    if abs(mean / length - 1) > 0.01:
        raise Stop(f"{subject.name} answered otherwise under load: {mean:.1f} bytes in the mean instead of {length}")
    return found.requests, found.seconds


def in_turn(what: str, servers: Sequence[Subject], rounds: int, one: Callable[[Subject], T]) -> dict[str, list[T]]:
    """Measure the servers in turn, round after round."""
    found: dict[str, list[T]] = {each.name: [] for each in servers}
    for number in range(1, rounds + 1):
        say(f"{what}: round {number} of {rounds}")
        for each in servers:
            found[each.name].append(one(each))
    return found


def instructions(calls: int, cores: Cores) -> float | None:
    """Count the instructions of one request in the Handler alone; None where valgrind is missing."""
    if shutil.which("valgrind") is None:
        return None
    once, twice = (_handled(count, cores) for count in (calls, 2 * calls))
    return (twice - once) / calls


def _handled(count: int, cores: Cores) -> int:
    say(f"instructions: {count} requests")
    return collected(handler_arguments(count), cores)


def handler_arguments(count: int | str, handler: str | Path = HANDLER) -> list[str]:
    """Give the arguments of a run of so many requests in the Handler alone."""
    return [str(handler), str(count), PATH, BODY]


def callgrind_command(arguments: Sequence[str], python: str | Path = PYTHON) -> list[str]:
    """Give the command that counts the instructions of a run of Python."""
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    return ["env", "PYTHONHASHSEED=0", *tool, str(python), "-P", *arguments]


def collected(arguments: Sequence[str], cores: Cores) -> int:
    """Count the instructions of a run of Python, all of it."""
    text = output(callgrind_command(arguments), cores.server)
    match = re.search(r"Collected : (\d+)", text)
    if match is None:
        raise Stop(f"callgrind said no count:\n{text}")
    return int(match[1])
