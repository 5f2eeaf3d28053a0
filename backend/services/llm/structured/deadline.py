"""The deadline for parsing one answer, checked every thousand steps."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

#: Steps between two reads of the clock; they take some milliseconds.
_STRIDE = 1_000


class OutOfTimeError(Exception):
    """The deadline passed while an answer was parsed."""


class StepDeadline:
    """Counts the steps of parsing one answer; *left* returns the seconds until the deadline."""

    def __init__(self, left: Callable[[], float] = lambda: inf) -> None:
        self._left = left
        self._next = 1
        self.steps = 0

    def step(self, steps: int = 1) -> None:
        """Count *steps*; raises OutOfTimeError when the deadline has passed."""
        self.steps += steps
        if self.steps >= self._next:
            self._next = self.steps + _STRIDE
            if self._left() <= 0:
                raise OutOfTimeError(f"the deadline passed after {self.steps} steps")
