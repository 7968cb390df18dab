"""Runs the command line in this process, as `python -m mockserver` would, without the half second that a new one takes.

It is for commands that end by themselves; what serves, or is sent a signal, is run as a process (tests/needs.py).
"""

import io
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mockserver.cli import start
from mockserver.server import uvicorn


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class ServingError(AssertionError):
    """A command that does not end: it would serve now."""


def _serve(_: Any, listener: socket.socket, *__: Any, **___: Any) -> None:
    listener.close()
    raise ServingError("it was not stopped, and would serve now")


def run(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str | None] | None = None) -> Done:
    """Run a command to its end in a folder, with variables changed; None takes one away."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["mockserver", *map(str, arguments)])
        patch.setattr(uvicorn, "serve", _serve)
        patch.setattr(uvicorn, "serve_many", _serve)
        if cwd is not None:
            patch.chdir(cwd)
        for name, text in (env or {}).items():
            if text is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, text)
        try:
            start()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
    return Done(code, out.getvalue(), err.getvalue())
