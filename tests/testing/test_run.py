"""A command beside a mock: what it is given, what is said of it, how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import commands
from tests.needs import awaited, need, running
from tests.strategies import ROOT

MOCKSERVER = [sys.executable, "-m", "mockserver"]
ASK = """
import json, os, sys, urllib.request, urllib.error
def ask(path="/api/v1/chat/ses-1/title", body={"first_message": "x"}, **headers):
    request = urllib.request.Request(os.environ["LLAMA_CLOUD_BASE_URL"] + path, json.dumps(body).encode(),
        {"authorization": "Bearer " + os.environ["LLAMA_CLOUD_API_KEY"], "content-type": "application/json", **headers})
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
"""


def run(code: str, *options: str, cwd: Path | None = None, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run some Python beside a mock."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MOCKSERVER_", "LLAMA_"))}
    command = [*MOCKSERVER, "run", "--seed", "1", *options, "--", sys.executable, "-c", ASK + code]
    return subprocess.run(command, cwd=cwd, env=environ | more, capture_output=True, text=True, timeout=60, check=False)


def test_a_client_that_does_nothing_wrong_ends_well() -> None:
    done = run("print(ask(), os.environ['TEST_API_BASE_URL'] == os.environ['MOCKSERVER_URL'])")
    assert (done.returncode, done.stdout) == (0, "200 True\n")
    assert done.stderr == "mockserver: 1 call in 1 request, seed 1: nothing wrong\n"


def test_a_client_that_breaks_the_contract_is_found_and_named() -> None:
    done = run("ask(body={}); ask()")
    assert done.returncode == 1
    assert "the client broke the contract: #1 POST /api/v1/chat/ses-1/title -> 422" in done.stderr
    assert "client: /body/first_message: Field required" in done.stderr
    assert done.stderr.endswith("mockserver: 2 calls in 2 requests, seed 1: 1 finding\n")
    assert run("ask(body={})", "--allow-invalid").returncode == 0


def test_what_happens_in_any_scope_is_judged() -> None:
    done = run("ask(body={}, **{'x-mock-scope': 'other'})")
    assert (done.returncode, "Field required" in done.stderr) == (1, True)


def test_a_stub_that_is_never_used_is_found(tmp_path: Path) -> None:
    (tmp_path / "stubs.yaml").write_text("- {operation: set_title, when: {session_id: ses-2}, status: 429}\n", "utf-8")
    done = run("ask()", "--stubs", "stubs.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert 'was never used: {"status": 429}' in done.stderr
    assert '/path/session_id: expected "ses-2", received "ses-1"' in done.stderr
    assert run("ask()", "--stubs", "stubs.yaml", "--allow-unused", cwd=tmp_path).returncode == 0
    done = run("print(ask('/api/v1/chat/ses-2/title'))", "--stubs", "stubs.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "429\n")


def test_a_command_that_asks_for_nothing_proves_nothing() -> None:
    done = run("pass")
    assert (done.returncode, "no request came: nothing was judged" in done.stderr) == (1, True)
    assert run("pass", "--allow-silence").returncode == 0


def test_the_exit_code_of_the_command_counts_where_it_is_not_0() -> None:
    assert run("ask(); sys.exit(7)").returncode == 7
    assert run("ask(body={}); sys.exit(7)").returncode == 7
    assert run("ask(); import signal; os.kill(os.getpid(), signal.SIGKILL)").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--", "no-such-command"], 3, "the command 'no-such-command' cannot be run"),
        (["--contract", "9.9", "--", "true"], 2, "9.9"),
        (["--stubs", "none.yaml", "--", "true"], 2, "the file of stubs cannot be read"),
        (["--store", "redis://127.0.0.1:9", "--", "true"], 3, "Redis cannot be used"),
        (["--workers", "2", "--store", "sqlite:///x.db", "--", "true"], 2, "run serves from one process"),
        ([], 2, "Missing argument"),
        (["--unknown", "--", "true"], 2, "No such option"),
    ],
)
def test_what_cannot_be_run_is_told(tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    done = commands.run("run", *arguments, cwd=tmp_path)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr


def test_the_port_of_a_projects_settings_is_that_of_serve_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.mockserver]\nport = 4010\ntitle_length = 2\n", "utf-8")
    code = "print(os.environ['MOCKSERVER_URL']); ask()"
    assert ":4010" not in run(code, cwd=tmp_path).stdout


def test_a_signal_goes_to_the_command_and_the_verdict_is_still_told(tmp_path: Path) -> None:
    code = (
        ASK
        + "import signal, time\n"
        + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\nask()\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    with running([*MOCKSERVER, "run", "--", sys.executable, "-c", code], tmp_path / "log") as command:
        command.said("ready")
        assert command.end(signal.SIGTERM) == 5
        assert "1 call in 1 request" in command.log.read_text("utf-8")


def test_a_journal_is_written_to_a_file_as_it_goes(tmp_path: Path) -> None:
    run("ask(); ask(body={})", "--journal", "journal.jsonl", cwd=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text("utf-8").splitlines()]
    assert [each["answer"]["status"] for each in lines] == [200, 422]
    assert "any-key" not in (tmp_path / "journal.jsonl").read_text("utf-8")


def test_a_program_in_javascript_is_judged_as_any_other() -> None:
    node = need("node", "nodejs")
    script = str(ROOT / "examples" / "title.mjs")
    done = subprocess.run(
        [*MOCKSERVER, "run", "--seed", "1", "--", node, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "What were the main findings in Q3?...\n")
    assert re.search(r"mockserver: 1 call in 1 request, seed 1: nothing wrong", done.stderr)


def test_it_stops_soon_after_its_command(tmp_path: Path) -> None:
    code = ASK + "ask()\nimport time\nprint(time.time())"
    done = subprocess.run(
        [*MOCKSERVER, "run", "--", sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert time.time() - float(done.stdout) < 5
    assert awaited(lambda: True, "it ends")
    assert not list(tmp_path.iterdir())
