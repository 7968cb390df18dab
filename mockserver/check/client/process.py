"""A client's process: the driver script, which runs in the client's own environment and makes its calls."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mockserver.check.part import Sdk
from mockserver.errors import StartError
from mockserver.messages import Json

PATIENCE = 60.0
"""Seconds that one call may take before the client is said to hang."""


class LostClientError(Exception):
    """The client's process ended, or did not answer."""


class Driver:
    """A process that makes the calls of one client."""

    def __init__(self, python: Path, sdk: Sdk) -> None:
        self.python, self._sdk = python, sdk
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(  # noqa: S603  # the interpreter that the user named, or one of our own making
                [str(self.python), "-I", str(self._sdk.driver)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=clean_environ(self._sdk.variables),
                encoding="utf-8",
            )
        except OSError as error:
            raise StartError("the client cannot be run", where=str(self.python), why=str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def describe(self) -> Json:
        """Return what the client says of itself; a StartError where there is none."""
        try:
            return self.ask({"do": "describe"})
        except LostClientError as lost:
            fix = f"name the interpreter of an environment that has {self._sdk.need or self._sdk.package}"
            raise StartError("the client cannot be used", where=str(self.python), why=str(lost), fix=fix) from lost

    def ask(self, order: Mapping[str, Json]) -> Json:
        """Send an order, and return what comes back; if nothing does, restart the process and raise LostClientError."""
        process = self._process
        timer = threading.Timer(PATIENCE, process.kill)  # ends one that does not answer any more
        timer.daemon = True
        timer.start()
        try:
            if process.stdin is None or process.stdout is None:
                raise LostClientError("it has no pipes")
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError as error:
            line = f"{error}"
        finally:
            timer.cancel()
        if line.startswith(("{", "[")):
            return json.loads(line)
        process.kill()
        _, output = process.communicate()
        self._process = self._start()
        last = [each for each in output.splitlines() if each.strip()][-1:]
        raise LostClientError(
            f"its process ended, or did not answer in {PATIENCE:g} s" + "".join(f": {each}" for each in last)
        )


def clean_environ(variables: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables of this process without those that would configure a client or send it elsewhere."""
    unwanted = ("MOCKSERVER_", *variables)
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and not name.lower().endswith("_proxy")
    }
