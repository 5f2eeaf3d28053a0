"""A request that is not answered for long counts from when the provider has seen it at latest."""

from __future__ import annotations

import pytest

from services.llm.quota import Limit, Quota, SlidingWindow, TokenBucketLimit
from tests.quota.support import ONE, reserved, sent, tokens


def held(*limits: Limit) -> Quota:
    """After five seconds a request counts as received, one second after its sending."""
    quota = Quota(limits)
    quota.assume_received_after, quota.max_transit = 5.0, 1.0
    return quota


def left(quota: Quota, now: float) -> float:
    return quota.headroom("m", now)[0].left


def test_the_refill_begins_when_the_provider_has_seen_it() -> None:
    quota = held(TokenBucketLimit(60, 60.0))
    request = sent(quota, 100.0, tokens(60))
    assert (0.0, 0.0) == (left(quota, 100.0), left(quota, 104.9))
    assert 4.0 == left(quota, 105.0)
    assert 19.0 == left(quota, 120.0)
    quota.settle(request, {"tokens": 60}, 121.0, 121.0)
    assert 20.0 == left(quota, 121.0)


@pytest.mark.parametrize(("spent", "expected"), [(10.0, 60.0), (50.0, 30.0), (80.0, 0.0)])
def test_what_it_spent_in_the_end_replaces_the_estimate(spent: float, expected: float) -> None:
    quota = held(TokenBucketLimit(60, 60.0))
    request = sent(quota, 100.0, tokens(60))
    assert 19.0 == left(quota, 120.0)
    quota.settle(request, {"tokens": spent}, 121.0, 121.0)
    assert expected == left(quota, 121.0)


def test_a_window_logs_it_when_it_has_been_seen() -> None:
    window = SlidingWindow(2, 60.0)
    quota = held(window)
    first, second = sent(quota, 100.0), sent(quota, 103.0)
    third = reserved(quota, 108.0)
    assert ([101.0, 104.0], 161.0) == (window.times, third.starts_at)
    assert quota.try_start(third, 161.0) == 0.0
    quota.settle(first, {}, 170.0, 170.0)
    quota.settle(second, {"requests": 0}, 170.0, 170.0)
    assert [101.0, 162.0] == window.times


def test_what_a_host_has_cleared_is_not_missed() -> None:
    window = SlidingWindow(2, 60.0)
    quota = held(window)
    request = sent(quota, 100.0)
    reserved(quota, 106.0, ONE)
    window.times.clear()
    quota.settle(request, {"requests": 0}, 110.0, 110.0)
    assert [] == window.times


def test_headroom_tells_when_a_window_is_empty_again() -> None:
    quota = Quota((SlidingWindow(3, 60.0),))
    quota.settle(sent(quota, 100.0), {}, 100.0, 100.0)
    (limit,) = quota.headroom("m", 110.0)
    assert ("RPM", 3, 2.0, 50.0, False) == (
        limit.name,
        limit.amount,
        limit.left,
        limit.full_in,
        limit.is_learned,
    )
    sent(quota, 110.0)
    assert 60.0 == quota.headroom("m", 110.0)[0].full_in
    assert 0.0 == quota.headroom("m", 500.0)[0].full_in - 60.0


@pytest.mark.parametrize(
    ("unit", "window", "name"),
    [
        ("tokens", 86_400.0, "TPD"),
        ("output_tokens", 60.0, "OTPM"),
        ("requests", 90.0, "RP90s"),
    ],
)
def test_a_limit_has_the_providers_name(unit: str, window: float, name: str) -> None:
    quota = Quota((TokenBucketLimit(10, window, unit),))  # type: ignore[arg-type]  # it is a unit
    assert name == quota.headroom("m", 0.0)[0].name


def test_an_answer_does_not_move_the_moment_at_which_it_had_been_seen() -> None:
    window = SlidingWindow(2, 60.0)
    quota = held(window)
    request = sent(quota, 100.0)
    reserved(quota, 106.0)
    quota.settle(request, {}, 110.0, 110.0)
    assert [101.0] == window.times
