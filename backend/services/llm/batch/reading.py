"""What a batch does for each result that is asked for, in a thread or in a task."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from .options import BatchOptions
from .results import BatchProgress, BatchResult
from .runner import Ask

T = TypeVar("T")


class BatchReading(Generic[T]):
    """The results of a batch, one after another, until it is closed."""

    def __init__(self, prompts: Any, ask: Ask, options: BatchOptions) -> None:
        self._prompts = prompts
        self._ask = ask
        self._options = options
        self._reporter = options.reporter(prompts)
        self._is_closed = False

    @property
    def progress(self) -> BatchProgress:
        """How far it has come."""
        return self._reporter.progress

    async def _advance(
        self,
        get: Callable[[], Coroutine[Any, Any, BatchResult[Any] | None]],
        close: Callable[[], Coroutine[Any, Any, None]],
    ) -> BatchResult[T] | None:
        """Return the next result by *get*, None at the end; whatever ends it closes the batch."""
        result = None
        try:
            if not self._is_closed and (result := await get()) is not None:
                self._reporter.add(result)
        # An interruption or a cancellation too: what is in flight ends with its reader.
        except BaseException:
            await close()
            raise
        if result is None:
            await close()
        return result
