from __future__ import annotations

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.llm.quota.charges import EVERY_CHARGE, Charge, PendingCharges, PriorityFilter
from tests.quota.oracle import full_at

moments = st.integers(0, 40).map(float)
amounts = st.integers(1, 9).map(float)


@st.composite
def bookings(draw: st.DrawFn, most: int = 500) -> list[Charge]:
    pairs = draw(st.lists(st.tuples(moments, amounts), max_size=12))
    copies = draw(st.integers(1, most // max(1, len(pairs))))
    return [Charge(amount, at, sequence) for sequence, (at, amount) in enumerate(pairs * copies)]


def reserved(charges: list[Charge]) -> PendingCharges:
    limit = PendingCharges()
    for charge in charges:
        limit.reserve(charge)
    return limit


@given(bookings(), moments, moments, st.integers(0, 500), moments)
def test_a_range_of_the_reservations_is_in_order_and_complete(
    charges: list[Charge], beyond: float, until: float, sequence: int, due: float
) -> None:
    limit, ahead = reserved(charges), PriorityFilter(sequence, due)
    expected = [
        charge.at
        for charge in sorted(charges, key=lambda charge: charge.sort_key)
        if beyond < charge.at <= until and (charge.sequence < sequence or charge.at <= due)
    ]
    assert expected == limit.times(beyond, until, ahead)


@given(bookings(), moments)
def test_what_is_reserved_beyond_a_moment_comes_in_order(
    charges: list[Charge], beyond: float
) -> None:
    expected = [
        charge
        for charge in sorted(charges, key=lambda charge: charge.sort_key)
        if charge.at > beyond
    ]
    assert expected == list(reserved(charges).reserved_after(beyond))


@given(bookings(), moments, moments, st.sampled_from([0.25, 1.0, 8.0]), moments)
def test_a_queue_is_summed_up_as_if_use_by_use(
    charges: list[Charge], beyond: float, until: float, pace: float, full: float
) -> None:
    limit = reserved(charges)
    inside = sorted(
        (charge for charge in charges if beyond < charge.at <= until),
        key=lambda charge: charge.sort_key,
    )
    first = (full - 1.0, 1.0 / pace)
    expected = full_at([first, *((charge.at, charge.amount) for charge in inside)], pace)[-1]
    origin = 3.0
    # Twice: the sums that are remembered must be those of this pace.
    limit.full_after(0.0, seconds_per_unit=2 * pace, origin=origin, after=-math.inf, until=math.inf)
    for _ in range(2):
        got = limit.full_after(
            full - origin,
            seconds_per_unit=pace,
            origin=origin,
            after=beyond,
            until=until,
            priority=EVERY_CHARGE,
        )
        assert expected == got + origin


@given(bookings(), st.randoms(use_true_random=False))
def test_what_is_taken_away_no_longer_counts(charges: list[Charge], random: Random) -> None:
    limit = reserved(charges)
    leaving = [charge for charge in charges if charge.sequence % 3]
    random.shuffle(leaving)
    for charge in leaving:
        limit.cancel(charge)
    staying = sorted(
        (charge for charge in charges if charge not in leaving), key=lambda charge: charge.sort_key
    )
    assert (staying, len(staying)) == (list(limit.reserved_after(-math.inf)), len(limit))


def test_what_is_in_flight_is_counted_until_it_lands() -> None:
    charges = [Charge(0.1, 5.0, sequence) for sequence in range(3)]
    limit = reserved(charges)
    for charge in charges:
        limit.start(charge, 6.0)
    assert (3, 6.0, []) == (
        len(limit),
        next(iter(limit.in_flight)).at,
        list(limit.reserved_after(0.0)),
    )
    for charge in charges:
        limit.settle(charge)
    assert (0, 0.0) == (len(limit), limit.in_flight_amount)


def test_of_a_limit_that_rests_nothing_is_reserved_in_flight_or_settled() -> None:
    limit = PendingCharges()
    assert (0.0, 0.0, 0.0, 0.0) == (
        *(limit.reserved_amount(), limit.in_flight_amount),
        *(limit.received_amount, limit.settled_in_all),
    )


def test_what_is_reserved_is_the_sum_of_what_nobody_has_taken_back_or_sent() -> None:
    charges = [Charge(amount, 10.0, sequence) for sequence, amount in enumerate((1.0, 2.0, 4.0))]
    limit, sums = reserved(charges), list[float]()
    sums.append(limit.reserved_amount())
    limit.cancel(charges[1])
    sums.append(limit.reserved_amount())
    limit.start(charges[0], 10.0)
    sums.append(limit.reserved_amount())
    limit.cancel(charges[2])
    assert [7.0, 5.0, 4.0, 0.0] == [*sums, limit.reserved_amount()]
    assert 1.0 == limit.in_flight_amount
