"""How long a request takes to the provider, whose limits count it when it has been received."""

from __future__ import annotations

import math

#: Seconds that a request is thought to take before anything is known, and at least and at most.
FIRST_GUESS, LEAST, MOST = 1.0, 0.05, 5.0
#: How much longer than with the slowest of recent answers it may take, and how much of what an
#: answer has shown is left after the next one.
MARGIN, MEMORY = 1.5, 0.96
#: Seconds without an answer after which a request has been received: who stalled longer is rare.
ASSUME_RECEIVED_AFTER = 5.0
#: Seconds for which the first request of a model is sent alone, unless it is answered before.
MAX_FIRST_ANSWER_WAIT = 1.0


class TransitTime:
    """The longest that a request takes to the provider: `seconds` after its sending it is there.

    It is learnt from answers, each of which takes the transit and the provider's work. Where the
    provider says how long it worked, the rest is transit; else what an answer took longer than the
    fastest one is counted to it.
    """

    def __init__(self) -> None:
        self.seconds = FIRST_GUESS
        self._slowest = 0.0
        self._fastest = math.inf

    def observe(self, took: float, processing: float | None) -> None:
        """Learn from an answer that *took* so long, of which the provider worked *processing* s."""
        if processing is not None and 0 <= processing <= took:
            transit = took - processing
        else:
            late = took - min(took, self._fastest)
            self._fastest = took - MEMORY * late
            transit = min(took, took - self._fastest + LEAST)
        self._slowest = max(transit, MEMORY * self._slowest)
        self.seconds = min(MOST, max(LEAST, MARGIN * self._slowest))
