"""The project's own CI and its hooks call the Makefile and `.ci/run`, which call what there is."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from mockserver.messages import Json
from tests.strategies import ROOT

WORKFLOW: Json = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
HOOKS: Json = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))

ON: Json = WORKFLOW[True]
"""What starts the workflow: the key `on` is true in YAML 1.1."""

STEPS: list[dict[str, Json]] = WORKFLOW["jobs"]["test"]["steps"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def called() -> Iterator[str]:
    """Give each command of the workflow and of the hooks."""
    for step in STEPS:
        yield from step.get("run", "").splitlines()
    for repository in HOOKS["repos"]:
        yield from (hook["entry"] for hook in repository["hooks"])


@pytest.mark.parametrize("command", list(called()))
def test_a_command_is_a_target_of_the_makefile_or_the_script_of_ci(command: str) -> None:
    first, *rest = command.removeprefix("sudo ").split()
    if first == "make":
        assert rest
        assert set(rest) <= TARGETS
    else:
        assert command == ".ci/run"
        assert os.access(ROOT / command, os.X_OK)


def test_the_script_of_ci_runs_the_test_command_as_ci() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert lines[-2:] == ["tests/packages.sh", 'CI="${CI:-true}" make test']
    assert "test" in TARGETS
    assert os.access(ROOT / "tests" / "packages.sh", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_ci_runs_for_every_change_with_the_oldest_python_and_node_20() -> None:
    assert {"push", "pull_request"} <= ON.keys()
    given = {step["uses"].partition("@")[0]: step.get("with", {}) for step in STEPS if "uses" in step}
    assert given["actions/setup-node"] == {"node-version": "20"}
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert oldest is not None
    assert given["actions/setup-python"] == {"python-version": oldest[1]}
    assert STEPS[0]["uses"].startswith("actions/checkout@")
    assert STEPS[-1] == {"run": ".ci/run"}


def test_every_action_is_pinned_to_the_tag_of_a_release() -> None:
    for step in STEPS:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step.get("uses", "actions/none@v0.0.0"))


def test_what_keys_the_cache_is_there() -> None:
    (cached,) = (step["with"] for step in STEPS if step.get("uses", "").startswith("actions/cache@"))
    names = re.findall(r"'([^']+)'", cached["key"])
    assert names
    assert [name for name in names if not list(ROOT.glob(name))] == []


def test_the_hooks_are_local_and_format_before_they_look() -> None:
    (repository,) = HOOKS["repos"]
    assert repository["repo"] == "local"
    assert [hook["id"] for hook in repository["hooks"]] == ["format", "lint", "types"]
    for hook in repository["hooks"]:
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
