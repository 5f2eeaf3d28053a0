"""What Groq, and servers of the same API, say of their limits: headers and refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.errors import ContextLengthError, RateLimitError
from services.llm.limit_types import LimitReport
from services.llm.providers.bedrock import errors as bedrock_errors
from services.llm.providers.groq.errors import classify
from services.llm.providers.groq.limit_reports import reports_in_headers, with_refusal
from tests.providers.support import groq_error, throttled

DAY = 86_400.0
GROQS = {
    "x-ratelimit-limit-requests": "1000",
    "x-ratelimit-remaining-requests": "998",
    "x-ratelimit-reset-requests": "2m52.8s",
    "x-ratelimit-limit-tokens": "8000",
    "x-ratelimit-remaining-tokens": "7000",
    "x-ratelimit-reset-tokens": "7.5s",
}
LIMIT_MESSAGE = (
    "Rate limit reached for model `m` in organization `org_a` service tier `on_demand` on tokens"
    " per minute (TPM): Limit 8000, Used 5536, Requested 5599. Please try again in 23.5125s."
)
TOO_LARGE = (
    "Request too large for model `m` in organization `org_a` service tier `on_demand` on tokens per"
    " minute (TPM): Limit 8000, Requested 9000, please reduce your message size and try again."
)


def test_groqs_headers_are_of_a_days_requests_and_a_minutes_tokens() -> None:
    assert (
        LimitReport("requests", DAY, 1_000, 2),
        LimitReport("tokens", 60.0, 8_000, 1_000),
    ) == reports_in_headers(GROQS)


@pytest.mark.parametrize(
    ("left", "reset", "window"),
    [
        ("50", "10s", 60.0),  # llmock's requests are of a minute
        ("50", "14400s", DAY),
        ("60", "0ms", DAY),  # nothing is used: nothing tells
        ("50", "soon", DAY),
        ("59", "1.04s", 60.0),
        ("30", "1s", 2.0),  # a stand-in's minute of two seconds
        ("30", "1h2m", 3_600.0),
        ("30", "120s", 60.0),
        ("30", "121s", 200.0),
        ("30", "120h", DAY),
        # All of it is there again at the end of a minute.
        ("59", "45s", 60.0),
        ("10", "3s", 4.0),
        # A moment, and no time until it.
        ("50", "1795703000", DAY),
        ("50", "Thu, 26 Nov 2026 15:00:00 GMT", DAY),
    ],
)
def test_the_time_until_it_is_full_tells_the_window(left: str, reset: str, window: float) -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": left,
        "x-ratelimit-reset-requests": reset,
    }
    (report,) = reports_in_headers(headers)
    assert ("requests", window, 60) == (report.unit, report.window, report.amount)


@pytest.mark.parametrize("reset", ["45s", "1795703000", "1795703000123", "7.5s"])
def test_a_minutes_tokens_are_not_taken_for_a_days_by_their_first_answer(reset: str) -> None:
    (report,) = reports_in_headers(
        {
            "x-ratelimit-limit-tokens": "8000",
            "x-ratelimit-remaining-tokens": "7990",
            "x-ratelimit-reset-tokens": reset,
        }
    )
    assert 60.0 == report.window


@pytest.mark.parametrize(
    ("limit", "left"),
    [("0", "0"), ("8000", "8001"), ("-1", "0"), ("x", "1"), ("8000", None), ("9" * 40, "1")],
)
def test_what_makes_no_sense_is_no_report(limit: str, left: str | None) -> None:
    headers = {"x-ratelimit-limit-tokens": limit, "x-ratelimit-remaining-tokens": left}
    assert () == reports_in_headers(headers)


def test_a_limit_of_a_million_millions_is_the_largest_that_is_believed() -> None:
    most = str(10**12)
    headers = {"x-ratelimit-limit-tokens": most, "x-ratelimit-remaining-tokens": most}
    assert (LimitReport("tokens", 60.0, 10**12, 0),) == reports_in_headers(headers)
    assert () == reports_in_headers({**headers, "x-ratelimit-limit-tokens": str(10**12 + 1)})


@given(st.dictionaries(st.sampled_from([*GROQS, "x"]), st.text(max_size=20)))
def test_any_headers_are_read_and_every_figure_is_plausible(headers: dict[str, str]) -> None:
    for report in reports_in_headers(headers):
        assert 0 <= (report.used or 0) <= (report.amount or 0)
        assert 1.0 <= report.window <= DAY


def test_a_refusal_names_its_limit_and_what_the_request_costs() -> None:
    (report,) = with_refusal((), LIMIT_MESSAGE, 24.0, is_full=True)
    assert LimitReport("tokens", 60.0, 8_000, 5_536, 5_599, True, 24.0) == report


def test_headers_fill_in_what_a_refusals_words_leave_out() -> None:
    headers = reports_in_headers(GROQS)
    message = "Rate limit reached for tokens per minute: limit 8000. Please try again in 3.45s."
    assert (
        headers[0],
        LimitReport("tokens", 60.0, 8_000, 1_000, None, True, 4.0),
    ) == with_refusal(headers, message, 4.0, is_full=True)


@pytest.mark.parametrize(
    ("message", "unit", "window"),
    [
        ("Too many requests", "requests", 60.0),
        ("on requests per day (RPD): Limit 9, Used 9, Requested 1", "requests", DAY),
        ("Rate limit reached for requests per day", "requests", DAY),
        ("on audio seconds per hour (ASH): Limit 9", "requests", 60.0),
        ("it quotes `on tokens per day (TPD)`", "requests", 60.0),
    ],
)
def test_what_a_refusal_is_about(message: str, unit: str, window: float) -> None:
    (report,) = with_refusal((), message, None, is_full=True)
    assert (unit, window, None) == (report.unit, report.window, report.wait)


def test_a_429_carries_its_headers_and_its_refusal() -> None:
    error = classify(groq_error(429, LIMIT_MESSAGE, {**GROQS, "retry-after": "24"}), "m", wall=0.0)
    assert isinstance(error, RateLimitError)
    assert ["requests", "tokens"] == [report.unit for report in error.limits]
    assert (5_599, 24.0, True) == (
        error.limits[1].requested,
        error.limits[1].wait,
        error.limits[1].is_refusal,
    )


@pytest.mark.parametrize("status", [413, 429])
def test_what_is_larger_than_the_limit_says_by_how_much_and_fills_no_limit(status: int) -> None:
    error = classify(groq_error(status, TOO_LARGE, {}), "m", wall=0.0)
    assert isinstance(error, ContextLengthError)
    assert "1000 more than the whole limit of 8000" in str(error)
    assert (LimitReport("tokens", 60.0, 8_000, None, 9_000),) == error.limits


def test_what_is_too_large_without_figures_says_just_that() -> None:
    error = classify(groq_error(413, "Request Entity Too Large", {}), "m", wall=0.0)
    assert isinstance(error, ContextLengthError)
    assert "more than" not in str(error)


def test_another_refusal_says_nothing_of_limits_but_in_its_headers() -> None:
    error = classify(groq_error(500, "Internal Server Error", GROQS, code=None), "m", wall=0.0)
    assert reports_in_headers(GROQS) == error.limits


@pytest.mark.parametrize(
    ("words", "unit", "window"),
    [
        ("Too many requests, please wait before trying again.", "requests", 60.0),
        ("Too many tokens, please wait before trying again.", "tokens", 60.0),
        ("Too many tokens per day, please wait before trying again.", "tokens", DAY),
    ],
)
def test_bedrock_says_in_words_which_limit_it_is(words: str, unit: str, window: float) -> None:
    error = bedrock_errors.classify(throttled(words), "m", wall=0.0)
    (report,) = error.limits
    assert (unit, window, None, True) == (
        report.unit,
        report.window,
        report.amount,
        report.is_refusal,
    )
