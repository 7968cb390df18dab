"""Progress: how much there is, how long it takes, in one line that fits, and only text."""

import os
import sys

import pytest

from mockserver.terminal import progress
from mockserver.terminal.progress import Progress, so_far
from tests.needs import awaited


@pytest.mark.parametrize(
    ("done", "total", "spent", "told"),
    [
        (0, 8, 1.0, "0 of 8 steps"),
        (2, 8, 10.0, "2 of 8 steps, about 30 s left"),
        (1, 100, 2.0, "1 of 100 steps, about 3 min 18 s left"),
        (8, 8, 10.0, "8 of 8 steps"),
    ],
)
def test_the_time_left_follows_from_the_pace_so_far(done: int, total: int, spent: float, told: str) -> None:
    assert so_far(done, total, "steps", spent) == told


def shown(monkeypatch: pytest.MonkeyPatch, *texts: str) -> str:
    """Give what progress writes to a terminal of 20 columns."""
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "get_terminal_size", lambda: os.terminal_size((20, 5)))
    with os.fdopen(ours, "rb", 0) as reader, os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        line = Progress()
        for number, text in enumerate(texts, 1):
            line.tell(float(number), text)
        line.end()
        print("end", file=terminal, flush=True)
        read = b""

        def ended() -> bool:
            nonlocal read
            read += reader.read(1_000)
            return b"end" in read

        awaited(ended, "the progress is written")
    return read.decode()


def test_progress_is_one_line_that_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    written = shown(monkeypatch, "x" * 100, "short")
    assert "\n" not in written.partition("end")[0]
    assert max(map(len, written.partition("end")[0].split("\r"))) < 20


def test_what_a_server_says_does_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in shown(monkeypatch, "a\x1b[31mb")
