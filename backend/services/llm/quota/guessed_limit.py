"""A limit of requests a minute of which nobody tells, guessed from refusals and answers."""

from __future__ import annotations

from ..limit_types import MINUTE, Unit
from .learned_limit import LearnedLimit

#: Seconds for which a guess holds after the last refusal.
GUESSED_FOR = 900.0
#: The least requests a minute that are guessed: one each ten seconds.
LEAST_GUESS = 6.0
#: From so many on, a guess stands on many answers; below it, on few.
MANY = 2 * LEAST_GUESS
#: By what part a guess grows after a time without a refusal, and by one request at least; by twice
#: as much after the next time, and so on, as long as this part of it is used.
FIRST_GROWTH, LEAST_USE = 0.02, 0.5
#: Seconds until it first grows: where it stands on few answers, on many, and at most. Each refusal
#: doubles them.
SHORT_PATIENCE, FIRST_PATIENCE, MOST_PATIENCE = 20.0, 60.0, 240.0
#: By what part a refusal lowers a guess: at least of what it was, and at most of what it was after
#: the refusal before.
LEAST_CUT, MOST_CUT = 0.02, 0.3
#: Seconds after which a limit that is still full is tried again: at first, and at most.
FIRST_AGAIN, LONGEST_AGAIN = 1.0, 15.0


class GuessedLimit(LearnedLimit):
    """Requests a minute after a refusal that names no limit.

    It begins with the *amount* that the answers before the refusal show. Each further refusal
    lowers it to what was answered since the wait of the last one was over, if anything was or if
    the provider asks for a wait. It grows as long as nothing is refused, soon where few answers
    stand behind it, and is dropped a while after the last refusal.
    """

    __slots__ = (
        *("_again", "_answered", "_answered_since_growth", "_at_refusal", "_grown_at"),
        *("_patience", "_resumed_at", "_step", "refused_at"),
    )

    def __init__(self, amount: float, wait: float, now: float) -> None:
        super().__init__(max(amount, LEAST_GUESS), MINUTE, "requests")
        self._patience = FIRST_PATIENCE if self.amount >= MANY else SHORT_PATIENCE
        self._answered, self._answered_since_growth = 0, 0
        self._resumed_at, self._grown_at, self.refused_at = now, now, now
        #: What it was after the last refusal, and by how much it grows next.
        self._at_refusal, self._step = self.amount, 1.0
        #: Seconds after which it is tried again, if it is still full.
        self._again = FIRST_AGAIN
        self._hold(wait, now)

    def is_of(self, unit: Unit, window: float) -> bool:
        """No report is about a guess."""
        return False

    def answered_per_minute(self, now: float) -> float:
        """Return the rate of answers since the wait of the last refusal was over."""
        passed = now - self._resumed_at
        return self._answered * self.window / passed if passed > 0 else 0.0

    def refuse(self, shown: float, wait: float, now: float) -> None:
        """Allow what answers have *shown*, within bounds; for *wait* seconds nothing.

        Where that asks for no wait, and nothing was answered since the last one, the limit is still
        full, and no lower than was thought: the next request goes after twice as long a wait.
        """
        if not wait and not self._answered:
            self._hold(self._again, now)
            self._again = min(LONGEST_AGAIN, 2 * self._again)
            return
        # Where it has doubled since the last refusal, that says nothing of how soon to try again.
        has_doubled = self.amount >= 2 * self._at_refusal
        self._patience = FIRST_PATIENCE if has_doubled else min(MOST_PATIENCE, 2 * self._patience)
        least, most = self._at_refusal * (1 - MOST_CUT), self.amount * (1 - LEAST_CUT)
        self.amount = max(LEAST_GUESS, min(max(shown, least), most))
        self._hold(wait, now)

    def count_answer(self, sent_at: float, now: float) -> None:
        """Count a request that was answered; allow more after a time without a refusal."""
        if sent_at < self.refused_at:
            return
        self._answered, self._again = self._answered + 1, FIRST_AGAIN
        self._answered_since_growth += 1
        passed = now - self._grown_at
        if passed < self._seconds_to_growth():
            return
        if self._answered_since_growth * self.window >= LEAST_USE * self.amount * passed:
            # There is no more room at once, but more is refilled from now on.
            self._missing, self._missing_at = self._missing_after(now) + self._step, now
            self.amount += self._step
            self._step *= 2
        self._grown_at, self._answered_since_growth = now, 0

    def postpone(self, wait: float, now: float) -> None:
        """Let one request through in *wait* seconds, then as many as are refilled.

        Where many were answered it is refilled first: processes that were told to wait at the
        same time then do not exceed the limit after it.
        """
        refilled = max(float(self.amount >= MANY), wait * self.amount / self.window)
        self._missing = max(self._missing_after(now), self.amount - 1 + refilled)
        self._missing_at = now

    def _seconds_to_growth(self) -> float:
        if self.amount == self._at_refusal:
            return self._patience
        return MINUTE if self._at_refusal >= MANY else SHORT_PATIENCE

    def _hold(self, wait: float, now: float) -> None:
        """Begin anew after a refusal."""
        self._missing = 0.0
        self.postpone(wait, now)
        self.refused_at = now
        self._resumed_at = self._grown_at = now + wait
        self._answered = self._answered_since_growth = 0
        self._at_refusal, self._step = self.amount, max(1.0, FIRST_GROWTH * self.amount)
        self.until = now + GUESSED_FOR
