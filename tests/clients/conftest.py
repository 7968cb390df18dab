"""What the tests of released clients share: a driver of each release, and the server they call."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from tests.clients.calls import Driver
from tests.clients.environments import UnavailableError, command
from tests.clients.releases import Release

Drive: TypeAlias = Callable[[Release], Driver]
"""Gives the driver of a release."""


def missing(error: UnavailableError) -> None:
    """End a test whose client cannot be had: where it is CI, as failed, elsewhere as skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{error} (CI tests every client)")
    pytest.skip(f"NOT TESTED: {error}")


@pytest.fixture(scope="session")
def drive() -> Iterator[Drive]:
    """Give a function that gives the driver of a release, started when it is first wanted."""
    with ExitStack() as stack:
        started: dict[Release, Driver] = {}

        def get(release: Release) -> Driver:
            if release not in started:
                try:
                    arguments = command(release)
                except UnavailableError as error:
                    missing(error)
                started[release] = stack.enter_context(Driver(arguments))
            return started[release]

        yield get
