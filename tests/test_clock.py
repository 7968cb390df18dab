"""The time, as numbers and as timestamps."""

import time
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.sessions import Timestamps
from mockserver.clock import now_of, timestamp, timestamp_of

LATEST = 4_000_000_000_000_000_000


def test_the_machines_clock_tells_the_time() -> None:
    assert abs(now_of(None)() - time.time_ns()) < 60 * 10**9


@given(st.integers(0, LATEST))
def test_a_time_in_nanoseconds_is_written_as_its_moment(at: int) -> None:
    moment = datetime.fromtimestamp(at // 10**9, UTC) + timedelta(microseconds=at // 1000 % 10**6)
    assert timestamp_of(at) == timestamp(moment)


@given(st.lists(st.integers(0, LATEST), min_size=1, max_size=5))
def test_what_is_written_once_a_second_is_what_would_be_written_each_time(moments: list[int]) -> None:
    left = iter(moments)
    stamps = Timestamps(lambda: next(left))
    assert [stamps.text() for _ in moments] == [timestamp_of(at) for at in moments]


def test_a_clock_that_is_set_stands_still() -> None:
    moment = datetime(2026, 4, 22, 14, 34, 41, 342245, timezone(timedelta(hours=2)))
    now = now_of(moment)
    assert [timestamp_of(now()) for _ in range(2)] == ["2026-04-22T12:34:41.342245"] * 2
    assert timestamp_of(now_of(datetime(2026, 4, 22, 12))()) == "2026-04-22T12:00:00.000000"
