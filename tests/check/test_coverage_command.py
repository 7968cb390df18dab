"""`mockserver coverage` reads journals of every kind, tells them in every format, and ends as it was asked to."""

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from mockserver.check.coverage.count import read_lines
from mockserver.check.coverage.report import command
from mockserver.check.coverage.targets import RULES
from mockserver.check.provider.command import command as check_command
from mockserver.check.report.formats import FORMATS
from mockserver.cli import main
from mockserver.errors import MockserverError, StartError, UsageError
from mockserver.journal.exchange import as_json
from mockserver.server.uvicorn import running
from tests import commands
from tests.check.test_formats import SCHEMA
from tests.exchanges import exchange, journal
from tests.project.test_readme import called as sent
from tests.strategies import ROOT, own_document, write_document

PAGE = (ROOT / "docs" / "coverage.md").read_text("utf-8")
MOCKSERVER = [sys.executable, "-m", "mockserver"]
KEY = {"authorization": "Bearer any-key"}
TITLE = "/api/v1/chat/ses-abc123/title"


def run(*arguments: str, **more: Any) -> Result:
    """Run the command; what stops it is raised."""
    result = CliRunner().invoke(command, arguments, **more)
    if isinstance(result.exception, MockserverError):
        raise result.exception
    return result


def told(*arguments: str, **more: Any) -> Any:
    """Give the report as JSON."""
    return json.loads(run(*arguments, "--report", "json", **more).stdout)


