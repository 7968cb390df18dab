"""The wheel holds what is served, and serves it the same from anywhere."""

import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.source import read_source
from mockserver.engine import Mock
from mockserver.settings import Settings
from tests.project import installations
from tests.strategies import BODIES, ROOT, contract_of
from tests.talk import KEY, MESSAGE, TITLE, ask, whole

CLOCK = "2026-04-22T12:34:41.342245"
CHAT = "/api/v1/chat"
STREAM = CHAT + "/ses-abc123/messages/stream"


@pytest.fixture(scope="module")
def wheel() -> Path:
    """Give the wheel of the tree as it stands."""
    return installations.wheel()


@pytest.fixture(scope="module")
def installed() -> Path:
    """Give the folder of the commands of an environment that holds the wheel and what it depends on alone."""
    return installations.installed()


def test_the_wheel_holds_the_contracts_the_fixtures_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for version in VERSIONS:
            packed = json.loads(archive.read(f"mockserver/_data/schemas/llamacloud-chat/{version}.json"))
            assert packed == read_source(ROOT / "schemas" / "llamacloud-chat" / f"{version}.yaml").data
        for path in (ROOT / "schemas").rglob("*.yaml"):
            assert archive.read(f"mockserver/_data/{path.relative_to(ROOT).as_posix()}") == path.read_bytes()
        for path in (ROOT / "fixtures").rglob("*.json"):
            packed_name = f"mockserver/_data/{path.relative_to(ROOT).as_posix()}"
            assert archive.read(packed_name) == path.read_bytes()
        for path in (ROOT / "mockserver" / "page").rglob("*.*"):
            if path.suffix != ".pyc":
                assert archive.read(path.relative_to(ROOT).as_posix()) == path.read_bytes()
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mockserver").rglob("*.py")}
    assert code <= names
    beside = {name for name in names if not name.startswith("mockserver/")}
    assert all(re.match(r"llamacloud_mockserver-[\d.]+\.dist-info/", name) for name in beside)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_says_that_it_is_typed_as_its_classifier_does(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert "mockserver/py.typed" in archive.namelist()


def test_the_wheel_needs_neither_the_tools_of_the_tests_nor_a_client_of_redis(installed: Path) -> None:
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        installed / "python",
        "--disable-pip-version-check",
    ]
    listed = installations.run([*pip, "list", "--format", "json"])
    names = {each["name"].lower() for each in json.loads(listed.stdout)}
    assert "llamacloud-mockserver" in names
    assert not names & {
        "pytest",
        "hypothesis",
        "httpx",
        "httpx2",
        "fastapi",
        "mypy",
        "ruff",
        "build",
        "openapi-spec-validator",
        "redis",
    }


def test_the_installed_command_finds_the_lines_of_a_contract(installed: Path, tmp_path: Path) -> None:
    done = installations.run([installed / "mockserver", "drift", "2.6", "2.8", "--report", "github"], tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"file=schemas/llamacloud-chat/2\.6\.yaml,line=[1-9][0-9]+", done.stdout), done.stdout[:500]


def test_the_installed_command_serves_what_the_checkout_serves(installed: Path, tmp_path: Path) -> None:
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("MOCKSERVER_", "PYTHON"))}
    process = subprocess.Popen(
        [installed / "mockserver", "serve", "--port", "0", "--seed", "7", "--clock", CLOCK],
        cwd=tmp_path,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+(?=:)", process.stdout.readline())
        assert found is not None
        mock = Mock(Settings(seed=7, clock=datetime.fromisoformat(CLOCK)))
        with httpx.Client(base_url=found[0], headers={"authorization": KEY}, timeout=30) as client:
            for prefer in (None, "example=finished-run", "example=documented", "dynamic=true", "code=429"):
                wish = {} if prefer is None else {"prefer": prefer}
                content = json.dumps({"first_message": MESSAGE}).encode()
                headers = {"content-type": "application/json", **wish}
                received = client.post(TITLE, content=content, headers=headers)
                expected = ask(mock.handle, "POST", TITLE, content, prefer=prefer)
                assert (received.status_code, received.content) == (expected.status, expected.body)
            for wished in ("seed=1", "example=two-tools", "example=one-turn", "dynamic=true", "code=404"):
                content = json.dumps(BODIES["stream"]).encode()
                headers = {"content-type": "application/json", "prefer": wished}
                received = client.post(STREAM, content=content, headers=headers)
                expected = whole(ask(mock.handle, "POST", STREAM, content, prefer=wished))
                assert (received.status_code, received.content) == (expected.status, expected.body)
            assert client.post(CHAT).content == ask(mock.handle, "POST", CHAT).body
            assert client.get(CHAT).content == ask(mock.handle, "GET", CHAT).body
            for version in VERSIONS:
                assert client.get("/openapi.json", params={"contract": version}).json() == contract_of(version).document
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
