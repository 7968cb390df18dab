"""`mockserver check-client`: does this client keep the contract, and survive what it allows?"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import click

from mockserver.api import AUTO, Api, choose, default, read_contracts
from mockserver.check.client.checks import RULES
from mockserver.check.client.environments import default_cache, environment, interpreter, newest
from mockserver.check.client.matrix import JOBS, run_matrix, usual_contracts
from mockserver.check.client.matrix_report import matrix_report
from mockserver.check.client.process import Driver
from mockserver.check.client.report import accepting, client_report
from mockserver.check.client.result import MISHANDLED, Result
from mockserver.check.client.run import DRAWN, Choice, play
from mockserver.check.part import Sdk, sdk_of
from mockserver.check.report.formats import as_html
from mockserver.check.report.locate import files_of
from mockserver.check.report.options import api_option, deliver, report_option, write_file
from mockserver.errors import UsageError
from mockserver.terminal.progress import Progress, so_far
from mockserver.testing.pytest_fixtures import LiveServer

LATEST = "latest"
"""What stands for the newest release that the package index has."""

CONTRACT = "auto (that of the release), a version of the API pack's, or a file."


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both commands have."""
    cache = f"Where clients are kept.  [default: {default_cache()}]"
    for option in (
        report_option,
        click.option("--quiet", is_flag=True, help="Show no progress."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn."),
        click.option(
            "--examples", type=click.IntRange(0), default=DRAWN, show_default=True, help="Answers that are drawn."
        ),
        click.option("--operation", "operations", multiple=True, help="Only this operation; may be repeated."),
        click.option(
            "--allow",
            "allowed",
            multiple=True,
            metavar="RULE:OPERATION",
            callback=lambda _, __, value: read_allowed(value),
            help="Accept a rule that is broken, as not-in-contract:NAME; may be repeated.",
        ),
        click.option("--cache", type=click.Path(path_type=Path), help=cache),
        api_option,
    ):
        command = option(command)
    return command


@click.command("check-client")
@click.option(
    "--release",
    help="A release of the official Python client, or latest, for which the index is asked.  "
    "[default: the newest that is known]",
)
@click.option("--python", type=click.Path(path_type=Path), help="An interpreter that has the client, instead.")
@click.option("--contract", default=AUTO, show_default=True, help=CONTRACT)
@shared_options
def command(
    api: str | None,
    release: str | None,
    python: Path | None,
    contract: str,
    cache: Path | None,
    allowed: Sequence[str],
    operations: Sequence[str],
    examples: int,
    seed: int,
    quiet: bool,
    reports: Sequence[str],
) -> None:
    """Play every answer that the contract allows to a client, and judge what it sends and what its user gets.

    The client runs in an environment of its own, which is made once for a release, and kept. Answers that no contract
    allows are played, too; what becomes of them is reported, not judged.
    """
    progress = Progress(quiet=quiet)
    choice = Choice(drawn=examples, seed=seed, operations=operations)
    result = check_release(
        release, python, api, contract, cache, choice, lambda text: progress.tell(time.monotonic(), text)
    )
    progress.end()
    deliver(accepting(client_report(result), allowed), reports, files_of(contract, with_sdk(api)))


def read_allowed(texts: Sequence[str]) -> Sequence[str]:
    """Return what shall be accepted; a UsageError for a text that names no rule and operation."""
    for text in texts:
        rule, _, operation = text.partition(":")
        if rule not in RULES or not operation:
            fix = f"write RULE:OPERATION; rules are {', '.join(RULES)}"
            raise UsageError(f"{text!r} is nothing that can be allowed", where="--allow", fix=fix)
    return texts


def check_release(
    release: str | None,
    python: Path | None,
    api: str | None,
    contract: str,
    cache: Path | None,
    choice: Choice,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Check a release in an environment of its own, the newest that is known where none is named, or what there is."""
    if release is not None and python is not None:
        raise UsageError("--release and --python name two clients", fix="leave out one of them")
    pack = with_sdk(api)
    sdk = sdk_of(pack)
    if python is None:
        release = release or sdk.releases[-1]
        tell(f"looking for {sdk.package} {release}")
        release = newest(sdk) if release == LATEST else release
        python = interpreter(environment(sdk, release, cache, tell))
    with closing(LiveServer()) as live, Driver(python, sdk) as driver:
        began = time.monotonic()

        def told(far: Result) -> None:
            tell(describe(far, time.monotonic() - began))

        return play(driver, driver.describe(), pack, contract, live, choice, told)


def with_sdk(name: str | None) -> Api:
    """Return the API pack in force, which must know an official client; a UsageError where it does not."""
    api = choose(name)
    sdk_of(api)
    return api or default()


def describe(result: Result, spent: float) -> str:
    """Describe in a line how far a check has come after so many seconds."""
    wrong = result.count(MISHANDLED)
    text = f"{result.sdk.package} {result.release} against {result.contract}: {result.calls} calls, {wrong} mishandled"
    return f"{text}; {so_far(result.steps - 1, result.total, 'operations', spent)}"


@click.command("matrix")
@click.option(
    "--releases",
    default="all",
    show_default=True,
    help="Releases, separated by commas; all that are known; or latest, for which the index is asked.",
)
@click.option("--contracts", help="auto, versions and files, separated by commas.  [default: auto and every version]")
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, help="Releases at once.  [default: cores + 1]")
@click.option("--html", type=click.Path(path_type=Path), help="A file for the report as a page of HTML.")
@shared_options
def matrix(
    api: str | None,
    releases: str,
    contracts: str | None,
    cache: Path | None,
    allowed: Sequence[str],
    operations: Sequence[str],
    jobs: int,
    examples: int,
    seed: int,
    html: Path | None,
    quiet: bool,
    reports: Sequence[str],
) -> None:
    """Run the check of the client in an environment of each release, against each contract.

    Environments are made once, by pip or uv as they are configured, and kept; a release that is there needs no index.
    What a release makes of its own version of the contract fails the run; what it makes of another is reported. A
    method that a contract does not have fails the run with any.
    """
    pack = with_sdk(api)
    chosen = releases_of(releases, sdk_of(pack))
    against = usual_contracts(pack) if contracts is None else names(contracts, "--contracts")
    for name in against:
        read_contracts(name, pack)
    choice = Choice(drawn=examples, seed=seed, operations=operations)
    line, began = Progress(quiet=quiet), time.monotonic()
    rows = run_matrix(pack, chosen, against, cache, jobs, choice, lambda far: line.tell(time.monotonic(), far))
    line.end()
    report = accepting(matrix_report(rows, against, time.monotonic() - began), allowed)
    if html is not None:
        write_file(html, as_html(report))
    lacking = [row.unavailable for row in rows if row.unavailable is not None]
    with suppress(SystemExit) if lacking else nullcontext():
        deliver(report, reports)
    raise lacking[0]


def releases_of(text: str, sdk: Sdk) -> Sequence[str]:
    """Return the releases that a text names: all that are known, or some, of which the index may know the latest."""
    if text == "all":
        return sdk.releases
    found = names(text, "--releases")
    return list(dict.fromkeys(newest(sdk) if each == LATEST else each for each in found))


def names(text: str, option: str) -> Sequence[str]:
    """Read names that are separated by commas; a UsageError where there is none, or one twice."""
    found = [each.strip() for each in text.split(",") if each.strip()]
    if not found or len(set(found)) != len(found):
        raise UsageError(f"{text!r} names nothing, or something twice", where=option, fix="write 2.6.0,2.19.0")
    return found
