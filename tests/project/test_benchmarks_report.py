"""The report of the benchmark: what is to be reached, where the time goes, tables of many servers, the picture."""

import argparse
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import in_tests, peers, title, workers
from benchmarks.__main__ import DAILY, SECTIONS, chosen, section
from benchmarks.children import Cores, Stop
from benchmarks.environment import Machine
from benchmarks.figures import Aim, Figure, Row, Section, Table, series
from benchmarks.imports import by_package
from benchmarks.measure import FULL, QUICK
from benchmarks.picture import ANSWERS, MEASURE, PLACE, SECTION, bars, drawn
from benchmarks.report import Results, as_json, as_markdown
from benchmarks.targets import EDGE, HANDLER, SERVER, TARGETS, parts_of_path, path, to_reach
from tests.strategies import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def figure(measure: str, by_server: Mapping[str, float], unit: str = "µs") -> Figure:
    return Figure(measure, unit, 1, {name: series([value]) for name, value in by_server.items()})


def titled(whole: float, bare: float, handler: float, ratio: float = 1.5) -> Section:
    figures = [
        figure(title.PROCESSOR, {title.OURS: whole, title.PLAIN: 50.0, title.BARE: bare}),
        figure(title.HANDLER, {title.OURS: handler}),
        figure(title.APP, {title.OURS: whole - bare}),
        figure(title.START, {title.OURS: 200.0, title.BARE: 100.0}, "ms"),
    ]
    rows = [
        Row(measure, against, series([ratio, ratio]), aim)
        for measure, against, aim in title.AIMS
        if aim is not None or measure == title.PROCESSOR
    ]
    return Section(title.NAME, rows, figures, ["how"])


