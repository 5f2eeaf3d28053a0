"""How many requests were answered in the last minute, and what limit that shows."""

from __future__ import annotations

_MINUTE = 60.0
#: Seconds whose answers are counted together.
_SLOT = 1.0


class AnswerLog:
    """The answers of the last minute, second by second; times are in seconds."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        #: When each slot begins, and its answers.
        self._slots: list[tuple[float, int]] = []

    def count(self, now: float) -> None:
        """Count an answer."""
        begin, answers = self._slots[-1] if self._slots else (now, 0)
        if answers and now - begin < _SLOT:
            self._slots[-1] = begin, answers + 1
            return
        self._slots = [*(each for each in self._slots if now - each[0] < _MINUTE), (now, 1)]

    def answered(self, now: float) -> int:
        """Return how many were answered in the last minute."""
        return sum(answers for begin, answers in self._slots if now - begin < _MINUTE)

    def least_limit(self, now: float) -> float:
        """Return how many requests a minute a provider allows at least that was asked alone.

        In so many seconds it answers a full bucket at most, and what is refilled meanwhile: of the
        times until *now*, the one counts that shows most.
        """
        least, answered = 0.0, 0
        for begin, answers in reversed(self._slots):
            if now - begin >= _MINUTE:
                break
            answered += answers
            least = max(least, answered / (1 + (now - begin) / _MINUTE))
        return least
