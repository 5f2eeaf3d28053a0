from __future__ import annotations

import math
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.quota import NEVER, Limit, TokenBucketLimit
from services.llm.quota.charges import Charge, PriorityFilter
from services.llm.quota.limits import float_tolerance
from tests.quota.oracle import Provider, Refill, Sight

UNIX = 1_800_000_000.0


class Shares(NamedTuple):
    """How much of an estimate was spent, and where in its span each moment lies."""

    spent: float
    seen: float
    arrived: float
    settled: float


def sent(limit: Limit, amount: float, at: float, sequence: int = 1_000) -> Charge:
    charge = Charge(amount, at, sequence)
    limit.pending.reserve(charge)
    limit.pending.start(charge, at)
    return charge


@st.composite
def states(draw: st.DrawFn) -> tuple[TokenBucketLimit, Refill]:
    """A bucket with answers, bookings and requests in flight, and its oracle."""
    now = draw(st.sampled_from([0.0, UNIX]))
    amount = draw(st.sampled_from([4.0, 8.0, 16.0, 1e-3, 1e7]))
    window = draw(st.sampled_from([0.05, 1.0, 8.0, 60.0]))
    size = amount * draw(st.sampled_from([1.0, 1.0, 0.5, 2.0]))
    limit = TokenBucketLimit(amount, window, burst=None if size == amount else size)
    parts = st.integers(1, 8).map(lambda eighths: size * eighths / 8)
    spans = st.integers(-16, 100).map(lambda steps: steps * window / 32)
    answered = []
    for before, taken in sorted(draw(st.lists(st.tuples(spans, parts), max_size=5)), reverse=True):
        at = min(now, now - before)
        limit.settle(sent(limit, taken, at), taken, at, at)
        answered.append((at, taken))
    in_flight = draw(st.lists(parts, max_size=2))
    for taken in in_flight:
        sent(limit, taken, now - window)
    pairs = draw(st.lists(st.tuples(spans, parts), max_size=8))
    reserved = [
        Charge(taken, now + after, sequence) for sequence, (after, taken) in enumerate(pairs)
    ]
    for charge in reserved:
        limit.pending.reserve(charge)
    return limit, Refill(size, window / amount, answered, in_flight, reserved, now)


@given(states(), st.integers(1, 8), st.integers(0, 80), st.integers(0, 31))
def test_the_earliest_moment_is_the_first_with_room_for_all(
    state: tuple[TokenBucketLimit, Refill], eighths: int, later: int, early: int
) -> None:
    limit, refill = state
    amount, start = refill.size * eighths / 8, refill.now + later * limit.window / 32
    at = limit.earliest(amount, start, refill.now)
    assert refill.fits(amount, at, keeping=True)
    before = start + (at - start) * early / 32
    assert before > at - 2e-5 or not refill.fits(amount, before, keeping=True)


@given(states(), st.integers(1, 8), st.integers(0, 80), st.integers(0, 8), st.integers(0, 31))
def test_for_its_turn_only_those_ahead_and_before_need_room(
    state: tuple[TokenBucketLimit, Refill], eighths: int, later: int, sequence: int, early: int
) -> None:
    limit, refill = state
    ahead = [charge for charge in refill.reserved if charge.sequence < sequence]
    refill = Refill(refill.size, refill.pace, refill.answered, refill.in_flight, ahead, refill.now)
    amount, start = refill.size * eighths / 8, refill.now + later * limit.window / 32
    at = limit.earliest(amount, start, refill.now, PriorityFilter(sequence))
    assert refill.fits(amount, at, keeping=False)
    before = start + (at - start) * early / 32
    assert before > at - 2e-5 or not refill.fits(amount, before, keeping=False)


def test_a_preceding_charge_at_the_very_time_counts_although_floats_round_it_later() -> None:
    limit = TokenBucketLimit(4.0, 0.05, burst=2.0)
    for sequence, (amount, after) in enumerate([(1.5, 0.01875), (0.25, 0.03125)]):
        limit.pending.reserve(Charge(amount, UNIX + after, sequence))
    at = limit.earliest(1.5, UNIX + 0.01875, UNIX, PriorityFilter(2))
    assert pytest.approx(0.034375, abs=1e-6) == at - UNIX


