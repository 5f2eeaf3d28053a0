"""The protocol of one limit. Every time is in seconds on the clock of the quota's caller.

A limit records for each request the time it was reserved for, the time it was sent and, as soon as
it is known, the latest time at which the provider can have received it: when it is answered, or
when so much time has passed as the way to the provider takes at most (`max_transit`). Until then a
request counts as received now, which is the worst case: neither jitter on the network nor a long
answer makes us exceed the provider's limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ..limit_types import Unit
from .charges import Charge, PendingCharges, PriorityFilter

__all__ = ["NEVER", "Limit", "Unit", "float_tolerance", "limit_name", "seconds_until"]

NEVER = math.inf

_LETTERS = {"requests": "R", "tokens": "T", "input_tokens": "IT", "output_tokens": "OT"}
_WINDOWS = {60.0: "M", 86_400.0: "D"}


def limit_name(unit: Unit, window: float) -> str:
    """Return the provider's name of a limit, such as TPM; `TP90s` for an unusual window."""
    return f"{_LETTERS[unit]}P{_WINDOWS.get(window) or f'{window:g}s'}"


class NoCapacity(NamedTuple):
    """Nothing was reserved; there is room in `wait` seconds (`NEVER`: there never is).

    `unit` is the unit of the limit that has room last. It is None where the scope's pause, or an
    earlier reservation, is what there is to wait for.
    """

    wait: float
    unit: Unit | None


class Limit(Protocol):
    """An amount per window, and what has been used of it."""

    amount: float
    window: float
    unit: Unit
    pending: PendingCharges

    def mark_received(self, sent_until: float, max_transit: float) -> None:
        """Count what was sent until *sent_until* as received *max_transit* seconds later."""

    def used(self, now: float) -> float:
        """Return how much is used at *now*, in flight or reserved, at most `amount`."""
        ...

    def full_at(self, now: float) -> float:
        """Return when all of it is there again, if nothing else is sent."""
        ...

    def earliest(
        self, amount: float, start: float, now: float, priority: PriorityFilter | None = None
    ) -> float:
        """Return the first time from *start* on at which *amount* (above 0) fits, or `NEVER`.

        Charges in flight count as answered *now*. With *priority*, of the reserved charges only
        those that have it count. Without it all of them count, and one that is reserved for a
        later time keeps its room.
        """
        ...

    def earliest_after_all(self, amount: float, now: float) -> float:
        """Return when *amount* fits after all that is reserved and in flight, or `NEVER`.

        Each is taken to start as early as the limit allows, whatever it is reserved for.
        """
        ...

    def settle(self, charge: Charge, amount: float, latest_receipt: float, now: float) -> None:
        """Replace a charge in flight by the real *amount*, received by *latest_receipt*.

        An interrupt leaves either all of it done, and the charge `is_settled`, or nothing: then it
        is to be called again.
        """

    def blocked_since(self, amount: float) -> float | None:
        """Return when the oldest charge in flight was sent, if those leave no room for *amount*.

        Then only an answer makes room; waiting does not.
        """


def check_demand(demand: Mapping[Unit, float]) -> None:
    """Raise ValueError for an amount that is negative or no number."""
    for unit, amount in demand.items():
        if not amount >= 0:
            raise ValueError(f"demand[{unit!r}] = {amount!r}: must be 0 or more")


def float_tolerance(time: float) -> float:
    """Return the seconds below which two times near *time* are equal: 4 ulp and a nanosecond."""
    return 4 * math.ulp(time) + 1e-9


def seconds_until(time: float, now: float) -> float:
    """Return seconds to wait, rounded up so that *now* plus them is not before *time*."""
    wait = time - now
    while now + wait < time:  # a step or two: the difference of near floats is exact
        wait = math.nextafter(wait, math.inf)
    return wait
