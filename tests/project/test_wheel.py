"""The wheel holds what is served, and serves it the same from anywhere."""

import fcntl
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.schema import load_document
from mockserver.engine import Mock
from mockserver.settings import Settings
from tests.strategies import BODIES, ROOT, contract_of
from tests.talk import KEY, MESSAGE, TITLE, ask, whole

CACHE = ROOT / ".cache" / "wheel"
"""Where the wheel and its environment are kept for the next run, for as long as nothing in them has changed."""

CLOCK = "2026-04-22T12:34:41.342245"
CHAT = "/api/v1/chat"
STREAM = CHAT + "/ses-abc123/messages/stream"


def call(*command: str | Path) -> None:
    """Run a command to its end; what it wrote is shown where it fails."""
    variables = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=CACHE, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def digest(paths: Iterable[Path]) -> str:
    """Give a digest of files, their names included."""
    made = sha256()
    for path in sorted(paths):
        made.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return made.hexdigest()


@contextmanager
def alone() -> Iterator[None]:
    """Keep other processes of the tests out."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_made(mark: Path, key: str) -> bool:
    return mark.is_file() and mark.read_text("utf-8") == key


@pytest.fixture(scope="module")
def wheel() -> Path:
    """Give the wheel of the tree as it stands."""
    packed = [path for name in ("mockserver", "schemas", "fixtures") for path in (ROOT / name).rglob("*")]
    files = [path for path in packed if path.is_file() and "__pycache__" not in path.parts]
    files += [ROOT / name for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE")]
    with alone():
        key, folder = digest(files), CACHE / "dist"
        if not is_made(CACHE / "dist.made", key):
            for old in folder.glob("*.whl"):
                old.unlink()
            call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
            (CACHE / "dist.made").write_text(key, "utf-8")
        return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Give the folder of the commands of an environment that holds the wheel and what it depends on alone."""
    folder, constraints = CACHE / "environment", ROOT / "constraints.txt"
    python = folder / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints)
    with alone():
        needed = digest([constraints, ROOT / "pyproject.toml"]) + sys.version
        if not is_made(CACHE / "environment.made", needed):
            call(sys.executable, "-m", "venv", "--clear", folder)
            call(*pip, wheel)
            (CACHE / "environment.made").write_text(needed, "utf-8")
        holds = sha256(wheel.read_bytes()).hexdigest()
        if not is_made(folder / "wheel.made", holds):
            call(*pip, "--no-deps", "--force-reinstall", wheel)
            (folder / "wheel.made").write_text(holds, "utf-8")
    return folder / "bin"


def test_the_wheel_holds_the_contracts_the_fixtures_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for version in VERSIONS:
            packed = json.loads(archive.read(f"mockserver/_data/schemas/llamacloud-chat/{version}.json"))
            assert packed == load_document(ROOT / "schemas" / "llamacloud-chat" / f"{version}.yaml")
        for path in (ROOT / "schemas").rglob("*.yaml"):
            assert archive.read(f"mockserver/_data/{path.relative_to(ROOT).as_posix()}") == path.read_bytes()
        for path in (ROOT / "fixtures").rglob("*.json"):
            packed_name = f"mockserver/_data/{path.relative_to(ROOT).as_posix()}"
            assert archive.read(packed_name) == path.read_bytes()
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mockserver").rglob("*.py")}
    assert code <= names
    beside = {name for name in names if not name.startswith("mockserver/")}
    assert all(re.match(r"llamacloud_mockserver-[\d.]+\.dist-info/", name) for name in beside)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_says_that_it_is_typed_as_its_classifier_does(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert "mockserver/py.typed" in archive.namelist()


def test_the_wheel_needs_neither_the_tools_of_the_tests_nor_a_client_of_redis(installed: Path) -> None:
    listed = subprocess.run(
        [installed / "python", "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = {each["name"].lower() for each in json.loads(listed.stdout)}
    assert "llamacloud-mockserver" in names
    assert not names & {
        "pytest",
        "hypothesis",
        "httpx",
        "fastapi",
        "mypy",
        "ruff",
        "build",
        "openapi-spec-validator",
        "redis",
    }


def test_the_installed_command_finds_the_lines_of_a_contract(installed: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [installed / "mockserver", "drift", "2.6", "2.8", "--report", "github"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
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
