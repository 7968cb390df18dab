"""The README shows what really happens."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from mockserver.apis.llamacloud_chat.check.equivalents import ODD
from mockserver.apis.llamacloud_chat.check.mutants_http import BROKEN
from tests.clients.conftest import missing
from tests.clients.environments import (
    CACHE,
    README,
    ROOT,
    UnavailableError,
    environment,
    interpreter,
    readme_environ,
    readme_installs,
)
from tests.clients.releases import PYTHON_2_7

BLOCKS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)


def shown(start: str) -> tuple[str, str]:
    """Give the command that begins with `start`, and the output that the README shows for it."""
    block = next(block for block in BLOCKS if block.startswith(f"$ {start}"))
    match = re.match(r"\$ ((?:[^\n]*\\\n)*[^\n]*)\n(.*)", block, re.DOTALL)
    assert match is not None
    return match[1], match[2]


def called(start: str, port: str) -> str:
    """Run the command that begins with `start`, as a shell does, at another port; give what it prints."""
    command, _ = shown(start)
    done = subprocess.run(command.replace("4010", port), shell=True, capture_output=True, text=True, check=True)  # noqa: S602  # the README's own words
    return done.stdout


def mockserver(words: str, arguments: Sequence[str]) -> list[str]:
    """Give the words of a `mockserver` command, run in the environment that the README's `pip install` makes."""
    try:
        return [str(interpreter(readme_installs(words))), "-m", "mockserver", *arguments]
    except UnavailableError as error:
        missing(error)


def timeless(text: str) -> str:
    """Put a mark for each time and date, which differ from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", "<time>", text)
    return re.sub(r"date: .*? GMT", "date: <date>", text.replace("\r", ""))


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """Run the README's own serve command, on a free port so that nothing else is in the way."""
    command, output = shown("mockserver serve")
    arguments = mockserver(".", [*shlex.split(command)[1:], "--port", "0"])
    server = subprocess.Popen(arguments, env=readme_environ(), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        lines = "".join(server.stdout.readline() for _ in output.splitlines())
        match = re.search(r"127\.0\.0\.1:(\d+)", lines)
        assert match is not None
        assert lines.replace(match[1], "4010") == output
        yield match[1]
    finally:
        server.terminate()
        server.communicate(timeout=20)


@pytest.mark.parametrize("start", ["curl -s ", "curl -si "])
def test_a_curl_command_of_the_readme_prints_what_the_readme_shows(start: str, port: str) -> None:
    _, output = shown(start)
    assert timeless(called(start, port)).strip() == timeless(output).strip()


def measureless(text: str) -> str:
    """Put a mark for what depends on the machine."""
    return re.sub(r"(seconds|cases a second) [0-9.]+", r"\1 <figure>", text)


def test_the_check_of_the_readme_prints_what_the_readme_shows(port: str) -> None:
    command, output = shown("mockserver check http")
    arguments = mockserver("'.[check]'", [*shlex.split(command.replace("4010", port))[1:], "--quiet"])
    done = subprocess.run(arguments, env=readme_environ(), capture_output=True, text=True, check=True)
    assert measureless(done.stdout.replace(port, "4010")) == measureless(output)


def test_the_drift_of_the_readme_has_the_lines_that_the_readme_shows() -> None:
    command, output = shown("mockserver drift")
    arguments = mockserver("'.[check]'", shlex.split(command)[1:])
    done = subprocess.run(arguments, env=readme_environ(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    lines = iter(done.stdout.splitlines())
    assert [line for line in output.splitlines() if line != "..." and line not in lines] == []


def test_the_coverage_of_the_readme_is_that_of_the_page_on_coverage() -> None:
    _, output = shown("mockserver coverage")
    lines = (ROOT / "docs" / "coverage.md").read_text("utf-8").splitlines()
    assert [line for line in output.splitlines() if line not in lines and line != "..."] == []


def test_the_check_of_a_client_in_the_readme_says_what_the_readme_shows() -> None:
    command, output = shown("mockserver check-client")
    try:
        environment(PYTHON_2_7)
    except UnavailableError as error:
        missing(error)
    arguments = mockserver("'.[check]'", [*shlex.split(command.partition("|")[0])[1:], "--cache", str(CACHE)])
    done = subprocess.run(arguments, env=readme_environ(), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [lines[0], lines[-1]] == output.splitlines()[:2]


def test_the_readme_tells_how_many_servers_the_check_is_tried_on() -> None:
    _, output = shown("mockserver mutants")
    text = f"mutants {len(BROKEN)}, killed {len(BROKEN)}, missed 0, odd but right {len(ODD)}, false alarms 0"
    assert text in output
    page = " ".join((ROOT / "docs" / "checking.md").read_text("utf-8").split())
    assert f"{len(BROKEN)} that break the contract in exactly one way each, and {len(ODD)} that look odd" in page


def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 200
