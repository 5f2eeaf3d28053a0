"""A day's budget: reserved by estimate before a call, settled by what the provider counted.

Amounts are tokens here, and nano-dollars in a budget in money (`money_budgets`).
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ..errors import ConfigurationError, LLMError, RateLimitError
from ..redaction.printable import words_of
from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.workers import Workers
from ..stores import StoreError, utc_day
from ..stores.budget import DayTally
from .budget_queue import BudgetQueue

log = logging.getLogger(__name__)

_DAY = 86_400
#: Seconds after which to ask again for what other calls in flight may give back.
_SOON = 1.0
#: A sum that other processes share counts as spent once it has not fallen for so many seconds.
_FALLS_WITHIN = 10.0
#: Seconds for which the interpreter's exit waits for sums that are being corrected.
_EXIT_TIMEOUT = 2.0


class DayCounter(Protocol):
    """Where the day's sum is kept, of tokens or of nano-dollars, as `stores.BudgetFile` does."""

    @property
    def is_blocking(self) -> bool:
        """Whether adding may wait for a disk, a lock or a network, and belongs in a thread."""
        ...

    def add(self, amount: int, now: float, /, *, day: str | None = None) -> int:
        """Add *amount*, below 0 to give some back, and return the day's sum."""
        ...


class MemoryDayCounter:
    """The day's sum of this process alone, for a budget without a file."""

    is_blocking = False

    def __init__(self) -> None:
        self._used: DayTally | None = None
        self._lock = ForkLock(leaf=True)  # guards the one above

    def add(self, amount: int, now: float, *, day: str | None = None) -> int:
        """Add *amount* to the day of *now*; to correct a *day* that is over changes nothing."""
        today = utc_day(now)
        with self._lock:
            self._used = (self._used or DayTally(today, 0)).plus(amount, today, day)
            return self._used.used

    # A signal's handler may raise at any call, but not between two assignments: what is added and
    # that it is known to be are one step.
    def reserve(self, reservation: BudgetReservation, now: float) -> int:
        """Add what is reserved, note the day from which it was taken, and return its sum."""
        today = utc_day(now)
        with self._lock:
            tally = (self._used or DayTally(today, 0)).plus(reservation.amount, today)
            self._used, reservation.day = tally, today
            return tally.used

    def correct(self, reservation: BudgetReservation, more: int, now: float) -> None:
        """Add *more* to the day of a reservation, unless it was corrected before."""
        today = utc_day(now)
        with self._lock:
            if not reservation.is_corrected:
                tally = (self._used or DayTally(today, 0)).plus(more, today, reservation.day)
                self._used, reservation.is_corrected = tally, True


@dataclass(eq=False)
class BudgetReservation:
    """The amount that an attempt reserves, and the UTC day from which it was taken, if any.

    `what` names in an error what costs it.

    A thread takes it, which goes on when its call is cancelled: then the reservation is settled
    before it is made, and the thread itself gives the amount back.
    """

    amount: int
    day: str | None = None
    is_settled: bool = False
    #: Whether the sum is corrected by what was spent, and whether nothing is left to be done.
    is_corrected: bool = False
    is_over: bool = False
    what: str = "the call"
    #: What other calls in flight held as too little was left for it; None where it was not refused.
    held_beside: int | None = None
    #: Whether it was refused, and those calls or other processes may give back what it lacks.
    may_fit_later: bool = False