def line(**said: Any) -> str:
    return json.dumps(as_json(exchange(**said)))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give the file of a journal with two titles, one of them refused."""
    heard = journal(exchange(body=b'{"first_message": "x"}'), exchange(body=b"{}", status=422))
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(as_json(each)) + "\n" for each in heard), "utf-8")
    return path


# -- journals ----------------------------------------------------------------------------------------------------------


def test_a_mock_that_was_served_is_counted_from_its_journal_and_from_itself(tmp_path: Path) -> None:
    options = ["--port", "0", "--seed", "1", "--journal", "calls.jsonl"]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("MOCKSERVER_", "LLAMA_"))}
    server = subprocess.Popen(
        [*MOCKSERVER, "serve", *options], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = re.findall(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
        with httpx.Client(base_url=url, headers=KEY) as client:
            assert client.post(TITLE, json={"first_message": "Q3?"}).status_code == 200
            assert client.post(TITLE, json={}).status_code == 422
            assert client.get("/api/v1/chat", params={"page_size": 0}).status_code == 200
            assert client.get("/nowhere").status_code == 404
        at_once = told(url)
    finally:
        server.terminate()
        server.communicate(timeout=20)
    done = subprocess.run(
        [*MOCKSERVER, "coverage", "calls.jsonl", "--report", "json"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    from_file = json.loads(done.stdout)
    assert from_file["figures"] | {"contracts": ""} == at_once["figures"] | {"contracts": ""}
    assert (from_file["figures"]["exchanges"], from_file["figures"]["of no operation"]) == (4, 1)
    assert (from_file["figures"]["contracts"], at_once["figures"]["contracts"]) == ("2.17, 2.6", "2.17, 2.8, 2.6")
    assert from_file["tables"] == at_once["tables"]
    rows = {row[0]: row[1:3] for row in from_file["tables"][0]["rows"]}
    assert (rows["set_title (2.6)"], rows["list (2.17)"]) == (["1/1", "2/18"], ["1/1", "1/18"])
    untouched = {(each["rule"], each["contract"]) for each in from_file["problems"]}
    assert ("parameter-sent", "2.17#/components/parameters/PageToken") in untouched
    assert ("parameter-sent", "2.17#/components/parameters/PageSize") not in untouched
    assert ("parameter-left-out", "2.17#/components/parameters/PageSize") in untouched


def test_a_scope_of_a_mock_is_named_in_the_url(serve: Callable[..., str]) -> None:
    url = serve(seed=1)
    httpx.get(f"{url}/scope/ann/api/v1/chat", headers=KEY)
    assert told(url)["figures"]["exchanges"] == 0
    found = told(f"{url}/scope/ann")["figures"]
    assert found["exchanges"] == 1
    assert found["touched"] > 1


def test_to_count_a_mock_changes_nothing_in_its_journal(serve: Callable[..., str]) -> None:
    url = serve(seed=1)
    assert [told(url)["figures"]["exchanges"] for _ in range(2)] == [0, 0]


def test_a_journal_that_is_full_says_so(serve: Callable[..., str]) -> None:
    url = serve(seed=1, journal_size=1)
    for _ in range(2):
        httpx.get(f"{url}/api/v1/chat", headers=KEY)
    assert "the journal keeps 1 exchanges, and is full" in run(url).stderr


def test_several_journals_and_stdin_are_counted_together(kept: Path) -> None:
    called = line(method="GET", path="/api/v1/chat", operation="list", contract="2.17") + "\n"
    both = told(str(kept), "-", input=called)
    assert both["subject"] == f"{kept}, -"
    assert (both["figures"]["exchanges"], both["figures"]["contracts"]) == (3, "2.17, 2.6")
    assert told("-", input=called)["figures"]["exchanges"] == 1


def test_a_saved_answer_of_the_journal_route_is_a_journal_too(kept: Path, tmp_path: Path) -> None:
    lines = [json.loads(each) for each in kept.read_text("utf-8").splitlines()]
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps({"scope": "default", "exchanges": lines, "calls": []}), "utf-8")
    assert told(str(saved))["figures"] == told(str(kept))["figures"]


def test_a_line_that_is_being_written_is_passed_over_and_told(kept: Path) -> None:
    with kept.open("a", encoding="utf-8") as file:
        file.write(line()[:100])
    result = run(str(kept), "--report", "json")
    assert json.loads(result.stdout)["figures"]["exchanges"] == 2
    assert result.stderr == f"mockserver: {kept}:3: the last line has no end; it is not counted\n"


def test_empty_lines_are_nothing() -> None:
    assert len(list(read_lines(io.BytesIO(b"\n" + line().encode() + b"\n \n"), "x"))) == 1


WITHOUT_STATUS = json.dumps({**as_json(exchange()), "answer": {"headers": [], "size": 0}})


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("nonsense\n", ":1", "the line is not JSON"),
        (line() + "\n{\n", ":2", "the line is not JSON"),
        ("\x00\x01", ":1", "the line is not JSON"),
        (line()[:100], ":1", "the line is not JSON"),
        ("[" * 100_000 + "\n", ":1", "the line is not JSON"),
        ("1\n", ":1", "it is no exchange: the line: 1 is not of type 'object'"),
        (line() + "\n\n{}\n", ":3", "it is no exchange: the line: 'number' is a required property"),
        (WITHOUT_STATUS + "\n", ":1", "it is no exchange: /answer: 'status' is a required property"),
        ('{"log": {"version": "1.2", "entries": []}}\n', ":1", "it is no exchange"),
        ('{"exchanges": [{"number": "x"}]}\n', ":1", "it is no exchange"),
        (json.dumps({**as_json(exchange()), "operation": 5}) + "\n", ":1", "/operation: 5 is not of type"),
    ],
)
def test_what_is_no_journal_is_told_with_its_line(text: str, where: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match="this is no journal") as caught:
        run(str(path))
    assert f"where: {path}{where}\n" in str(caught.value)
    assert why in str(caught.value)
    assert "fix: give a file that mockserver serve --journal FILE wrote" in str(caught.value)


def test_a_body_that_is_no_base64_is_told_with_its_line(tmp_path: Path) -> None:
    value = as_json(exchange(body=b"\xff"))
    value["request"]["base64"] = "x"
    (tmp_path / "j").write_text(json.dumps(value) + "\n", "utf-8")
    with pytest.raises(UsageError, match="this is no journal"):
        run(str(tmp_path / "j"))


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("nowhere.jsonl", "the journal cannot be read"),
        (".", "the journal cannot be read"),
        ("http://127.0.0.1:9", "the mock server cannot be reached"),
    ],
)
def test_what_cannot_be_read_is_told(source: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartError, match=what) as caught:
        run(source)
    assert f"where: {source}" in str(caught.value)
    assert "://" in source or "mockserver serve --journal FILE" in str(caught.value)


def test_a_mock_that_may_not_be_asked_and_a_server_that_is_no_mock_are_told(serve: Callable[..., str]) -> None:
    with pytest.raises(StartError, match="cannot be asked"):
        run(serve(seed=1, control=False))
    with pytest.raises(StartError):
        run(serve(seed=1) + "/api")


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Serve a page of HTML."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"<html></html>"})


def test_another_server_is_told_to_be_no_mock() -> None:
    with running(page) as url, pytest.raises(StartError, match="what runs there is no mock server") as caught:
        run(url)
    assert f"where: {url}" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["bad.jsonl"], 2, "where: bad.jsonl:1"),
        (["nowhere.jsonl"], 3, "the journal cannot be read"),
        (["calls.jsonl", "--fail-under", "101"], 2, "101"),
        (["calls.jsonl", "--contract", "9.9"], 2, "there is no contract '9.9'"),
        (["calls.jsonl", "--report", "xml"], 2, "is no report"),
        ([], 2, "Missing argument"),
    ],
)
def test_the_program_ends_with_the_right_code(
    arguments: list[str], code: int, text: str, kept: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl").write_text("x\n", "utf-8")
    done = commands.run("coverage", *arguments, cwd=kept.parent)
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr


# -- contracts ---------------------------------------------------------------------------------------------------------


def test_the_contract_may_be_named(kept: Path) -> None:
    assert told(str(kept))["figures"]["contracts"] == "2.6"
    auto = told(str(kept), "--contract", "auto")
    assert auto["figures"]["contracts"] == "2.17, 2.8, 2.6"
    assert len(auto["tables"][0]["rows"]) == 7 + 2
    none = told(str(kept), "--contract", "2.17")
    assert (none["figures"]["touched"], none["figures"]["of no operation"]) == (0, 2)


def test_a_contract_of_ones_own_is_told_with_its_lines(tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document())
    heard = tmp_path / "j"
    heard.write_text(line(method="GET", path="/notes/n1", operation="read", contract="notes") + "\n", "utf-8")
    with pytest.raises(UsageError, match="the journal is of the contract 'notes'"):
        run(str(heard))
    result = run(str(heard), "--contract", str(path), "--report", "github")
    never = "PUT /notes/{note_id} was never called"
    assert f"::warning file={path},line=1,title=operation write::{never}" in result.output


# -- reports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "code"), [("2", 0), ("2.3", 0), ("2.4", 1), ("100", 1), ("0", 0)])
def test_it_fails_under_what_was_asked_for(limit: str, code: int, kept: Path) -> None:
    assert told(str(kept))["figures"]["coverage"] == "2.3 %"
    assert run(str(kept), "--fail-under", limit).exit_code == code


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_it(name: str, kept: Path) -> None:
    output = run(str(kept), "--fail-under", "50", "--report", name).output.replace("%25", "%")
    assert "fail-under" in output
    assert "was never answered" in output
    assert "2.3 % of the contract was exercised, less than 50 %" in output


def test_its_json_holds_the_documented_schema_and_all_tells_each_place(kept: Path) -> None:
    short, long = told(str(kept)), told(str(kept), "--all")
    for each in (short, long):
        Draft202012Validator(SCHEMA).validate(each)
        assert RULES.items() <= each["rules"].items()
    assert short["figures"] == long["figures"]
    assert len(long["problems"]) == long["figures"]["places"] - long["figures"]["touched"]
    assert len(short["problems"]) < len(long["problems"]) / 5
    assert all(each["contract"].startswith("2.6#/") for each in long["problems"])
    assert {each["level"] for each in short["problems"]} == {"warning", "note"}


# -- runs --------------------------------------------------------------------------------------------------------------

CALL = """
import os, urllib.request
url, key = os.environ["LLAMA_CLOUD_BASE_URL"], os.environ["LLAMA_CLOUD_API_KEY"]
urllib.request.urlopen(urllib.request.Request(url + "/api/v1/chat", headers={"authorization": "Bearer " + key}))
"""


def test_a_command_that_is_run_is_told_what_it_exercised(tmp_path: Path) -> None:
    command = [*MOCKSERVER, "run", "--seed", "1", "--coverage", "--contract", "2.17"]
    command += ["--report", "json=r.json", "--", sys.executable, "-c", CALL]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(report)
    assert [each["title"] for each in report["tables"]] == ["Verdicts", "Coverage: touched of all places"]
    assert report["tables"][1]["rows"][0][:2] == ["list", "1/1"]
    assert "POST /api/v1/chat was never called" in json.dumps(report["problems"])


def test_a_check_tells_what_it_exercised_where_that_is_asked(serve: Callable[..., str]) -> None:
    url = serve(seed=1, contract="2.17")
    options = [url, "--operation", "list", "--examples", "0", "--no-state", "--quiet", "--report", "json"]
    plain, counted = (
        json.loads(CliRunner().invoke(check_command, [*options, *more]).output) for more in ([], ["--coverage"])
    )
    assert "coverage" not in plain["figures"]
    assert re.fullmatch(r"[0-9.]+ %", counted["figures"]["coverage"])
    rows = {row[0]: row[1] for row in counted["tables"][0]["rows"]}
    assert (rows["list"], rows["delete"], rows["all"]) == ("1/1", "0/1", "1/6")
    assert counted["clean"]
    assert RULES.items() <= counted["rules"].items()


SUITE = """
import pytest

