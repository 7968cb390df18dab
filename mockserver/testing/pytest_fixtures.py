"""Supports the pytest plugin: a mock for each test, and one server for all of them."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from mockserver.api import choose_by, converted
from mockserver.control.app import make_app
from mockserver.errors import MockserverError, UsageError
from mockserver.journal.exchange import Exchange
from mockserver.messages import PREFIX
from mockserver.server.asgi import App, Receive, Scope, Send
from mockserver.server.tls import open_tls
from mockserver.server.uvicorn import running
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


Layer: TypeAlias = tuple[str, Mapping[str, Any]]
"""Where settings come from, and the settings by name."""


def _merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Convert and merge settings, later layers over earlier ones; a UsageError says where one is wrong."""
    said: dict[str, Any] = {}
    for _, layer in layers:
        said |= layer
    live = {"live": said.pop("live")} if "live" in said else {}
    api = choose_by(said)
    for where, layer in layers:
        said |= converted({name: value for name, value in layer.items() if name != "live"}, api, where)
    return said | live


def _layers(request: "pytest.FixtureRequest", fixture: str, suite: Mapping[str, Any]) -> list[Layer]:
    """List the settings of the configuration, the suite's fixture and the markers; later ones win."""
    layers = [_configured(request.config), (f"the fixture {fixture}", suite)]
    for marker in reversed(list(request.node.iter_markers("mockserver"))):
        where = f"the marker mockserver of {request.node.nodeid}"
        if marker.args:
            raise UsageError(
                "the marker mockserver takes settings by name", where=where, fix="write mockserver(seed=7)"
            )
        layers.append((where, marker.kwargs))
    return layers


def _configured(config: "pytest.Config") -> Layer:
    """Read the lines of `mockserver_settings`."""
    lines = [[part.strip() for part in line.partition("=")] for line in config.getini("mockserver_settings")]
    where = f"mockserver_settings in {config.inipath}"
    return where, {name.replace("-", "_"): value for name, _, value in lines}


def check_configuration(config: "pytest.Config") -> None:
    """Try the settings of the run once, before any test; a MockserverError says what is wrong with them."""
    url, (where, said) = config.getoption("--mockserver-url"), _configured(config)
    seed = seed_of(config)
    if addresses := config.getini("mockserver_intercept"):
        from mockserver.testing.intercept import read_address

        for address in addresses:
            read_address(address)
    chosen = _merged([(where, said)])
    if url is not None:
        _refuse_settings(chosen, url)
        with connect(url):
            return
    if not said:
        return
    try:
        with open_mock(**{"seed": seed, **chosen}):
            return
    except MockserverError as error:
        raise UsageError(error.what, where=f"{where}: {error.where}", why=error.why, fix=error.fix) from error


def _refuse_settings(said: Mapping[str, Any], url: str) -> None:
    """Refuse settings other than the seed for a server that runs already."""
    if others := sorted(said.keys() - {"seed"}):
        raise UsageError(
            f"the setting {others[0]!r} cannot be given to a server that runs already",
            where=f"--mockserver-url {url}",
            fix="give it to that server, or run the test without --mockserver-url",
        )


@contextmanager
def _opened(request: "pytest.FixtureRequest", said: Mapping[str, Any]) -> Iterator[MockServer]:
    """Open a mock: in this process, or a scope of another server."""
    url, seed = request.config.getoption("--mockserver-url"), seed_of(request.config)
    if url is None:
        with open_mock(**{"seed": seed, **said}) as server:
            yield server
        return
    _refuse_settings(said, url)
    with connect(url, _new_scope(), seed=said.get("seed", seed)) as server:
        yield server


@contextmanager
def mock_for(
    request: "pytest.FixtureRequest",
    suite: Mapping[str, Any],
    watches: "pytest.StashKey[list[Watch]]",
    live: "pytest.StashKey[Any]",
) -> Iterator[MockServer]:
    """Make the mock of a test, a module or a session, and judge what comes to it until the end of that scope.

    A MockserverError says what is wrong with its settings, a VerificationError what the client did wrong at the end.
    """
    config, shared = request.config, request.scope != "function"
    fixture = "mockserver_settings" if not shared else f"mockserver_{request.scope}_settings"
    with ExitStack() as stack:
        said = _merged(_layers(request, fixture, suite))
        on_socket = convert_live(said.pop("live", False), shared)
        server = stack.enter_context(_opened(request, said))
        server.record_mode = config.getoption("--mockserver-record")
        if on_socket:
            stack.enter_context(reachable(config, server, live))
        _intercept(request, server)
        watch = Watch(server, is_shared=shared)
        open_now = config.stash.setdefault(watches, [])
        open_now.append(watch)
        stack.callback(open_now.remove, watch)
        yield server
        server.complain(watch.judge_the_rest())


