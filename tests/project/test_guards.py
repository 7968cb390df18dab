"""Nothing keeps a name that was given up."""

import re
from pathlib import Path

import pytest

from tests import schemathesis_runs
from tests.clients import environments
from tests.strategies import ROOT

PACKAGE = ROOT / "mockserver"

OLD_NAMES = (
    r"PlanError|PlannedAnswer|Planner|read_plan|/__mock__/plan|--plan\b|MOCKSERVER_PLAN",
    r"LocalDesk|RemoteDesk|\bDesk\b|\bdesk\b",
    r"\bSealer\b|\bRefusal\b|\bJudge\b(?= ?[(|\]:])",
    r"\bquick_of\b|class Quick\b|\bretitle\b",
    r"\bShelf\b|MemoryShelf|SqliteShelf|RedisShelf|open_shelf|\bshelf\b",
    r"\bERAS\b|max_sessions|--max-sessions",
    r"class World\b|\bWorlds\b|class Act\b|class Asked\b",
)
"""Names that were given up, as patterns; what they meant has another name now."""


def sources() -> list[Path]:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [*sorted(PACKAGE.rglob("*.py")), *pages]


@pytest.mark.parametrize("pattern", OLD_NAMES)
def test_no_name_is_kept_that_was_given_up(pattern: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    }
    assert found == set()


@pytest.mark.parametrize("pins", [schemathesis_runs.PINS, environments.SUITE_PINS])
def test_no_version_is_pinned_in_two_places(pins: tuple[str, ...]) -> None:
    """Two pins of a package soon differ, and then the environment cannot be made."""
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert {name.lower() for name, sign, _ in (pin.partition("==") for pin in pins) if sign} & pinned == set()


def test_no_file_is_made_of_a_table_that_misaligns_in_silence() -> None:
    found = [path for path in sorted(PACKAGE.rglob("*.py")) if "tuple.__new__" in path.read_text("utf-8")]
    assert found == []
