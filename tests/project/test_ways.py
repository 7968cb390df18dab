"""The hooks for pre-commit, the action and the image do what their pages say; their steps are run one by one."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockserver.cli import EXTRAS
from tests.check.test_drift_since import LIMIT, document, git
from tests.needs import PATIENCE, free_port
from tests.project.installations import installed
from tests.strategies import ROOT

HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
BIN = Path(sys.executable).parent


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Give a checkout with a document and a tag on it."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(document()))
    (folder / "pet.json").write_text(json.dumps({"type": "object"}))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    git(folder, "tag", "v1")
    return folder


# -- pre-commit ------------------------------------------------------------------------------------------------------


def environ(home: Path) -> dict[str, str]:
    """Return the variables of a run of pre-commit whose caches lie in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    return {**kept, "PRE_COMMIT_HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def hooked(shop: Path, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run both hooks in a checkout, by pre-commit and by the command of this environment."""
    hooks = tmp_path / "hooks"
    if not hooks.exists():
        hooks.mkdir()
        (hooks / ".pre-commit-hooks.yaml").write_text((ROOT / ".pre-commit-hooks.yaml").read_text())
        git(hooks, "init", "--quiet")
        git(hooks, "add", "--all")
        git(hooks, "commit", "--quiet", "--message", "hooks")
        git(hooks, "tag", "v1")
    used = [{"id": hook["id"], "language": "system"} for hook in HOOKS]
    config = {"repos": [{"repo": str(hooks), "rev": "v1", "hooks": used}]}
    (shop / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(shop, "add", "--all")
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color", "never"]
    variables = environ(tmp_path / "home")
    return subprocess.run(command, cwd=shop, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_the_hooks_pass_what_is_right_and_stop_what_breaks_a_client_since_the_last_tag(
    shop: Path, tmp_path: Path
) -> None:
    done = hooked(shop, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^mockserver (\w+)\.+(\w+)$", done.stdout, re.MULTILINE) == [
        ("validate", "Passed"),
        ("drift", "Passed"),
    ]
    (shop / "openapi.json").write_text(json.dumps(document(LIMIT)))
    done = hooked(shop, tmp_path)
    assert done.returncode == 1
    assert re.findall(r"^mockserver (\w+)\.+(\w+)$", done.stdout, re.MULTILINE) == [
        ("validate", "Passed"),
        ("drift", "Failed"),
    ]
    assert "breaking" in done.stdout


def test_a_document_that_cannot_be_served_is_stopped_and_other_files_are_not_looked_at(
    shop: Path, tmp_path: Path
) -> None:
    broken = document({"name": "limit", "in": "nowhere", "schema": {"$ref": "#/none"}})
    (shop / "swagger-two.yaml").write_text(yaml.safe_dump(broken))
    (shop / "other.json").write_text("{}")
    done = hooked(shop, tmp_path)
    assert done.returncode == 1
    assert "swagger-two.yaml" in done.stdout
    assert "other.json" not in done.stdout


def test_the_hooks_need_no_extra() -> None:
    assert [hook["language"] for hook in HOOKS] == ["python", "python"]
    assert {shlex.split(hook["entry"])[1] for hook in HOOKS} & EXTRAS.keys() == set()


# -- the action ------------------------------------------------------------------------------------------------------


def evaluated(text: str, inputs: Mapping[str, str]) -> str:
    """Fill in a value as the runner does."""
    return re.sub(r"\$\{\{ (?:inputs|github)\.([\w-]+) \}\}", lambda match: inputs[match[1]], text)


class Action:
    """Runs steps of the action by bash, with the files of a runner."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.inputs = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()}
        self.inputs |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self.inputs["action_path"] = str(ROOT)
        self.files = {name: folder.parent / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
        self.started: list[subprocess.Popen[str]] = []

    def run(self, name: str) -> tuple[int, str]:
        """Run a step, if its condition holds; what it leaves running is in a group of its own."""
        step = STEPS[name]
        variables = {key: evaluated(value, self.inputs) for key, value in step["env"].items()}
        variables |= {name: str(path) for name, path in self.files.items()} | {"RUNNER_TEMP": str(self.folder.parent)}
        log = self.folder.parent / "step.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=self.folder,
                env={**environ(self.folder), **variables},
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self.started.append(process)
            code = process.wait(PATIENCE)
        return code, log.read_text()

    def is_run(self, name: str) -> bool:
        """Return whether the condition of a step holds."""
        match = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) (==|!=) '(.*)' \}\}", STEPS[name]["if"])
        assert match is not None
        return (self.inputs[match[1]] == match[3]) is (match[2] == "==")


@contextmanager
def action(folder: Path, **inputs: str) -> Iterator[Action]:
    made = Action(folder, contract="openapi.json", **inputs)
    try:
        yield made
    finally:
        for each in made.started:
            try:
                os.killpg(each.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue


def test_the_action_serves_a_mock_and_checks_a_service(shop: Path) -> None:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with action(shop, port=port, check=url, check_options="--examples 5") as steps:
        code, said = steps.run("Serve")
        assert code == 0, said
        assert steps.files["GITHUB_OUTPUT"].read_text() == f"url={url}\n"
        assert steps.files["GITHUB_ENV"].read_text() == f"TEST_API_BASE_URL={url}\n"
        code, said = steps.run("Check")
        assert code == 0, said
        assert (shop / "reports/check.md").exists()
        assert json.loads((shop / "reports/check.sarif").read_text())["version"] == "2.1.0"


def test_a_document_that_cannot_be_served_fails_the_action_with_what_the_mock_said(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "openapi.json").write_text("{")
    monkeypatch.setitem(STEPS["Serve"], "run", STEPS["Serve"]["run"].replace("--retry 30", "--retry 2"))
    with action(shop, port=str(free_port())) as steps:
        code, said = steps.run("Serve")
        assert code == 1
        assert "openapi.json" in said


def test_the_action_finds_what_breaks_a_client(shop: Path) -> None:
    with action(shop, since="last-tag") as steps:
        assert steps.run("Drift")[0] == 0
        (shop / "openapi.json").write_text(json.dumps(document(LIMIT)))
        code, said = steps.run("Drift")
        assert code == 1
        assert "::error" in said
        assert "breaking" in (shop / "reports/drift.md").read_text()


def test_only_what_is_wanted_is_run(shop: Path) -> None:
    with action(shop) as steps:
        assert [name for name in ("Drift", "Serve", "Check") if steps.is_run(name)] == ["Serve"]
    with action(shop, serve="false", check="http://x", since="v1") as steps:
        assert [name for name in ("Drift", "Serve", "Check") if steps.is_run(name)] == ["Drift", "Check"]


def test_no_script_of_the_action_holds_an_input_and_each_is_a_step_of_bash() -> None:
    assert [name for name, step in STEPS.items() if "${{" in step["run"] or step["shell"] != "bash"] == []
    assert list(STEPS) == ["Install", "Drift", "Serve", "Check"]
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    assert used == ACTION["inputs"].keys()


# -- the image -------------------------------------------------------------------------------------------------------


def test_the_health_check_of_the_image_sees_whether_a_mock_answers(tmp_path: Path) -> None:
    match = re.search(r"HEALTHCHECK [^\\]*\\\n\s*(\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert match is not None
    command: list[str] = json.loads(match[1])
    python, port = installed() / command[0], free_port()
    variables = {**os.environ, "MOCKSERVER_PORT": str(port)}
    health = [str(python), *command[1:]]
    assert subprocess.run(health, env=variables, capture_output=True, check=False).returncode != 0
    serve = [installed() / "mockserver", *json.loads(CONTAINERFILE.split("ENTRYPOINT ")[1])[1:]]
    with subprocess.Popen(serve, env=variables, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as mock:
        assert mock.stdout is not None
        mock.stdout.readline()
        assert subprocess.run(health, env=variables, capture_output=True, check=False).returncode == 0
        mock.terminate()


def test_the_context_of_the_image_is_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = [
        line.split()[1:-1] for line in CONTAINERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    assert kept == {name for names in copied for name in names}
    assert "*" in lines
