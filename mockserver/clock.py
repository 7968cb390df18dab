"""The time, as timestamps in upstream's form."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import time_ns
from typing import TypeAlias

Clock: TypeAlias = Callable[[], str]
"""Gives the time now as a timestamp."""


def timestamp(moment: datetime) -> str:
    """Write a moment in upstream's form: UTC, microseconds, no zone. Source: docs/upstream.md, "Timestamps"."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def clock_of(still: datetime | None) -> Clock:
    """Give the clock: the machine's, or one that stands still; a time without a zone is UTC."""
    if still is None:
        return Machine().now
    told = timestamp(still.replace(tzinfo=UTC) if still.tzinfo is None else still)
    return lambda: told


class Machine:
    """The machine's clock, as timestamps; what does not change within a second is written once a second."""

    def __init__(self) -> None:
        self._written = (-1, "")

    def now(self) -> str:
        """Give the time now."""
        second, rest = divmod(time_ns(), 1_000_000_000)
        at, text = self._written
        if at != second:
            text = timestamp(datetime.fromtimestamp(second, UTC))[:20]
            self._written = (second, text)
        return f"{text}{rest // 1000:06d}"
