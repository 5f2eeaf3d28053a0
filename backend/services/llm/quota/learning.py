"""What a provider's answers teach about one scope's limits: tightened at once, loosened slowly.

What is learnt is bounded in number and in time; what a host has configured comes back afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..limit_types import MINUTE, LimitReport, Unit
from .answer_log import AnswerLog, answered, least_limit, with_answer
from .limits import Limit
from .token_bucket import TokenBucketLimit

#: Seconds for which an amount holds that the provider has stated, and one that we have guessed.
STATED_FOR, GUESSED_FOR = 3_600.0, 900.0
#: How often in a row an amount must be stated before more is sent because of it.
CONFIRMATIONS = 3
#: Limits of one scope that are learnt, beside those that are configured.
MOST_LEARNED = 8
#: The least requests a minute that are guessed: one each ten seconds.
LEAST_GUESS = 6.0
#: By what part a guess grows after a time without a refusal; by twice that after the next minute,
#: and so on, up to the most.
FIRST_GROWTH, MOST_GROWTH = 0.02, 0.25
#: Seconds until it first grows: after the first refusal, and at most. Each refusal doubles them.
FIRST_PATIENCE, MOST_PATIENCE = 60.0, 240.0
#: The part of a limit that one who shares it with others is thought to have at least.
LEAST_SHARE = 0.1
#: By what part a refusal lowers a guess, at least and at most.
LEAST_CUT, MOST_CUT = 0.02, 0.3

#: A provider that refills continuously states no longer wait for one request, but for rounding.
_ROUNDED_WAIT = 1.0
#: Less than so many tokens, or than this part of what is declared, tells nothing; and how near to
#: none or all of it the provider's figure must be.
_FEW, _PART, _NEAR = 16.0, 0.05, 0.35
#: A provider that counts more requests than these beside our own has others: figures are rounded.
_OTHERS = 1.5
#: Windows that differ by less than this part are one: a provider's figures are rounded.
_SAME_WINDOW = 0.2
#: One number for the thousands of limits that nobody else is known to use.
_LONG_AGO = -math.inf


class LearnedLimit(TokenBucketLimit):
    """A bucket whose amount the provider may correct.

    *configured* is the amount without the provider's word, None where there was no limit at all.
    Where it *is_ceiling*, a host has set it, and no more than that is ever used.
    """

    __slots__ = (
        *("_higher", "configured", "is_ceiling", "is_reported", "counts_declared"),
        *("settled_when_stated_alone", "until"),
    )

    def __init__(
        self,
        amount: float,
        window: float,
        unit: Unit,
        *,
        configured: float | None = None,
        is_ceiling: bool = False,
    ) -> None:
        super().__init__(amount, window, unit)
        self.configured = configured
        self.is_ceiling = is_ceiling
        #: Until when what was learnt holds.
        self.until = math.inf if configured == amount else -math.inf
        #: Whether the provider tells what is used, and whether it counts all that a request has
        #: declared rather than what it spent; None where that is not known.
        self.is_reported = False
        self.counts_declared: bool | None = None
        #: What had been settled in all when the use was last stated to a request alone in flight.
        self.settled_when_stated_alone = 0.0
        #: How often in a row more was stated than the amount.
        self._higher = 0

    @property
    def is_learned(self) -> bool:
        """Whether the amount is the provider's word rather than the configuration's."""
        return self.amount != self.configured

    def is_of(self, unit: Unit, window: float) -> bool:
        """Whether it is this limit that a report is about."""
        return self.unit == unit and abs(self.window - window) <= _SAME_WINDOW * self.window

    def learn(self, amount: float, now: float) -> None:
        """Believe an *amount* that the provider states: less at once, more when it is confirmed."""
        if self.is_ceiling and self.configured is not None:
            amount = min(amount, self.configured)
        self._higher = self._higher + 1 if amount > self.amount else 0
        if amount < self.amount or self._higher >= CONFIRMATIONS:
            self.amount, self._higher = amount, 0
        self.until = now + STATED_FOR if self.is_learned else math.inf

    def counted_at(self, now: float) -> float:
        """Return how much of it counts as used or in flight."""
        return self._missing_after(now) + self.pending.in_flight_amount

    def counted(self, *, spent: float, declared: float) -> float:
        """Return what counts of a request that has *spent* less than it *declared*.

        As long as the provider's own figures have not shown it, all of it.
        """
        return declared if self.is_reported and self.counts_declared is not False else spent

    def learn_what_counts(
        self, *, stated: float, spent: float, declared: float, now: float, settled_before: float
    ) -> None:
        """Learn whether a request that *spent* less than it *declared* is charged for the rest.

        *stated* is what the provider says is used after this request alone, which has been settled;
        *settled_before* is what had been settled in all when it was sent.
        """
        # Where others were settled in between, too much may have counted as used before this one,
        # and a low figure shows nothing. A high one does: only use can add to it.
        is_exact = settled_before == self.settled_when_stated_alone
        self.settled_when_stated_alone = self.pending.settled_in_all
        unspent = declared - spent
        if unspent < max(_FEW, _PART * declared):
            return
        settled = self._missing_after(now) - (self.counted(spent=spent, declared=declared) - spent)
        more = stated - settled
        # Anything else says that others use the account too.
        if abs(more - unspent) < _NEAR * unspent:
            self.counts_declared = True
        # A figure from before the answer was generated has less than all that was spent.
        elif is_exact and -spent - _NEAR * unspent < more < _NEAR * unspent:
            self.counts_declared = False

    def expire(self, now: float) -> bool:
        """Return to the configured amount when the time has come; True where there is none."""
        if now < self.until:
            return False
        self.until = math.inf
        if self.configured is None:
            return True
        self.amount = self.configured
        return False


class GuessedLimit(LearnedLimit):
    """Requests a minute after a refusal that names no limit.

    It begins with the *amount* that the answers before the refusal show. Each further refusal
    lowers it to what was answered since the wait of the last one was over. It grows as long as
    nothing is refused, and is dropped a while after the last refusal.
    """

    __slots__ = ("_answered", "_grown_at", "_growth", "_patience", "_resumed_at", "refused_at")

    def __init__(self, amount: float, wait: float, now: float) -> None:
        super().__init__(max(amount, LEAST_GUESS), MINUTE, "requests")
        self._patience, self._growth = FIRST_PATIENCE, FIRST_GROWTH
        self._answered = 0
        self._grown_at = self._resumed_at = self.refused_at = now
        self._hold(wait, now)

    def is_of(self, unit: Unit, window: float) -> bool:
        """No report is about a guess."""
        return False

    def refuse(self, wait: float, now: float) -> None:
        """Allow less, and for *wait* seconds nothing."""
        passed = now - self._resumed_at
        shown = self._answered * self.window / passed if passed > 0 else 0.0
        least, most = (self.amount * (1 - cut) for cut in (MOST_CUT, LEAST_CUT))
        self.amount = max(LEAST_GUESS, min(max(shown, least), most))
        self._patience = min(MOST_PATIENCE, 2 * self._patience)
        self._hold(wait, now)

    def count_answer(self, sent_at: float, now: float) -> None:
        """Count a request that was answered; allow more after a time without a refusal."""
        self._answered += sent_at >= self.refused_at
        is_first = self._growth == FIRST_GROWTH
        if now - self._grown_at >= (self._patience if is_first else MINUTE):
            self.amount, self._grown_at = self.amount * (1 + self._growth), now
            self._growth = min(MOST_GROWTH, 2 * self._growth)
            if self._growth == MOST_GROWTH:
                self._patience = FIRST_PATIENCE

    def postpone(self, wait: float, now: float) -> None:
        """Let one request through in *wait* seconds, then as many as are refilled.

        Where many were answered it is refilled first: processes that were told to wait at the
        same time then do not exceed the limit after it.
        """
        is_of_many = self.amount >= 2 * LEAST_GUESS
        refilled = max(float(is_of_many), wait * self.amount / self.window)
        self._missing = max(self._missing_after(now), self.amount - 1 + refilled)
        self._missing_at = now

    def _hold(self, wait: float, now: float) -> None:
        """Begin anew after a refusal."""
        self._missing = 0.0
        self.postpone(wait, now)
        self.refused_at = self._grown_at = now
        self._resumed_at = now + wait
        self._answered, self._growth = 0, FIRST_GROWTH
        self.until = now + GUESSED_FOR


class Learned:
    """What the answers on one scope have taught: its learnt limits, and how many were answered."""

    __slots__ = ("_answers", "_shared_until", "guess", "until")

    def __init__(self) -> None:
        self.guess: GuessedLimit | None = None
        #: When the first of the limits returns to what is configured.
        self.until = math.inf
        self._answers: AnswerLog = ()
        #: Until when others are thought to use the scope's requests a minute too.
        self._shared_until = _LONG_AGO

    def count_answer(self, sent_at: float, now: float) -> None:
        """Count a request that was not refused."""
        self._answers = with_answer(self._answers, now)
        if self.guess is not None:
            self.guess.count_answer(sent_at, now)

    def note_others(self, limit: LearnedLimit, used: float, now: float) -> None:
        """Note whether others use *limit* too, as an answer says that so much of it is *used*."""
        if _is_rate(limit) and used - limit.counted_at(now) > _OTHERS:
            self._shared_until = now + GUESSED_FOR

    def is_shared(self, limit: LearnedLimit, now: float) -> bool:
        """Whether *limit* is of requests a minute, of which others take a part nobody tells."""
        return now < self._shared_until and _is_rate(limit)

    def first_guess(self, wait: float, now: float, at_least: float = 0.0) -> GuessedLimit:
        """Return what is guessed after a refusal that asks for a *wait*: *at least* so much."""
        least = least_limit(self._answers, now)
        # A longer wait than for one that is refilled is that for a window to pass.
        is_window = wait > max(_ROUNDED_WAIT, MINUTE / max(least, LEAST_GUESS))
        amount = answered(self._answers, now) if is_window else least
        self.guess = GuessedLimit(max(amount, at_least), wait, now)
        return self.guess

    def was_sent_after_refusal(self, sent_at: float) -> bool:
        """Whether a request was sent after the last refusal that named no limit."""
        return self.guess is None or sent_at >= self.guess.refused_at

    def expire(self, limits: Iterable[Limit], now: float) -> tuple[Limit, ...]:
        """Return *limits* without those whose time is over."""
        kept = [one for one in limits if not (isinstance(one, LearnedLimit) and one.expire(now))]
        if self.guess not in kept:
            self.guess = None
        self.note_expiry(kept)
        return tuple(kept)

    def note_expiry(self, limits: Iterable[Limit]) -> None:
        """Note when the first of *limits* returns to what is configured."""
        times = (limit.until for limit in limits if isinstance(limit, LearnedLimit))
        self.until = min(times, default=math.inf)


def _is_rate(limit: LearnedLimit) -> bool:
    return (
        limit.unit == "requests" and limit.window <= MINUTE and not isinstance(limit, GuessedLimit)
    )


def limit_of(report: LimitReport, limits: Iterable[Limit]) -> LearnedLimit | None:
    """Return the limit that *report* is about, if it is known."""
    known = (limit for limit in limits if isinstance(limit, LearnedLimit))
    return next((one for one in known if one.is_of(report.unit, report.window)), None)


def new_limit(report: LimitReport, limits: Iterable[Limit]) -> LearnedLimit | None:
    """Return a new limit for a *report* of one that nobody knew; None where it states none."""
    learned = [one for one in limits if isinstance(one, LearnedLimit) and one.configured is None]
    if report.amount is None or len(learned) >= MOST_LEARNED:
        return None
    return LearnedLimit(report.amount, report.window, report.unit)