@given(
    st.sampled_from([0.0, UNIX]),
    st.lists(
        st.tuples(st.integers(1, 16), st.integers(0, 16), *[st.sampled_from([0.0, 0.5, 1.0])] * 4),
        min_size=2,
        max_size=12,
    ),
)
def test_the_providers_bucket_never_overflows_however_late_it_sees_what(
    base: float, requests: list[tuple[float, ...]]
) -> None:
    """Each goes as soon as it may, stays in flight for a while, and spends what it spends."""
    limit, provider, steps = TokenBucketLimit(16.0, 16.0), Provider(16.0, 1.0), count()
    in_flight: list[tuple[float, float, Charge, Shares]] = []
    now = base
    for amount, lasts, *shares in requests:
        while (at := limit.earliest(amount, now, now)) > now:
            now = min([at, *(max(now, ends) for ends, *_ in in_flight)])
            for ended in [one for one in in_flight if one[0] <= now]:
                in_flight.remove(ended)
                _, started, charge, (spent, seen, arrived, settled) = ended
                latest = started + seen * (now - started)
                arrival = started + arrived * (latest - started)
                settle = arrival + settled * (now - arrival)
                real = charge.amount * spent
                limit.settle(charge, real, latest, now)
                provider.seen.append(
                    Sight(charge.amount, real, arrival, settle, charge.sequence, next(steps))
                )
        charge = sent(limit, amount, now, next(steps))
        in_flight.append((now + lasts, now, charge, Shares(*shares)))
    for _, started, charge, (_, _, arrived, _) in in_flight:
        arrival = started + arrived * (now - started)
        provider.seen.append(
            Sight(charge.amount, charge.amount, arrival, now, charge.sequence, next(steps))
        )
    assert provider.overflows() == []


def test_a_full_bucket_gives_all_at_once_and_then_refills() -> None:
    limit = TokenBucketLimit(8_000, 60.0)
    limit.settle(sent(limit, 5_536, 100.0), 5_536, 100.0, 100.0)
    # Groq's own arithmetic, in one of its 429s: "Limit 8000, Used 5536, Requested 5599".
    assert limit.earliest(5_599, 100.0, 100.0) == pytest.approx(123.5125)


def test_more_than_the_size_never_fits() -> None:
    assert TokenBucketLimit(8_000, 60.0).earliest(8_001, 0.0, 0.0) == NEVER
    assert TokenBucketLimit(8_000, 60.0, burst=100).earliest(101, 0.0, 0.0) == NEVER


@pytest.mark.parametrize("amount", [0, -5])
@pytest.mark.parametrize("burst", [None, 5.0])
def test_a_limit_of_nothing_lets_nothing_through(amount: float, burst: float | None) -> None:
    assert TokenBucketLimit(amount, 60.0, burst=burst).earliest(1.0, 0.0, 0.0) == NEVER


@pytest.mark.parametrize("lowered", [0, -60])
def test_a_limit_lowered_to_nothing_and_raised_again_keeps_its_count(lowered: float) -> None:
    limit = TokenBucketLimit(60, 60.0)
    charge, other = sent(limit, 60, 100.0), sent(limit, 0.5, 100.0)
    limit.settle(other, 0.5, 100.0, 100.0)
    limit.amount = lowered
    limit.settle(charge, 59.5, 130.0, 130.0)
    limit.amount = 60
    assert limit.earliest(30, 130.0, 130.0) == 160.0


def test_a_small_burst_spreads_the_first_minute_too() -> None:
    limit, moments = TokenBucketLimit(30, 60.0, "requests", burst=1.0), []
    now = 1_000.0
    for _ in range(31):
        now = limit.earliest(1.0, now, now)
        limit.settle(sent(limit, 1.0, now), 1.0, now, now)
        moments.append(now)
    assert moments[-1] == pytest.approx(1_060.0)


def test_what_comes_out_of_order_counts_in_full() -> None:
    limit = TokenBucketLimit(10, 10.0)
    early, late = sent(limit, 4, 100.0), sent(limit, 4, 100.0)
    limit.settle(late, 4, 103.0, 103.0)
    limit.settle(early, 4, 101.0, 103.0)
    assert limit.earliest(10, 103.0, 103.0) == 111.0


def test_what_exceeds_the_estimate_counts_from_when_it_is_known() -> None:
    limit = TokenBucketLimit(10, 10.0)
    limit.settle(sent(limit, 4, 100.0), 6, 101.0, 110.0)
    assert limit.earliest(10, 110.0, 110.0) == 112.0


def test_who_reserved_later_does_not_come_in_between() -> None:
    limit = TokenBucketLimit(10, 10.0)
    limit.settle(sent(limit, 10, 100.0), 10, 100.0, 100.0)
    limit.pending.reserve(Charge(2, 103.0, 5))
    assert limit.earliest(6, 100.0, 100.0, PriorityFilter(1)) == 106.0
    assert limit.earliest(6, 100.0, 100.0, PriorityFilter(6)) == 108.0


def test_what_has_been_refilled_by_then_does_not_need_a_reservations_room() -> None:
    limit = TokenBucketLimit(10, 10.0)
    limit.pending.reserve(Charge(10, 111.0))
    limit.amount = 5
    assert limit.earliest(5, 100.0, 100.0) == 100.0


