"""Requests that a program sends on its own: what they demand is used once there is room for it."""

from __future__ import annotations

from collections.abc import Callable

from .limits import NoCapacity
from .queue import Demand, Reservation
from .quota import Quota


class ImmediateUse:
    """Holds what is reserved of *quota*, until `end`: that is called in a `finally`.

    An interrupt may arrive in the midst of it: another call does what is left to do.
    """

    reservation: Reservation | None = None

    def __init__(self, quota: Quota) -> None:
        self._quota = quota

    def end(self, now: float) -> None:
        """Count as used what was started, and give back what was not."""
        held = self.reservation
        if held is None or not held.is_pending:
            return
        if held.is_started:
            self._quota.settle(held, {}, now, now)
        else:
            self._quota.cancel(held, now)


def use_at_once(
    quota: Quota,
    reserve: Callable[..., Reservation | NoCapacity],
    scope: str,
    demand: Demand,
    now: float,
) -> float:
    """Use *demand* and return 0.0, or return the seconds to wait; *reserve* it as `Quota` does."""
    use = ImmediateUse(quota)
    try:
        result = reserve(scope, demand, now, holder=use)
        return result.wait if isinstance(result, NoCapacity) else quota.try_start(result, now)
    finally:
        try:
            use.end(now)
        except BaseException:  # an interrupt, of what is not done yet
            use.end(now)
            raise
