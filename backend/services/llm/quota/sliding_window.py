"""An exact log of requests: no window of any position holds more than the limit."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field

from .limits import NEVER, Unit, grain
from .uses import Ahead, Use, Uses

#: A log of so many requests is put in order whenever it is read: that costs nothing.
_SHORT = 256


@dataclass(eq=False)
class SlidingWindow:
    """At most `amount` requests in any `window` seconds, `[t, t + window)`.

    `times` logs when the provider saw the requests that were answered, as late as it can have.
    `times`, `amount` and `window` may be changed from outside at any moment. An amount below 1
    lets nothing through, an infinite one everything; a fraction of a request is none; a window of
    0 s or less holds nothing. What has left the window is forgotten, so a window that is made
    longer binds what is sent from then on. Raises ValueError for a unit that is not `requests`.
    """

    amount: float
    window: float
    unit: Unit = "requests"
    times: list[float] = field(default_factory=list)
    uses: Uses = field(default_factory=Uses, init=False, repr=False)
    #: The length of the log as we left it, in order.
    _logged: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the unit."""
        if self.unit != "requests":
            raise ValueError(
                f"SlidingWindow(unit={self.unit!r}): it logs requests one by one, so the unit must"
                " be 'requests'; a Bucket counts tokens"
            )

    def earliest(
        self, amount: float, start: float, now: float, ahead: Ahead | None = None
    ) -> float:
        """Step from *start* over every moment whose windows are full."""
        if self.amount < 1:
            return NEVER
        self._forget_the_past(now)
        if len(self.times) + len(self.uses) + 1 <= self.amount:
            return start
        known = self.times + [now] * len(self.uses.in_flight)
        if ahead is None:
            return self._after_all(known, start)
        return self._after_those_ahead(known, start, ahead)

    def settle(self, use: Use, amount: float, seen_by: float, now: float) -> None:
        """Log the request; an *amount* of 0 says that it never was one."""
        self.uses.land(use)
        if amount > 0:
            self._put_in_order()
            insort(self.times, seen_by)
            self._logged = len(self.times)

    def held_since(self, amount: float) -> float | None:
        """Whether as many as the limit are in flight."""
        if len(self.uses.in_flight) + 1 > self.amount and self.uses.in_flight:
            return next(iter(self.uses.in_flight)).at
        return None

    def _forget_the_past(self, now: float) -> None:
        self._put_in_order()
        if self.times and self._gone_at(self.times[0]) <= now:
            del self.times[: bisect_right(self.times, now, key=self._gone_at)]
        self._logged = len(self.times)

    def _put_in_order(self) -> None:
        """Sort what hosts' tests have done to the log, which is open to them."""
        # A long one that nobody else has touched would be looked through for each request.
        if len(self.times) <= _SHORT or len(self.times) != self._logged:
            self.times.sort()

    def _gone_at(self, moment: float) -> float:
        return moment + self.window

    def _since(self, start: float) -> float:
        # A little more than the window, so that no rounding leaves out what is still in it.
        return start - max(self.window, 0.0) - grain(start)

    def _after_those_ahead(self, known: list[float], start: float, ahead: Ahead) -> float:
        at, free = start, NEVER
        while at != free:
            free = at
            log = sorted(known + self.uses.moments(self._since(start), at, ahead))
            while (later := self._crowd_before(log, at)) is not None:
                at = later
        return at

    def _after_all(self, known: list[float], start: float) -> float:
        log = sorted(known + self.uses.moments(self._since(start), NEVER))
        at = start
        while (later := self._crowd_before(log, at)) is not None or (
            later := self._crowd_around(log, at)
        ) is not None:
            at = later
        return at

    def _crowd_before(self, log: list[float], at: float) -> float | None:
        """When the window that ends with *at* has room again, if it has none."""
        place = bisect_right(log, at) - int(self.amount)
        return free if place >= 0 and (free := self._gone_at(log[place])) > at else None

    def _crowd_around(self, log: list[float], at: float) -> float | None:
        """The end of the last full window that a use at *at* would be one too many in."""
        place, size = bisect_right(log, at), int(self.amount)
        for first in range(min(place, len(log) - size), max(-1, place - size), -1):
            begin = at if first == place else log[first]
            if log[first + size - 1] < self._gone_at(begin):
                return log[first + size - 1]
        return None
