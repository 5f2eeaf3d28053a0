from __future__ import annotations

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.llm.quota.uses import EVERYONE, Ahead, Use, Uses
from tests.quota.oracle import full_at

moments = st.integers(0, 40).map(float)
amounts = st.integers(1, 9).map(float)


@st.composite
def bookings(draw: st.DrawFn, most: int = 500) -> list[Use]:
    pairs = draw(st.lists(st.tuples(moments, amounts), max_size=12))
    copies = draw(st.integers(1, most // max(1, len(pairs))))
    return [Use(amount, at, turn) for turn, (at, amount) in enumerate(pairs * copies)]


def booked(uses: list[Use]) -> Uses:
    limit = Uses()
    for use in uses:
        limit.book(use)
    return limit


@given(bookings(), moments, moments, st.integers(0, 500), moments)
def test_a_range_of_the_bookings_is_in_order_and_complete(
    uses: list[Use], beyond: float, until: float, turn: int, due: float
) -> None:
    limit, ahead = booked(uses), Ahead(turn, due)
    expected = [
        use.at
        for use in sorted(uses, key=lambda use: use.place)
        if beyond < use.at <= until and (use.turn < turn or use.at <= due)
    ]
    assert expected == limit.moments(beyond, until, ahead)


@given(bookings(), moments)
def test_what_is_booked_beyond_a_moment_comes_in_order(uses: list[Use], beyond: float) -> None:
    expected = [use for use in sorted(uses, key=lambda use: use.place) if use.at > beyond]
    assert expected == list(booked(uses).beyond(beyond))


@given(bookings(), moments, moments, st.sampled_from([0.25, 1.0, 8.0]), moments)
def test_a_queue_is_summed_up_as_if_use_by_use(
    uses: list[Use], beyond: float, until: float, pace: float, full: float
) -> None:
    limit = booked(uses)
    inside = sorted((use for use in uses if beyond < use.at <= until), key=lambda use: use.place)
    first = (full - 1.0, 1.0 / pace)
    expected = full_at([first, *((use.at, use.amount) for use in inside)], pace)[-1]
    origin = 3.0
    # Twice: the sums that are remembered must be those of this pace.
    limit.full_after(0.0, 2 * pace, origin, -math.inf, math.inf)
    for _ in range(2):
        got = limit.full_after(full - origin, pace, origin, beyond, until, EVERYONE)
        assert expected == got + origin


@given(bookings(), st.randoms(use_true_random=False))
def test_what_is_taken_away_no_longer_counts(uses: list[Use], random: Random) -> None:
    limit = booked(uses)
    leaving = [use for use in uses if use.turn % 3]
    random.shuffle(leaving)
    for use in leaving:
        limit.cancel(use)
    staying = sorted((use for use in uses if use not in leaving), key=lambda use: use.place)
    assert (staying, len(staying)) == (list(limit.beyond(-math.inf)), len(limit))


def test_what_is_in_flight_is_counted_until_it_lands() -> None:
    uses = [Use(0.1, 5.0, turn) for turn in range(3)]
    limit = booked(uses)
    for use in uses:
        limit.send(use, 6.0)
    assert (3, 6.0, []) == (len(limit), next(iter(limit.in_flight)).at, list(limit.beyond(0.0)))
    for use in uses:
        limit.land(use)
    assert (0, 0.0) == (len(limit), limit.in_flight_amount)
