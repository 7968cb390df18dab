"""Reports are read back by others: by the documented schema, by readers of JUnit XML and SARIF, by CI systems."""

import json
import os
import re
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from junitparser import Failure, JUnitXml
from sarif_pydantic import Sarif

from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.report.formats import FORMATS
from mockserver.check.report.locate import NO_FILES, Files, spot
from mockserver.check.report.model import Report, Table, gathered
from mockserver.check.report.options import deliver, read_target
from mockserver.contract.tree import join, lookup
from mockserver.errors import StartError, UsageError
from mockserver.messages import Finding, Reproduction
from mockserver.terminal.text import visible
from tests.strategies import ROOT, contract_of

SCHEMA = yaml.safe_load((ROOT / "schemas" / "mockserver-report" / "1.yaml").read_text("utf-8"))
PLACE = "2.17#/components/schemas/ChatSessionSummary/properties/session_id"

texts = st.text(st.characters(codec="utf-8"), max_size=30)
values = st.none() | st.booleans() | st.integers() | texts | st.lists(texts, max_size=2)
problems = st.builds(
    Finding,
    rule=st.text(string.ascii_lowercase + "-", min_size=1, max_size=10),
    fault=st.sampled_from(["server", "client", "contract", "mock"]),
    message=texts,
    operation=st.sampled_from(["", "set_title"]),
    where=texts,
    expected=values,
    received=values,
    contract=st.sampled_from(["", PLACE, "own#/paths"]),
    level=st.sampled_from(["error", "warning", "note"]),
    reproduction=st.none() | st.builds(Reproduction, curl=texts, python=texts),
    count=st.integers(1, 9),
)
tables = st.builds(
    Table,
    title=texts,
    columns=st.just(("a", "b")),
    rows=st.lists(st.tuples(texts, texts), max_size=3),
    notes=st.lists(texts, max_size=1),
)
reports = st.builds(
    Report,
    command=st.just("check"),
    subject=texts,
    findings=st.lists(problems, max_size=4).map(tuple),
    figures=st.dictionaries(st.sampled_from(["cases", "seed"]), values),
    tables=st.lists(tables, max_size=2).map(tuple),
    rules=st.dictionaries(st.just("a-rule"), texts),
    passed=st.lists(texts, max_size=3).map(tuple),
)


@given(report=reports)
def test_json_holds_the_documented_schema(report: Report) -> None:
    told = json.loads(FORMATS["json"](report, Files(API)))
    Draft202012Validator(SCHEMA).validate(told)
    assert told["clean"] is not any(each.level == "error" for each in report.findings)


@given(report=reports)
def test_junit_is_read_back_with_a_failure_for_each_error(report: Report) -> None:
    text = FORMATS["junit"](report, Files(API))
    (suite,) = JUnitXml.fromstring(text.encode())
    failed = {(each.operation, each.rule) for each in report.errors}
    failures = [case for case in suite if any(isinstance(each, Failure) for each in case.result)]
    assert (suite.failures, len(failures), suite.tests) == (len(failed), len(failed), len(list(suite)))
    assert {visible(name) for name in report.passed} <= {case.name for case in suite}
    for each in report.errors:
        assert any(
            case.name == (f"{each.operation}: {each.rule}" if each.operation else each.rule) for case in failures
        )


@given(report=reports)
def test_sarif_is_read_back_with_a_result_for_each_problem(report: Report) -> None:
    text = FORMATS["sarif"](report, Files(API))
    read = Sarif.model_validate_json(text)
    (run,) = read.runs
    assert [each.rule_id for each in run.results] == [each.rule for each in report.findings]
    assert [each.level for each in run.results] == [each.level for each in report.findings]
    for result, problem in zip(json.loads(text)["runs"][0]["results"], report.findings, strict=True):
        rules = json.loads(text)["runs"][0]["tool"]["driver"]["rules"]
        assert rules[result["ruleIndex"]]["id"] == problem.rule
        assert ("locations" in result) is bool(problem.contract)
        place = result.get("locations", [{}])[0].get("physicalLocation")
        assert (place is not None) is (problem.contract == PLACE)
        if place is not None:
            assert place["artifactLocation"] == {"uri": "schemas/llamacloud-chat/2.17.yaml"}


