"""The workflow of examples/ci does what it says: each of its commands is run here, in order, as a CI would."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import yaml
from junitparser import JUnitXml
from sarif_pydantic import Sarif

from mockserver.cli import main
from mockserver.control.app import make_app
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.clients.checked import released
from tests.clients.environments import CACHE, clean_environ
from tests.needs import PATIENCE, free_port, need
from tests.strategies import ROOT

EXAMPLE = ROOT / "examples" / "ci"
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
WORKFLOW = yaml.safe_load((EXAMPLE / "mockserver.yml").read_text("utf-8"))
(JOB,) = WORKFLOW["jobs"].values()
STEPS: list[dict[str, Any]] = JOB["steps"]

LEFT_OUT = ("pip install -r requirements.txt", "pip install './.mockserver[check,testing]'")
"""The only commands that are not run here: what they install is there already."""

ALWAYS = ("${{ !cancelled() }}", "${{ !cancelled() && vars.STAGING_URL != '' }}")
"""The conditions of steps that run though an earlier one failed; here there is a staging service."""

BUDGET = {"CHECK_OPTIONS": "--examples 6 --operation get_summary", "CLIENT_OPTIONS": "--examples 0 --operation list"}

PROJECT = """
import os
import httpx

def test_a_session_is_made():
    headers = {"authorization": "Bearer " + os.environ["LLAMA_CLOUD_API_KEY"]}
    answer = httpx.post(os.environ["LLAMA_CLOUD_BASE_URL"] + "/api/v1/chat", headers=headers, json={"index_ids": ["a"]})
    assert answer.status_code == 201
