"""Runs the named tests of a release in its own environment, with their skip marks lifted and nothing else changed.

It needs the standard library and pytest alone. The last line of its output is JSON: the outcome of each test.
"""

import json
import sys

import pytest


class Unskipped:
    """Lifts the skip marks of all tests, and remembers how each ended."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Lift the marks after all else has had its say."""
        for item in items:
            for node in item.listchain():
                node.own_markers[:] = [mark for mark in node.own_markers if mark.name != "skip"]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the worst of set-up, call and tear-down."""
        if report.when == "call" or report.outcome != "passed":
            earlier = self.outcomes.get(report.nodeid)
            self.outcomes[report.nodeid] = earlier if earlier in ("failed", "skipped") else report.outcome


plugin = Unskipped()
code = pytest.main(
    ["-o", "addopts=", "-p", "no:cacheprovider", "--tb=line", "--show-capture=no", "-q", *sys.argv[1:]],
    plugins=[plugin],
)
sys.stdout.write("\n" + json.dumps(plugin.outcomes) + "\n")
sys.exit(code)
