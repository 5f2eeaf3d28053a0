"""A bucket that is refilled continuously, as the providers' own limits are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .limits import NEVER, Unit, grain
from .uses import EVERYONE, Ahead, Use, Uses


@dataclass(eq=False)
class TokenBucketLimit:
    """`amount` per `window` seconds, refilled continuously, at most `burst` at once.

    `burst` is the whole amount by default; an amount or burst of 0 or less lets nothing through. A
    changed `amount` counts from the latest answer on. The arithmetic is that of the generic cell
    rate algorithm (ITU-T I.371): the moment at which the bucket is full again. Raises ValueError
    for a window that is not a positive number of seconds and for an amount or burst that is no
    finite number.
    """

    amount: float
    window: float
    unit: Unit = "tokens"
    burst: float | None = None
    uses: Uses = field(default_factory=Uses, init=False, repr=False)
    #: What of the answered uses had not been refilled at the latest moment that one was seen.
    _missing: float = field(default=0.0, init=False, repr=False)
    _as_of: float = field(default=-math.inf, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.window < math.inf:
            raise ValueError(f"Bucket(window={self.window!r}): must be seconds above 0, and finite")
        for name, value in (("amount", self.amount), ("burst", self._size)):
            if not math.isfinite(value):
                raise ValueError(f"Bucket({name}={value!r}): must be a finite number")

    def earliest(
        self, amount: float, start: float, now: float, ahead: Ahead | None = None
    ) -> float:
        """When enough has been refilled."""
        if amount > self._size or self.amount <= 0:
            return NEVER
        pace = self.window / self.amount
        need = amount * pace
        full = self._full(pace, start, now, ahead or EVERYONE)
        if ahead is None:
            wait = self._after_all(full, need, pace, start, now)
        else:
            wait = self._after_those_ahead(full, need, pace, start, now, ahead)
        return start if wait - (start - now) <= grain(start) else now + wait

    def settle(self, use: Use, amount: float, seen_by: float, now: float) -> None:
        """Count the real amount from when the provider saw the estimate; any excess, from now."""
        self.uses.land(use)
        self._add(min(amount, use.amount), seen_by)
        self._add(max(amount - use.amount, 0.0), now)

    def held_since(self, amount: float) -> float | None:
        """Whether what is in flight fills the bucket."""
        if self.uses.in_flight and self.uses.in_flight_amount + amount > self._size:
            return next(iter(self.uses.in_flight)).at
        return None

    @property
    def _size(self) -> float:
        return self.amount if self.burst is None else self.burst

    def _add(self, amount: float, at: float) -> None:
        # For what was seen before the latest, this reckons back, as if nothing had been full since:
        # at worst that counts a refill as missing which there was.
        if amount > 0:
            if self._missing:
                refilled = (at - self._as_of) * max(self.amount, 0.0) / self.window
                self._missing = max(0.0, self._missing - refilled)
            self._as_of = at
            self._missing += amount

    def _full(self, pace: float, start: float, now: float, ahead: Ahead) -> float:
        """Seconds from *now* until the bucket is full again after all until *start*."""
        full = self._as_of - now + self._missing * pace
        full = self.uses.full_after(full, pace, now, -math.inf, now, ahead)
        if self.uses.in_flight:
            full = max(full, 0.0) + self.uses.in_flight_amount * pace
        return self.uses.full_after(full, pace, now, now, start, ahead)

    def _after_all(self, full: float, need: float, pace: float, start: float, now: float) -> float:
        """The wait from *now*, with everything that is booked beyond *start* keeping its room.

        `after` is when the bucket is full again after this use too.
        """
        size = self._size * pace
        at = max(start - now, full + need - size)
        after = max(full, at) + need
        for use in self.uses.beyond(start):
            moment, cost = use.at - now, use.amount * pace
            if after <= moment:
                break
            full = max(full, moment) + cost
            after += cost
            if after > moment + size + grain(use.at):
                at = max(at, full + need - size)
                after = max(full, at) + need
        return at

    def _after_those_ahead(
        self, full: float, need: float, pace: float, start: float, now: float, ahead: Ahead
    ) -> float:
        """The wait from *now*, after those alone that are ahead and booked until then."""
        size = self._size * pace
        at = max(start - now, full + need - size)
        for use in self.uses.beyond(start):
            # One at the very moment may seem to come after it, by what floats cannot tell apart.
            if use.at - now > at + grain(use.at):
                break
            if ahead(use):
                full = max(full, use.at - now) + use.amount * pace
                at = max(at, full + need - size)
        return at
