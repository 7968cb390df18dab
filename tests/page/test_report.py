"""Check: a run is watched and its report seen; a report is the same view in a file that opens from disk."""

import json
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect

from mockserver.check.changes.command import command as drift
from mockserver.check.report.formats import FORMATS, as_html
from mockserver.check.report.locate import NO_FILES
from mockserver.check.report.model import Report, Skipped, Table
from mockserver.control import checks
from mockserver.messages import Finding, Reproduction
from tests.page.conftest import barriers

ATTACK = "<img src=x onerror=window.hit=1></script><script>window.hit=1</script>\ud800\x1b"

BROKEN = Finding(
    "/response/body/name",
    "body-schema",
    f"it is no text {ATTACK}",
    "server",
    expected="a text",
    received=5,
    contract="notes#/paths",
    operation="read_note",
    reproduction=Reproduction(f"curl {ATTACK}", f"print({ATTACK!r})"),
    count=3,
)
REPORT = Report(
    "check",
    f"http://127.0.0.1:1 {ATTACK}",
    (BROKEN, Finding("", "unknown-field", "it is not declared", "server", level="warning")),
    {"cases": 12, "seed": 0},
    (Table("Coverage", ("what", "share"), (("operations", "50 %"), (ATTACK, "x"))),),
    {"body-schema": "A body satisfies its schema."},
    ("read_note status",),
    (Skipped("list_notes", "it was not reached", True),),
)


def test_a_report_opens_from_disk_and_nothing_in_it_runs(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(FORMATS["html"](REPORT, NO_FILES), "utf-8")
    page.goto(file.as_uri())
    expect(page.get_by_text("1 problem, 1 to note")).to_be_visible()
    problems = page.get_by_role("list", name="Problems").locator("> li")
    expect(problems).to_have_count(2)
    expect(problems.first).to_contain_text("body-schema in read_note, fault of the server, seen in 3 cases")
    expect(problems.first).to_contain_text("A body satisfies its schema.")
    for each in page.locator("details").all():
        each.evaluate("each => { each.open = true; }")
    expect(page.get_by_role("table")).to_contain_text("50 %")
    expect(page.get_by_text("list_notes: it was not reached")).to_be_visible()
    assert (page.locator("#page img, #page script").count(), page.evaluate("() => window.hit")) == (0, None)
    assert barriers(page) == []
    page.get_by_label("Which problems").select_option("warning")
    expect(problems).to_have_count(1)


def test_what_drift_finds_is_a_page_too(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "drift.html"
    result = CliRunner().invoke(drift, ["2.6", "2.8", "--report", f"html={file}"])
    assert result.exit_code == 1
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", level=2)).to_contain_text("drift: ")
    assert page.get_by_role("list", name="Problems").locator("> li").count() > 0


def test_the_cells_of_a_matrix_look_as_their_verdicts(page: Page, tmp_path: Path) -> None:
    rows = [["2.7.0", "handled", "NOT IN CONTRACT: x"], ["2.8.0", "MISHANDLED: a", "NEVER EXERCISED: b"]]
    file = tmp_path / "matrix.html"
    file.write_text(as_html(Report("matrix", "releases", tables=(Table("Verdicts", ("a", "b", "c"), rows),))), "utf-8")
    page.goto(file.as_uri())
    expect(page.get_by_role("table")).to_contain_text("NEVER EXERCISED")
    cells = page.get_by_role("cell")
    looks = [each.get_attribute("class") for each in cells.all()]
    assert looks == [None, "good", "bad", None, "bad", "silent"]
    assert barriers(page) == []


ONE_LIST = {"type": "array", "items": {"type": "string"}}
NOTES = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "paths": {
        "/notes": {
            "get": {
                "operationId": "list_notes",
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": ONE_LIST}}}},
            }
        }
    },
}


@pytest.fixture
def notes(serve: Callable[..., str], tmp_path: Path) -> str:
    """Give the base URL of a mock of a small document."""
    path = tmp_path / "notes.json"
    path.write_text(json.dumps(NOTES), "utf-8")
    return serve(seed=1, contract=str(path))


def test_this_mock_is_checked_and_its_report_shown(page: Page, notes: str) -> None:
    page.goto(notes + "/__mock__/#/check")
    assert barriers(page) == []
    page.get_by_label("Requests that are drawn").fill("5")
    page.get_by_role("button", name="Check", exact=True).click()
    report = page.get_by_role("region", name="Report")
    expect(report).to_contain_text("nothing wrong", timeout=30_000)
    expect(report).to_contain_text(f"check: {notes}")
    expect(page.get_by_role("status").filter(has_text="the check is done: nothing wrong")).to_be_visible()
    assert barriers(page) == []


def test_a_server_that_cannot_be_checked_is_told_with_how_to_mend_it(page: Page, notes: str) -> None:
    page.goto(notes + "/__mock__/#/check")
    page.get_by_label("Server").fill("http://api.example.org")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("is not this machine", timeout=30_000)
    expect(page.get_by_role("alert")).to_contain_text("fix:")


def test_a_check_is_stopped_and_its_process_ends(page: Page, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PROGRAM", "tests.page.endless:run")
    page.goto(notes + "/__mock__/#/check")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("status", name="Progress")).to_contain_text("case", timeout=30_000)
    (process,) = active_children()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status", name="Progress")).to_contain_text("it was stopped")
    process.join(30)
    assert not process.is_alive()


def test_a_report_is_opened_from_a_file_and_another_file_is_refused(page: Page, notes: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(FORMATS["json"](REPORT, NO_FILES), "utf-8")
    page.goto(notes + "/__mock__/#/check")
    page.get_by_label("Open a report").set_input_files(file)
    expect(page.get_by_text("1 problem, 1 to note")).to_be_visible()
    file.write_text("{}", "utf-8")
    page.get_by_label("Open a report").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("this file is no report")
