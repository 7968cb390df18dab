"""What `make test` checks of the mock has every pair of settings, and what the grid leaves out has its reason."""

from collections.abc import Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.check.part import PART
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.provider.command import placed
from mockserver.check.provider.run import Options, check_target
from mockserver.check.target import of_handler
from mockserver.cli import check_workers, serve
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.settings import SOURCES, Settings, Source
from tests.check.test_self_check import LITTLE, MUCH, Part, parts
from tests.grid import ASKED, FACTORS, KEY, SENSELESS, STATELESS, UNRULED, Configuration, arguments, covering, grid
from tests.self_check_table import Checked, table
from tests.strategies import ROOT, operations

DEFAULT = Configuration(*(values[0] for values in FACTORS.values()))


def settings(part: Part) -> dict[str, str]:
    """Give the settings of a part by name, and which operations it asks for."""
    (asked,) = [name for name, each in ASKED.items() if each == part.operations]
    return {**part.configuration._asdict(), "asked": asked}


def senseless(values: Mapping[str, str]) -> bool:
    return any(all(values.get(name) == value for name, value in wrong.items()) for wrong, _ in SENSELESS)


def test_every_pair_of_settings_is_checked_by_every_run_of_the_tests() -> None:
    chosen = [set(settings(part).items()) for part in parts(thorough=False)]
    factors = {**FACTORS, "asked": tuple(ASKED)}
    wanted = [
        {(one, a), (other, b)}
        for one, other in combinations(factors, 2)
        for a, b in product(factors[one], factors[other])
        if not senseless({one: a, other: b})
    ]
    assert len(wanted) > 200
    assert [pair for pair in wanted if not any(pair <= each for each in chosen)] == []


def test_the_choice_is_as_small_as_can_be_and_always_the_same() -> None:
    chosen = parts(thorough=False)
    assert len(chosen) == len(FACTORS["source"]) * len(FACTORS["era"])
    assert chosen == parts(thorough=False)
    assert {part.drawn for part in chosen} == {LITTLE}


def test_the_whole_grid_is_every_configuration_that_makes_sense_once() -> None:
    chosen = [part.configuration for part in parts(thorough=True)]
    assert len(set(chosen)) == len(chosen)
    everything = [Configuration(*values) for values in product(*FACTORS.values())]
    assert {each for each in everything if each not in chosen} == {
        each for each in everything if senseless(each._asdict())
    }


def test_of_the_whole_grid_every_triple_of_settings_is_checked_in_full() -> None:
    full = [part.configuration for part in parts(thorough=True) if not part.operations]
    assert {part.drawn for part in parts(thorough=True) if not part.operations} == {MUCH}
    triples = {triple for each in full for triple in combinations(enumerate(each), 3)}
    assert {triple for each in grid() for triple in combinations(enumerate(each), 3)} == triples


@given(
    rows=st.lists(st.tuples(*[st.sampled_from("abc")] * 4), min_size=1, unique=True),
    strength=st.integers(1, 4),
)
@example(rows=[("a", "b", "a", "b")], strength=2)
def test_a_covering_choice_has_every_combination_that_any_row_has(rows: list[tuple[str, ...]], strength: int) -> None:
    chosen = covering(rows, strength)
    assert set(chosen) <= set(rows)

    def has(some: list[tuple[str, ...]]) -> set[Any]:
        return {each for row in some for each in combinations(enumerate(row), strength)}

    assert has(chosen) == has(rows)


def test_the_default_of_every_setting_is_that_of_the_command(tmp_path: Path) -> None:
    read = parsed(DEFAULT, tmp_path)
    assert read == parsed(None, tmp_path) | {"seed": 1}


CHANGED = {
    "source": {"answers"},
    "era": {"contract"},
    "store": {"store"},
    "stream": {"stream"},
    "workers": {"workers"},
    "key": {"api_key"},
    "requests": {"unknown_sessions", "locked_status", "strict"},
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in FACTORS for value in FACTORS[name][1:]])
def test_every_setting_is_one_of_the_command(name: str, value: str, tmp_path: Path) -> None:
    read, usual = parsed(DEFAULT._replace(**{name: value}), tmp_path), parsed(DEFAULT, tmp_path)
    changed = {option for option in usual if read[option] != usual[option]}
    assert changed - ({"fixtures"} if value == "canned" else set()) == CHANGED[name]
    told = {value, KEY, f"sqlite:///{tmp_path}/sessions.db", "redis://here", "404", "409", "True"}
    assert {str(read[option]) for option in CHANGED[name]} <= told


def parsed(chosen: Configuration | None, folder: Path) -> dict[str, Any]:
    """Give the options that the command reads from the arguments of a configuration."""
    given = arguments(chosen, folder, "redis://here") if chosen is not None else []
    return serve.make_context("serve", given).params


def test_what_makes_no_sense_is_refused_by_the_command() -> None:
    ((wrong, _),) = SENSELESS
    assert wrong == {"store": "memory", "workers": "2"}
    with pytest.raises(UsageError, match="cannot share the store memory"):
        check_workers(Settings(workers=2))


@pytest.mark.parametrize("source", STATELESS)
def test_the_rules_of_state_do_not_hold_for_answers_that_are_not_played(source: str) -> None:
    mock = Mock(Settings(contract="2.6", seed=1, answers=cast(Source, source)))
    with of_handler(mock.handle, 5.0) as target:
        report = check_target(
            target, placed(mock.served.contracts), Options(part=PART, examples=0, operations=("delete",))
        )
    assert {each.rule for each in report.findings} & PART.state.keys()


def test_every_source_and_era_is_known_to_have_state_or_not() -> None:
    assert STATELESS.keys() == set(SOURCES) - {"simulated"}
    assert UNRULED.keys() == {"auto", *VERSIONS}
    assert set().union(*UNRULED.values()) < PART.state.keys()
    assert frozenset.intersection(*UNRULED.values()) == frozenset(), "some era looks at every rule"


def test_the_parts_of_the_operations_are_all_of_them() -> None:
    assert sorted(name for part in ASKED.values() for name in part) == sorted(
        {name for era in VERSIONS for name in operations(era)}
    )


def test_the_table_adds_up_what_was_checked() -> None:
    found = [Checked("check", "a", 5, 0, 1.2), Checked("check", "b", 7, 1, 0.4), Checked("check", "a", 3, 2, 0.9)]
    assert list(table(found).rows) == [
        ("check", "a", "2", "8", "2", "2"),
        ("check", "b", "1", "7", "1", "0"),
        ("all", "", "3", "15", "3", "2"),
    ]


def test_the_page_says_how_many_configurations_there_are() -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    assert f"These are {len(grid())} configurations" in text
    assert f"checks {len(parts(thorough=False))} of them, in which every pair" in text
