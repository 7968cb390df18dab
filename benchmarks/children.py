"""Processes of the benchmark: each on one core, in a group of its own, and killed at the end whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
"""Units of processor time in /proc, per second."""


class Stop(Exception):  # noqa: N818  # what ends a run is no defect of the benchmark
    """What ends the run, with its exit code."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the server and the core of the load; the same one where there is no other."""

    server: int
    load: int
    every: tuple[int, ...] = ()
    """All that this process may use."""


def usable_cores() -> Cores:
    """Give the first and the last core that this process may use."""
    cores = sorted(os.sched_getaffinity(0))
    return Cores(cores[0], cores[-1], tuple(cores))


def say(text: str) -> None:
    """Tell how the run gets on, on stderr."""
    print(text, file=sys.stderr, flush=True)


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the run as Ctrl-C does, so that children are killed."""

    def end(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)


@contextmanager
def child(command: Sequence[str | Path], core: int | None = None, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, on one core if one is named; its whole group is killed when the block ends."""
    process = _started(command, core, more)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _started(command: Sequence[str | Path], core: int | None, more: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start a process that inherits its core from the start, since threads made earlier would keep another."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        more = {"stdin": subprocess.DEVNULL, **more}
        return subprocess.Popen(command, start_new_session=True, env=clean_env(), **more)
    finally:
        os.sched_setaffinity(0, before)


def clean_env() -> dict[str, str]:
    """Give the environment without what would change Python's or the mock's behaviour."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MOCKSERVER_"))}


def output(command: Sequence[str | Path], core: int | None = None, allowed: Sequence[int] = (0,), **more: Any) -> str:
    """Run a command to its end and give what it printed, stderr included; Stop where it ends with another code."""
    with child(command, core, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more) as process:
        text = process.communicate()[0].decode("utf-8", "replace")
        if process.returncode not in allowed:
            name = Path(command[0]).name
            raise Stop(f"{name} failed with exit code {process.returncode}:\n{text.strip()}")
        return text


def processor_seconds(pid: int) -> float:
    """Give the processor time that a process has used so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory(pid: int) -> int:
    """Give the largest resident size that a process has had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
