"""The catalogue of mutants, checked by Schemathesis as its users run it: on a socket, with all its checks."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.children import output, say
from benchmarks.environment import CACHE, ROOT
from mockserver.check.mutants.mutators import Mutant
from mockserver.engine import Mock
from mockserver.messages import Handler, Request, Response
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.testing.server import make_app

VERSION = "4.32.5"
VENV = CACHE / "schemathesis"
COMMAND = VENV / "bin" / "st"
KEY = "any-key"
LONGEST = 10
"""Seconds that it may take for one server; what it has not found by then is missed."""

PATIENCE = 2
"""Seconds that one answer may take: less than a server of the catalogue that hangs would."""

AT_ONCE = 2


class Verdict(NamedTuple):
    """What it said of one server: whether it found something, and how long it took, in seconds."""

    name: str
    found: bool
    seconds: float


def prepared() -> None:
    """Make its environment, unless it is there; Stop where it cannot be had."""
    if COMMAND.exists():
        return
    say(f"making an environment of Schemathesis {VERSION} in .cache/bench")
    output([sys.executable, "-m", "venv", "--clear", VENV])
    pip: list[str | Path] = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    output([*pip, f"schemathesis=={VERSION}"])


def arguments(era: str, url: str, seconds: int) -> list[str]:
    """Give the arguments of its command: the document of an era against a server."""
    options = f"--checks all --seed 0 --max-failures 1 --request-timeout {PATIENCE} --max-time {seconds}"
    document = Path("schemas", "llamacloud-chat", f"{era}.yaml")
    return ["run", str(ROOT / document), "--url", url, "-H", f"Authorization: Bearer {KEY}", *options.split()]


def judged(mutants: Sequence[Mutant], seconds: int = LONGEST) -> list[Verdict]:
    """Let it look at every server of a catalogue, several at once."""
    prepared()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = []
            for number, verdict in enumerate(pool.map(lambda each: _judge(each, seconds), mutants), 1):
                say(f"Schemathesis: {number} of {len(mutants)} servers, {verdict.name} {verdict.seconds:.1f} s")
                found.append(verdict)
            return found
    finally:
        os.sched_setaffinity(0, before)


def _judge(mutant: Mutant, seconds: int) -> Verdict:
    """Serve one, strict in what Schemathesis expects of any server, and run the command."""
    settings = Settings(
        contract=mutant.era, seed=0, unknown_sessions="404", locked_status="409", api_key=KEY, strict=True
    )
    mock = _Wrapped(settings, mutant)
    with tempfile.TemporaryDirectory(prefix="mockserver-bench-") as folder, running(make_app(settings, mock)) as url:
        began = time.perf_counter()
        done = subprocess.run(
            [COMMAND, *arguments(mutant.era, url, seconds)], cwd=folder, capture_output=True, text=True, check=False
        )
        spent = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise RuntimeError(f"Schemathesis ended with {done.returncode} at {mutant.name}:\n{done.stdout}{done.stderr}")
    return Verdict(mutant.name, done.returncode == 1, spent)


class _Wrapped(Mock):
    """The mock, broken in the one way of a mutant."""

    def __init__(self, settings: Settings, mutant: Mutant) -> None:
        super().__init__(settings)
        self._wrapped: Handler = mutant.wrap(super().handle)

    def handle(self, request: Request) -> Response:
        """Answer as the mutant does."""
        return self._wrapped(request)
