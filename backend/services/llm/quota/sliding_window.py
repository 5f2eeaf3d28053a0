"""A sliding window log: no window of any position holds more requests than the limit."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from .charges import Charge, PendingCharges, PriorityFilter
from .limits import NEVER, Unit, float_tolerance

#: A log of up to so many requests is sorted at each read, because that costs next to nothing.
_SHORT_LOG = 256


@dataclass(eq=False)
class SlidingWindow:
    """At most `amount` requests in any `window` seconds, `[t, t + window)`.

    `times` logs for each answered request the latest time at which the provider can have received
    it. `times`, `amount` and `window` may be changed from outside at any time. An amount below 1
    lets nothing through, an infinite one everything; it is rounded down to whole requests. A window
    of 0 s or less holds nothing. A request that has left the window is forgotten, so a window that
    is made longer applies to what is sent from then on. Raises ValueError for a unit that is not
    `requests`.
    """

    amount: float
    window: float
    unit: Unit = "requests"
    times: list[float] = field(default_factory=list)
    pending: PendingCharges = field(default_factory=PendingCharges, init=False, repr=False)
    #: The length of the log when we last sorted it: another length shows a change from outside.
    _sorted_length: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the unit."""
        if self.unit != "requests":
            raise ValueError(
                f"SlidingWindow(unit={self.unit!r}): it logs requests one by one, so the unit must"
                " be 'requests'; a TokenBucketLimit counts tokens"
            )

    def mark_received(self, sent_until: float, max_transit: float) -> None:
        """Log the requests that the provider has received."""
        if self.pending.in_flight and sent_until > -math.inf:
            for charge in self.pending.take_received(sent_until):
                time = charge.at + max_transit
                place = self._place(time)
                self.times[place:place] = [time]
                charge.received_at = time
                self._sorted_length = len(self.times)

    def used(self, now: float) -> float:
        """Return how many requests the window counts, those in flight or reserved included."""
        self._forget_expired(now)
        return min(max(self.amount, 0.0), float(len(self.times) + len(self.pending)))

    def full_at(self, now: float) -> float:
        """Return when the last request has left the window."""
        self._forget_expired(now)
        last = now if len(self.pending) else max(self.times, default=-math.inf)
        return max(now, self._expiry(last))

    def earliest(
        self, amount: float, start: float, now: float, priority: PriorityFilter | None = None
    ) -> float:
        """Return the first time from *start* on that is in no full window."""
        if self.amount < 1:
            return NEVER
        self._forget_expired(now)
        if len(self.times) + len(self.pending) + 1 <= self.amount:
            return start
        sent = self.times + [now] * len(self.pending.in_flight)
        if priority is None:
            return self._earliest_among_all(sent, start)
        return self._earliest_after_preceding(sent, start, priority)

    def earliest_after_all(self, amount: float, now: float) -> float:
        """Return when the last of them finds room, a window or more after one that was sent."""
        if self.amount < 1:
            return NEVER
        self._forget_expired(now)
        if len(self.times) + len(self.pending) + 1 <= self.amount:
            return now
        sent = self.times + [now] * len(self.pending.in_flight)
        reserved, size = len(self.pending) - len(self.pending.in_flight), int(self.amount)
        windows = reserved // size + 1
        # Before the first that was sent there is room at once.
        before = len(sent) + reserved - windows * size
        latest = sent[before] if before >= 0 else now - self.window
        return max(now, latest + windows * self.window)

    def settle(self, charge: Charge, amount: float, latest_receipt: float, now: float) -> None:
        """Log the request; an *amount* of 0 says that the provider does not count it."""
        logged = None
        if charge.received_at is None:
            self.pending.settle(charge)
        else:
            self.pending.received_amount -= charge.amount
            logged = self._logged(charge.received_at)
        place = self._place(latest_receipt)
        # From here on no call is made, at which an interrupt could leave half of it.
        if amount > 0:
            self.times[place:place] = [latest_receipt]
        if logged is not None:
            del self.times[logged + (amount > 0 and place <= logged)]
        charge.is_settled = True
        self._sorted_length = len(self.times)

    def blocked_since(self, amount: float) -> float | None:
        """Return when the oldest request in flight was sent, if those alone reach the limit."""
        if len(self.pending.in_flight) + 1 > self.amount and self.pending.in_flight:
            return next(iter(self.pending.in_flight)).at
        return None

    def _place(self, time: float) -> int:
        """Return the index at which a request at *time* is logged."""
        self._sort_log()
        return bisect_right(self.times, time)

    def _logged(self, time: float) -> int | None:
        """Return the index of a request at *time*; None where it is logged no more."""
        self._sort_log()
        index = bisect_left(self.times, time)
        # It may have left the window, or a host may have changed the log.
        return index if self.times[index : index + 1] == [time] else None

    def _forget_expired(self, now: float) -> None:
        self._sort_log()
        if self.times and self._expiry(self.times[0]) <= now:
            del self.times[: bisect_right(self.times, now, key=self._expiry)]
        self._sorted_length = len(self.times)

    def _sort_log(self) -> None:
        """Sort the log where it was changed from outside, as a host's tests may do."""
        # Sorting a long log that nobody has changed would cost a pass over it per request.
        if len(self.times) <= _SHORT_LOG or len(self.times) != self._sorted_length:
            self.times.sort()

    def _expiry(self, time: float) -> float:
        """Return when a request at *time* leaves the window."""
        return time + self.window

    def _window_start(self, end: float) -> float:
        # A little more than the window, so that no rounding leaves out what is still in it.
        return end - max(self.window, 0.0) - float_tolerance(end)

    def _earliest_after_preceding(
        self, sent: list[float], start: float, priority: PriorityFilter
    ) -> float:
        """Return the first free time, counting only reserved charges that have *priority*."""
        at, before = start, NEVER
        while at != before:
            before = at
            preceding = self.pending.times(self._window_start(start), at, priority)
            log = sorted(sent + preceding)
            while (later := self._end_of_full_window_before(log, at)) is not None:
                at = later
        return at

    def _earliest_among_all(self, sent: list[float], start: float) -> float:
        """Return the first free time, at which later reserved charges keep their room too."""
        log = sorted(sent + self.pending.times(self._window_start(start), NEVER))
        at = start
        while (later := self._end_of_full_window_before(log, at)) is not None or (
            later := self._end_of_full_window_around(log, at)
        ) is not None:
            at = later
        return at

    def _end_of_full_window_before(self, log: list[float], at: float) -> float | None:
        """Return when the window that ends at *at* has room again; None if it has room."""
        index = bisect_right(log, at) - int(self.amount)
        return free if index >= 0 and (free := self._expiry(log[index])) > at else None

    def _end_of_full_window_around(self, log: list[float], at: float) -> float | None:
        """Return the last time in the latest full window around *at*; None if none is full."""
        index, size = bisect_right(log, at), int(self.amount)
        for first in range(min(index, len(log) - size), max(-1, index - size), -1):
            begin = at if first == index else log[first]
            if log[first + size - 1] < self._expiry(begin):
                return log[first + size - 1]
        return None