@pytest.mark.parametrize("page_size", range(6))
def test_list(mockserver, page_size):
    with mockserver.http_client(headers={"authorization": "Bearer k"}) as client:
        assert client.get("/api/v1/chat", params={"page_size": page_size}).status_code == 200
"""


def test_the_tests_of_a_suite_in_several_processes_add_to_one_journal(pytester: pytest.Pytester) -> None:
    (setting,) = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    pytester.makepyprojecttoml(setting)
    pytester.makepyfile(SUITE)
    others = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "faker", "anyio")]
    pytester.runpytest_subprocess("-n", "2", *others).assert_outcomes(passed=6)
    report = told(str(pytester.path / "calls.jsonl"))
    assert (report["figures"]["exchanges"], report["figures"]["contracts"]) == (6, "2.17")


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_example_on_the_page_is_what_the_command_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named, shown_ = re.findall(r"```console\n\$ mockserver (coverage [^\n]*)\n(.+?)```", PAGE, re.DOTALL)[0]
    server = subprocess.Popen(
        [*MOCKSERVER, "serve", "--port", "0", "--seed", "1", "--journal", named.split()[1]],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = re.findall(r"http://127\.0\.0\.1:(\d+)", server.stdout.readline())[0]
        for start in ("curl -s ", "curl -si "):
            sent(start, port)
    finally:
        server.terminate()
        server.communicate(timeout=20)
    said = CliRunner().invoke(main, named.split()).output
    first, *others = shown_.split("\n...\n")
    assert said.startswith(first)
    assert said.endswith(others[-1])
    at = [said.index(each) for each in others]
    assert len(at) > 1
    assert at == sorted(at)


def test_every_option_and_every_exit_code_stands_on_the_page() -> None:
    for option in command.params:
        if option.param_type_name == "option":
            assert f"`{option.opts[0]}`" in PAGE
    assert re.findall(r"^\| (\d) \| ", PAGE, re.MULTILINE) == ["0", "1", "2", "3"]


def test_a_long_journal_is_counted_in_little_time(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text((line(body=b'{"first_message": "x"}') + "\n") * 3_000, "utf-8")
    began = time.thread_time()
    assert told(str(path))["figures"]["exchanges"] == 3_000
    assert time.thread_time() - began < 10
