from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.runtime.retry_after import LONGEST, seconds_in_text, seconds_until_retry

#: Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
WALL = 784_111_777.0


def go_duration(nanoseconds: int) -> str:
    """Go's `time.Duration.String`: the smallest unit that fits below a second, else h, m and s."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("\u00b5s", 1_000), ("ms", 1_000_000)):
        if nanoseconds < min(1_000 * size, 1_000_000_000):
            return _decimal(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60 * 1_000_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest, 1_000_000_000) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(count: int, size: int) -> str:
    whole, rest = divmod(count, size)
    return f"{whole}.{rest:0{len(str(size)) - 1}}".rstrip("0") if rest else str(whole)


GROQ_SAMPLES = {
    "172.799999ms": 0.172799999,
    "2m52.089s": 172.089,
    "1h35m2.4s": 5_702.4,
    "24.151999999s": 24.151999999,
    "577ms": 0.577,
    "7.66s": 7.66,
    "2m59.56s": 179.56,
    "1m26.4s": 86.4,
    "11m0.528s": 660.528,
    "1h0m0s": 3_600.0,
}


@pytest.mark.parametrize(("text", "seconds"), GROQ_SAMPLES.items())
def test_the_durations_that_groq_sends_are_read(text: str, seconds: float) -> None:
    assert seconds_until_retry(text, wall=WALL) == pytest.approx(seconds, rel=1e-12)
    assert go_duration(round(seconds * 1e9)) == text


@given(st.integers(0, int(LONGEST * 1e9)))
def test_a_duration_that_go_has_written_is_read_back(nanoseconds: int) -> None:
    got = seconds_until_retry(go_duration(nanoseconds), wall=WALL)
    assert got == pytest.approx(nanoseconds / 1e9, rel=1e-12)


@given(st.integers(0, int(LONGEST * 1e9)))
def test_a_sentence_names_the_same_duration(nanoseconds: int) -> None:
    text = go_duration(nanoseconds)
    message = f"Rate limit reached (TPM): Limit 8000. Please try again in {text}. Need more tokens?"
    assert seconds_in_text(message) == seconds_until_retry(text, wall=WALL)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0.0), ("120", 120.0), ("0.25", 0.25), (".5", 0.5), ("5.", 5.0), (" 7 ", 7.0)),
        *(("1us", 1e-6), ("1\u00b5s", 1e-6), ("1\u03bcs", 1e-6), ("1.5h", 5_400.0)),
        *(("604800", LONGEST), ("0" * 63 + "7", 7.0)),
    ],
)
def test_seconds_are_read_as_numbers_and_in_every_unit(text: str, seconds: float) -> None:
    assert seconds_until_retry(text, wall=WALL) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:47 GMT",
        "Sunday, 06-Nov-94 08:49:47 GMT",
        "Sun Nov  6 08:49:47 1994",
        "Sun, 06 Nov 1994 10:49:47 +0200",
        "Sun, 06 Nov 1994 08:49:47",
    ],
)
def test_a_date_asks_for_the_time_until_then(text: str) -> None:
    assert seconds_until_retry(text, wall=WALL) == 10.0
    assert seconds_until_retry(text, wall=WALL + 60.0) == 0.0


@given(st.integers(0, int(LONGEST)), st.sampled_from(["imf", "rfc850", "asctime"]))
def test_every_form_of_date_is_read_back(seconds: int, form: str) -> None:
    then = datetime.fromtimestamp(WALL, timezone.utc) + timedelta(seconds=seconds)
    text = {
        "imf": format_datetime(then, usegmt=True),
        "rfc850": then.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        "asctime": then.strftime("%a %b ") + f"{then.day:2}" + then.strftime(" %H:%M:%S %Y"),
    }[form]
    assert seconds_until_retry(text, wall=WALL) == float(seconds)


ABSURD = [
    *("", " ", "-1", "+1", "nan", "inf", "-inf", "1e3", "1e400", "0x10", "1_000", "1,5", "12:30"),
    *(
        "604800.001",
        "9" * 64,
        "0" * 64 + "7",
        "9" * 10_000,
        "168h0m0.001s",
        "9" * 60 + "h",
        "-2m",
        "5m-2s",
    ),
    *(
        "\u0663",
        "\uff15s",
        "\u00b2",
        "5\u00a0s",
        "5 s",
        "5x",
        "5S",
        "s",
        "\u00b5s",
        "1.2.3s",
        "soon",
    ),
    *("Sun, 31 Feb 1994 08:49:47 GMT", "Sun, 06 Nov 1994 25:00:00 GMT", "Sun, 06 Nov 99999 1:0:0"),
    *("Sun, 06 Nov 2094 08:49:47 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "1994-11-06T08:49:47Z"),
    "1s" * 33,
    "Sun, \u0660\u0666 Nov 1994 08:49:47 GMT",
]


@pytest.mark.parametrize("text", ABSURD)
def test_what_is_absurd_counts_as_absent(text: str) -> None:
    assert seconds_until_retry(text, wall=WALL) is None


@pytest.mark.parametrize("value", [None, 5, 5.0, math.nan, b"5", True, object(), ["5"]])
def test_what_is_no_text_counts_as_absent(value: object) -> None:
    assert seconds_until_retry(value, wall=WALL) is None


@given(st.text(max_size=70) | st.text("0123456789.hmsnuSGT :,-+\u00b5", max_size=70))
def test_any_text_asks_for_a_wait_of_a_day_at_most_or_for_none(text: str) -> None:
    for seconds in (seconds_until_retry(text, wall=WALL), seconds_in_text(f"try again in {text}")):
        assert seconds is None or 0.0 <= seconds <= LONGEST


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 7.66s.", 7.66),
        ("Try Again In 1m26.4s", 86.4),
        ("try again in 5M", None),
        ("try again in 5minutes", None),
        ("try again in 5 minutes", None),
        ("try again in 200h", None),
        ("try again in " + "9" * 400 + "s", None),
        ("try again later, in 5s", None),
        ("", None),
    ],
)
def test_a_sentence_names_its_wait_or_none(message: str, seconds: float | None) -> None:
    assert seconds_in_text(message) == seconds