@given(report=reports)
def test_annotations_are_a_line_for_each_problem(report: Report) -> None:
    lines = FORMATS["github"](report, Files(API)).split("\n")[:-1]
    assert len(lines) == len(report.findings)
    for line, problem in zip(lines, report.findings, strict=True):
        assert re.match(rf"::{ {'note': 'notice'}.get(problem.level, problem.level) } .*?::", line)
        assert not set("\r\n") & set(line)


@given(report=reports)
def test_markdown_and_the_terminal_tell_every_problem(report: Report) -> None:
    for name in ("markdown", "terminal"):
        text = FORMATS[name](report, Files(API))
        assert all(each.rule in text for each in report.findings)


@given(text=texts)
def test_no_text_breaks_out_of_its_cell_or_its_fence(text: str) -> None:
    cell = FORMATS["markdown"](Report("check", "x", (Finding("", "rule", text, "server"),)), NO_FILES).splitlines()
    (row,) = (line for line in cell if line.startswith("| rule | server"))
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 7
    assert not re.search(r"(?<!\\)(?:\\\\)*<", row)
    again = Reproduction(f"curl {text}", f"print({text!r})")
    told = FORMATS["markdown"](
        Report("check", "x", (Finding("", "rule", "x", "server", reproduction=again),)), NO_FILES
    )
    fences = re.findall(r"^(`{3,})(?:sh|python)$", told, re.MULTILINE)
    assert all(told.count(f"\n{fence}\n") >= 1 for fence in fences)
    assert all(fence not in text for fence in fences)


@pytest.mark.parametrize("era", ["2.6", "2.17"])
def test_the_line_of_every_place_of_a_contract_is_that_of_its_key(era: str) -> None:
    lines = (ROOT / "schemas" / "llamacloud-chat" / f"{era}.yaml").read_text("utf-8").splitlines()
    document = contract_of(era).document
    places: list[tuple[str, Any]] = [("", document)]
    seen = 0
    while places:
        pointer, node = places.pop()
        if isinstance(node, dict):
            for key, below in node.items():
                place = join(pointer, key)
                found = spot(f"{era}#{place}", Files(API))
                assert found is not None
                assert str(key) in lines[found.line - 1], (place, found)
                assert lookup(document, place) == below
                places.append((place, below))
                seen += 1
        elif isinstance(node, list):
            places += [(join(pointer, index), below) for index, below in enumerate(node)]
    assert seen > 500


