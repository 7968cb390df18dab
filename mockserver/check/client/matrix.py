"""Releases of the client, each checked against versions of the contract, several at once."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from mockserver.api import AUTO, Api
from mockserver.check.client.environments import UnavailableError, environment, interpreter
from mockserver.check.client.process import Driver
from mockserver.check.client.result import Result
from mockserver.check.client.run import Choice, contract_for, own_version, play
from mockserver.check.part import sdk_of
from mockserver.errors import StartError
from mockserver.messages import Json
from mockserver.terminal.progress import so_far
from mockserver.testing.pytest_fixtures import LiveServer


def usual_contracts(api: Api) -> tuple[str, ...]:
    """Return the contracts of a matrix where none are named: each release's own, then every version."""
    return (AUTO, *reversed([*api.contracts]))


JOBS = (os.cpu_count() or 1) + 1
"""How many releases are checked at once where nothing is said: some answers are waited for."""


@dataclass(slots=True)
class Row:
    """One release: what it says of itself, and what it did against each contract; or why it could not be had."""

    release: str
    api: Api
    surface: Json = None
    results: dict[str, Result] = field(default_factory=dict)
    unavailable: StartError | None = None

    @property
    def own(self) -> Result | None:
        """What it did against its own contract, the whole of it."""
        return next((each for name, each in self.results.items() if self.is_own(name)), None)

    def is_own(self, contract: str) -> bool:
        """Return whether a release is held to a contract: to its own version, or to one that the user brought."""
        return contract == AUTO or contract not in self.api.contracts or contract == own_version(self.release, self.api)


class MatrixProgress:
    """Counts what several threads do, and reports it."""

    def __init__(self, of: int, tell: Callable[[str], None]) -> None:
        self._of, self._tell, self._lock = of, tell, threading.Lock()
        self._calls: dict[tuple[str, str], int] = {}
        self._done, self._began = 0, time.monotonic()

    def note(self, result: Result | None = None) -> None:
        """Note how many calls a result has so far; without one, that a release is done."""
        with self._lock:
            if result is None:
                self._done += 1
            else:
                self._calls[result.release, result.contract] = result.calls
            far = so_far(self._done, self._of, "releases", time.monotonic() - self._began)
            self._tell(f"{sum(self._calls.values())} calls, {far}")


def run_matrix(
    api: Api,
    releases: Sequence[str],
    contracts: Sequence[str],
    cache: Path | None = None,
    jobs: int = JOBS,
    choice: Choice = Choice(),  # noqa: B008  # it is frozen
    tell: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Check each release against each contract, and return a row for each, in order.

    A release is played all cases of its own contract, and of every other what tells whether it fits. One that cannot
    be had keeps its row, which says why.
    """
    counted = MatrixProgress(len(releases), tell)
    with closing(LiveServer()) as live, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(checked, api, release, contracts, cache, live, choice, counted) for release in releases]
        return [each.result() for each in futures]


def checked(
    api: Api,
    release: str,
    contracts: Sequence[str],
    cache: Path | None,
    live: LiveServer,
    choice: Choice,
    counted: MatrixProgress,
) -> Row:
    """Check one release against each contract."""
    row, sdk = Row(release, api), sdk_of(api)
    try:
        with Driver(interpreter(environment(sdk, release, cache)), sdk) as driver:
            row.surface = driver.describe()
            for name in contracts:
                row.results[name] = _result(row, name, driver, live, choice, counted)
    except UnavailableError as error:
        row.unavailable = error
    counted.note()
    return row


def _result(row: Row, name: str, driver: Driver, live: LiveServer, choice: Choice, counted: MatrixProgress) -> Result:
    """Return the result of one contract; that of a release's own version is the same by either of its names."""
    like = contract_for(name, row.surface["version"], row.api).name
    same = next((each for each in row.results.values() if each.version == like and like in row.api.contracts), None)
    if same is not None and row.is_own(name):
        return replace(same, contract=name)
    wanted = choice._replace(brief=choice.brief or not row.is_own(name))
    return play(driver, row.surface, row.api, name, live, wanted, counted.note)
