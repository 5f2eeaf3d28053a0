"""A call of botocore's whose answer is a stream, which can be aborted between its reads, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .abort import AbortableCall

T = TypeVar("T")


class StreamCall(AbortableCall):
    """One call, of which the first part to run opens the stream, and each other reads of it."""

    _carrier: Any = None

    def run(self, call: Callable[[], T]) -> T:
        """Run a part in this thread; raises ConnectionAbortedError if it is aborted already."""
        self._connection = self._carrier

        def part() -> T:
            try:
                return call()
            finally:
                # `run` forgets it; the stream goes on over it.
                self._carrier = self._connection

        return super().run(part)

    def abort(self) -> None:
        """End the part that runs, or the stream between two parts."""
        self._connection = self._connection or self._carrier
        super().abort()
