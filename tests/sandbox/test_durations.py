from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import retry_after_date
from sandbox.durations import go_duration

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (23.5125, "23.5125s"),
        (86.4, "1m26.4s"),
        (0.7896, "789.6ms"),
        (660.528, "11m0.528s"),
        (5742.4, "1h35m42.4s"),
        (3600, "1h0m0s"),
        (6, "6s"),
        (0.017, "17ms"),
        (0.000_25, "250µs"),
        (3e-9, "3ns"),
        (0.999_999_999_9, "1s"),
    ],
)
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert text == go_duration(seconds)


@settings(deadline=None)
@given(st.floats(0, 1e6))
def test_a_written_duration_reads_back_to_the_nanosecond(seconds: float) -> None:
    parts = re.findall(r"([\d.]+)(h|ms|µs|ns|m|s)", go_duration(seconds))
    assert pytest.approx(seconds, abs=1e-9, rel=1e-12) == sum(
        float(number) * UNITS[unit] for number, unit in parts
    )


def test_a_retry_after_date_counts_from_the_time_of_the_reply() -> None:
    text = retry_after_date(30)(1_000_000_000)
    assert text == "Sun, 09 Sep 2001 01:47:10 GMT"
    assert 1_000_000_030 == parsedate_to_datetime(text).timestamp()
