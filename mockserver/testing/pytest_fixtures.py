"""Supports the pytest plugin: a mock for each test, and one server for all of them."""

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mockserver.api import choose, options, unknown_option
from mockserver.control.app import make_app
from mockserver.errors import UsageError
from mockserver.messages import PREFIX
from mockserver.server.asgi import App, Receive, Scope, Send
from mockserver.server.uvicorn import running
from mockserver.settings import read_value
from mockserver.testing.server import SEED, MockServer, connect, open_mock

if TYPE_CHECKING:
    import pytest

    from mockserver.engine import Mock

_OVER = b'{"detail":"The test that this scope belongs to is over, or never was."}'


class Mounts:
    """An ASGI application that sends each test's requests to its own mock, by the scope in the path."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}

    def add(self, name: str, app: App) -> None:
        """Let a mock answer for a scope."""
        self._apps[name] = app

    def remove(self, name: str) -> None:
        """Stop answering for a scope, so that a test's leftover requests reach no other test."""
        del self._apps[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        name = scope["path"][len(PREFIX) :].partition("/")[0] if scope["path"].startswith(PREFIX) else ""
        app = self._apps.get(name)
        if app is not None:
            await app({**scope, "root_path": scope.get("root_path", "") + PREFIX + name}, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_OVER))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": _OVER})


class LiveServer:
    """One socket for all tests of a process."""

    def __init__(self) -> None:
        self.mounts = Mounts()
        self._stack = ExitStack()
        self.url = self._stack.enter_context(running(self.mounts, shutdown_timeout=1))

    @contextmanager
    def serving(self, mock: "Mock") -> Iterator[str]:
        """Serve a mock under a path of its own during the block; yields the base URL."""
        name = _new_scope()
        self.mounts.add(name, make_app(mock.settings, mock))
        try:
            yield f"{self.url}{PREFIX}{name}"
        finally:
            self.mounts.remove(name)

    def close(self) -> None:
        """Stop."""
        self._stack.close()


_numbers = itertools.count(1)


def _new_scope() -> str:
    """Make a scope name that no other test uses, in any process."""
    return f"test-{os.getpid()}-{next(_numbers)}-{uuid4().hex[:8]}"


def seed_of(config: "pytest.Config") -> int:
    """Read the seed of a run; UsageError if it is not one."""
    said = config.getoption("--mockserver-seed")
    if said is None:
        return SEED
    if said == "random":
        return int.from_bytes(os.urandom(4))
    try:
        return int(said)
    except ValueError:
        raise UsageError(f"--mockserver-seed {said} is no seed", fix="write a whole number, or random") from None


def chosen_settings(request: "pytest.FixtureRequest", suite: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the settings of the configuration, the suite's fixture and the test's marker; later ones win."""
    said: dict[str, Any] = dict(_configured(request.config))
    said |= suite
    for marker in reversed(list(request.node.iter_markers("mockserver"))):
        if marker.args:
            raise UsageError("the marker mockserver takes settings by name", fix="write mockserver(seed=7)")
        said |= marker.kwargs
    return said


def _configured(config: "pytest.Config") -> Iterator[tuple[str, Any]]:
    """Read the lines of `mockserver_settings`."""
    lines = [[part.strip() for part in line.partition("=")] for line in config.getini("mockserver_settings")]
    said = {name.replace("-", "_"): value for name, _, value in lines}
    api = choose(said.get("api"), said.get("contract"))
    known = {each.name: each for each in options(api)}
    for name, value in said.items():
        if name not in known:
            raise unknown_option(name, api, known, f"mockserver_settings in {config.inipath}")
        yield name, read_value(known[name], value)


@contextmanager
def mock_for(request: "pytest.FixtureRequest", suite: Mapping[str, Any]) -> Iterator[MockServer]:
    """Make a test's mock: in this process, or a scope of another server."""
    said = chosen_settings(request, suite)
    url = request.config.getoption("--mockserver-url")
    if url is None:
        with open_mock(**{"seed": seed_of(request.config), **said}) as server:
            yield server
        return
    if others := sorted(said.keys() - {"seed"}):
        raise UsageError(
            f"the setting {others[0]!r} cannot be given to a server that runs already",
            where=f"--mockserver-url {url}",
            fix="give it to that server, or run the test without --mockserver-url",
        )
    with connect(url, _new_scope(), seed=said.get("seed", seed_of(request.config))) as server:
        yield server


@contextmanager
def on_a_socket(request: "pytest.FixtureRequest", server: MockServer, live: "pytest.StashKey[Any]") -> Iterator[None]:
    """Make a test's mock reachable by the socket of the process; another server has its own."""
    mock, config = server.mock, request.config
    if mock is None:
        yield
        return
    if config.stash.get(live, None) is None:
        config.stash[live] = LiveServer()
    with config.stash[live].serving(mock) as url, server.at(url):
        yield
