"""The terminal chat of examples/ does with released clients, unchanged, what it says."""

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.clients.conftest import missing
from tests.clients.environments import UnavailableError, clean_environ, command
from tests.clients.releases import PYTHON_2_6, PYTHON_2_7, PYTHON_2_19, TITLING, Release
from tests.needs import PATIENCE
from tests.strategies import ROOT

CHAT = ROOT / "examples" / "chat.py"
PROMPT = "> "
FIRST, SECOND = "What were the main findings in Q3?", "And in Q4?"
RATE = 50.0
"""Events a second of a turn: slow enough to see them come one by one."""


class Chat:
    """The chat in a process of its own, as somebody types into it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout
        self.greeting = self.pieces()

    def pieces(self) -> list[str]:
        """Give what it prints up to its next prompt, piece by piece as it comes, and keep how long that took."""
        found: list[str] = []
        times: list[float] = []
        while not "".join(["\n", *found]).endswith("\n" + PROMPT):
            readable, _, _ = select.select([self.stdout], [], [], PATIENCE)
            piece = os.read(self.stdout.fileno(), 65_536) if readable else b""
            assert piece, found
            found.append(piece.decode())
            times.append(time.monotonic())
        self.took = times[-1] - times[0]
        return found

    def type(self, line: str) -> list[str]:
        """Enter a line, and give the pieces of what it prints."""
        self.stdin.write(line.encode() + b"\n")
        self.stdin.flush()
        return self.pieces()

    def lines(self, line: str) -> list[str]:
        """Enter a line, and give the lines that it prints."""
        return "".join(self.type(line)).removesuffix(PROMPT).splitlines()

    def end(self, last: bytes) -> tuple[int, bytes, bytes]:
        """Enter the last line, if any, and end the input; gives the exit code and the rest of stdout and stderr."""
        out, err = self.process.communicate(last, timeout=PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def chatting(release: Release, base_url: str) -> Iterator[Chat]:
    """Run the chat on a release of the client, pointed to a server by the environment alone."""
    try:
        python = command(release)[0]
    except UnavailableError as error:
        missing(error)
    environ = {name: text for name, text in clean_environ().items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [python, str(CHAT)],
        env=environ | {"LLAMA_CLOUD_BASE_URL": base_url, "LLAMA_CLOUD_API_KEY": "any-key"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Chat(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def slow_url(serve: Callable[..., str]) -> str:
    """Give the base URL of a mock that takes its time to tell a turn."""
    return serve(seed=1, stream_rate=RATE)


def test_the_chat_is_short() -> None:
    assert len(CHAT.read_text("utf-8").splitlines()) <= 60


@pytest.mark.parametrize("release", [PYTHON_2_6, PYTHON_2_19], ids=str)
def test_a_session_is_begun_told_titled_listed_reopened_and_deleted(slow_url: str, release: Release) -> None:
    with chatting(release, slow_url) as chat:
        (made,) = chat.lines("/new")
        session_id = made.removeprefix("session ")
        assert re.fullmatch(r"session \S+", made)
        assert chat.lines("/list") == [f"{session_id} (no title yet)"]

        answer = chat.type(FIRST)
        assert len(answer) > 3, "the answer comes in pieces"
        assert chat.took > 3 / RATE, "the pieces come while the turn is told"
        text = "".join(answer).removesuffix(f"\n{PROMPT}")
        assert "findings" in text

        if release in TITLING:
            assert chat.lines(f"/title {FIRST}") == [f"{FIRST}..."]
        assert chat.lines("/list") == [f"{session_id} {FIRST}..."]
        assert chat.end(b"/quit\n") == (0, b"", b"")

    with chatting(release, slow_url) as chat:
        told = [f"user_input: {FIRST}", f"text: {text}"]
        assert chat.lines(f"/open {session_id}") == told
        (second,) = chat.lines(SECOND)
        assert chat.lines(f"/open {session_id}") == [*told, f"user_input: {SECOND}", f"text: {second}"]
        assert chat.lines(f"/delete {session_id}") == []
        assert chat.lines("/list") == []
        assert chat.end(b"") == (0, b"", b"")


@pytest.mark.parametrize("release", [PYTHON_2_7, PYTHON_2_19], ids=str)
def test_what_goes_wrong_is_told_and_the_chat_goes_on(serve: Callable[..., str], release: Release) -> None:
    with chatting(release, serve(seed=1, missing_indexes="idx-abc123", unknown_sessions="404")) as chat:
        help_text = "".join(chat.greeting).removesuffix(PROMPT).splitlines()
        assert chat.lines("nothing is open yet") == chat.lines("/what") == chat.lines("") == help_text
        (refused,) = chat.lines("/open nowhere")
        assert refused.startswith("failed: Error code: 404")
        chat.type("/new")
        assert "".join(chat.type(FIRST)).startswith("failed: ")
        assert chat.end(b"/quit\n") == (0, b"", b"")


def test_the_documents_show_the_chat_as_it_is(serve: Callable[..., str]) -> None:
    text = (ROOT / "docs" / "sessions.md").read_text("utf-8")
    block = re.search(r"```console\n\$ python examples/chat.py\n(.*?)```", text, re.DOTALL)
    assert block is not None
    typed = re.findall(r"^> (.*)\n", block[1], re.MULTILINE)
    shown = re.sub(r"^> .*\n", PROMPT, block[1], flags=re.MULTILINE)
    with chatting(PYTHON_2_19, serve(seed=1)) as chat:
        greeting = "".join(chat.greeting)
        _, out, _ = chat.end("".join(line + "\n" for line in typed).encode())
        assert greeting + out.decode() == shown
