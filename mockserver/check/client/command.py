"""`mockserver check-client`: does this client keep the contract, and survive what it allows?"""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from mockserver.api import default
from mockserver.check.client.environments import RELEASES, default_cache, environment, interpreter
from mockserver.check.client.process import Driver
from mockserver.check.client.report import client_report
from mockserver.check.client.result import MISHANDLED, Result
from mockserver.check.client.run import DRAWN, Choice, check_client
from mockserver.check.report.options import Progress, deliver, report_option
from mockserver.errors import UsageError
from mockserver.testing.pytest_fixtures import LiveServer

CONTRACT = "auto (the era of the release), an era (2.6, 2.8, 2.17), or a file."


@click.command("check-client")
@click.option("--release", help=f"A release of the official Python client.  [default: {RELEASES[-1]}]")
@click.option("--python", type=click.Path(path_type=Path), help="An interpreter that has the client, instead.")
@click.option("--contract", default="auto", show_default=True, help=CONTRACT)
@click.option("--cache", type=click.Path(path_type=Path), help=f"Where clients are kept.  [default: {default_cache()}]")
@click.option("--operation", "operations", multiple=True, help="Only this operation; may be repeated.")
@click.option("--examples", type=click.IntRange(0), default=DRAWN, show_default=True, help="Answers that are drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(
    release: str | None,
    python: Path | None,
    contract: str,
    cache: Path | None,
    operations: Sequence[str],
    examples: int,
    seed: int,
    quiet: bool,
    reports: Sequence[str],
) -> None:
    """Play every answer that the contract allows to a client, and judge what it sends and what its user gets.

    The client runs in an environment of its own, which is made once for a release, and kept. Answers that no contract
    allows are played, too; what becomes of them is told, not judged.
    """
    if release is not None and python is not None:
        raise UsageError("--release and --python name two clients", mend="leave out one of them")
    progress = Progress(quiet=quiet)
    if python is None:
        progress.tell(time.monotonic(), f"looking for llama-cloud {release or RELEASES[-1]}")
        python = interpreter(environment(release or RELEASES[-1], cache))
    with closing(LiveServer()) as live, Driver(python) as driver:
        surface = driver.describe()
        choice = Choice(drawn=examples, seed=seed, operations=operations)
        result = check_client(
            driver, surface, contract, live, choice, lambda made: progress.tell(time.monotonic(), told(made))
        )
    progress.end()
    own = Path(contract) if contract not in ("auto", *default().contracts) else None
    deliver(client_report(result), reports, own)


def told(result: Result) -> str:
    """Tell in a line how far a check has come."""
    wrong = result.count(MISHANDLED)
    return f"llama-cloud {result.release} against {result.contract}: {result.calls} calls, {wrong} mishandled"
