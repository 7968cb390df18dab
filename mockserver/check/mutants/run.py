"""How good is the check? Every mutant must be seen, and no odd server accused."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

from mockserver.apis.llamacloud_chat.check.equivalents import ODD
from mockserver.apis.llamacloud_chat.check.mutants_answers import ERRORS, FIELDS, STREAMS
from mockserver.apis.llamacloud_chat.check.mutants_state import STATES
from mockserver.check.mutants.http import BODIES, HEADERS, KEYS, STATUSES, TIMES
from mockserver.check.mutants.mutators import Mutant
from mockserver.check.provider.run import Options, Placed, check
from mockserver.check.report.model import Problem, Report, Table
from mockserver.check.report.options import Progress, deliver, report_option
from mockserver.check.target import of_handler
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.settings import Settings

__all__ = ["BROKEN", "ODD", "STATES", "Outcome", "judge", "run"]

BROKEN: tuple[Mutant, ...] = (
    *STATUSES,
    *HEADERS,
    *FIELDS,
    *ERRORS,
    *KEYS,
    *BODIES,
    *TIMES,
    *STREAMS,
    *STATES,
)
"""The mutants that break the contract, each in one way."""

PATIENCE = 5.0
"""Seconds that an answer may take; in this process nobody waits for what is later."""

EXAMPLES = 350
"""Requests that are drawn for each server."""


class Outcome(NamedTuple):
    """What the check said of one server."""

    mutant: Mutant
    problems: tuple[Problem, ...]
    cases: int
    seconds: float

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that were broken, as they were found."""
        return tuple(dict.fromkeys(each.rule for each in self.problems))


def judge(
    mutant: Mutant,
    *,
    at_first: bool = True,
    examples: int = EXAMPLES,
    seed: int = 0,
    operations: Sequence[str] = (),
) -> Outcome:
    """Check one server of the catalogue, in this process; with `operations` only these get cases of their own."""
    mock = Mock(Settings(contract=mutant.era, seed=seed, journal_size=0))
    every: list[Placed] = [(c, operation) for c in mock.served.contracts for operation in c.operations]
    options = Options(examples=examples, seed=seed, patience=PATIENCE, at_first=at_first, operations=operations)
    began = time.perf_counter()
    with of_handler(mutant.wrap(mock.handle), PATIENCE) as target:
        report = check(target, every, options)
    return Outcome(mutant, report.problems, int(report.figures["cases"]), time.perf_counter() - began)


def run(
    broken: Sequence[Mutant] = BROKEN,
    odd: Sequence[Mutant] = ODD,
    tell: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> Report:
    """Check all servers of the catalogue, and report: killed, missed, falsely accused."""
    began = time.perf_counter()
    outcomes = []
    for number, mutant in enumerate((*broken, *odd), 1):
        outcomes.append(judge(mutant, seed=seed))
        tell(f"{number} of {len(broken) + len(odd)} servers, {time.perf_counter() - began:.0f} s")
    killed, accused = outcomes[: len(broken)], outcomes[len(broken) :]
    missed = [each for each in killed if not each.problems]
    wrongly = [each for each in accused if each.problems]
    problems = [
        *(Problem("mutant-missed", "mock", f"{each.mutant.name}: {each.mutant.told}") for each in missed),
        *(
            Problem("falsely-accused", "mock", f"{each.mutant.name}: {each.mutant.told}; {each.problems[0].message}")
            for each in wrongly
        ),
    ]
    figures = {
        "mutants": len(broken),
        "killed": len(broken) - len(missed),
        "missed": len(missed),
        "odd but right": len(odd),
        "false alarms": len(wrongly),
        "seconds": round(time.perf_counter() - began, 1),
        "seed": seed,
    }
    rows = [
        (
            each.mutant.name,
            each.mutant.told,
            each.rules[0] if each.rules else "-",
            str(each.cases),
            f"{each.seconds:.2f}",
        )
        for each in outcomes
    ]
    table = Table("Servers", ("server", "what it does", "rule that saw it", "cases", "seconds"), rows)
    rules = {
        "mutant-missed": "Every mutant is seen by the check.",
        "falsely-accused": "No server that is right is accused.",
    }
    passed = tuple(each.mutant.name for each in outcomes if bool(each.problems) is (each in killed))
    return Report("mutants", "the catalogue", tuple(problems), figures, (table,), rules, passed)


@click.command("mutants")
@click.argument("names", nargs=-1)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(names: tuple[str, ...], seed: int, quiet: bool, reports: Sequence[str]) -> None:
    """Check a catalogue of servers: those that break the contract in one way each must be seen, those that only look
    odd must not be accused. With NAMES, only these.
    """

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
