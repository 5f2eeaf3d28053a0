"""Short ways to say what callers do with a quota."""

from __future__ import annotations

from services.llm.quota import NEVER, Demand, Quota, SlidingWindow, Ticket

ONE: Demand = {"requests": 1}


def tokens(amount: float) -> Demand:
    return {"requests": 1, "tokens": amount}


def booked(quota: Quota, now: float, demand: Demand = ONE, lane: str = "m") -> Ticket:
    ticket = quota.reserve(lane, demand, now, NEVER)
    assert isinstance(ticket, Ticket)
    return ticket


def sent(quota: Quota, now: float, demand: Demand = ONE, lane: str = "m") -> Ticket:
    ticket = booked(quota, now, demand, lane)
    assert quota.start(ticket, now) == 0.0
    return ticket


def answered(quota: Quota, now: float, demand: Demand = ONE, lane: str = "m") -> None:
    quota.settle(sent(quota, now, demand, lane), {}, now, now)


def a_minute(requests: int) -> Quota:
    return Quota((SlidingWindow(requests, 60.0),))
