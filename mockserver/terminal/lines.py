"""Lines to stderr from a thread of its own: who serves never waits for who reads.

They go to stderr, because stdout is read by programs: the line that says where the server is, and the exports.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.util import Finalize
from typing import TypeAlias

MOST_WAITING = 2_000
"""How many lines wait to be written; further ones are lost, and counted."""

GATHER = 0.05
"""Seconds between two writes: under load, many lines are written at once."""

LONGEST_WRITE = 4_096
"""Bytes that a pipe takes without mixing them with those of another process (PIPE_BUF)."""

LAST_WORDS = 1.0
"""Seconds that the last lines get at the end."""

Line: TypeAlias = Callable[[], str]
"""Makes a line when it is written, without its end."""


class LineWriter:
    """Writes lines to a file descriptor, from a thread that starts with the first one."""

    def __init__(self, descriptor: int, lost_line: Callable[[int], str]) -> None:
        self._descriptor, self._lost_line = descriptor, lost_line
        self._waiting = deque[Line]()
        self._filled, self._ended = threading.Event(), False
        self._lost, self._lock = 0, threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, line: Line) -> None:
        """Hand over a line; if too many wait, it is lost. It never waits."""
        if len(self._waiting) >= MOST_WAITING:
            with self._lock:
                self._lost += 1
            return
        self._waiting.append(line)
        if not self._filled.is_set():
            self._filled.set()
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mockserver lines", daemon=True)
                self._thread.start()
                Finalize(None, self.close, exitpriority=1)  # at the end of this process, a worker's too

    def close(self) -> None:
        """Write what waits, unless nobody reads it."""
        self._ended = True
        self._filled.set()
        if self._thread is not None:
            self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while self._waiting or self._lost or not self._ended:
            self._filled.wait()
            self._filled.clear()
            try:
                self._write_waiting()
            except OSError:  # nobody will read any more
                self._waiting.clear()
                return
            if not self._ended:
                time.sleep(GATHER)

    def _write_waiting(self) -> None:
        """Write the lines that wait, in pieces of whole lines; then how many were lost."""
        piece = b""
        while self._waiting:
            line = self._waiting.popleft()().encode("utf-8", "backslashreplace") + b"\n"
            if len(piece) + len(line) > LONGEST_WRITE:
                self._write(piece)
                piece = b""
            piece += line
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            piece += self._lost_line(lost).encode() + b"\n"
        self._write(piece)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody has made the pipe non-blocking
                time.sleep(GATHER)


class LineHandler(logging.Handler):
    """Hands the warnings of a process to its lines, so that they do not wait for a reader either."""

    def __init__(self, writer: LineWriter, form: Callable[[logging.LogRecord, str], str]) -> None:
        super().__init__(logging.WARNING)
        self._writer, self._form = writer, form

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over a record, formatted now: its arguments may change."""
        text = self._form(record, self.format(record))
        self._writer.put(lambda: text)


def stderr_descriptor() -> int:
    """Return the file descriptor of stderr; where there is none, lines go nowhere."""
    with suppress(AttributeError, OSError, ValueError):
        return sys.stderr.fileno()
    return os.open(os.devnull, os.O_WRONLY)
