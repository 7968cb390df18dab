"""A pack of another distribution goes through every part without a line changed outside it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.strategies import ROOT

SOURCE = ROOT / "tests" / "packs" / "notes"


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the distribution into a folder of its own."""
    folder = tmp_path_factory.mktemp("packs")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", folder, SOURCE], check=True, timeout=120)
    return folder


def environ(packs: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(packs), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"}


def run(packs: Path, *arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mockserver", *map(str, arguments)]
    return subprocess.run(
        command, env=environ(packs), cwd=folder or packs, capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def served(packs: Path, *options: str) -> Iterator[tuple[str, str]]:
    """Serve with the pack; gives the base URL and the ready line."""
    command = [sys.executable, "-m", "mockserver", "serve", "--api", "notes", "--port", "0", "--seed", "1", *options]
    with subprocess.Popen(command, env=environ(packs), cwd=packs, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[\d.:]+\d", line)
            assert found is not None, line
            yield found[0], line
        finally:
            process.terminate()


def write(url: str, text: str) -> tuple[int, dict[str, str]]:
    response = httpx.post(f"{url}/notes", json={"text": text}, trust_env=False)
    return response.status_code, response.json()


def test_the_pack_is_served_and_plays(packs: Path) -> None:
    with served(packs) as (url, line):
        assert "contract 1, 3 operations" in line
        assert write(url, "Buy milk") == (201, {"id": "note-1", "text": "Buy milk"})
        told = httpx.get(f"{url}/__mock__/health", trust_env=False).json()
        assert (told["api"], told["records"]) == ("notes", 1)


def test_the_setting_of_the_pack_is_an_option_in_a_group_of_its_own(packs: Path) -> None:
    with served(packs, "--shout") as (url, _):
        assert write(url, "Buy milk")[1]["text"] == "BUY MILK"
    told = run(packs, "serve", "--api", "notes", "--help").stdout
    general, _, own = told.partition("Options of the API pack notes")
    assert ("--shout" in general, "--shout" in own) == (False, True)


def test_the_setting_of_another_pack_is_refused_with_the_name_of_its_pack(packs: Path) -> None:
    ran = run(packs, "serve", "--shout")
    assert ran.returncode == 2
    assert "API pack notes" in ran.stderr


def test_the_environment_and_the_project_choose_the_pack(packs: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mockserver]\napi = "notes"\nshout = true\n', "utf-8")
    assert "Options of the API pack notes" in run(packs, "serve", "--help", folder=tmp_path).stdout


def test_a_name_that_no_pack_has_is_a_usage_error_that_lists_them(packs: Path) -> None:
    ran = run(packs, "serve", "--api", "note")
    assert ran.returncode == 2
    assert "llamacloud-chat, resources, notes" in ran.stderr
    assert "--api notes" in ran.stderr


SUITE = """
import pytest

pytestmark = pytest.mark.mockserver(api="notes", shout=True)


def test_a_note_is_kept(mockserver):
    client = mockserver.http_client()
    assert client.post("/notes", json={"text": "Buy milk"}).json() == {"id": "note-1", "text": "BUY MILK"}
    mockserver.stub.create("read_note", status=200, partial={"text": "Stubbed"})
    assert client.get("/notes/note-1").json()["text"] == "Stubbed"
    mockserver.journal.verify("write_note", times=1, text="Buy milk")


def test_a_request_that_the_contract_forbids_fails_the_test(mockserver):
    mockserver.http_client().post("/notes", json={})
"""


def test_the_fixture_takes_the_pack_and_judges_by_its_contract(packs: Path, tmp_path: Path) -> None:
    (tmp_path / "test_notes.py").write_text(SUITE, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)]
    ran = subprocess.run(
        command, env=environ(packs), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout
    assert "the client broke the contract" in ran.stdout


def test_the_check_takes_the_pack_with_its_own_check(packs: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with served(packs) as (url, _):
        ran = run(packs, "check", url, "--api", "notes", "--examples", "30", "--report", f"json={report}", "--quiet")
    told = json.loads(report.read_text("utf-8"))
    assert (ran.returncode, told["clean"]) == (0, True), ran.stdout + ran.stderr
    assert "write_note: note-has-text" in told["passed"]


def test_the_coverage_counts_by_the_contract_of_the_pack(packs: Path, tmp_path: Path) -> None:
    journal = tmp_path / "calls.jsonl"
    with served(packs, "--journal", str(journal)) as (url, _):
        write(url, "Buy milk")
    ran = run(packs, "coverage", journal, "--api", "notes")
    assert ran.returncode == 0, ran.stderr
    assert "contracts 1, coverage" in ran.stdout
