"""The lines that the command prints when it is ready, followed to the letter in a shell."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.clients.calls import Driver
from tests.clients.conftest import missing
from tests.clients.environments import UnavailableError, clean_environ, command
from tests.clients.releases import PYTHON_2_6, PYTHON_2_19, TYPESCRIPT_2_16, Release
from tests.talk import MESSAGE


@pytest.fixture
def start() -> Iterator[Callable[[dict[str, str]], str]]:
    """Give a function that starts the command with more variables, and gives the lines that it prints."""
    with ExitStack() as stack:

        def begin(more: dict[str, str]) -> str:
            arguments = [sys.executable, "-m", "mockserver", "serve", "--port", "0"]
            environ = clean_environ() | more
            process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environ, encoding="utf-8")
            stack.callback(process.communicate, timeout=20)
            stack.callback(process.terminate)
            if process.stdout is None:
                raise RuntimeError("the command has no stdout")
            lines = [process.stdout.readline()]
            while lines[-1] and not lines[-1].startswith("export LLAMA_CLOUD_API_KEY="):
                lines.append(process.stdout.readline())
            return "".join(lines)

        yield begin


def obey(lines: str, release: Release, more: dict[str, str]) -> Driver:
    """Give a driver that a shell starts after it has done what the lines say."""
    exports = "".join(line for line in lines.splitlines(keepends=True) if line.startswith("export "))
    try:
        arguments = command(release)
    except UnavailableError as error:
        missing(error)
    return Driver(["sh", "-c", 'eval "$1"; shift; exec "$@"', "sh", exports, *arguments], clean_environ() | more)


@pytest.mark.parametrize(
    ("release", "more"),
    [
        (PYTHON_2_6, {"MOCKSERVER_API_KEY": 'a "key" of $mine'}),
        (PYTHON_2_19, {}),
        (TYPESCRIPT_2_16, {"MOCKSERVER_API_KEY": 'a "key" of $mine'}),
    ],
    ids=str,
)
def test_the_ready_lines_are_all_that_a_client_needs(
    start: Callable[[dict[str, str]], str], release: Release, more: dict[str, str]
) -> None:
    with obey(start(more), release, more) as driver:
        created = driver.call(None, "create", {} if release.language == "python" else [])
    assert created.error is None
    assert isinstance(created.parsed["session_id"], str)


def test_a_client_without_arguments_can_title(start: Callable[[dict[str, str]], str]) -> None:
    with obey(start({}), PYTHON_2_6, {}) as driver:
        told = [
            driver.call(None, "set_title", {"session_id": "s", "first_message": MESSAGE}, asynchronous=colour).parsed
            for colour in (False, True)
        ]
    assert [each["generated_title"] for each in told] == [MESSAGE + "..."] * 2