@given(st.floats(1, 1000), st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_the_parts_of_the_path_add_up_to_all_of_it(edge: float, bare: float, handler: float) -> None:
    parts = path([titled(edge + bare + handler, bare, handler)])
    assert [each.name for each in parts] == [SERVER, HANDLER, EDGE]
    assert sum(each.share for each in parts) == pytest.approx(1)
    assert {each.name: each.spent for each in parts}[EDGE] == pytest.approx(edge)


def test_what_is_not_met_says_where_the_time_goes_and_what_is_met_does_not() -> None:
    lines = to_reach([titled(100.0, 30.0, 20.0, ratio=0.5)]).rows
    assert lines[0][-2:] == ["not met", "edge 50%, server and event loop 30%, Handler 20%"]
    assert lines[1][-2:] == ["not met", "edge 50%, server and event loop 30%, Handler 20%"]
    start = next(line for line in lines if line[0] == title.START)
    assert start[-2:] == ["met", "-"]


def test_a_slow_start_says_what_any_server_needs() -> None:
    start = next(line for line in to_reach([titled(1, 1, 1, ratio=2.0)]).rows if line[0] == title.START)
    assert start[-1] == "interpreter and uvicorn 50%, the mock's modules and contract 50%"


def test_a_call_in_process_is_divided_between_handler_and_client() -> None:
    measure = f"time of a call, {in_tests.ASYNC}"
    row = Row(measure, in_tests.STARLETTE, series([1.5, 1.5]), Aim("at most", 1.1))
    calls = Section(in_tests.NAME, [row], [figure(f"a call, {in_tests.ASYNC}", {in_tests.OURS: 200.0})], [])
    line = next(each for each in to_reach([titled(100, 30, 20), calls]).rows if each[0] == measure)
    assert line[-1] == "httpx and the transport 90%, Handler 10%"


def test_a_target_that_was_not_measured_is_told_loudly() -> None:
    lines = to_reach([]).rows
    assert len(lines) == len(TARGETS)
    assert {line[5] for line in lines} == {"NOT MEASURED"}
    assert parts_of_path([]) is None


def test_every_target_names_a_row_that_its_section_makes() -> None:
    made = {
        title.NAME: [(measure, against) for measure, against, aim in title.AIMS if aim],
        peers.NAME: [(peers.THROUGHPUT, ""), (peers.LATE, title.PLAIN)],
        in_tests.NAME: [(f"time of a call, {in_tests.ASYNC}", in_tests.STARLETTE)],
        workers.NAME: [(workers.PROCESSOR, workers.ONE)],
    }
    for target in TARGETS:
        assert (target.measure, target.against) in made[target.section], target


ANSWERED = {"ours": ("mock", "yes", "6 of 6"), "other <1>": ("tool", "no", "3 of 6"), "bare": ("bound", "no", "0 of 6")}
RATES = {"ours": 12_345.6, "other <1>": 6_000.0, "bare": 40_000.0}


def compared(answered: Mapping[str, Sequence[str]] = ANSWERED, rates: Mapping[str, float] = RATES) -> Section:
    rows = [[name, kind, "no", "no", "no", right, refused] for name, (kind, right, refused) in answered.items()]
    head = ["server", "kind", "echoed", "titled", "allowed", "right", "refused rightly"]
    figures = [Figure(MEASURE, "requests/s", 0, {name: series([rate]) for name, rate in rates.items()})]
    return Section(SECTION, [], figures, ["how"], notes=[f"![picture]({PLACE})"], tables=[Table(ANSWERS, head, rows)])


def results(*sections: Section) -> Results:
    machine = Machine("Some <processor>", 2, 1024, "Linux 6", "CPython 3.11.7", 0.1)
    return Results("2026-11-24", "python -m benchmarks", QUICK, False, machine, {"wrk": "4"}, sections, None)


def written(*sections: Section) -> Any:
    return json.loads(as_json(results(*sections)))


def texts(picture: str) -> list[str]:
    return ["".join(each.itertext()) for each in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314  # our own


def test_the_picture_is_well_formed_and_its_numbers_are_those_of_the_results() -> None:
    shown = texts(drawn(written(compared())))
    for name, (_, right, refused) in ANSWERED.items():
        at = shown.index(name)
        assert shown[at + 1 : at + 4] == [f"{RATES[name]:,.0f}", {"yes": "✓", "no": "✗"}[right], refused]


def test_bars_are_as_long_as_their_figures() -> None:
    picture = ET.fromstring(drawn(written(compared())))  # noqa: S314  # our own
    lengths = {each.get("class"): float(each.get("width", "0")) for each in picture.iter(f"{SVG}rect")}
    assert lengths["mock"] / lengths["bound"] == pytest.approx(RATES["ours"] / RATES["bare"], rel=0.01)
    assert lengths["tool"] / lengths["bound"] == pytest.approx(RATES["other <1>"] / RATES["bare"], rel=0.01)


def test_what_knows_no_contract_stands_below_the_mocks() -> None:
    shown = texts(drawn(written(compared())))
    assert shown.index("ours") < shown.index("other <1>") < shown.index("bare")


def test_a_picture_needs_nothing_from_elsewhere_and_can_be_read_on_light_and_dark() -> None:
    picture = drawn(written(compared()))
    assert re.findall(r"\w+://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme: dark" in picture


def test_without_a_comparison_there_is_no_picture() -> None:
    assert drawn(written(titled(100, 30, 20))) == ""


def test_the_kept_picture_is_drawn_from_the_kept_results() -> None:
    kept = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
    place: Path = ROOT / PLACE
    assert (place.read_text("utf-8") if place.exists() else "") == drawn(kept)


def test_the_report_shows_the_picture_and_begins_with_what_is_to_be_reached() -> None:
    text = as_markdown(results(titled(100, 30, 20), compared()))
    assert f"({PLACE})" in text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:3] == ["To reach", title.NAME, SECTION]


def test_many_servers_have_a_line_each_and_few_a_column_each() -> None:
    few = as_markdown(results(compared()))
    assert "| figure | ours | other <1> | bare |" in few
    many = {f"server {number}": float(number + 1) for number in range(12)}
    told = as_markdown(results(compared(dict.fromkeys(many, ("tool", "no", "1 of 6")), many)))
    assert "| server 11 | 12 ± 0% |" in told


def test_a_figure_that_is_too_wide_is_marked_in_a_table_of_many_servers() -> None:
    samples = {f"server {number}": series([100.0, 150.0]) for number in range(12)}
    section = Section("Many", [], [Figure("rate", "requests/s", 0, samples)], ["how"])
    assert "| server 3 | ~125 ± 20% |" in as_markdown(results(section))


def test_results_for_programs_hold_tables_and_targets() -> None:
    told = written(compared())
    assert told["tables"][0]["section"] == SECTION
    assert [bar.name for bar in bars(told)] == ["bare", "ours", "other <1>"]
    assert len(told["to_reach"]["rows"]) == len(TARGETS)


def options(only: Sequence[str] = (), *, quick: bool = False, write: bool = False) -> argparse.Namespace:
    return argparse.Namespace(only=list(only), quick=quick, write=write)


def test_a_quick_run_leaves_out_what_is_slow_unless_it_is_asked_for_or_written() -> None:
    assert chosen(options(quick=True)) == DAILY
    assert chosen(options(["peers"], quick=True)) == ["peers"]
    assert chosen(options(quick=True, write=True)) == list(SECTIONS) == chosen(options())


def test_a_whole_run_measures_everything_that_a_target_needs() -> None:
    assert {"title", "peers", "workers", "tests"} <= set(SECTIONS)
    assert FULL.peer_sides * FULL.peer_rounds >= 5


def test_the_time_of_a_package_is_that_of_its_modules() -> None:
    told = "import time: self [us] | cumulative | imported package\nimport time:       100 |        100 |   a.b\n"
    told += "import time:        20 |        120 | a\nready\nimport time:         3 |          3 |     b\n"
    assert by_package(told) == {"a": 120, "b": 3}


def test_a_section_that_fails_is_told_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Section:
        raise Stop("the server answered wrongly\nand so on")

    monkeypatch.setitem(vars(sys.modules["benchmarks.__main__"]), "SECTIONS", {"title": failing})
    made = section("title", Cores(0, 1), QUICK)
    assert (made.failed, made.rows, made.notes) == (True, (), ["**NOT MEASURED**: the server answered wrongly"])
