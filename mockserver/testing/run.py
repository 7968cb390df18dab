"""Runs a command beside a mock, and reports what its client did wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from mockserver.api import Api
from mockserver.contract.openapi import Contract
from mockserver.control.app import make_app, start_mock
from mockserver.control.client import LocalAdmin
from mockserver.engine import Mock
from mockserver.errors import StartError
from mockserver.journal.exchange import Exchange
from mockserver.messages import DEFAULT_SCOPE
from mockserver.server.tls import open_tls
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.testing.server import API_KEY, MockServer
from mockserver.testing.views import Stub


class Allowed(NamedTuple):
    """What does not count as a finding."""

    invalid: bool = False
    unused: bool = False
    silence: bool = False


class Ran(NamedTuple):
    """A command that has run: its exit code, and what is judged."""

    command: Sequence[str]
    code: int
    seed: int
    allowed: Allowed
    operations: Sequence[str]
    """The operations that are served."""
    journals: Sequence[Sequence[Exchange]]
    """The exchanges of each scope."""
    unused: Sequence[Stub]
    """The stubs that were never used."""
    clock_stands: bool
    """Whether the times in the journals are fixed and mean nothing."""
    contracts: Sequence[Contract] = ()
    """The contracts that are served, the newest first."""
    api: Api | None = None


def run_command(
    command: Sequence[str], settings: Settings, allowed: Allowed, tell: Callable[[Ran], bool] | None = None
) -> int:
    """Run a command with the environment pointed at a mock; give the exit code.

    That is the command's own if it is not 0, else 1 if something was found. `tell` writes reports of its own,
    and returns whether it found something. StartError if the command or the mock cannot be started.
    """
    mock = start_mock(settings)
    key = settings.api_key or API_KEY
    try:
        with (
            open_tls(settings) as tls,
            running(make_app(settings, mock), settings.host, settings.port, shutdown_timeout=1, tls=tls) as url,
        ):
            server = MockServer(LocalAdmin(mock, DEFAULT_SCOPE), url, api=mock.api, mock=mock, api_key=key, tls=tls)
            code = _run(command, {**os.environ, **server.environ()})
        scopes = sorted({DEFAULT_SCOPE, *mock.store.active_scopes()})
        servers = [MockServer(LocalAdmin(mock, scope), url, api=mock.api, mock=mock) for scope in scopes]
        found = [*_complaints(servers, allowed)]
        wrong = tell is not None and tell(_ran(command, code, mock, servers, allowed))
        requests, calls = sum(len(each.journal) for each in servers), sum(len(each.journal.calls) for each in servers)
    finally:
        mock.store.close()
    told = f"{calls} call{'s' * (calls != 1)} in {requests} request{'s' * (requests != 1)}, seed {mock.seed}"
    verdict = (
        f"{len(found)} finding{'s' * (len(found) != 1)}" if found else "see the report" if wrong else "nothing wrong"
    )
    print(*(f"mockserver: {each}" for each in [*found, f"{told}: {verdict}"]), sep="\n", file=sys.stderr, flush=True)
    return code or bool(found or wrong)


def _ran(command: Sequence[str], code: int, mock: Mock, servers: Sequence[MockServer], allowed: Allowed) -> Ran:
    """Collect what is judged."""
    return Ran(
        command,
        code,
        mock.seed,
        allowed,
        sorted(mock.served.stubs.fields),
        [list(each.journal) for each in servers],
        [stub for each in servers for stub in each.stub.unused],
        mock.settings.clock is not None,
        mock.served.contracts,
        mock.api,
    )


def _complaints(servers: Sequence[MockServer], allowed: Allowed) -> Iterator[str]:
    if not allowed.silence and not any(len(each.journal) for each in servers):
        yield (
            f"no request came: nothing was judged. Does the command read {url_variable(servers[0].api)}? "
            "(--allow-silence allows it)"
        )
    for server in servers:
        if allowed.invalid:
            server.allow_invalid()
        if allowed.unused:
            server.allow_unused()
        yield from server.complaints()


def url_variable(api: Api | None) -> str:
    """Name the environment variable that holds the clients' base URL."""
    return next(iter(() if api is None else api.client.url_variables), "MOCKSERVER_URL")


def _run(command: Sequence[str], environ: dict[str, str]) -> int:
    """Run a command to its end, and pass it our signals; StartError if it cannot be run."""
    try:
        process = subprocess.Popen(command, env=environ)  # noqa: S603  # to run what it is told is what this is for
    except OSError as error:
        why = error.strerror or str(error)
        raise StartError(f"the command {command[0]!r} cannot be run", why=why, fix="see its name and path") from error
    with _passing_on(process):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Pass signals on to a process; the terminal's own interrupt reaches it anyway."""

    def handle(number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT:
            process.send_signal(number)

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
