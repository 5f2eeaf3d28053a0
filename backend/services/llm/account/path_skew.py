"""How late a provider may see a request: what counts for its limits is when it does."""

from __future__ import annotations

from collections import deque

#: Seconds that a path is thought to take before anything is known of it, and at least and at most.
FIRST, LEAST, MOST = 1.0, 0.05, 5.0
#: The last answers by which the path is judged, and how much longer than them it may take.
SAMPLES, MARGIN = 64, 1.5


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
        self._paths: deque[float] = deque(maxlen=SAMPLES)
        self._whole: deque[float] = deque(maxlen=SAMPLES)

    def observe(self, took: float, processing: float | None) -> None:
        """Learn from an answer that *took* so long, of which the provider worked *processing* s."""
        if processing is not None and 0 <= processing <= took:
            path = took - processing
        else:
            self._whole.append(took)
            path = min(took, took - min(self._whole) + LEAST)
        self._paths.append(path)
        self.seconds = min(MOST, max(LEAST, MARGIN * max(self._paths)))
