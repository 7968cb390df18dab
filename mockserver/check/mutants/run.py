"""How good is the check? Every mutant must be seen, and no odd server accused."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

from mockserver.api import Api, choose, load
from mockserver.check.mutants.mutators import Mutant
from mockserver.check.part import HeldOperation, part_of
from mockserver.check.provider.run import Options, check_target
from mockserver.check.report.model import Report, Table
from mockserver.check.report.options import api_option, deliver, report_option
from mockserver.check.target import of_handler
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.messages import Finding
from mockserver.settings import Settings
from mockserver.terminal.progress import Progress, so_far

PATIENCE = 5.0
"""Seconds that an answer may take; in this process nobody waits for what is later."""

EXAMPLES = 350
"""Requests that are drawn for each server."""


class Outcome(NamedTuple):
    """What the check said of one server."""

    mutant: Mutant
    findings: tuple[Finding, ...]
    cases: int
    seconds: float

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that were broken, as they were found."""
        return tuple(dict.fromkeys(each.rule for each in self.findings))


def judge(
    mutant: Mutant,
    api: Api,
    *,
    at_first: bool = True,
    examples: int = EXAMPLES,
    seed: int = 0,
    operations: Sequence[str] = (),
) -> Outcome:
    """Check one server of the catalogue, in this process; with `operations` only these get cases of their own."""
    mock = Mock(Settings(api=api.name, contract=mutant.version or [*api.contracts][-1], seed=seed, journal_size=0))
    every: list[HeldOperation] = [(c, operation) for c in mock.served.contracts for operation in c.operations]
    options = Options(
        part=part_of(api),
        examples=examples,
        seed=seed,
        patience=PATIENCE,
        at_first=at_first,
        operations=operations,
    )
    began = time.perf_counter()
    with of_handler(mutant.wrap(mock.handle), PATIENCE) as target:
        report = check_target(target, every, options)
    return Outcome(mutant, report.findings, int(report.figures["cases"]), time.perf_counter() - began)


def run(
    broken: Sequence[Mutant],
    odd: Sequence[Mutant],
    api: Api,
    tell: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> Report:
    """Check all servers of the catalogue, and report: killed, missed, falsely accused."""
    began = time.perf_counter()
    outcomes = []
    for number, mutant in enumerate((*broken, *odd), 1):
        outcomes.append(judge(mutant, api, seed=seed))
        tell(so_far(number, len(broken) + len(odd), "servers", time.perf_counter() - began))
    killed, accused = outcomes[: len(broken)], outcomes[len(broken) :]
    missed = [each for each in killed if not each.findings]
    wrongly = [each for each in accused if each.findings]
    findings = [Finding("", "mutant-missed", f"{each.mutant.name}: {each.mutant.what}", "mock") for each in missed]
    for each in wrongly:
        text = f"{each.mutant.name}: {each.mutant.what}; {each.findings[0].message}"
        findings.append(Finding("", "falsely-accused", text, "mock"))
    figures = {
        "mutants": len(broken),
        "killed": len(broken) - len(missed),
        "missed": len(missed),
        "odd but right": len(odd),
        "false alarms": len(wrongly),
        "seconds": round(time.perf_counter() - began, 1),
        "seed": seed,
    }
    table = Table("Servers", ("server", "what it does", "rule that saw it", "cases", "seconds"), [*map(_row, outcomes)])
    rules = {
        "mutant-missed": "Every mutant is seen by the check.",
        "falsely-accused": "No server that is right is accused.",
    }
    passed = tuple(each.mutant.name for each in outcomes if bool(each.findings) is (each in killed))
    return Report("mutants", "the catalogue", tuple(findings), figures, (table,), rules, passed)


def _row(outcome: Outcome) -> tuple[str, ...]:
    """Write what the check said of one server as a row."""
    seen = outcome.rules[0] if outcome.rules else "-"
    return outcome.mutant.name, outcome.mutant.what, seen, str(outcome.cases), f"{outcome.seconds:.2f}"


@click.command("mutants")
@click.argument("names", nargs=-1)
@api_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(names: tuple[str, ...], api: str | None, seed: int, quiet: bool, reports: Sequence[str]) -> None:
    """Check a catalogue of servers: those that break the contract in one way each must be seen, those that only look
    odd must not be accused. With NAMES, only these.
    """
    pack = choose(api)
    part = part_of(pack)
    if pack is None or not part.mutants:
        raise UsageError("there is no catalogue of mutants", where="--api", fix="name an API pack that has one")
    broken: Sequence[Mutant] = load(part.mutants)
    odd: Sequence[Mutant] = load(part.equivalents) if part.equivalents else ()
    known = {each.name for each in (*broken, *odd)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"there is no server {unknown[0]!r} in the catalogue", fix=f"there are {', '.join(sorted(known))}"
        )
    broken, odd = ([each for each in these if not names or each.name in names] for these in (broken, odd))
    progress = Progress(quiet=quiet)
    report = run(broken, odd, pack, lambda text: progress.tell(time.monotonic(), text), seed)
    progress.end()
    deliver(report, reports)
