"""The time, as timestamps."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver import clock
from mockserver.clock import clock_of, timestamp

FORM = "%Y-%m-%dT%H:%M:%S.%f"


def test_the_machines_clock_tells_the_time_in_utc() -> None:
    before = datetime.now(UTC)
    told = datetime.strptime(clock_of(None)(), FORM).replace(tzinfo=UTC)
    assert before - timedelta(milliseconds=1) <= told <= datetime.now(UTC)


@given(st.lists(st.integers(0, 4_000_000_000_000_000_000), min_size=1, max_size=5))
def test_what_is_written_once_a_second_is_what_would_be_written_each_time(moments: list[int]) -> None:
    machine = clock.Machine()
    with pytest.MonkeyPatch.context() as patch:
        for nanoseconds in moments:
            patch.setattr(clock, "time_ns", lambda now=nanoseconds: now)
            moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC) + timedelta(
                microseconds=nanoseconds // 1000 % 10**6
            )
            assert machine.now() == timestamp(moment)


def test_time_goes_on() -> None:
    now = clock_of(None)
    first = now()
    time.sleep(0.002)
    assert now() > first


def test_a_clock_that_is_set_stands_still() -> None:
    moment = datetime(2026, 4, 22, 14, 34, 41, 342245, timezone(timedelta(hours=2)))
    now = clock_of(moment)
    assert (now(), now()) == ("2026-04-22T12:34:41.342245",) * 2
    assert clock_of(datetime(2026, 4, 22, 12))() == "2026-04-22T12:00:00.000000"
