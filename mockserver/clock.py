"""The clock, and timestamps: UTC, microseconds, no zone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter, time_ns
from typing import TypeAlias

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

stopwatch = perf_counter
"""Returns seconds on a clock that only goes on, to measure durations."""

Now: TypeAlias = Callable[[], int]
"""Returns the time in nanoseconds since 1970."""


def timestamp(moment: datetime) -> str:
    """Write a moment: 2026-04-22T12:34:41.342245. Source: docs/upstream.md, "Timestamps"."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def timestamp_of(at: int) -> str:
    """Write a time in nanoseconds since 1970."""
    second, rest = divmod(at, 1_000_000_000)
    return f"{timestamp(_EPOCH + timedelta(seconds=second))[:20]}{rest // 1000:06d}"


def now_of(still: datetime | None) -> Now:
    """Return the machine's clock, or one that is fixed; a time without a zone is UTC."""
    if still is None:
        return time_ns
    moment = still.replace(tzinfo=UTC) if still.tzinfo is None else still
    at = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    return lambda: at
