"""The report of the benchmark: verdicts, what is told of a run, and the bounds of its files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import report
from benchmarks.__main__ import DAILY, SECTIONS, chosen, code_lines, options_of, section
from benchmarks.load import Bench
from benchmarks.report import END, START, TARGETS, Report, Row, Section, Target, placed
from benchmarks.servers import Cores, Stop
from tests.strategies import ROOT

BENCH = Bench(Cores(0, 1), "own", sides=1, rounds=1, starts=1, calls=1, soak=1)
TITLE = TARGETS[0]


def target(kind: str, bound: float) -> Target:
    return Target("title", "throughput", "other", kind, bound)


@pytest.mark.parametrize(
    ("kind", "bound", "samples", "verdict"),
    [
        ("at least", 1.25, [1.30, 1.31, 1.32], "met"),
        ("at least", 1.25, [1.20, 1.21, 1.22], "MISSED"),
        ("at most", 1.05, [1.01, 1.02, 1.03], "met"),
        ("at most", 1.05, [1.11, 1.12, 1.13], "MISSED"),
        ("at least", 1.25, [1.23, 1.24, 1.25, 1.26, 1.27], "too close to say"),
        ("at least", 1.25, [1.24, 1.26, 1.27, 1.27, 1.27, 1.27, 1.28], "met"),
        ("at least", 1.25, [1.20, 1.40, 1.60, 1.80, 2.00], "too close to say"),
        ("at least", 1.25, [1.30, 1.40, 1.60, 1.80, 2.00], "met"),
        ("at most", 0, [0.0], "met"),
        ("at most", 0, [1.0], "MISSED"),
        ("at most", 120, [120.0], "met"),
    ],
)
def test_a_bound_is_met_or_missed_only_where_the_rounds_agree(
    kind: str, bound: float, samples: list[float], verdict: str
) -> None:
    assert target(kind, bound).verdict(Row("throughput", "other", samples)) == verdict


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=9), st.floats(0.1, 10))
def test_what_is_met_one_way_is_missed_or_too_close_the_other_way(samples: list[float], bound: float) -> None:
    row = Row("throughput", "other", samples)
    least, most = (target(kind, bound).verdict(row) for kind in ("at least", "at most"))
    assert {least, most} in ({"met", "MISSED"}, {"too close to say"}) or row.median == bound


def made(*rows: Row, failed: str = "") -> Section:
    return Section("The title call", rows, notes=["A note."], failed=failed)


def test_a_target_that_was_not_measured_is_told_loudly() -> None:
    whole = Report(["On a machine."], {"title": made(failed="no server")}, whole=True).as_text()
    assert whole.count("| **NOT MEASURED** |") == len(TARGETS)
    assert "**NOT MEASURED: title**: no server" in whole


def test_a_partial_run_tells_its_own_targets_only() -> None:
    row = Row(TITLE.measure, TITLE.against, [1.5, 1.5])
    head, *lines = Report([], {"title": made(row)}, whole=False).reached()
    assert [line[0] for line in lines] == [each.measure for each in TARGETS if each.section == "title"]
    assert dict(zip(head, lines[0], strict=True))["measured"] == "1.50"
    assert lines[0][-1] == "met"


def test_the_targets_stand_first_and_what_has_one_is_not_told_again() -> None:
    rows = Row("a|b", "other", [2.0, 3.0], "ms"), Row(TITLE.measure, TITLE.against, [1.5, 1.5])
    text = Report(["On a machine."], {"title": made(*rows)}, whole=True).as_text()
    assert text.index("### To reach") < text.index("| a b | other | 2.5 ms | 20.0% |")
    assert text.count(f"| {TITLE.measure} | {TITLE.against} |") == 1
    assert text.endswith("- The title call: A note.\n")


def test_results_for_programs_hold_all_samples() -> None:
    found = Report([], {"title": made(Row("a", "other", [2.0, 3.0], "ms"))}, whole=True)
    assert json.loads(found.as_json())["sections"]["title"]["rows"][0]["samples"] == [2.0, 3.0]


def test_every_target_belongs_to_a_section() -> None:
    assert {each.section for each in TARGETS} <= SECTIONS.keys()


def test_the_lines_of_code_are_counted_for_both_of_their_targets() -> None:
    lines = Report([], {"code": section("code", BENCH)}, whole=False).reached()[1:]
    assert [line[0] for line in lines] == [report.LINES, report.FILES]
    assert not any("NOT MEASURED" in cell for line in lines for cell in line)


def test_a_line_of_code_is_neither_blank_nor_comment_nor_docstring(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""Say.\n\nMore.\n"""\n\n# why\nX = (\n    1,\n)  # one\n"""What X is."""\n', "utf-8")
    assert code_lines(path) == 3


def test_a_section_that_fails_is_told_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Bench) -> Section:
        raise Stop("the server answered wrongly\nand so on")

    monkeypatch.setitem(vars(sys.modules["benchmarks.__main__"]), "SECTIONS", {"title": failing})
    assert section("title", BENCH).failed == "the server answered wrongly"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], list(SECTIONS)),
        (["--quick"], list(DAILY)),
        (["--only", "soak", "--only", "title"], ["title", "soak"]),
        (["--quick", "--only", "peers"], ["peers"]),
    ],
)
def test_a_run_measures_what_was_asked_for(arguments: list[str], names: list[str]) -> None:
    assert chosen(options_of(arguments)) == names


def test_a_report_takes_the_place_of_the_one_before_and_of_nothing_else() -> None:
    document = f"# Title\n\n{START}\nold\n{END}\n\n## Why\n"
    once = placed(document, "new")
    assert once == placed(once, "new") == f"# Title\n\n{START}\n\nnew\n{END}\n\n## Why\n"


@pytest.mark.parametrize("document", ["", START, f"{END} {START}"])
def test_a_document_without_the_marks_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="lacks a mark"):
        placed(document, "new")


def test_the_page_has_its_marks_and_at_most_150_lines() -> None:
    text = (ROOT / "BENCHMARKS.md").read_text("utf-8")
    assert placed(text, "") != text
    assert len(text.splitlines()) <= 150


def test_the_benchmark_has_at_most_ten_files_and_its_results_are_not_in_git() -> None:
    assert len(list((ROOT / "benchmarks").rglob("*.py"))) <= 10
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert "benchmarks/results.json" in ignored


def test_the_command_says_what_it_can_measure() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(name in told for name in SECTIONS)
