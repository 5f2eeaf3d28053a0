"""What a provider's answers teach about one scope's limits, and what its refusals let us guess."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..limit_types import MINUTE
from .answer_log import AnswerLog, answered, least_limit, with_answer
from .guessed_limit import GUESSED_FOR, LEAST_GUESS, GuessedLimit
from .learned_limit import LearnedLimit
from .limits import Limit

#: The part of a limit that one who shares it with others is thought to have at least.
LEAST_SHARE = 0.1

#: A provider that refills continuously states no longer wait for one request, but for rounding.
_ROUNDED_WAIT = 1.0
#: A provider that counts more requests than these beside our own has others: figures are rounded.
_OTHERS = 1.5
#: One number for the thousands of limits that nobody else is known to use.
_LONG_AGO = -math.inf


class ScopeLearning:
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

    def note_refusal(self, wait: float, now: float, at_least: float = 0.0) -> GuessedLimit | None:
        """Guess after a refusal that asks for a *wait*: *at least* so much at first.

        Return a guess that is new.
        """
        if self.guess is not None:
            per_minute = self.guess.answered_per_minute(now)
            self.guess.refuse(self._shown(wait, now, per_minute), wait, now)
            return None
        self.guess = GuessedLimit(max(self._shown(wait, now), at_least), wait, now)
        return self.guess

    def _shown(self, wait: float, now: float, per_minute: float = 0.0) -> float:
        """Return the limit that the answers since the last refusal show: *per_minute* so many.

        They count for no later refusal.
        """
        log, self._answers = self._answers, ()
        least = max(per_minute, least_limit(log, now))
        # A longer wait than for one that is refilled is that for a window to pass.
        is_window = wait > max(_ROUNDED_WAIT, MINUTE / max(least, LEAST_GUESS))
        return answered(log, now) if is_window else least

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
