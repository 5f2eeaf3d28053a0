"""How late a provider may see a request: what counts for its limits is when it does."""

from __future__ import annotations

import math

#: Seconds that a path is thought to take before anything is known of it, and at least and at most.
FIRST, LEAST, MOST = 1.0, 0.05, 5.0
#: How much longer than the slowest of recent answers the path may take, and how much of what an
#: answer has shown is left after the next one.
MARGIN, MEMORY = 1.5, 0.96


#: Seconds without an answer after which a request has been received: who stalled longer is rare.
HOLD = 5.0
#: Seconds for which the first request of a model is sent alone, unless it is answered before.
FIRST_ANSWER = 1.0


class PathSkew:
    """The seconds after its sending by which the provider has received a request.

    An answer has taken the path, and the provider's work. Where the provider says how long it
    worked, the rest is the path; else what an answer took longer than the fastest one is counted
    to the path.
    """

    def __init__(self) -> None:
        self.seconds = FIRST
        self._slowest = 0.0
        self._fastest = math.inf

    def observe(self, took: float, processing: float | None) -> None:
        """Learn from an answer that *took* so long, of which the provider worked *processing* s."""
        if processing is not None and 0 <= processing <= took:
            path = took - processing
        else:
            late = took - min(took, self._fastest)
            self._fastest = took - MEMORY * late
            path = min(took, took - self._fastest + LEAST)
        self._slowest = max(path, MEMORY * self._slowest)
        self.seconds = min(MOST, max(LEAST, MARGIN * self._slowest))
