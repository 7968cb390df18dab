"""Whatever stands where a command looks for a file: it says what is wrong, and ends with the right code."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver import data
from mockserver.api import make_settings
from mockserver.control.app import make_app
from mockserver.server import uvicorn
from mockserver.server.uvicorn import running
from tests import commands

PATIENCE = 60
"""Seconds after which a command hangs, on the slowest machine."""


@pytest.fixture(autouse=True)
def watchdog(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Interrupt what hangs, and wait for pipes no longer than a test can."""

    def bark(*_: object) -> None:
        raise AssertionError("the command hangs")

    monkeypatch.setattr(data, "PATIENCE", 0.05)
    before = {each: signal.signal(each, bark) for each in (signal.SIGALRM, signal.SIGPROF)}
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    for each, handler in before.items():
        signal.signal(each, handler)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "fifo": (os.mkfifo, "pipe"),
    "socket": (bound, "it is a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "folder": (Path.mkdir, "it is a folder"),
    "loop": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "latin-1": (lambda path: path.write_bytes(b'{"a": "\xff"}\n'), "invalid start byte"),
    "digits": (lambda path: path.write_text('{"a": ' + "1" * 5_000 + "}\n"), "5,000 digits|value has 5000 digits"),
    "nesting": (lambda path: path.write_text("[" * 100_000), "one more begins here|nested"),
}
"""What may stand there: how it comes there, and what is said of it."""

USES = {
    "contract": "serve --contract x",
    "stubs": "serve --stubs x",
    "state": "serve --state x",
    "fixture": "serve --fixtures fixtures",
    "journal": "serve --journal x",
    "a journal that is read": "coverage x",
    "a contract that is counted": "coverage --contract x journal",
    "a contract that is compared": "drift 2.17 x",
    "report": "drift 2.17 2.17 --report json=x",
}
"""The commands that read or write the file x."""

WRITABLE = {(use, kind) for use in ("journal", "report") for kind in ("device", "latin-1", "digits", "nesting")}
"""Where a command writes, and may."""

CASES = [(use, kind) for use in USES for kind in HOSTILE if (use, kind) not in WRITABLE]


@pytest.mark.parametrize(("use", "kind"), CASES, ids=[f"{use}-{kind}" for use, kind in CASES])
def test_a_command_says_what_is_wrong_with_a_file_and_ends(use: str, kind: str, tmp_path: Path) -> None:
    make, why = HOSTILE[kind]
    path = tmp_path / "x"
    if use == "fixture":
        path = tmp_path / "fixtures" / "set_title" / "200.mine.json"
        path.parent.mkdir(parents=True)
    make(path)
    done = commands.run(*shlex.split(USES[use]), cwd=tmp_path, env={"MOCKSERVER_PORT": "0"})
    assert done.returncode in (2, 3), done.stderr
    if kind == "loop" and "contract" in use:
        why = "neither"  # what leads to nothing is the name of nothing
    assert re.search(rf"mockserver: .+(\n  where: .+)?\n  why: .*({why}).*\n  fix: .+", done.stderr), done.stderr


# -- where a command writes, and where it stands ---------------------------------------------------------------------


