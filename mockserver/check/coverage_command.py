"""`mockserver coverage JOURNAL`: how much of the contract did these exchanges exercise, and what was never touched?"""

from collections.abc import Sequence
from pathlib import Path

import click

from mockserver.check.coverage import Tally
from mockserver.check.coverage_read import read_journal
from mockserver.check.coverage_report import report_of
from mockserver.check.options import deliver, report_option
from mockserver.engine import read_contracts
from mockserver.settings import ERAS


@click.command("coverage")
@click.argument("journals", metavar="JOURNAL", nargs=-1, required=True)
@click.option(
    "--contract", help="auto, an era (2.6, 2.8, 2.17), or a file.  [default: for each exchange, the one that it names]"
)
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="End with 1 where it is less.")
@click.option("--all", "each", is_flag=True, help="Tell each place by itself, with those below one never touched.")
@report_option
def command(
    journals: Sequence[str], contract: str | None, fail_under: float | None, each: bool, reports: Sequence[str]
) -> None:
    """Tell how much of the contract the exchanges of a JOURNAL exercised, and what was never touched.

    A JOURNAL is a file that `mockserver serve --journal FILE` wrote, the same on stdin for -, or the URL of a running
    mock. Several are counted together.
    """
    tally = Tally(() if contract is None else read_contracts(contract))
    for journal in map(read_journal, journals):
        tally.serve(journal.contracts)
        tally.add_all(journal.exchanges)
    own = None if contract in (None, "auto", *ERAS) else Path(str(contract))
    deliver(report_of(tally.result(), ", ".join(journals), each=each, fail_under=fail_under), reports, own)
