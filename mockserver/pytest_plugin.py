"""The pytest plugin: `mockserver` in process, `mockserver_live` on a socket; loads nothing until they are used."""

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockserver.testing.server import MockServer

_KEY: "pytest.StashKey[list[MockServer]]" = pytest.StashKey()
_LIVE: "pytest.StashKey[Any]" = pytest.StashKey()

_MARKER = "mockserver(**settings): settings of the mock for this test: the options of `mockserver serve`"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("mockserver", "a mock of an API, driven by its contract")
    group.addoption("--mockserver-url", metavar="URL", help="Use the server that runs there, a scope for each test.")
    group.addoption(
        "--mockserver-seed", metavar="N", help="Seed of what the mock makes up: a whole number, or random (default: 0)."
    )
    parser.addini("mockserver_settings", "Settings of the mock, one a line: name = value", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the session's server, if there is one."""
    live = config.stash.get(_LIVE, None)
    if live is not None:
        live.close()


@pytest.fixture
def mockserver_settings() -> Mapping[str, Any]:
    """Return the settings of the mock. Override it for a suite; a test's marker wins over it."""
    return {}


@pytest.fixture
def mockserver(request: pytest.FixtureRequest, mockserver_settings: Mapping[str, Any]) -> "Iterator[MockServer]":
    """Provide a new mock for this test.

    The test fails at its end if its client sent something that the contract forbids, or if a stub was never used;
    `mockserver.allow_invalid()` and `mockserver.allow_unused()` allow it.
    """
    from mockserver.testing import pytest_fixtures

    with pytest_fixtures.mock_for(request, mockserver_settings) as server:
        request.node.stash.setdefault(_KEY, []).append(server)
        _give(request, server)
        yield server


@pytest.fixture
def mockserver_live(
    request: pytest.FixtureRequest, mockserver: "MockServer", monkeypatch: pytest.MonkeyPatch
) -> "Iterator[MockServer]":
    """Provide the same mock on a real socket, and point the environment there, so that clients reach it unchanged."""
    from mockserver.testing import pytest_fixtures

    with pytest_fixtures.on_a_socket(request, mockserver, _LIVE):
        for name, value in mockserver.environ().items():
            monkeypatch.setenv(name, value)
        yield mockserver


def _give(request: pytest.FixtureRequest, server: "MockServer") -> None:
    """Set `self.mockserver` on a unittest.TestCase, which takes no fixtures."""
    import unittest

    if isinstance(request.instance, unittest.TestCase):
        request.instance.mockserver = server  # type: ignore[attr-defined]  # it is there from now on


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Judge the client if the test itself passed; findings fail the test."""
    __tracebackhide__ = True
    yield
    for server in item.stash.get(_KEY, ()):
        server.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the seed and the exchanges to the report of a failed test."""
    report = yield
    if call.when == "call" and report.failed:
        for server in item.stash.get(_KEY, ()):
            try:
                text = server.report()
            except Exception as error:  # the report of the test matters more
                text = f"the exchanges cannot be had: {error}"
            report.sections.append(("mockserver", text))
    return report
