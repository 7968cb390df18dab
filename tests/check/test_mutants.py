"""The check is measured: every mutant is seen, no odd server accused; each rule has a mutant that it alone sees."""

import os
from functools import partial

import pytest
from click.testing import CliRunner

from mockserver.apis.llamacloud_chat.check.equivalents import ODD
from mockserver.apis.llamacloud_chat.check.mutants_http import BROKEN
from mockserver.apis.llamacloud_chat.check.mutants_state import STATES
from mockserver.apis.llamacloud_chat.check.part import PART
from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.mutants import run as mutants
from mockserver.check.mutants.mutators import Mutant
from mockserver.check.mutants.run import judge, run
from mockserver.check.provider.checks import CHECKS
from mockserver.check.provider.protocol import PROTOCOL
from mockserver.check.report.model import Report
from mockserver.errors import UsageError

RULES = (*CHECKS, *PROTOCOL, *PART.state)
OWN = {
    rule: next(each for each in BROKEN if each.rule == rule) for rule in RULES if any(m.rule == rule for m in BROKEN)
}
"""Check -> the first mutant that it alone sees."""

WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
DRAWN = 350 if WHOLE else 21
"""How many requests are drawn for a server that is judged to the end; every boundary is sent in any case."""

LEAST = ("delete",)
"""The operation with the fewest cases of its own; what plays sessions calls every operation all the same."""


def named(mutant: Mutant) -> str:
    return mutant.name


@pytest.mark.parametrize("mutant", BROKEN, ids=named)
def test_a_mutant_is_seen(mutant: Mutant) -> None:
    outcome = judge(mutant, API, operations=LEAST if mutant in STATES and not WHOLE else ())
    assert outcome.findings, mutant.what
    if mutant.rule:
        assert outcome.rules == (mutant.rule,)


@pytest.mark.parametrize("mutant", ODD, ids=named)
def test_an_odd_server_that_is_right_is_not_accused(mutant: Mutant) -> None:
    outcome = judge(mutant, API, examples=DRAWN)
    assert [f"{each.rule}: {each.message}" for each in outcome.findings] == []


def test_every_rule_has_a_mutant_of_its_own() -> None:
    assert set(RULES) - OWN.keys() == set()


@pytest.mark.parametrize("rule", RULES if WHOLE else sorted(RULES)[::6])
def test_no_other_rule_sees_that_mutant(rule: str) -> None:
    outcome = judge(OWN[rule], API, at_first=False, examples=DRAWN)
    assert set(outcome.rules) == {rule}


def test_the_catalogue_is_as_large_as_it_is_said_to_be() -> None:
    assert len(BROKEN) >= 80
    assert len(ODD) >= 20
    names = [each.name for each in (*BROKEN, *ODD)]
    assert len(set(names)) == len(names)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run draw few requests."""
    monkeypatch.setattr(mutants, "judge", partial(judge, examples=7))


@pytest.mark.usefixtures("few")
def test_a_mutant_that_is_missed_and_one_that_is_falsely_accused_fail_the_run() -> None:
    good = Mutant("good", "it does nothing wrong", lambda handler: handler)
    report: Report = run([good], [BROKEN[0]], API)
    assert [(each.rule, each.message.partition(":")[0]) for each in report.findings] == [
        ("mutant-missed", "good"),
        ("falsely-accused", BROKEN[0].name),
    ]
    assert (report.figures["missed"], report.figures["false alarms"]) == (1, 1)


@pytest.mark.usefixtures("few")
def test_the_command_checks_what_is_named() -> None:
    done = CliRunner().invoke(mutants.command, ["create-200", "pretty", "--quiet", "--report", "terminal"])
    assert done.exit_code == 0, done.output
    assert "mutants 1, killed 1, missed 0, odd but right 1, false alarms 0" in done.stdout
    assert isinstance(CliRunner().invoke(mutants.command, ["no-such"]).exception, UsageError)