"""
"""The tests of whoever takes the workflow."""

QUICK = "-q -p no:cacheprovider -p no:hypothesispytest -p no:faker -p no:xdist"


class Ran(NamedTuple):
    """A workflow that was run: the exit code of each named step, what was left out, and the folder with its files."""

    codes: Mapping[str, int]
    left_out: tuple[str, ...]
    folder: Path
    said: str

    @property
    def summary(self) -> str:
        """The summary of the run."""
        return (self.folder / "summary.md").read_text("utf-8")

    @property
    def red(self) -> list[str]:
        """The steps that failed."""
        return [name for name, code in self.codes.items() if code]


class Runner:
    """Runs the commands of a workflow one after the other, as GitHub's runner does: each by bash, in one folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, environ
        self._started: list[subprocess.Popen[str]] = []
        self.said = ""

    def run(self, script: str, environ: Mapping[str, str]) -> int:
        """Run a script, give its exit code, and leave what it started in the background alone."""
        path = self._folder.parent / "script.sh"
        path.write_text(script, "utf-8")
        step = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)],
            cwd=self._folder,
            env={**self._environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(step)
        said, _ = step.communicate(timeout=4 * PATIENCE)
        self.said += said
        return step.returncode

    def end(self) -> None:
        """End what is left in the background."""
        for step in self._started:
            with suppress(ProcessLookupError):
                os.killpg(step.pid, signal.SIGKILL)


@contextmanager
def running_steps(folder: Path, environ: Mapping[str, str]) -> Iterator[Runner]:
    runner = Runner(folder, environ)
    try:
        yield runner
    finally:
        runner.end()


def environment(folder: Path) -> dict[str, str]:
    """Give what the runner sets: the installed mock in front of the path, the cache, a file for the summary."""
    cache = folder.parent / "cache"
    (cache / "mockserver").mkdir(parents=True)
    (cache / "mockserver" / "clients").symlink_to(CACHE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return clean_environ() | {
        "PATH": path,
        "XDG_CACHE_HOME": str(cache),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }


def run_workflow(folder: Path, project: str = PROJECT, server: str = "") -> Ran:
    """Run the workflow in a fresh folder with the tests of a project; `server` adds to the server's command."""
    need("curl")
    released(str(WORKFLOW["env"]["CLIENT_RELEASE"]))
    workspace = folder / "work"
    workspace.mkdir()
    (workspace / "test_project.py").write_text(project, "utf-8")
    port = free_port()
    changed = BUDGET | {
        "SERVER_COMMAND": f"mockserver serve --port {port} {server}",
        "SERVER_URL": f"http://127.0.0.1:{port}",
        "TEST_COMMAND": f"{WORKFLOW['env']['TEST_COMMAND']} {QUICK}",
    }
    assert changed.keys() < WORKFLOW["env"].keys()
    codes: dict[str, int] = {}
    left_out = []
    with ExitStack() as stack:
        staging = stack.enter_context(running(make_app(Settings(seed=1, contract="2.17"))))
        secrets = {"STAGING_URL": staging, "STAGING_API_KEY": "staging-key"}
        runner = stack.enter_context(running_steps(workspace, environment(workspace) | WORKFLOW["env"] | changed))
        for step in STEPS:
            if "run" not in step:
                continue
            if step["run"] in LEFT_OUT:
                print(f"NOT RUN, it is installed already: {step['run']}")
                left_out.append(step["run"])
                continue
            assert step.get("if") in (None, *ALWAYS)
            if step.get("if") is None and any(codes.values()):
                continue
            own = {name: secrets[name] for name in step.get("env", {})}
            codes[step["name"]] = runner.run(step["run"], own)
    return Ran(codes, tuple(left_out), workspace, runner.said)


def test_a_project_in_which_nothing_is_wrong_is_green_and_tells_what_was_checked(tmp_path: Path) -> None:
    ran = run_workflow(tmp_path)
    assert ran.red == [], ran.said
    assert ran.left_out == LEFT_OUT
    assert len(ran.codes) == len([step for step in STEPS if "run" in step]) - len(LEFT_OUT)

    headings = re.findall(r"^## ([\w-]+): (.+)$", ran.summary, re.MULTILINE)
    assert [command for command, _ in headings] == ["drift", "check", "check", "check-client", "run"]
    assert ran.summary.count("✅ nothing wrong") == len(headings)
    assert "| operation | breaking | risky | harmless |" in ran.summary
    assert re.search(r"\| create \| 1 \| handled 1 \|", ran.summary)

    reports = ran.folder / "reports"
    for path in sorted(reports.glob("*.sarif")):
        (told,) = Sarif.model_validate_json(path.read_text("utf-8")).runs
        assert told.tool.driver.name == "mockserver"
        assert [each for each in told.results or () if each.level == "error"] == []
    for path in sorted(reports.glob("*.xml")):
        (suite,) = JUnitXml.fromstring(path.read_bytes())
        assert (suite.failures, suite.errors) == (0, 0)
    assert {path.stem for path in reports.glob("*.sarif")} == {path.stem for path in reports.glob("*.xml")}


def test_what_is_uploaded_has_been_written() -> None:
    written = set(re.findall(r"=(reports/[\w.-]+)", "\n".join(step.get("run", "") for step in STEPS)))
    uploaded = [step["with"] for step in STEPS if "upload" in step.get("uses", "")]
    assert {each["sarif_file"] for each in uploaded if "sarif_file" in each} <= written
    assert len({each["category"] for each in uploaded if "category" in each}) == len(uploaded) - 1
    assert [each["path"] for each in uploaded if "path" in each] == ["reports"]


BROKEN_STUBS = """
- {operation: get_summary, partial: {session_id: 17}, invalid: true, times: always}
"""


def test_a_broken_server_and_a_broken_client_turn_their_steps_red_and_the_others_still_run(tmp_path: Path) -> None:
    stubs = tmp_path / "broken.yaml"
    stubs.write_text(BROKEN_STUBS, "utf-8")
    broken = PROJECT.replace('{"index_ids": ["a"]}', '{"index_ids": "a"}').replace("201", "422")
    ran = run_workflow(tmp_path, broken, f"--stubs {stubs}")
    assert ran.red == ["Does the server keep the contract?", "Do your tests send what the contract allows?"]
    assert ran.codes["Summary"] == 0
    assert set(ran.codes.values()) == {0, 1}
    assert len(ran.codes) == len([step for step in STEPS if "run" in step]) - len(LEFT_OUT)
    assert ran.summary.count("❌ ") == 2
    assert re.search(r"^\| body-schema \| server \| get_summary \| /response/body/session\\?_id ", ran.summary, re.M)
    assert "::error file=schemas/llamacloud-chat/2.17.yaml,line=" in ran.said
    (told,) = Sarif.model_validate_json((ran.folder / "reports" / "check.sarif").read_text("utf-8")).runs
    assert "body-schema" in {each.rule_id for each in told.results if each.level == "error"}
    (suite,) = JUnitXml.fromstring((ran.folder / "reports" / "tests.xml").read_bytes())
    assert suite.failures


def test_every_expression_of_the_workflow_is_one_of_these() -> None:
    text = (EXAMPLE / "mockserver.yml").read_text("utf-8")
    assert set(re.findall(r"\$\{\{ .*? \}\}", text)) == {
        *ALWAYS,
        "${{ vars.MOCKSERVER_REPOSITORY }}",
        "${{ runner.os }}",
        "${{ steps.python.outputs.python-version }}",
        "${{ env.CLIENT_RELEASE }}",
        "${{ vars.STAGING_URL }}",
        "${{ secrets.STAGING_API_KEY }}",
    }
    assert not any("${{" in step.get("run", "") for step in STEPS), "what others may write is no part of a script"


def commands(text: str) -> list[list[str]]:
    """Give the words of each mockserver command in a script."""
    joined = text.replace("\\\n", " ")
    return [line.split()[1:] for line in re.findall(r"^\s*(mockserver .+?)\s*$", joined, re.MULTILINE)]


def gitlab() -> dict[str, Any]:
    block = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "GIT_DEPTH" in block)
    (job,) = yaml.safe_load(block).values()
    return dict(job)


@pytest.mark.parametrize("words", commands("\n".join(gitlab()["script"])), ids=lambda words: str(words[0]))
def test_the_commands_for_gitlab_are_such_as_there_are(words: list[str]) -> None:
    command = main.get_command(click.Context(main), words[0])
    assert command is not None
    context = command.make_context(words[0], [each.replace('"', "") for each in words[1:]])
    assert context.params
