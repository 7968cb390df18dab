"""The commands and the test that docs/proxy.md shows do what it says."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.needs import Running, free_port, running
from tests.proxy.services import DOCUMENT
from tests.proxy.test_command import shop
from tests.strategies import ROOT

PAGE = (ROOT / "docs" / "proxy.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ mockserver (.+)$", PAGE, re.MULTILINE)


RECORD = "proxy https://api.example.com --contract petstore.yaml --record"


def command(begin: str, url: str) -> list[str]:
    """Return the command of the page that begins so, with the address of the service here."""
    (found,) = [each for each in COMMANDS if each.startswith(begin)]
    return [sys.executable, "-m", "mockserver", *found.replace("https://api.example.com", url).split()]


@contextmanager
def started(begin: str, url: str, folder: Path) -> Iterator[tuple[str, Running]]:
    """Run a command of the page that serves, on a free port."""
    port = free_port()
    with running([*command(begin, url), "--port", str(port)], folder / "command.log", PYTHONPATH=str(ROOT)) as process:
        process.said(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", process


def shown(text: str, url: str, own: str) -> str:
    """Write the addresses here as the page does."""
    return text.replace(url, "https://api.example.com").replace(own, "http://127.0.0.1:4010")


def test_the_commands_of_the_page_stand_record_replay_and_reverify(tmp_path: Path) -> None:
    (tmp_path / "petstore.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(DOCUMENT))))
    with shop(tmp_path) as url:
        with started("proxy https://api.example.com --contract petstore.yaml --record", url, tmp_path) as (
            own,
            process,
        ):
            first = shown(process.said("stands at").splitlines()[0], url, own)
            assert first in PAGE
            answer = httpx.get(own + "/pets?limit=x")
            for name in ("source", "fault", "pointer", "message", "contract"):
                assert f"x-mock-{name}: " in PAGE
                assert f"x-mock-{name}" in answer.headers
            assert httpx.get(own + "/pets/1").json() == {"id": 1, "name": "Rex"}
            assert httpx.get(own + "/pets/13").headers["x-mock-fault"] == "server"
            assert process.end(signal.SIGINT) == 0
        with started("replay tests/recordings", url, tmp_path) as (own, process):
            assert httpx.get(own + "/pets/1").json() == {"id": 1, "name": "Rex"}
            assert process.end(signal.SIGINT) == 0
            assert "1 of 3 recorded exchanges were asked for" in process.log.read_text()
        line = command("reverify tests/recordings", url)
        with running(line, tmp_path / "reverify.log", PETS_KEY="a-key", PYTHONPATH=str(ROOT)) as process:
            assert process.process.wait(30) == 1
            told = process.log.read_text()
    assert "recordings 3, same 2, drifted 1, skipped 0" in told
    assert "'thirteen' is not of type" in told or '"thirteen" is not of type' in told


@pytest.mark.usefixtures("loaded")
def test_the_test_of_the_page_records_and_replays(pytester: pytest.Pytester) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    (pytester.path / "petstore.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(DOCUMENT))))
    options = ("-p", "no:cacheprovider", "-p", "no:xdist")
    with shop(pytester.path) as url:
        pytester.makepyfile(test_pets=code.replace("https://api.example.com", url))
        pytester.runpytest_inprocess(*options).assert_outcomes(passed=1)
    pytester.runpytest_inprocess(*options, "--mockserver-record=none").assert_outcomes(passed=1)


def test_the_page_names_every_choice() -> None:
    from mockserver.cli import FAILURES, MISSES
    from mockserver.testing.recording import MODES

    for each in (*FAILURES, *MISSES):
        assert f"`{each}`" in PAGE
    for mode in MODES:
        assert f'| {mode} | `"{mode}"`' in PAGE
