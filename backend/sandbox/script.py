"""Which step applies to which request: the tests' queue first, then the model's name."""

from __future__ import annotations

import threading
from collections import Counter, deque

from .faults import Step
from .model_names import is_scripted, step_named


class Script:
    """Steps queued by tests, and the counts of the names that fail only so many times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._queue: deque[tuple[str | None, Step | None]] = deque()
        self._asked: Counter[str] = Counter()

    def add(self, steps: tuple[Step | None, ...], model: str | None) -> None:
        """Queue one step per coming request (of that model, if named); None answers normally."""
        with self._lock:
            self._queue.extend((model, step) for step in steps)

    def take(self, model: str) -> Step | None:
        """The step for a request that arrives now; ValueError for a name that makes no sense."""
        with self._lock:
            # The first that fits, so that a step for another model does not hold up this one.
            for index, (wanted, step) in enumerate(self._queue):
                if wanted is None or wanted == model:
                    del self._queue[index]
                    return step
            if not is_scripted(model):
                return None
            # Counted by the exact name, so that two tests with different options do not meet.
            step, times = step_named(model)
            self._asked[model] += 1
            return step if times is None or self._asked[model] <= times else None

    def clear(self) -> None:
        """Forget the queue and the counts."""
        with self._lock:
            self._queue.clear()
            self._asked.clear()