def test_a_place_of_ones_own_contract_is_found_and_one_of_none_is_none(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("a:\n  - b: 1\n  - c: 2\n", "utf-8")
    assert spot("own#/a/1/c", Files(None, own)) == (str(own), 3, own)
    assert spot("own#/a/7/c", Files(None, own)) == (str(own), 1, own)
    assert spot("own#/a", NO_FILES) is None


def problem(where: str, **more: Any) -> Finding:
    return Finding(where, "rule", "wrong", "server", operation="create", **more)


def test_a_cause_is_told_once_with_the_number_of_its_cases() -> None:
    found = gathered([problem("/a", received=1), problem("/b"), problem("/a", received=2), problem("/a", count=3)])
    assert [(each.where, each.count, each.received) for each in found] == [("/a", 5, 1), ("/b", 1, None)]


def test_reports_go_where_they_are_wanted_and_the_exit_code_says_whether_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, wrong = Report("check", "x", (problem("/a", level="note"),)), Report("check", "x", (problem("/a"),))
    for report, code in ((clean, 0), (wrong, 1)):
        with pytest.raises(SystemExit) as ended:
            deliver(report, ["json", f"sarif={tmp_path}/deep/er.sarif", f"junit={tmp_path}/x.xml"])
        assert ended.value.code == code
        assert json.loads(capsys.readouterr().out)["clean"] is (code == 0)
        assert Sarif.model_validate_json((tmp_path / "deep" / "er.sarif").read_text("utf-8"))
    with pytest.raises(SystemExit):
        deliver(wrong, [f"junit={tmp_path}/x.xml"])
    assert capsys.readouterr() == ("", "check: 1 problem\n")
    with pytest.raises(SystemExit):
        deliver(clean, [])
    assert capsys.readouterr().out.startswith("check: x\n")


def test_a_report_that_cannot_be_meant_or_written_is_told(tmp_path: Path) -> None:
    for text in ("xml", "json=", "", "=x"):
        with pytest.raises(UsageError, match="is no report"):
            read_target(text)
    with pytest.raises(StartError, match="cannot be written"):
        deliver(Report("check", "x"), [f"json={tmp_path}"])


# -- hostile answers -------------------------------------------------------------------------------------------------

HOSTILE = (
    "\ud800 \udfff \ufffe \uffff \x00 \x1b[31mred\x1b[0m \x9b2J \u202e \u2028\n::set-output name=a::b\n##[error]x\r\n"
    "]]>&<b>`|</details>\n```\n# heading %0A \u00e9 \U0001f600 \u2705"
)


def hostile() -> Report:
    """Return a report in which every text is one that a server may have written."""
    again = Reproduction("curl x", "print(1)")
    finding = Finding(
        f"/{HOSTILE}", "rule", HOSTILE, "server", HOSTILE, [HOSTILE], HOSTILE, "create", reproduction=again
    )
    note = Finding("/a", "rule", HOSTILE, "server", operation="retrieve", level="note")
    table = Table("table", ("a",), [(HOSTILE,)], (HOSTILE,))
    return Report("check", HOSTILE, (finding, note), {"x": HOSTILE}, (table,), {"rule": HOSTILE}, (f"get: {HOSTILE}",))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_answer_of_a_server_breaks_a_report(name: str) -> None:
    text = FORMATS[name](hostile(), Files(API))
    assert text.encode("utf-8").decode("utf-8") == text
    if name == "json":
        Draft202012Validator(SCHEMA).validate(json.loads(text))
        assert json.loads(text)["problems"][0]["message"] == HOSTILE.replace("\ud800", "\\ud800").replace(
            "\udfff", "\\udfff"
        )
    elif name == "sarif":
        assert len(Sarif.model_validate_json(text).runs[0].results or ()) == 2
    elif name == "junit":
        (suite,) = JUnitXml.fromstring(text.encode())
        assert [case.name for case in suite][1:] == ["create: rule", "retrieve: rule"]
        assert (suite.tests, suite.failures) == (3, 1)
    if name in ("terminal", "github", "markdown"):
        assert not set(text) & set("\x1b\x9b\u202e\u2028\x00\r")
    if name in ("terminal", "github"):
        lines = [line.strip() for line in text.splitlines()]
        assert not [line for line in lines if line.startswith(("::set", "##["))]


def test_a_report_is_written_on_a_terminal_that_cannot_hold_its_characters() -> None:
    code = "import sys, mockserver.cli as cli; sys.argv = ['mockserver', '--version']; sys.exit = lambda *_: None\n"
    code += "try:\n    cli.start()\nexcept SystemExit:\n    pass\nprint('\\u2705 \\u202e')"
    env = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert b"\\u2705 \\u202e" in done.stdout


def test_the_address_of_a_file_is_that_of_a_file_which_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "my contract #1.json"
    own.write_text('{\n "paths": {}\n}', "utf-8")
    report = Report("check", "x", (problem("/a", contract=f"{own}#/paths"), problem("/b", contract=PLACE)))

    def addresses() -> list[Any]:
        (run,) = json.loads(FORMATS["sarif"](report, Files(API, own)))["runs"]
        assert ("originalUriBaseIds" in run) is ("MOCKSERVER" in json.dumps(run["results"]))
        return [each["locations"][0]["physicalLocation"] for each in run["results"]]

    first, second = addresses()
    assert first == {"artifactLocation": {"uri": own.as_uri()}, "region": {"startLine": 2}}
    assert second["artifactLocation"] == {"uri": "schemas/llamacloud-chat/2.17.yaml"}
    monkeypatch.chdir(tmp_path)
    first, second = addresses()
    assert first["artifactLocation"] == {"uri": "my%20contract%20%231.json"}
    assert second["artifactLocation"] == {"uri": "schemas/llamacloud-chat/2.17.yaml", "uriBaseId": "MOCKSERVER"}