def _intercept(request: "pytest.FixtureRequest", server: MockServer) -> None:
    """Intercept calls as the marker says, else as the ini option does."""
    marker = request.node.get_closest_marker("mockserver_intercept")
    if marker is not None:
        server.intercept(*marker.args, **marker.kwargs)
    elif addresses := request.config.getini("mockserver_intercept"):
        server.intercept(*addresses)


def convert_live(value: Any, shared: bool) -> bool:
    """Read the setting `live` of a mock that tests share."""
    if not shared and value:
        raise UsageError("the setting 'live' is for mocks that tests share", fix="use the fixture mockserver_live")
    if not isinstance(value, bool):
        raise UsageError(f"the setting live cannot be {value!r}", fix="write True or False")
    return value


class Watch:
    """Judges what came to a mock since it was judged last."""

    def __init__(self, server: MockServer, *, is_shared: bool) -> None:
        self.server, self._is_shared = server, is_shared
        self._judged = self._first = self._clearings = 0
        self._stubs: frozenset[int] = frozenset()
        """The stubs that are judged, or that belong to no test."""
        self._permissions = server.permissions

    def begin(self) -> None:
        """Note where a test begins."""
        self._first = self._judged

    def begin_call(self) -> None:
        """Note what the fixtures have set up: a shared mock's stubs are then no stubs of the test."""
        self._permissions = self.server.permissions
        if self._is_shared:
            self._stubs |= {each.number for each in self.server.stub}

    def _new(self) -> tuple[int, list[Exchange]]:
        """List the exchanges since the last judgement, and move on; also return the number before them."""
        if self.server.journal.clearings != self._clearings:
            self._clearings, self._judged, self._first = self.server.journal.clearings, 0, 0
        before, exchanges = self._judged, self.server.journal.since(self._judged)
        self._judged = exchanges[-1].number if exchanges else before
        return before, exchanges

    def judge_exchanges(self) -> list[str]:
        """List what the client did wrong since the last judgement."""
        before, exchanges = self._new()
        return self.server.judge_exchanges(exchanges, before)

    def judge_call(self) -> list[str]:
        """List what was wrong in a test that passed: its exchanges, and its unused stubs."""
        unused = [each for each in self.server.stub.unused if each.number not in self._stubs]
        found = [*self.judge_exchanges(), *self.server.judge_stubs(unused)]
        self.end_call()
        return found

    def end_call(self) -> None:
        """Take what happened as judged; permissions of a test hold for the test only."""
        self._new()
        if self._is_shared:
            self.server.permissions = self._permissions
        else:
            self._stubs = frozenset(each.number for each in self.server.stub)

    def judge_the_rest(self) -> list[str]:
        """List what was wrong since the last test, and at the end of a shared scope the stubs of no test."""
        unused = self.server.stub.unused
        if not self._is_shared:
            unused = [each for each in unused if each.number not in self._stubs]
        return [*self.judge_exchanges(), *self.server.judge_stubs(unused)]

    def report(self) -> str:
        """Describe the exchanges of the test."""
        return self.server.report(self._first)


def judge(watches: Sequence[Watch], part: Callable[[Watch], list[str]]) -> None:
    """Raise a VerificationError for what is wrong with any of the mocks."""
    __tracebackhide__ = True
    found = [(watch, part(watch)) for watch in watches]
    for watch, complaints in found:
        watch.server.complain(complaints)


@contextmanager
def reachable(config: "pytest.Config", server: MockServer, live: "pytest.StashKey[Any]") -> Iterator[None]:
    """Make a mock reachable by a socket, and point the environment there."""
    from unittest.mock import patch

    with on_a_socket(config, server, live), patch.dict(os.environ, server.environ()):
        yield


@contextmanager
def on_a_socket(config: "pytest.Config", server: MockServer, live: "pytest.StashKey[Any]") -> Iterator[None]:
    """Make a mock reachable by the socket of the process; another server has its own, and so has one with TLS."""
    mock = server.mock
    if mock is None:
        yield
        return
    with open_tls(mock.settings) as tls:
        if tls is not None:
            app = make_app(mock.settings, mock)
            with running(app, shutdown_timeout=1, tls=tls) as url, server.at(url, tls):
                yield
            return
    if config.stash.get(live, None) is None:
        config.stash[live] = LiveServer()
    with config.stash[live].serving(mock) as url, server.at(url):
        yield
