"""What the tests of released clients share: a driver of each release, and the server they call."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NoReturn, Protocol

import pytest

from tests.clients.calls import Driver
from tests.clients.environments import UnavailableError, command
from tests.clients.releases import Release
from tests.needs import untested


class Drive(Protocol):
    """Gives the driver of a release; with `suite`, in the environment that has what its own suite needs."""

    def __call__(self, release: Release, *, suite: bool = False) -> Driver: ...


def missing(error: UnavailableError) -> NoReturn:
    """End a test whose client cannot be had: where it is CI, as failed, elsewhere as skipped."""
    untested(str(error))


@pytest.fixture(scope="session")
def drive() -> Iterator[Drive]:
    """Give a function that gives the driver of a release, started when it is first wanted."""
    with ExitStack() as stack:
        started: dict[tuple[Release, bool], Driver] = {}

        def get(release: Release, *, suite: bool = False) -> Driver:
            if (release, suite) not in started:
                try:
                    arguments = command(release, suite=suite)
                except UnavailableError as error:
                    missing(error)
                started[release, suite] = stack.enter_context(Driver(arguments))
            return started[release, suite]

        yield get
