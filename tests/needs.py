"""What tests need beside Python: commands of the system, and processes that end with the test."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that a process may take on a busy machine."""


NOT_TESTED = "NOT TESTED"
"""What the reason of every skipped test begins with; a run counts them at its end."""


def untested(why: str) -> NoReturn:
    """End a test that lacks what it needs: in CI it fails, elsewhere it is skipped and counted loudly."""
    if os.environ.get("CI"):
        pytest.fail(f"{why} (CI tests all)")
    pytest.skip(f"{NOT_TESTED}: {why}")


def message(command: str, package: str = "") -> str:
    """Say that a command is missing, and how to get it."""
    return f"there is no {command} here: run tests/packages.sh as root, or install Debian's {package or command}"


def need(command: str, package: str = "") -> str:
    """Give the path of a command; where there is none the test is skipped loudly, in CI it fails."""
    found = shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        untested(message(command, package))
    return found


def free_port() -> int:
    """Give a port of the loopback address that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def awaited(get: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Give the first value that is true; where none comes, the test fails and says for what it waited."""
    end = time.monotonic() + patience
    while not (value := get()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {patience:g} s")
        time.sleep(0.02)
    return value


class Running:
    """A command that runs, with what it writes to stdout and stderr in a file."""

    def __init__(self, command: Sequence[str], log: Path, **more: str) -> None:
        environ = {name: text for name, text in os.environ.items() if not name.startswith("MOCKSERVER_")}
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environ | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid, self.log = self.process.pid, log

    def said(self, text: str) -> str:
        """Wait until it has written a text, and give all that it has written so far."""

        def look() -> str:
            written = self.log.read_text("utf-8")
            assert text in written or self.process.poll() is None, written
            return written if text in written else ""

        return awaited(look, f"{self.process.args!r} writes {text!r}")

    def end(self, how: signal.Signals = signal.SIGTERM, patience: float = PATIENCE) -> int:
        """Stop it and give its exit code; it fails where it takes longer than `patience` seconds."""
        self.process.send_signal(how)
        return self.process.wait(patience)

    def kill(self) -> None:
        """Kill it with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(command: Sequence[str], log: Path, **more: str) -> Iterator[Running]:
    """Run a command in the folder of `log` for as long as the block lasts, with `more` in its environment.

    It has a process group of its own, which is killed at the end, so that nothing of it stays whatever happens.
    """
    started = Running(command, log, **more)
    try:
        yield started
    finally:
        started.kill()
