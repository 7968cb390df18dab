"""Releases of the client, each checked against versions of the contract, several at once."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from mockserver.api import default
from mockserver.check.client.environments import UnavailableError, environment, interpreter
from mockserver.check.client.process import Driver
from mockserver.check.client.result import Result
from mockserver.check.client.run import Choice, check_client, contract_for, own_era
from mockserver.errors import StartError
from mockserver.messages import Json
from mockserver.testing.pytest_fixtures import LiveServer

AUTO = "auto"
CONTRACTS = (AUTO, *reversed([*default().contracts]))
"""The contracts of a matrix where none are named: each release's own, then every era."""

JOBS = (os.cpu_count() or 1) + 1
"""How many releases are checked at once where nothing is said: some answers are waited for."""


@dataclass(slots=True)
class Row:
    """One release: what it says of itself, and what it did against each contract; or why it could not be had."""

    release: str
    surface: Json = None
    results: dict[str, Result] = field(default_factory=dict)
    unavailable: StartError | None = None

    @property
    def own(self) -> Result | None:
        """What it did against its own contract, the whole of it."""
        return next((each for name, each in self.results.items() if self.is_own(name)), None)

    def is_own(self, contract: str) -> bool:
        """Say whether a release is held to a contract: to its own era, or to one that the user brought."""
        return contract == AUTO or contract not in default().contracts or contract == own_era(self.release)


class Progress(NamedTuple):
    """How far a matrix has come."""

    done: int
    of: int
    calls: int


class _Told:
    """Counts what several threads do, and tells it."""

    def __init__(self, of: int, tell: Callable[[Progress], None]) -> None:
        self._of, self._tell, self._lock = of, tell, threading.Lock()
        self._calls: dict[tuple[str, str], int] = {}
        self._done = 0

    def calls(self, result: Result) -> None:
        """Note how many calls a result has so far."""
        with self._lock:
            self._calls[result.release, result.contract] = result.calls
            self._tell(Progress(self._done, self._of, sum(self._calls.values())))

    def done(self) -> None:
        """Note that a release is done."""
        with self._lock:
            self._done += 1
            self._tell(Progress(self._done, self._of, sum(self._calls.values())))


def run_matrix(
    releases: Sequence[str],
    contracts: Sequence[str],
    cache: Path | None = None,
    jobs: int = JOBS,
    choice: Choice = Choice(),  # noqa: B008  # it is frozen
    tell: Callable[[Progress], None] = lambda _: None,
) -> list[Row]:
    """Check each release against each contract, and give a row for each, in order.

    A release is played all cases of its own contract, and of every other what tells whether it fits. One that cannot
    be had keeps its row, which says why.
    """
    told = _Told(len(releases), tell)
    with closing(LiveServer()) as live, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(checked, release, contracts, cache, live, choice, told) for release in releases]
        return [each.result() for each in futures]


def checked(
    release: str, contracts: Sequence[str], cache: Path | None, live: LiveServer, choice: Choice, told: _Told
) -> Row:
    """Check one release against each contract."""
    row = Row(release)
    try:
        with Driver(interpreter(environment(release, cache))) as driver:
            row.surface = driver.describe()
            for name in contracts:
                row.results[name] = _result(row, name, driver, live, choice, told)
    except UnavailableError as error:
        row.unavailable = error
    told.done()
    return row


def _result(row: Row, name: str, driver: Driver, live: LiveServer, choice: Choice, told: _Told) -> Result:
    """Give the result of one contract; that of a release's own era is the same by either of its names."""
    like = contract_for(name, row.surface["version"]).name
    same = (
        next((each for each in row.results.values() if each.era == like), None) if like in default().contracts else None
    )
    if same is not None and row.is_own(name):
        return replace(same, contract=name)
    wanted = choice._replace(brief=choice.brief or not row.is_own(name))
    return check_client(driver, row.surface, name, live, wanted, told.calls)
