"""A day's tokens: booked by estimate before a call, trued up by what the provider counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from .errors import ConfigurationError, LLMError, RateLimitError
from .forks import ForkLock
from .stores import StoreError, utc_day

log = logging.getLogger(__name__)

_DAY = 86_400


class Tally(Protocol):
    """Where the day's sum is kept, as `stores.BudgetFile` keeps it."""

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        """Add *tokens*, below 0 to give some back, and return the day's sum."""


class MemoryTally:
    """The day's sum of this process alone, for a budget without a file."""

    def __init__(self) -> None:
        self._day = ""
        self._used = 0
        self._lock = ForkLock(leaf=True)  # guards the two above

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        """Add *tokens* to the day of *now*; to correct a *day* that is over changes nothing."""
        with self._lock:
            if self._day < (today := utc_day(now)):
                self._day, self._used = today, 0
            if day in (None, self._day):
                self._used = max(0, self._used + tokens)
            return self._used


@dataclass(eq=False)
class Booking:
    """The tokens that a call asks for, and the UTC day on which they were booked, if they were.

    A thread books them, and nobody can stop it when the call that it books for is cancelled: then
    the call is over before its booking is made, and the thread itself gives back what it took.
    """

    tokens: int
    day: str | None = None
    is_over: bool = False


class DailyBudget:
    """At most *tokens* a UTC day; 0 allows none. All times are Unix seconds.

    The cap is soft: a call that takes more than its estimate may end above it.
    """

    def __init__(self, tokens: int, tally: Tally) -> None:
        if type(tokens) is not int or tokens < 0:
            raise ConfigurationError(
                f"daily_token_budget is {tokens!r}: give a whole number of tokens, 0 for none"
            )
        self.tokens = tokens
        self._tally = tally
        self._lock = ForkLock(leaf=True)  # guards every booking's day and end

    def book(self, booking: Booking, now: float) -> None:
        """Take its tokens of the day, or raise `RateLimitError` saying what is left until when.

        Raises LLMError where the sum cannot be kept: what cannot be counted is not spent.
        """
        tokens = booking.tokens
        try:
            used = self._tally.add(tokens, now)
            left = max(0, self.tokens - self._tally.add(-tokens, now)) if used > self.tokens else 0
        except StoreError as error:
            raise LLMError(f"The daily token budget cannot be kept: {error}") from error
        if used > self.tokens:
            wait = _DAY - now % _DAY
            raise RateLimitError(
                f"Daily token budget exceeded: {tokens} tokens are needed, {left} of {self.tokens}"
                f" are left until 00:00 UTC. Please wait {wait:.0f} seconds",
                retry_after=wait,
            )
        with self._lock:
            booking.day = utc_day(now)
            is_over = booking.is_over
        if is_over:
            self._correct(booking, 0, now)

    def true_up(self, booking: Booking, spent: int, now: float) -> None:
        """Correct the day's sum by what the call really *spent*, once; 0 refunds it."""
        with self._lock:
            is_due = booking.day is not None and not booking.is_over
            booking.is_over = True
        if is_due:
            self._correct(booking, spent, now)

    def _correct(self, booking: Booking, spent: int, now: float) -> None:
        if spent == booking.tokens:
            return
        try:
            self._tally.add(spent - booking.tokens, now, day=booking.day)
        except StoreError as error:
            # An answer that is there must not be lost to this: the estimate stays counted.
            log.warning("the daily token budget keeps an estimate: %s", error)
