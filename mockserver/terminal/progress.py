"""Progress of what takes longer than a moment, on stderr."""

import sys
from shutil import get_terminal_size

from mockserver.terminal.text import in_line, is_terminal


def so_far(done: int, total: int, noun: str, spent: float) -> str:
    """Describe how much is done after so many seconds, and how long the rest will take at that pace."""
    text = f"{done} of {total} {noun}"
    if not 0 < done < total:
        return text
    left = round(spent / done * (total - done))
    return f"{text}, about {left // 60} min {left % 60} s left" if left >= 60 else f"{text}, about {left} s left"


class Progress:
    """Shows progress on stderr: a line that changes on a terminal, lines now and then elsewhere."""

    def __init__(self, every: float = 5.0, *, quiet: bool = False) -> None:
        self._every, self._quiet = every, quiet
        self._live = is_terminal(sys.stderr)
        self._last = 0.0
        self._width = 0

    def tell(self, now: float, text: str) -> None:
        """Show where the run is; `now` is in seconds on any clock that goes on."""
        if self._quiet or now - self._last < (0.1 if self._live else self._every):
            return
        self._last = now
        if self._live:  # a longer line would wrap, and could not be overwritten
            text = in_line(text)[: get_terminal_size().columns - 1]
            print(f"\r{text.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._live and self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)
            self._width = 0
