"""Each row of docs/openapi.md is held by a test."""

import re

from tests.strategies import ROOT

PAGE = (ROOT / "docs" / "openapi.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| what |", "| --- |"))]


def test_each_row_names_a_test_that_there_is() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(ROWS) > 20
    named = {row: re.findall(r"`(test_\w+)` \|$", row) for row in ROWS}
    assert {row for row, found in named.items() if not set(found) & tests} == set()
