"""The time, as timestamps in upstream's form."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import TypeAlias

Clock: TypeAlias = Callable[[], str]
"""Gives the time now as a timestamp."""


def timestamp(moment: datetime) -> str:
    """Write a moment in upstream's form: UTC, microseconds, no zone. Source: docs/upstream.md, "Timestamps"."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26]


Now: TypeAlias = Callable[[], int]
"""Gives the time now, in nanoseconds since 1970."""


def now_of(still: datetime | None) -> Now:
    """Give the time of the machine, or one that stands still; a time without a zone is UTC."""
    if still is None:
        return time_ns
    moment = still.replace(tzinfo=UTC) if still.tzinfo is None else still
    at = round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000
    return lambda: at


def clock_of(still: datetime | None) -> Clock:
    """Give the clock: the machine's, or one that stands still."""
    if still is None:
        return Machine().now
    text = timestamp_of(now_of(still)())
    return lambda: text


def timestamp_of(at: int) -> str:
    """Write a time in nanoseconds as a timestamp."""
    second, rest = divmod(at, 1_000_000_000)
    return f"{timestamp(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second))[:20]}{rest // 1000:06d}"


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