def test_what_fits_but_for_a_rounding_fits() -> None:
    limit = TokenBucketLimit(1, 1.0)
    limit.pending.reserve(Charge(0.8, 0.2))
    assert 0.4 + 0.8 > 1 + 0.2
    assert limit.earliest(0.4, 0.0, 0.0) == 0.0


def test_only_a_full_flight_holds_the_next_one() -> None:
    limit = TokenBucketLimit(10, 10.0)
    assert limit.blocked_since(11) is None
    sent(limit, 4, 100.0)
    assert limit.blocked_since(6) is None
    assert limit.blocked_since(7) == 100.0


@pytest.mark.parametrize("now", [0.0, 1e5, UNIX])
@pytest.mark.parametrize("amount", [1e-3, 1.0, 1e7])
@pytest.mark.parametrize("window", [0.05, 60.0, 86_400.0])
def test_what_it_says_it_keeps_at_any_scale(now: float, amount: float, window: float) -> None:
    limit = TokenBucketLimit(amount, window)
    for share in (1.0, 0.1, 0.7, 0.3):
        at = limit.earliest(amount * share, now, now)
        assert limit.earliest(amount * share, at, at) == at
        if at > now:
            nearly = at - 4 * float_tolerance(at)
            assert limit.earliest(amount * share, nearly, nearly) > nearly
        limit.settle(sent(limit, amount * share, at), amount * share, at, at)
        now = at


@pytest.mark.parametrize("window", [0.0, -1.0, math.nan, math.inf])
def test_a_window_must_be_a_span_of_time(window: float) -> None:
    with pytest.raises(ValueError, match=r"TokenBucketLimit\(window=.*must be seconds above 0"):
        TokenBucketLimit(8_000, window)


@pytest.mark.parametrize(
    ("amount", "burst", "named"), [(math.nan, None, "amount"), (5, math.inf, "burst")]
)
def test_an_amount_must_be_a_number(amount: float, burst: float | None, named: str) -> None:
    with pytest.raises(ValueError, match=rf"TokenBucketLimit\({named}=.*must be a finite number"):
        TokenBucketLimit(amount, 60.0, burst=burst)


def test_a_true_estimate_that_came_late_is_refilled_from_when_it_was_seen() -> None:
    limit = TokenBucketLimit(10, 10.0)
    first, second = sent(limit, 4, 100.0), sent(limit, 4, 100.0)
    limit.settle(first, 4, 100.0, 106.0)
    limit.settle(second, 4, 101.0, 106.0)
    assert limit.earliest(10, 106.0, 106.0) == 108.0


def test_what_was_taken_is_in_flight_or_is_reserved_is_used_and_refilled_in_the_end() -> None:
    limit = TokenBucketLimit(10, 5.0)
    limit.settle(sent(limit, 3.0, 100.0), 3.0, 100.0, 100.0)
    sent(limit, 2.0, 100.0)
    limit.pending.reserve(Charge(1.0, 103.0, 1))
    assert (6.0, 103.0) == (limit.used(100.0), limit.full_at(100.0))
    assert (5.0, 103.0) == (limit.used(100.5), limit.full_at(100.5))
    limit.pending.reserve(Charge(9.0, 104.0, 2))
    assert 10.0 == limit.used(100.0)


def test_a_bucket_that_is_never_refilled_keeps_what_is_missing_and_has_no_time_to_be_full() -> None:
    limit = TokenBucketLimit(10, 5.0, burst=10)
    limit.settle(sent(limit, 3.0, 100.0), 3.0, 100.0, 100.0)
    limit.amount = 0
    assert (3.0, 200.0) == (limit.used(200.0), limit.full_at(200.0))


@pytest.mark.parametrize(("stated", "used"), [(0.5, 0.5), (0.0, 0.0), (3.25, 3.25)])
def test_less_than_one_that_others_have_used_counts_too(stated: float, used: float) -> None:
    limit = TokenBucketLimit(10, 5.0)
    limit.correct(stated, 100.0, settled_since=0.0)
    assert used == limit.used(100.0)


def test_less_is_believed_but_for_what_was_settled_since_or_is_on_its_way() -> None:
    limit = TokenBucketLimit(10, 5.0)
    limit.settle(sent(limit, 8.0, 100.0), 8.0, 100.0, 100.0)
    limit.correct(1.0, 100.0, settled_since=2.0)
    assert 3.0 == limit.used(100.0)
    limit.pending.received_amount = 1.5
    limit.correct(1.0, 100.0, settled_since=0.25)
    assert 2.75 == limit.used(100.0)
