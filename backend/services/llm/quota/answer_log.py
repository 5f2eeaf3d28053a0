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
        """Return the least limit, in requests a minute, that explains the last minute's answers.

        In t seconds a limit lets through a full bucket and what is refilled, limit * (1 + t / 60):
        n answers in the last t seconds show a limit of n / (1 + t / 60) at least. The largest of
        these counts. What others have sent is not known here.
        """
        least, answered = 0.0, 0
        for begin, answers in reversed(self._slots):
            if now - begin >= _MINUTE:
                break
            answered += answers
            least = max(least, answered / (1 + (now - begin) / _MINUTE))
        return least
