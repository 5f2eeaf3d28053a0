"""A token bucket that is refilled continuously, as the providers' own limits are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from .charges import EVERY_CHARGE, Charge, PendingCharges, PriorityFilter
from .limits import NEVER, Unit, float_tolerance


class _NewCharge(NamedTuple):
    """A charge that is to be placed; each amount is given as the seconds that refill it."""

    cost: float
    #: The cost of a full bucket.
    capacity: float
    seconds_per_unit: float
    #: The first time that suits the caller, and the present.
    start: float
    now: float

    def wait(self, full: float) -> float:
        """Return the seconds from now until it fits, if the bucket is *full* that long from now."""
        return max(self.start - self.now, full + self.cost - self.capacity)


@dataclass(eq=False, slots=True)
class TokenBucketLimit:
    """`amount` per `window` seconds, refilled continuously, at most `burst` at once.

    `burst` is the whole amount by default; an amount or burst of 0 or less lets nothing through. A
    changed `amount` counts from the latest answer on. The arithmetic is that of the generic cell
    rate algorithm (ITU-T I.371): it computes when the bucket is full again. Raises ValueError for
    a window that is not a positive number of seconds and for an amount or burst that is not finite.
    """

    amount: float
    window: float
    unit: Unit = "tokens"
    burst: float | None = None
    pending: PendingCharges = field(default_factory=PendingCharges, init=False, repr=False)
    #: What settled charges have taken and the refill had not replaced at the time `_missing_at`.
    _missing: float = field(default=0.0, init=False, repr=False)
    _missing_at: float = field(default=-math.inf, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers."""
        name = type(self).__name__
        if not 0 < self.window < math.inf:
            raise ValueError(f"{name}(window={self.window!r}): must be seconds above 0, and finite")
        for each, value in (("amount", self.amount), ("burst", self._capacity)):
            if not math.isfinite(value):
                raise ValueError(f"{name}({each}={value!r}): must be a finite number")

    def mark_received(self, sent_until: float, max_transit: float) -> None:
        """Let the refill of what the provider has received begin."""
        if self.pending.in_flight and sent_until > -math.inf:
            for charge in self.pending.take_received(sent_until):
                at = charge.at + max_transit
                missing = self._missing_after(at) + charge.amount
                self._missing, self._missing_at, charge.received_at = missing, at, at

    def used(self, now: float) -> float:
        """Return what is missing of the full bucket, or in flight or reserved."""
        pending = self.pending.in_flight_amount + self.pending.reserved_amount()
        return min(self._capacity, self._missing_after(now) + pending)

    def full_at(self, now: float) -> float:
        """Return when the refill has replaced all that is used and in flight."""
        used = self._missing_after(now) + self.pending.in_flight_amount
        used += self.pending.reserved_amount()
        return now + used * self.window / self.amount if used and self.amount > 0 else now

    def correct(self, used: float, now: float, *, settled_since: float) -> None:
        """Believe the provider that *used* of it was used when it answered a request.

        More than we know of counts at once: others may use the account too. Less is believed, but
        what was *settled_since* that request was sent counts as not yet seen, as does all that is
        not settled.
        """
        missing, pending = self._missing_after(now), self.pending.in_flight_amount
        more = used - missing - pending
        if more > 0:
            self._missing, self._missing_at = missing + more, now
        else:
            unseen = settled_since + self.pending.received_amount
            if used + unseen < missing:
                self._missing, self._missing_at = used + unseen, now

    def earliest(
        self, amount: float, start: float, now: float, priority: PriorityFilter | None = None
    ) -> float:
        """Return when enough has been refilled."""
        capacity = self._capacity
        if amount > capacity or self.amount <= 0:
            return NEVER
        pending = self.pending
        # Nobody waits, as most often: what is in flight counts as received at this moment.
        time, reserved = start, 0.0
        if pending.has_before(priority):
            # Or others wait for another limit: all of them fit, whenever each of them goes.
            time, reserved = now, pending.reserved_amount()
        if self._missing_after(time) + pending.in_flight_amount + reserved + amount <= capacity:
            return start
        seconds_per_unit = self.window / self.amount
        new = _NewCharge(
            cost=amount * seconds_per_unit,
            capacity=capacity * seconds_per_unit,
            seconds_per_unit=seconds_per_unit,
            start=start,
            now=now,
        )
        full = self._full_in(new, priority or EVERY_CHARGE)
        if priority is None:
            wait = self._wait_among_all(new, full)
        else:
            wait = self._wait_after_preceding(new, full, priority)
        return start if wait - (start - now) <= float_tolerance(start) else now + wait

    def earliest_after_all(self, amount: float, now: float) -> float:
        """Return when enough has been refilled for all of them."""
        if amount > self._capacity or self.amount <= 0:
            return NEVER
        pending = self.pending.in_flight_amount + self.pending.reserved_amount()
        over = self._missing_after(now) + pending + amount - self._capacity
        return now + max(0.0, over) * self.window / self.amount

    def settle(self, charge: Charge, amount: float, latest_receipt: float, now: float) -> None:
        """Count the estimate from *latest_receipt* on, and what exceeds it from *now* on."""
        pending = self.pending
        if charge.received_at is not None or amount > charge.amount:
            self._settle_in_two_steps(charge, amount, latest_receipt, now)
        elif amount > 0:
            pending.settle(charge)
            missing = self._missing_after(latest_receipt)
            # As `_take`; from here on an interrupt finds no call that it could follow.
            self._missing = missing + amount if missing else amount
            self._missing_at, charge.is_settled = latest_receipt, True
            pending.settled_in_all += amount
        else:
            pending.settle(charge)
            charge.is_settled = True

    def _settle_in_two_steps(
        self, charge: Charge, amount: float, latest_receipt: float, now: float
    ) -> None:
        before = self._missing, self._missing_at
        try:
            if charge.received_at is None:
                self.pending.settle(charge)
                self._take(charge.amount, latest_receipt)
            else:
                self.pending.received_amount -= charge.amount
                self._give_back(max(0.0, charge.amount - amount), now)
            self._take(amount - charge.amount, now)
        except BaseException:
            self._missing, self._missing_at = before  # both of them, or none
            raise
        self.pending.settled_in_all += amount
        charge.is_settled = True

    def blocked_since(self, amount: float) -> float | None:
        """Return when the oldest charge in flight was sent, if those alone fill the bucket."""
        if self.pending.in_flight and self.pending.in_flight_amount + amount > self._capacity:
            return next(iter(self.pending.in_flight)).at
        return None

    @property
    def _capacity(self) -> float:
        return self.amount if self.burst is None else self.burst

    def _missing_after(self, time: float) -> float:
        """Return what is missing at *time* of what the provider has received."""
        if not self._missing:
            return 0.0
        refilled = (time - self._missing_at) * max(self.amount, 0.0) / self.window
        return max(0.0, self._missing - refilled)

    def _give_back(self, amount: float, now: float) -> None:
        # What was sent since may have come after the provider's own correction. It counts in full
        # beside this, so that a bucket that is full for us was not so for the provider.
        if amount:
            self._missing = max(0.0, self._missing_after(now) - amount)
            self._missing_at = max(self._missing_at, now)

    def _take(self, amount: float, at: float) -> None:
        # An *at* before the latest one reckons back, as if the bucket had not been full since: at
        # worst that ignores some refill, and never invents any.
        if amount > 0:
            missing = self._missing_after(at)
            # A sum would be a number of its own for each of thousands of limits that rest.
            self._missing = missing + amount if missing else amount
            self._missing_at = at

    def _full_in(self, new: _NewCharge, priority: PriorityFilter) -> float:
        """Return the seconds until the bucket is full again after all charges until the start."""
        now, seconds_per_unit = new.now, new.seconds_per_unit
        full = self._missing_at - now + self._missing * seconds_per_unit
        full = self.pending.full_after(
            full,
            seconds_per_unit=seconds_per_unit,
            origin=now,
            after=-math.inf,
            until=now,
            priority=priority,
        )
        if self.pending.in_flight:
            full = max(full, 0.0) + self.pending.in_flight_amount * seconds_per_unit
        return self.pending.full_after(
            full,
            seconds_per_unit=seconds_per_unit,
            origin=now,
            after=now,
            until=new.start,
            priority=priority,
        )

    def _wait_among_all(self, new: _NewCharge, full: float) -> float:
        """Return the seconds until *new* fits and each charge after it keeps its room."""
        wait = new.wait(full)
        full_after_new = max(full, wait) + new.cost
        for charge in self.pending.reserved_after(new.start):
            time, cost = charge.at - new.now, charge.amount * new.seconds_per_unit
            if full_after_new <= time:
                break
            full = max(full, time) + cost
            full_after_new += cost
            if full_after_new > time + new.capacity + float_tolerance(charge.at):
                wait = max(wait, new.wait(full))
                full_after_new = max(full, wait) + new.cost
        return wait

    def _wait_after_preceding(
        self, new: _NewCharge, full: float, priority: PriorityFilter
    ) -> float:
        """Return the seconds until *new* fits, after those alone that have *priority*."""
        wait = new.wait(full)
        for charge in self.pending.reserved_after(new.start):
            time = charge.at - new.now
            # With the tolerance: a charge at the same time may seem later by a rounding.
            if time > wait + float_tolerance(charge.at):
                break
            if priority.includes(charge):
                full = max(full, time) + charge.amount * new.seconds_per_unit
                wait = max(wait, new.wait(full))
        return wait
