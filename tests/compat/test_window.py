"""The window of requests that hosts' tests look at and change."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from services.llm.account.registry import steady_now
from services.llm_client import BedrockClient, GroqClient, LLMError, RateLimitError
from tests.compat.conftest import Clock

Client = GroqClient | BedrockClient


def test_a_call_leaves_its_time_as_unix_seconds(client: Client) -> None:
    begun = time.time()
    client.generate("x")
    ended = time.time()

    (stamp,) = client._request_times
    # The clock of the window never steps, so that it and the wall's may be a little apart.
    assert begun - 1 <= stamp <= ended + 1


def test_a_failed_call_takes_its_slot_too(client: Client, sdk_call: Mock) -> None:
    sdk_call.side_effect = Exception("Something else")
    with pytest.raises(LLMError, match=r"API error: Something else$"):
        client.generate("x")

    assert len(client._request_times) == 1


def test_the_limit_is_obeyed_as_soon_as_it_is_assigned(client: Client, sdk_call: Mock) -> None:
    client._max_requests_per_window = 2
    assert [client.generate("x") for _ in range(2)] == ["Hello!"] * 2
    with pytest.raises(Exception, match=r"Rate limit exceeded\. Please wait"):
        client.generate("x")
    assert sdk_call.call_count == 2

    client._max_requests_per_window = 3
    assert client.generate("x") == "Hello!"
    assert client._max_requests_per_window == 3


def test_the_window_is_obeyed_as_soon_as_it_is_assigned(client: Client, clock: Clock) -> None:
    client._max_requests_per_window = 1
    client._rate_limit_window = 0.5
    client._check_rate_limit()
    clock.now += 0.4
    with pytest.raises(Exception, match=r"Please wait 0\.1 seconds"):
        client._check_rate_limit()

    clock.now += 0.11
    client._check_rate_limit()
    client._rate_limit_window = 7
    with pytest.raises(Exception, match=r"Please wait 7\.0 seconds"):
        client._check_rate_limit()
    assert client._rate_limit_window == 7


def test_the_seconds_to_wait_are_told(client: Client, clock: Clock, sdk_call: Mock) -> None:
    full = int(client._max_requests_per_window)
    client._request_times = [steady_now() - 44.7] * full

    with pytest.raises(Exception, match="Rate limit") as caught:
        client.generate("x")

    assert str(caught.value) == "Rate limit exceeded. Please wait 15.3 seconds"
    sdk_call.assert_not_called()


def test_a_refused_call_takes_no_slot(client: Client, clock: Clock) -> None:
    client._max_requests_per_window = 1
    client._check_rate_limit()
    for _ in range(5):
        with pytest.raises(Exception, match="Rate limit exceeded"):
            client._check_rate_limit()

    clock.now += 60.1
    client._check_rate_limit()


def test_a_pause_that_comes_in_between_is_told_and_takes_no_slot(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client._max_requests_per_window = 1
    quota = client._account.quota
    reserve = quota.reserve

    def paused(scope: str, demand: Any, now: float, **holder: Any) -> object:
        reservation = reserve(scope, demand, now, **holder)
        quota.pause(scope, now + 5)
        return reservation

    with monkeypatch.context() as patch:
        patch.setattr(quota, "reserve", paused)
        with pytest.raises(RateLimitError, match=r"Please wait 5\.0 seconds"):
            client._check_rate_limit()

    clock.now += 5
    client._check_rate_limit()


@pytest.mark.parametrize("emptied", ["cleared", "assigned"])
def test_an_emptied_window_is_free(client: Client, emptied: str) -> None:
    client._max_requests_per_window = 1
    client.generate("x")
    if emptied == "cleared":
        client._request_times.clear()
    else:
        client._request_times = []

    assert client._request_times == []
    assert client.generate("x") == "Hello!"


def test_stamps_of_the_wall_clock_count(client: Client) -> None:
    full = int(client._max_requests_per_window)
    client._request_times = [time.time() - 120] * full
    client._check_rate_limit()

    client._request_times = [time.time()] * full
    with pytest.raises(Exception, match="Rate limit exceeded"):
        client._check_rate_limit()


def test_a_stamp_that_is_appended_counts(client: Client) -> None:
    client._max_requests_per_window = 2
    client._request_times.append(time.time())
    client._request_times.append(time.time())

    with pytest.raises(Exception, match="Rate limit exceeded"):
        client._check_rate_limit()


def test_check_rate_limit_takes_a_slot_and_returns_nothing(client: Client) -> None:
    check: Callable[[], object] = client._check_rate_limit

    assert check() is None
    assert len(client._request_times) == 1


def test_stamps_older_than_the_window_are_dropped(client: Client, clock: Clock) -> None:
    client._request_times = [steady_now() - 61, steady_now() - 59]
    client._check_rate_limit()

    assert client._request_times == [steady_now() - 59, steady_now()]


@tried(deadline=None)
@given(
    ages=st.lists(st.floats(0, 120, allow_nan=False), max_size=12),
    limit=st.integers(1, 8),
    window=st.floats(0.5, 90),
)
def test_the_wait_that_is_told_ends_when_there_is_room(
    ages: list[float], limit: int, window: float
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("services.llm_client.Groq", Mock())
        patched.setattr("time.monotonic", clock)
        client = GroqClient(api_key="test-key")
        client._max_requests_per_window, client._rate_limit_window = limit, window
        stamps = sorted(steady_now() - age for age in ages)
        client._request_times = stamps

        inside = [stamp for stamp in stamps if stamp > steady_now() - window]
        if len(inside) < limit:
            client._check_rate_limit()
            return
        with pytest.raises(RateLimitError) as caught:
            client._check_rate_limit()

        expected = inside[-limit] + window - steady_now()
        assert caught.value.retry_after == pytest.approx(expected, abs=1e-6)
        clock.now += expected + 1e-6
        client._check_rate_limit()
