from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Limits
from sandbox.limits import Demand, Limit, Limiter, Refusal, Reservation

ONE_REQUEST = Demand(0, 0)


def reserve(limiter: Limiter, limits: Limits, demand: Demand, now: float) -> Reservation | Refusal:
    return limiter.reserve("key", limits, demand, now)


@pytest.mark.parametrize(
    ("limit", "used", "requested", "wait"),
    [  # recorded from the live service
        (Limit("TPM", 8_000, 60, "tokens"), 5_536, 5_599, 23.5125),
        (Limit("TPM", 6_000, 60, "tokens"), 5_969, 709, 6.78),
        (Limit("TPM", 6_000, 60, "tokens"), 5_715, 709, 4.24),
        (Limit("RPD", 1_000, 86_400, "requests"), 1_000, 1, 86.4),
        (Limit("RPD", 250, 86_400, "requests"), 250, 1, 345.6),
        (Limit("TPD", 100_000, 86_400, "tokens"), 97_050, 3_619, 578.016),
    ],
)
def test_the_wait_is_the_recorded_one(limit: Limit, used: int, requested: int, wait: float) -> None:
    assert pytest.approx(wait) == Refusal(limit, used, requested).wait


def test_a_full_bucket_refuses_until_one_request_has_drained() -> None:
    limiter, limits = Limiter(), Limits(rpm=30)
    for _ in range(30):
        assert isinstance(reserve(limiter, limits, ONE_REQUEST, 0.0), Reservation)
    refusal = reserve(limiter, limits, ONE_REQUEST, 0.0)
    assert isinstance(refusal, Refusal)
    assert ("RPM", 30, 1) == (refusal.limit.name, refusal.used, refusal.requested)
    assert 2.0 == refusal.wait
    assert isinstance(reserve(limiter, limits, ONE_REQUEST, 1.99), Refusal)
    assert isinstance(reserve(limiter, limits, ONE_REQUEST, 2.0), Reservation)


def test_a_refused_request_uses_nothing() -> None:
    limiter, limits = Limiter(), Limits(rpm=10, tpm=100)
    assert isinstance(reserve(limiter, limits, Demand(90, 0), 0.0), Reservation)
    assert isinstance(reserve(limiter, limits, Demand(90, 0), 0.0), Refusal)
    levels = limiter.levels("key", limits, 0.0)
    assert {"RPM": 1.0, "TPM": 90.0} == {name: level.used for name, level in levels.items()}


def test_of_several_full_limits_the_longest_wait_is_named() -> None:
    limiter, limits = Limiter(), Limits(rpm=1, rpd=1)
    reserve(limiter, limits, ONE_REQUEST, 0.0)
    refusal = reserve(limiter, limits, ONE_REQUEST, 0.0)
    assert isinstance(refusal, Refusal)
    assert ("RPD", 86_400.0) == (refusal.limit.name, refusal.wait)


def test_a_request_larger_than_a_limit_can_never_fit() -> None:
    refusal = reserve(Limiter(), Limits(tpm=100, rpd=1), Demand(60, 50), 0.0)
    assert isinstance(refusal, Refusal)
    assert refusal.too_large
    assert ("TPM", 110) == (refusal.limit.name, refusal.requested)


def test_settling_gives_back_what_was_not_generated() -> None:
    limiter, limits = Limiter(), Limits(tpm=100, itpm=50, otpm=50)
    reservation = reserve(limiter, limits, Demand(10, 40), 0.0)
    assert isinstance(reservation, Reservation)
    limiter.settle(reservation, Demand(10, 5), 0.0)
    levels = limiter.levels("key", limits, 0.0)
    assert {
        "TPM": 15.0,
        "ITPM": 10.0,
        "OTPM": 5.0,
    } == {name: level.used for name, level in levels.items()}


def test_levels_tell_what_remains_and_when_the_bucket_is_empty() -> None:
    limiter, limits = Limiter(), Limits(rpd=1_000)
    for _ in range(3):
        reserve(limiter, limits, ONE_REQUEST, 0.0)
    level = limiter.levels("key", limits, 0.8)["RPD"]
    assert 997 == level.remaining
    assert pytest.approx(3 * 86.4 - 0.8) == level.reset


