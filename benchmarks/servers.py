"""The environment that is measured, and the servers in it: each a process on a core of its own."""

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "bench"
PYTHON, MOCKSERVER = (CACHE / "venv" / "bin" / name for name in ("python", "mockserver"))
REFERENCE = ROOT / "benchmarks" / "reference.py"
RUN_REFERENCE = "import benchmark_reference; benchmark_reference.main()"

PATIENCE = 60.0
"""Seconds that a server may take until it answers."""

OURS, PLAIN, BARE = "mockserver", "plain Starlette", "bare ASGI"
CHAT, SESSION = "/api/v1/chat", "ses-abc123"
MESSAGE = "How do I rotate the keys of an index without any downtime?"
TITLE = MESSAGE[:50] + "..."
CONTRACT, TITLE_PATH = ROOT / "schemas" / "llamacloud-chat" / "2.6.yaml", "/api/v1/chat/{session_id}/title"
HEADERS = {"content-type": "application/json", "authorization": "Bearer any-key"}

SNIFFIO = "sniffio==1.3.1"
"""Without it httpx's own ASGI transport looks for it in vain on every call; the official client brings it along."""

_SOURCES = ("mockserver", "schemas", "fixtures", "pyproject.toml", "hatch_build.py", "constraints.txt", "README.md")

Command: TypeAlias = Sequence[str | Path]
Process: TypeAlias = "subprocess.Popen[bytes]"


class Stop(Exception):  # noqa: N818  # it also ends a section where nothing is wrong with the benchmark
    """Ends a section: something cannot be measured, or is not right."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the server and the core of the load: the same one on a machine with a single core."""

    server: int
    load: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is sent many times. In its path `{n:06d}` stands for a number, which differs from call to call."""

    method: str
    path: str
    body: str = ""
    status: int = 200
    among: int = 0
    """0 counts the number up; otherwise it is drawn at random from so many."""
    delete: bool = False
    """Whether each session that the call creates is deleted by the next one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    moment: float
    """When all of it was there, on the clock of time.perf_counter."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of the servers that are compared; `command` gives what starts it on a port."""

    name: str
    command: Callable[[int], Command]
    prepare: Callable[[int], object] = lambda _: None
    """Makes what the calls need, once the server listens on the port."""
    call: Call | None = None
    """What it is asked, where that is not what the others are asked."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running server; `began` is the moment before its start, on the clock of time.perf_counter."""

    name: str
    process: Process
    port: int
    began: float


TITLE_CALL = Call("POST", f"{CHAT}/{SESSION}/title", json.dumps({"first_message": MESSAGE}))
ANY_TITLE = Call("POST", f"{CHAT}/ses-{{n:06d}}/title", TITLE_CALL.body)


def say(text: str) -> None:
    """Report progress on stderr."""
    print(text, file=sys.stderr, flush=True)


# -- the environment ---------------------------------------------------------------------------------------------------


def prepare() -> None:
    """Build the wheel of this tree and install it into `.cache/bench/venv`, unless that is done."""
    stamp, mark = CACHE / "stamp", fingerprint()
    if PYTHON.exists() and stamp.is_file() and stamp.read_text("ascii") == mark:
        return
    say("building the wheel and its environment in .cache/bench")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(CACHE / "dist", ignore_errors=True)
    output([sys.executable, "-m", "build", "--wheel", "--outdir", CACHE / "dist", ROOT], cwd=ROOT)
    make_environment(PYTHON, f"{next((CACHE / 'dist').glob('*.whl'))}[testing]", SNIFFIO)
    stamp.write_text(mark, "ascii")


def make_environment(python: Path, *packages: str | Path) -> None:
    """Make an environment with packages in their pinned versions, and with `reference.py` as `benchmark_reference`.

    It is a module there, so that its bytecode is kept between starts like that of any installed package.
    """
    output([sys.executable, "-m", "venv", "--clear", python.parents[1]])
    pip: Command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    output([*pip, "--constraint", ROOT / "constraints.txt", *packages])
    site = output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).splitlines()[-1]
    shutil.copy(REFERENCE, Path(site) / "benchmark_reference.py")


