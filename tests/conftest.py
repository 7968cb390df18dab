"""What all tests share: hypothesis profiles, what is thorough, what is not tested, mocks and servers."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from mockserver.api import make_settings
from mockserver.control.app import make_app
from mockserver.engine import Mock
from mockserver.server.asgi import App
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.needs import NOT_TESTED

os.environ["MOCKSERVER_CACHE"] = "off"  # tests leave nothing with the user

hypothesis_settings.register_profile("dev", max_examples=30, deadline=None)
hypothesis_settings.register_profile("ci", max_examples=30, deadline=None, print_blob=True, derandomize=True)
hypothesis_settings.register_profile("thorough", max_examples=2_000, deadline=None, print_blob=True)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a test that is kept for `make test-all` without a reason."""
    for mark in item.iter_markers("thorough"):
        if not (len(mark.args) == 1 and isinstance(mark.args[0], str) and mark.args[0].strip()):
            raise pytest.UsageError(f"{item.nodeid}: say why it is thorough: @pytest.mark.thorough('reason')")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was not tested at the end of a run, where it is seen, with what was missing."""
    reasons = Counter(str(each.longrepr[2]) for each in terminalreporter.stats.get("skipped", ()))
    missed = {reason: count for reason, count in reasons.items() if NOT_TESTED in reason}
    if missed:
        terminalreporter.section(f"{sum(missed.values())} {NOT_TESTED}", red=True, bold=True)
        for reason, count in missed.items():
            terminalreporter.write_line(f"{count}: {reason.partition(NOT_TESTED)[2].lstrip(': ')}", red=True)


def settings(**options: Any) -> Settings:
    """Make settings of options by name, those of the API pack among them."""
    return make_settings(options)


def app_of(mock: Mock) -> App:
    """Give the ASGI application of a mock, as the command would serve it."""
    return make_app(mock.settings, mock)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Run suites in a terminal of its own, so that they print the same on every machine, CI included."""
    for name in ("CI", "BUILD_NUMBER", "FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return pytester


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Give a function that serves a mock with the given settings on a free port, and gives its base URL."""
    with ExitStack() as stack:

        def start(**options: Any) -> str:
            return stack.enter_context(running(app_of(Mock(settings(**options)))))

        yield start


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    """Give the base URL of a mock with the default settings."""
    with running(app_of(Mock(settings(seed=0)))) as url:
        yield url
