"""Calls of released clients: what is asked of a driver, and the outcome that it tells."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from mockserver.messages import Json
from tests.clients.environments import clean_environ

Way: TypeAlias = Literal["plain", "raw", "streaming", "with", "same", "pages", "guide"]
"""How a call is made; the drivers say what each is."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as they went over the wire; `target` is path and query, percent-encoded."""

    method: str
    target: str
    request_headers: dict[str, str]
    request_body: str
    status: int
    headers: dict[str, str]
    body: str

    @property
    def contract(self) -> str:
        """The name of the contract that the mock says it answered from."""
        return self.headers["x-mock-contract"].partition("#")[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception of the client: its class, the classes it stands on, and what it tells."""

    name: str
    bases: list[str]
    message: str
    status: int | None
    body: Json


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call.

    `parsed` is what the client made of the answer, as JSON, and `kind` the class of that; `read` is the raw
    response as the client gives it (status, headers, text), where the way of the call has one. `closed` says whether
    a raw response of Python was closed when it was handed out, and, after a block, at its end; `times` when the
    guide's reader printed, in seconds.
    """

    parsed: Json
    kind: str | None
    error: Failure | None
    read: dict[str, Any] | None
    closed: list[bool] | None
    times: list[float] | None
    warnings: list[str]
    exchanges: list[Exchange]

    @property
    def exchange(self) -> Exchange:
        """The only exchange of the call."""
        (only,) = self.exchanges
        return only


class Driver:
    """A process that makes the calls of one release."""

    def __init__(self, command: Sequence[str], environ: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environ() if environ is None else environ,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate(timeout=20)

    def call(
        self,
        base_url: str | None,
        method: str,
        arguments: dict[str, Any] | list[Any],
        *,
        resource: str = "beta.chat",
        way: Way = "plain",
        asynchronous: bool = False,
        aiohttp: bool = False,
        strict: bool = False,
        key: str = "any-key",
        max_retries: int = 0,
        timeout: float = 20.0,
    ) -> Outcome:
        """Make one call and give its outcome; without a base URL, by a client that is built without arguments."""
        asked = {
            "base_url": base_url,
            "resource": resource,
            "method": method,
            "arguments": arguments,
            "way": way,
            "asynchronous": asynchronous or aiohttp,
            "aiohttp": aiohttp,
            "strict": strict,
            "key": key,
            "max_retries": max_retries,
            "timeout": timeout,
        }
        told = self._tell(json.dumps(asked))
        error, exchanges = told.pop("error"), told.pop("exchanges")
        return Outcome(
            error=Failure(**error) if error else None, exchanges=[Exchange(**each) for each in exchanges], **told
        )

    def _tell(self, line: str) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the driver has no pipes")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the driver ended with exit code {self._process.wait(5)}; its stderr says why")
        told: dict[str, Any] = json.loads(answer)
        return told
