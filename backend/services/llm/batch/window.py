"""Which prompts may be read, and which result is given next: a bounded look-ahead."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

R = TypeVar("R")


class Window(Generic[R]):
    """At most *size* prompts are read whose results were not given yet.

    Where it is *ordered*, results are given in the order of the prompts, else as they come.
    """

    def __init__(self, size: int, *, ordered: bool) -> None:
        self._size = size
        self._ordered = ordered
        self._started = 0
        self._delivered = 0
        self._finished: dict[int, R] = {}
        #: Where results are given as they come: whose are there.
        self._arrivals: deque[int] = deque()
        #: What was taken, and has not reached its reader.
        self._returned: list[R] = []

    @property
    def has_room(self) -> bool:
        """Whether another prompt may be read."""
        return self._started - self._delivered < self._size

    @property
    def is_empty(self) -> bool:
        """Whether there is no prompt whose result was not given yet."""
        return self._started == self._delivered and not self._returned

    @property
    def is_ready(self) -> bool:
        """Whether a result can be given now."""
        return bool(self._returned) or self._next() in self._finished

    @property
    def started(self) -> int:
        """How many prompts were read."""
        return self._started

    def start(self) -> int:
        """Count a prompt as read, and return its index."""
        self._started += 1
        return self._started - 1

    def finish(self, index: int, result: R) -> None:
        """Keep the *result* of a prompt until it is its turn; to do so twice changes nothing."""
        if not self._ordered and index not in self._finished:
            self._arrivals.append(index)
        self._finished[index] = result

    def take(self) -> R | None:
        """Return the next result and make room for a prompt; None where it is not there yet."""
        if self._returned:
            return self._returned.pop()
        index = self._next()
        if index not in self._finished:
            return None
        self._delivered += 1
        if not self._ordered:
            self._arrivals.popleft()
        return self._finished.pop(index)

    def put_back(self, result: R) -> None:
        """Give back a result that was taken, and has not reached its reader: it is the next."""
        self._returned.append(result)

    def _next(self) -> int:
        if self._ordered:
            return self._delivered
        return self._arrivals[0] if self._arrivals else -1
