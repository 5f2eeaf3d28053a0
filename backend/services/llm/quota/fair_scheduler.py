"""The order in which reservations are served, by their priority."""

from __future__ import annotations

import math

from ..limit_types import Priority


class FairScheduler:
    """Gives each reservation its place in the order: start-time fair queueing (Goyal 1996).

    Those of a person follow one another closely, those of a batch are further apart: where both
    wait, so many of a person's are served for each of a batch's.
    """

    INTERACTIVE_PER_BATCH = 4

    def __init__(self) -> None:
        self._last: dict[Priority, float] = {"interactive": 0.0, "batch": 0.0}
        self._served = 0.0

    def peek_sequence(self, priority: Priority) -> float:
        """Return the sequence that the next reservation of this priority would have."""
        last = math.floor(max(self._last[priority], self._served))
        # Half a step apart, so that no two are equal.
        return last + (1.0 if priority == "interactive" else self.INTERACTIVE_PER_BATCH + 0.5)

    def next_sequence(self, priority: Priority) -> float:
        """Return the sequence of the next reservation of this priority."""
        self._last[priority] = sequence = self.peek_sequence(priority)
        return sequence

    def serve(self, sequence: float) -> None:
        """Note that this one is served: none that comes from now on goes before it."""
        self._served = max(self._served, sequence)
