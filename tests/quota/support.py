"""Short ways to say what callers do with a quota."""

from __future__ import annotations

from services.llm.quota import NEVER, Demand, Quota, Reservation, SlidingWindow

ONE: Demand = {"requests": 1}


def tokens(amount: float) -> Demand:
    return {"requests": 1, "tokens": amount}


def reserved(quota: Quota, now: float, demand: Demand = ONE, scope: str = "m") -> Reservation:
    reservation = quota.reserve(scope, demand, now, NEVER)
    assert isinstance(reservation, Reservation)
    return reservation


def sent(quota: Quota, now: float, demand: Demand = ONE, scope: str = "m") -> Reservation:
    reservation = reserved(quota, now, demand, scope)
    assert quota.try_start(reservation, now) == 0.0
    return reservation


def answered(quota: Quota, now: float, demand: Demand = ONE, scope: str = "m") -> None:
    quota.settle(sent(quota, now, demand, scope), {}, now, now)


def a_minute(requests: int) -> Quota:
    return Quota((SlidingWindow(requests, 60.0),))
