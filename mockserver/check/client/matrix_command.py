"""`mockserver matrix`: releases of the client, each against versions of the contract."""

import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import click

from mockserver.api import choose, read_contracts
from mockserver.check.client.environments import RELEASES, default_cache
from mockserver.check.client.matrix import CONTRACTS, JOBS, Progress, run_matrix
from mockserver.check.client.matrix_report import as_html, matrix_report
from mockserver.check.client.run import DRAWN, Choice
from mockserver.check.report.options import Progress as Line
from mockserver.check.report.options import deliver, report_option
from mockserver.errors import StartError, UsageError


@click.command("matrix")
@click.option("--releases", default="all", show_default=True, help="Releases, separated by commas; or all with a chat.")
@click.option("--contracts", default=",".join(CONTRACTS), show_default=True, help="auto, eras and files, as well.")
@click.option("--cache", type=click.Path(path_type=Path), help=f"Where clients are kept.  [default: {default_cache()}]")
@click.option("--operation", "operations", multiple=True, help="Only this operation; may be repeated.")
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, help="Releases at once.  [default: cores + 1]")
@click.option("--examples", type=click.IntRange(0), default=DRAWN, show_default=True, help="Answers that are drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--html", type=click.Path(path_type=Path), help="A file for the report as a page of HTML.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(
    releases: str,
    contracts: str,
    cache: Path | None,
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
    What a release makes of its own era's contract fails the run; what it makes of another's is told.
    """
    chosen = RELEASES if releases == "all" else names(releases, "--releases")
    against = names(contracts, "--contracts")
    for name in against:
        read_contracts(name, choose(None, name))
    choice = Choice(drawn=examples, seed=seed, operations=operations)
    line, began = Line(quiet=quiet), time.monotonic()
    rows = run_matrix(chosen, against, cache, jobs, choice, lambda far: line.tell(time.monotonic(), told(far)))
    line.end()
    report = matrix_report(rows, against, time.monotonic() - began)
    if html is not None:
        write_page(html, as_html(report))
    lacking = [row.unavailable for row in rows if row.unavailable is not None]
    with suppress(SystemExit) if lacking else nullcontext():
        deliver(report, reports)
    raise lacking[0]


def names(text: str, option: str) -> Sequence[str]:
    """Read names that are separated by commas; a UsageError where there is none, or one twice."""
    found = [each.strip() for each in text.split(",") if each.strip()]
    if not found or len(set(found)) != len(found):
        raise UsageError(f"{text!r} names nothing, or something twice", where=option, mend="write 2.6.0,2.19.0")
    return found


def write_page(path: Path, text: str) -> None:
    """Write a page; a StartError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StartError("a report cannot be written", where=str(path), why=str(error)) from error


def told(far: Progress) -> str:
    """Tell in a line how far a matrix has come."""
    return f"{far.done} of {far.of} releases, {far.calls} calls"