def test_organisations_and_models_have_buckets_of_their_own() -> None:
    limiter, limits = Limiter(), Limits(rpm=1)
    keys = [("one", "m"), ("two", "m"), ("one", "n")]
    assert [
        True,
        True,
        True,
    ] == [isinstance(limiter.reserve(key, limits, ONE_REQUEST, 0.0), Reservation) for key in keys]
    assert isinstance(limiter.reserve(("one", "m"), limits, ONE_REQUEST, 0.0), Refusal)


@pytest.mark.parametrize("wrong", [{"rpm": 0}, {"tpd": -1}, {"minute": 0}, {"day": float("nan")}])
def test_a_limit_that_nothing_fits_is_an_error_that_names_it(wrong: dict[str, float]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name}={value}".replace("(", ".")):
        Limits(**wrong)  # type: ignore[arg-type]  # the point of the test


def test_the_free_plan_is_the_published_one() -> None:
    limits = Limits.free()
    assert (30, 1_000, 8_000, 200_000) == (limits.rpm, limits.rpd, limits.tpm, limits.tpd)


def test_the_developer_plan_with_a_shorter_minute_refills_faster() -> None:
    limits = Limits.developer(minute=0.5)
    assert (1_000, 250_000, None) == (limits.rpm, limits.tpm, limits.rpd)
    assert {0.5} == {limit.window for limit in limits.enforced()}


EVENTS = st.lists(
    st.tuples(
        st.floats(0, 20),  # seconds since the event before
        st.integers(0, 60),  # input tokens
        st.integers(0, 60),  # output tokens declared
        st.integers(0, 60),  # output tokens generated
    ),
    max_size=40,
)


@settings(deadline=None)
@given(EVENTS)
def test_admissions_never_exceed_a_bucket_and_waits_are_enough_but_not_too_long(
    events: list[tuple[float, int, int, int]],
) -> None:
    limits = Limits(rpm=7, tpm=100, itpm=80, otpm=70)
    limiter, now = Limiter(), 0.0
    for pause, prompt, declared, generated in events:
        now += pause
        demand = Demand(prompt, declared)
        outcome = reserve(limiter, limits, demand, now)
        if isinstance(outcome, Refusal):
            assert outcome.wait > 0
            fraction = outcome.limit.window / outcome.limit.amount  # `used` is rounded up
            level = limiter.levels("key", limits, now)[outcome.limit.name].used
            exact = (level + outcome.requested - outcome.limit.amount) * fraction
            assert exact <= outcome.wait + 1e-6
            assert outcome.wait <= exact + fraction + 1e-6
            if not outcome.too_large:
                now += outcome.wait
                retried = reserve(limiter, limits, demand, now)
                assert isinstance(retried, Reservation) or retried.limit != outcome.limit
                outcome = retried
        if isinstance(outcome, Reservation):
            for bucket in limiter.levels("key", limits, now).values():
                assert bucket.used <= bucket.limit.amount + 1e-6
            limiter.settle(outcome, Demand(prompt, min(generated, declared)), now)


@settings(deadline=None)
@given(st.floats(0, 3600), st.integers(1, 100), st.integers(0, 100), st.integers(1, 200))
def test_no_span_of_any_length_holds_more_than_the_burst_and_its_refill(
    start: float, limit: int, burst: int, tries: int
) -> None:
    limits, limiter = Limits(rpm=limit), Limiter()
    step = 0.37 * (burst + 1) / 10
    admitted = [
        at
        for at in (start + step * index for index in range(tries))
        if isinstance(reserve(limiter, limits, ONE_REQUEST, at), Reservation)
    ]
    for first in range(len(admitted)):
        span = admitted[-1] - admitted[first]
        assert len(admitted) - first <= limit + span * limit / 60 + 1e-6


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), max_size=30))
def test_a_clock_that_steps_back_never_drains_a_bucket(steps: list[float]) -> None:
    limits, limiter, now = Limits(rpm=5), Limiter(), 0.0
    for step in steps:
        now += step
        before = limiter.levels("key", limits, now)["RPM"].used
        reserve(limiter, limits, ONE_REQUEST, now)
        after = limiter.levels("key", limits, now - 1000)["RPM"].used
        assert before <= after <= 5 + 1e-6