def fingerprint() -> str:
    """Return a digest of all that goes into the environment."""
    digest = hashlib.sha256((sys.version + SNIFFIO).encode() + REFERENCE.read_bytes())
    for place in (ROOT / name for name in _SOURCES):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


# -- processes ---------------------------------------------------------------------------------------------------------


@contextmanager
def child(command: Command, core: int | None = None, **more: Any) -> Iterator[Process]:
    """Run a process, on one core if one is given; its whole group is killed when the block ends."""
    before = os.sched_getaffinity(0)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MOCKSERVER_"))}
    if core is not None:
        os.sched_setaffinity(0, {core})  # inherited, so that all threads of the process have it from the start
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, env=clean, **more)
    finally:
        os.sched_setaffinity(0, before)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)


def output(command: Command, core: int | None = None, limit: float | None = None, **more: Any) -> str:
    """Run a command to its end and return what it printed, stderr included; Stop if it fails or takes too long."""
    with child(command, core, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more) as process:
        try:
            text = process.communicate(timeout=limit)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            raise Stop(f"{Path(command[0]).name} took longer than {limit:g} s") from None
        if process.returncode:
            raise Stop(f"{Path(command[0]).name} failed with exit code {process.returncode}:\n{text.strip()}")
        return text


def mock(name: str = OURS, *options: str | Path, **more: Any) -> Server:
    """Return the mock, served with options; `more` are fields of the server."""
    return Server(
        name, lambda port: [MOCKSERVER, "serve", "--quiet", "--port", str(port), "--seed", "0", *options], **more
    )


def reference(name: str, *arguments: str | Path) -> Server:
    """Return a server of `reference.py`; the port is its last argument."""
    return Server(name, lambda port: [PYTHON, "-c", RUN_REFERENCE, *arguments, str(port)])


@contextmanager
def serving(server: Server, cores: Cores) -> Iterator[Running]:
    """Run a server on its core, in an empty folder, as long as the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder:
        began, quiet = time.perf_counter(), subprocess.DEVNULL
        with child(server.command(port), cores.server, cwd=folder, stdout=quiet, stderr=quiet) as process:
            yield Running(server.name, process, port, began)


def ask(port: int, call: Call, number: int = 0, patience: float = PATIENCE) -> Answer:
    """Send a call on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request(call.method, call.path.format(n=number), call.body.encode() or None, HEADERS)
        answer = connection.getresponse()
        headers, body = {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        return Answer(answer.status, headers, body, time.perf_counter())
    finally:
        connection.close()


def checked(running: Running, call: Call, number: int = 0) -> Answer:
    """Send a call, and Stop if its answer is not right; of a title call, session and title are looked at, too."""
    answer = ask(running.port, call, number)
    right = answer.status == call.status
    if right and call is TITLE_CALL:
        body = json.loads(answer.body)
        right = (body["session_id"], body["generated_title"]) == (SESSION, TITLE)
    if not right:
        raise Stop(f"{running.name} answered {call.method} {call.path} wrongly: {answer.status} {answer.body[:200]!r}")
    return answer


def first_answer(running: Running, call: Call) -> Answer:
    """Send a call every millisecond until the server answers it rightly."""
    problem: Exception | None = None
    while time.perf_counter() < running.began + PATIENCE and running.process.poll() is None:
        try:
            return checked(running, call)
        except (OSError, http.client.HTTPException, Stop) as error:
            problem = error
        time.sleep(0.001)
    raise Stop(f"{running.name} did not start: {problem}; its exit code is {running.process.poll()}")


def processor_seconds(pid: int) -> float:
    """Return the processor time that the threads of a process have used so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text("ascii").split()[0]) for path in tasks) / 1e9


def memory_mib(pid: int, field: str = "VmHWM") -> float:
    """Return the resident memory of a process: its peak (VmHWM), or what it is now (VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
