"""The protocol of one limit. Every time is in seconds on the clock of the quota's caller.

A limit records for each request the time it was reserved for, the time it was sent and, once it is
answered, the latest time at which the provider can have received it. Until the answer a request
counts as received now, which is the worst case: neither jitter on the network nor a long answer
makes us exceed the provider's limit.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol, TypeAlias

from .charges import Charge, PendingCharges, PriorityFilter

#: What a limit counts: calls, or tokens of one kind.
Unit: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens"]

NEVER = math.inf


class Limit(Protocol):
    """An amount per window, and what has been used of it."""

    unit: Unit
    pending: PendingCharges

    def earliest(
        self, amount: float, start: float, now: float, priority: PriorityFilter | None = None
    ) -> float:
        """Return the first time from *start* on at which *amount* (above 0) fits, or `NEVER`.

        Charges in flight count as answered *now*. With *priority*, of the reserved charges only
        those that have it count. Without it all of them count, and one that is reserved for a
        later time keeps its room.
        """
        ...

    def settle(self, charge: Charge, amount: float, received_by: float, now: float) -> None:
        """Replace a charge in flight by the real *amount*, received at *received_by* at latest."""

    def blocked_since(self, amount: float) -> float | None:
        """Return when the oldest charge in flight was sent, if those leave no room for *amount*.

        Then only an answer makes room; waiting does not.
        """


def float_tolerance(time: float) -> float:
    """Return the seconds below which two times near *time* are equal: 4 ulp and a nanosecond."""
    return 4 * math.ulp(time) + 1e-9


def wait_until(time: float, now: float) -> float:
    """Return seconds to wait, rounded up so that *now* plus them is not before *time*."""
    wait = time - now
    while now + wait < time:  # a step or two: the difference of near floats is exact
        wait = math.nextafter(wait, math.inf)
    return wait
