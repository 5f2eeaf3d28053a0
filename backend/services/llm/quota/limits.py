"""What a quota asks of each of its limits; every time is in the quota's own seconds.

A limit knows of every use when it was booked for, when it went out and, once its answer is here,
the latest moment at which the provider can have seen it. Until then it counts as seen at the worst
moment, which is now: so neither jitter on the path nor a long answer overruns the provider's limit.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol, TypeAlias

from .uses import Ahead, Use, Uses

#: What a limit counts: calls, or tokens of one kind.
Unit: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens"]

NEVER = math.inf


class Limit(Protocol):
    """An amount per window, and what has been used of it."""

    unit: Unit
    uses: Uses

    def earliest(
        self, amount: float, start: float, now: float, ahead: Ahead | None = None
    ) -> float:
        """The first moment from *start* on when *amount* (above 0) fits, or `NEVER`.

        What is in flight counts as answered *now*. With *ahead*, only the bookings that are ahead
        count, and they take their amounts at their own moments. Without it all do, and none that
        is booked for later may lose its room.
        """
        ...

    def settle(self, use: Use, amount: float, seen_by: float, now: float) -> None:
        """Count what was in flight as the real *amount*, seen by the provider until *seen_by*."""

    def held_since(self, amount: float) -> float | None:
        """If what is in flight leaves no room for *amount*: when the oldest of that was sent.

        Then no time that passes makes room, just an answer.
        """


def grain(moment: float) -> float:
    """The seconds below which two moments are the same: four float steps, and a nanosecond."""
    return 4 * math.ulp(moment) + 1e-9


def wait_until(moment: float, now: float) -> float:
    """The seconds to wait, so that *now* plus them is never short of *moment* by a rounding."""
    wait = moment - now
    while now + wait < moment:  # a step or two: the difference of near moments is exact
        wait = math.nextafter(wait, math.inf)
    return wait