def shell(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line of a shell in a folder, with mockserver as a command."""
    command = f'mockserver() {{ {shlex.quote(sys.executable)} -m mockserver "$@"; }}\n{text}'
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.mark.parametrize("arguments", ["--help", "serve --port 0", "drift 2.17 2.17"])
def test_output_that_cannot_be_written_is_told_on_stderr(arguments: str, tmp_path: Path) -> None:
    done = shell(f"mockserver {arguments} >/dev/full", tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("mockserver: the output cannot be written\n  where: stdout\n  why: No space left")
    assert "Traceback" not in done.stderr


def test_several_workers_end_where_it_cannot_be_told_that_they_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    signals = list[int]()
    monkeypatch.setattr(os, "kill", lambda _, number: signals.append(number))

    def full() -> None:
        raise OSError(28, "No space left on device")

    failures = list[OSError]()
    with running(make_app(make_settings({}))) as url:
        uvicorn._announce(url, full, failures)
    assert [error.errno for error in failures] == [28]
    assert signals == [signal.SIGTERM]


def test_a_working_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    done = shell("mkdir gone; cd gone; rmdir ../gone; mockserver serve --port 0", tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("mockserver: the working folder is gone\n  where: ")
    assert "Traceback" not in done.stderr


# -- contracts that grow when they are read --------------------------------------------------------------------------

HEAD = """\
openapi: 3.1.0
info: {title: growing, version: '1'}
paths:
  /a: {get: {responses: {200: {description: ''}}}}
"""


def doubled(form: str) -> str:
    """Give YAML in which each part refers nine times to the one before."""
    lines = [f"x-a{n}: &a{n} {form.replace('ALL', ', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, 60)]
    return HEAD + "\n".join(["x-a0: &a0 {k: 1}", *lines])


def answering(schema: str) -> str:
    """Give YAML with an answer of a schema."""
    return HEAD.replace("description: ''", f"description: '', content: {{application/json: {{schema: {schema}}}}}")


def in_a_row(form: str, many: int) -> str:
    """Give YAML with an answer whose schema refers to another, that to the next, and so on."""
    places = [f"{{$ref: '#/components/schemas/S{number}'}}" for number in range(many)]
    lines = [f"    S{number}: {form.replace('REF', places[number - 1])}" for number in range(1, many)]
    return answering(places[-1]) + "\n".join(["components:", "  schemas:", "    S0: {type: object}", *lines])


GROWING = {
    "aliases": doubled("[ALL]"),
    "merges": doubled("{<<: [ALL]}"),
    "references in allOf": in_a_row("{allOf: [REF]}", 3_000),
    "references in properties": in_a_row("{type: object, required: [x], properties: {x: REF}}", 3_000),
    "references": in_a_row("REF", 3_000),
    "doubled allOf": in_a_row("{allOf: [REF, REF]}", 40),
    "doubled anyOf": in_a_row("{anyOf: [REF, REF]}", 40),
    "doubled properties": in_a_row("{type: object, required: [l, r], properties: {l: REF, r: REF}}", 40),
    "lists of lists": answering("{type: array, minItems: 9999, items: {type: array, minItems: 9999, items: {}}}"),
    "a long text": answering("{type: string, minLength: 1000000000}"),
    "many properties": answering("{type: object, minProperties: 10000000}"),
}


@pytest.mark.parametrize("kind", GROWING)
def test_a_contract_that_grows_is_served_or_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "doc.yaml").write_text(GROWING[kind])
    signal.setitimer(signal.ITIMER_PROF, 5)  # seconds of the processor's time
    try:
        done = commands.run("serve", "--contract", "doc.yaml", cwd=tmp_path, env={"MOCKSERVER_PORT": "0"})
    except commands.ServingError:
        return
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    assert done.returncode == 3
    assert re.match(r"mockserver: .+\n  where: .+", done.stderr), done.stderr


FIRST_CALL = """\
import resource, sys
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import Request
from mockserver.settings import Settings
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)
try:
    mock = Mock(Settings(contract=sys.argv[1], seed=0))
except ContractError as error:
    print(3, bool(error.where))
else:
    print(mock.handle(Request("GET", "/a")).status, True)
"""


@pytest.mark.parametrize("kind", GROWING)
def test_the_first_call_of_a_contract_that_grows_is_answered(kind: str, tmp_path: Path) -> None:
    """Call it in a process of its own, which is killed after ten seconds of the processor's time."""
    (tmp_path / "doc.yaml").write_text(GROWING[kind])
    command = [sys.executable, "-c", FIRST_CALL, str(tmp_path / "doc.yaml"), "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.stdout in ("3 True\n", "200 True\n", "501 True\n"), (done.returncode, done.stdout, done.stderr[-500:])
