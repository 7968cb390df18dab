"""The pytest plugin: mocks for tests, modules and sessions, in process or on a socket; loads nothing until used."""

import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockserver.testing.pytest_fixtures import Watch
    from mockserver.testing.server import MockServer

_WATCHES: "pytest.StashKey[list[Watch]]" = pytest.StashKey()
"""The mocks that are open now, each with what of it was judged."""
_LIVE: "pytest.StashKey[Any]" = pytest.StashKey()

_FIXTURES = {"mockserver", "mockserver_live", "mockserver_module", "mockserver_session"}
_INTERCEPT = (
    "mockserver_intercept(*addresses, allow_network=False): "
    "send to the mock what HTTP libraries send to these addresses, by default the API's own"
)
_MARKER = "mockserver(**settings): settings of the mock for this test: the options of `mockserver serve`"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("mockserver", "a mock of an API, driven by its contract")
    group.addoption("--mockserver-url", metavar="URL", help="Use the server that runs there, a scope for each test.")
    group.addoption(
        "--mockserver-seed", metavar="N", help="Seed of what the mock makes up: a whole number, or random (default: 0)."
    )
    group.addoption(
        "--mockserver-record",
        choices=("once", "all", "none"),
        default="once",
        help="When mockserver.record asks the real service: if there is no recording (once), always (all), or never.",
    )
    parser.addini("mockserver_settings", "Settings of the mock, one a line: name = value", type="linelist")
    parser.addini("mockserver_intercept", "Addresses whose calls go to the mock of a test, one a line", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)
    config.addinivalue_line("markers", _INTERCEPT)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test that intercepts calls a mock, if it names none."""
    names: list[str] = getattr(item, "fixturenames", [])
    if item.get_closest_marker("mockserver_intercept") is not None and not _FIXTURES & set(names):
        names.insert(0, "mockserver")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Try the options and settings of the run, so that a wrong one ends the run once and not each test."""
    config = session.config
    chosen = [config.getoption("--mockserver-url"), config.getoption("--mockserver-seed")]
    is_worker = hasattr(config, "workerinput")  # of pytest-xdist, whose controller has tried them
    lines = [*config.getini("mockserver_settings"), *config.getini("mockserver_intercept")]
    if is_worker or not (lines or any(each is not None for each in chosen)):
        return
    from mockserver.errors import MockserverError
    from mockserver.testing.pytest_fixtures import check_configuration

    try:
        check_configuration(config)
    except MockserverError as error:
        raise pytest.UsageError(f"mockserver: {error}") from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what is not served as it is written in the documents that the mocks of the run served."""
    packs = sys.modules.get("mockserver.api")
    notes = "" if packs is None else packs.describe_notes(packs.own_contracts())
    if notes:
        terminalreporter.write_line(f"mockserver: {notes}".replace("\n", "\nmockserver: "))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the session's server, if there is one."""
    live = config.stash.get(_LIVE, None)
    if live is not None:
        live.close()


@pytest.fixture
def mockserver_settings() -> Mapping[str, Any]:
    """Return the settings of the mock. Override it for a suite; a test's marker wins over it."""
    return {}


@pytest.fixture(scope="module")
def mockserver_module_settings() -> Mapping[str, Any]:
    """Return the settings of `mockserver_module`; `live=True` puts it on a socket as well."""
    return {}


@pytest.fixture(scope="session")
def mockserver_session_settings() -> Mapping[str, Any]:
    """Return the settings of `mockserver_session`; `live=True` puts it on a socket as well."""
    return {}


@pytest.fixture
def mockserver(request: pytest.FixtureRequest, mockserver_settings: Mapping[str, Any]) -> "Iterator[MockServer]":
    """Provide a new mock for this test.

    The test fails at its end if its client sent something that the contract forbids, or if a stub was never used;
    `mockserver.allow_invalid()` and `mockserver.allow_unused()` allow it.
    """
    with _mock_for(request, mockserver_settings) as server:
        _give(request, server)
        yield server


@pytest.fixture(scope="module")
def mockserver_module(
    request: pytest.FixtureRequest, mockserver_module_settings: Mapping[str, Any]
) -> "Iterator[MockServer]":
    """Provide one mock for all tests of a module; each test is judged by its own exchanges and stubs."""
    with _mock_for(request, mockserver_module_settings) as server:
        yield server


@pytest.fixture(scope="session")
def mockserver_session(
    request: pytest.FixtureRequest, mockserver_session_settings: Mapping[str, Any]
) -> "Iterator[MockServer]":
    """Provide one mock for all tests of a run; each test is judged by its own exchanges and stubs."""
    with _mock_for(request, mockserver_session_settings) as server:
        yield server


@pytest.fixture
def mockserver_live(request: pytest.FixtureRequest, mockserver: "MockServer") -> "Iterator[MockServer]":
    """Provide the same mock on a real socket, and point the environment there, so that clients reach it unchanged."""
    from mockserver.testing import pytest_fixtures

    with pytest_fixtures.reachable(request.config, mockserver, _LIVE):
        yield mockserver


@contextmanager
def _mock_for(request: pytest.FixtureRequest, settings: Mapping[str, Any]) -> "Iterator[MockServer]":
    """Make a mock for a scope; what is wrong with it, or with its client, is told without our own frames."""
    from mockserver.errors import MockserverError
    from mockserver.testing import VerificationError, pytest_fixtures

    try:
        with pytest_fixtures.mock_for(request, settings, _WATCHES, _LIVE) as server:
            yield server
        return
    except (MockserverError, VerificationError) as error:
        told = str(error)
    pytest.fail(told, pytrace=False)


def _give(request: pytest.FixtureRequest, server: "MockServer") -> None:
    """Set `self.mockserver` on a unittest.TestCase, which takes no fixtures."""
    import unittest

    if isinstance(request.instance, unittest.TestCase):
        request.instance.mockserver = server  # type: ignore[attr-defined]  # it is there from now on


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Note where the test begins in the mocks that tests share."""
    for watch in item.config.stash.get(_WATCHES, ()):
        watch.begin()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Judge the client if the test itself passed; findings fail the test."""
    __tracebackhide__ = True
    for watch in item.config.stash.get(_WATCHES, ()):
        watch.begin_call()
    try:
        yield
    except BaseException:
        for watch in item.config.stash.get(_WATCHES, ()):
            with suppress(Exception):  # the test's own failure matters more
                watch.end_call()
        raise
    if watches := item.config.stash.get(_WATCHES, ()):
        from mockserver.testing.pytest_fixtures import Watch, judge

        judge(watches, Watch.judge_call)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Judge what the teardown of other fixtures sent to the mocks that tests share."""
    __tracebackhide__ = True
    yield
    if watches := item.config.stash.get(_WATCHES, ()):
        from mockserver.testing.pytest_fixtures import Watch, judge

        judge(watches, Watch.judge_exchanges)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the seed and the exchanges to the report of a failed test."""
    report = yield
    if call.when != "teardown" and report.failed:
        for watch in item.config.stash.get(_WATCHES, ()):
            try:
                text = watch.report()
            except Exception as error:  # the report of the test matters more
                text = f"the exchanges cannot be had: {error}"
            report.sections.append(("mockserver", text))
    return report