class DailyBudget:
    """At most *tokens* a UTC day; 0 allows none. All times are Unix seconds.

    The cap is soft: a call that takes more than its estimate may end above it.
    """

    #: What errors call it.
    _label = "daily token budget"
    #: Whether every further call meets a budget that is used up.
    _concerns_all_calls = True

    def __init__(self, tokens: int, counter: DayCounter) -> None:
        if type(tokens) is not int or tokens < 0:
            raise ConfigurationError(
                f"daily_token_budget is {tokens!r}: give a whole number of tokens, 0 for none"
            )
        self.amount = tokens
        #: The calls of this process that hold a part of it, or wait for one.
        self.queue = BudgetQueue()
        self._counter = counter
        #: Guards the one below, and the day and the end of every reservation.
        self._lock = ForkLock(leaf=True)
        #: The least that others have used since a reservation found room, and when that was seen.
        self._lowest: tuple[int, float] | None = None

    @property
    def is_blocking(self) -> bool:
        """Whether `reserve` may wait for a disk, a lock or a network."""
        return self._counter.is_blocking

    def reserve(self, reservation: BudgetReservation, now: float) -> None:
        """Take the tokens from the day's, or raise `RateLimitError` saying what is left until when.

        Either way the reservation is to be settled. Raises LLMError where the sum cannot be kept:
        what cannot be counted is not spent.
        """
        day = utc_day(now)
        try:
            if isinstance(self._counter, MemoryDayCounter) and not self.is_blocking:
                used = self._counter.reserve(reservation, now)
            else:
                used = self._counter.add(reservation.amount, now)
        except StoreError as error:
            raise LLMError(f"The {self._label} cannot be kept: {words_of(error)}") from error
        with self._lock:
            reservation.day = day
            was_settled_first = reservation.is_settled
            if used <= self.amount:
                self._lowest = None
        if was_settled_first:
            self.correct(-reservation.amount, day, now)
        if used > self.amount:
            reservation.held_beside = self.queue.held_beside(reservation)
            is_falling = self._has_fallen(used - reservation.amount, now)
            reservation.may_fit_later = bool(reservation.held_beside) or is_falling
            raise self._refusal(reservation, used, now)

    def _has_fallen(self, others: int, now: float) -> bool:
        """Whether *others* may give more back: they have of late, or are looked at anew."""
        if not self.is_blocking:
            return False  # it is this process's own, which knows who holds what
        with self._lock:
            self._lowest = min(self._lowest or (others, now), (others, now))
            return abs(now - self._lowest[1]) < _FALLS_WITHIN

    def _refusal(self, reservation: BudgetReservation, used: int, now: float) -> RateLimitError:
        left = max(0, self.amount - (used - reservation.amount))
        words = f"{self._exceeded(reservation, left)} until 00:00 UTC"
        if reservation.held_beside:
            return RateLimitError(
                f"{words}, as other calls in flight hold {self._shown(reservation.held_beside)},"
                " and give back what they do not spend. Please wait 1 second",
                retry_after=_SOON,
            )
        wait = _DAY - now % _DAY
        exceeded = RateLimitError(f"{words}. Please wait {wait:.0f} seconds", retry_after=wait)
        exceeded.concerns_all_calls = self._concerns_all_calls
        return exceeded

    def _shown(self, amount: int) -> str:
        return f"{amount} tokens"

    def _exceeded(self, reservation: BudgetReservation, left: int) -> str:
        return (
            f"Daily token budget exceeded: {reservation.amount} tokens are needed,"
            f" {left} of {self.amount} are left"
        )

    def settle(self, reservation: BudgetReservation, spent: int, now: float) -> Future[None] | None:
        """Correct the day's sum by what the attempt *spent*; 0 gives all of it back.

        Does not block: where the sum is kept elsewhere, a thread corrects it, and the future is
        done when it has. One that is interrupted may be repeated, until the reservation `is_over`;
        raises RuntimeError after that.
        """
        with self._lock:
            if reservation.is_over:
                raise RuntimeError("a reservation of the day's tokens was settled twice")
            reservation.is_settled = True
            day, more = reservation.day, spent - reservation.amount
        settled = None
        if day is not None and more:
            if self.is_blocking:
                settled = _corrections.begin(partial(self._correct, reservation, more, day, now))
            elif isinstance(self._counter, MemoryDayCounter):
                self._counter.correct(reservation, more, now)
            else:
                self._correct(reservation, more, day, now)
        reservation.is_over = True
        return settled

    def _correct(self, reservation: BudgetReservation, more: int, day: str, now: float) -> None:
        with self._lock:
            was_corrected, reservation.is_corrected = reservation.is_corrected, True
        if not was_corrected:
            self.correct(more, day, now)

    def correct(self, more: int, day: str, now: float) -> None:
        """Add *more* to the sum of *day*, which may be over; waits for the counter."""
        try:
            self._counter.add(more, now, day=day)
        except StoreError as error:
            # An answer that is there must not be lost to this: the estimate stays counted.
            log.warning("the %s keeps an estimate: %s", self._label, words_of(error))


class _Corrections:
    """Corrects sums that are kept elsewhere, in threads.

    So no call that ends waits for a file's lock, and none that is cancelled leaves it out.
    """

    def __init__(self) -> None:
        self._threads = Workers(4, "llm-tokens")
        self._under_way: set[Future[None]] = set()
        atexit.register(self.finish)
        on_fork_in_child(self, _Corrections._reset_in_child)

    def begin(self, correct: Callable[[], None]) -> Future[None] | None:
        """Have *correct* called; None where that is done, as there are no threads at the exit."""
        try:
            future = self._threads.submit(correct)
        except RuntimeError:
            correct()
            return None
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def finish(self) -> None:
        """Let none be lost to the end of the program, unless it takes too long."""
        wait(list(self._under_way), _EXIT_TIMEOUT)

    def _reset_in_child(self) -> None:
        """Leave the parent's to the parent."""
        self._under_way.clear()


_corrections = _Corrections()
