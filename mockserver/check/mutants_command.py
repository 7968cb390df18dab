"""`mockserver mutants`: how good is the check?"""

import time
from collections.abc import Sequence

import click

from mockserver.check.options import Progress, deliver, report_option
from mockserver.errors import UsageError


@click.command("mutants")
@click.argument("names", nargs=-1)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(names: tuple[str, ...], seed: int, quiet: bool, reports: Sequence[str]) -> None:
    """Check a catalogue of servers: those that break the contract in one way each must be seen, those that only look
    odd must not be accused. With NAMES, only these.
    """
    from mockserver.check.mutants import BROKEN, ODD, run

    known = {each.name for each in (*BROKEN, *ODD)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"there is no server {unknown[0]!r} in the catalogue", mend=f"there are {', '.join(sorted(known))}"
        )
    broken = [each for each in BROKEN if not names or each.name in names]
    odd = [each for each in ODD if not names or each.name in names]
    progress = Progress(quiet=quiet)
    report = run(broken, odd, lambda told: progress.tell(time.monotonic(), told), seed)
    progress.end()
    deliver(report, reports)
