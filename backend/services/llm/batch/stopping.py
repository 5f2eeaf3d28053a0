"""When a batch reads no further prompt, and what is raised after its last result."""

from __future__ import annotations

from typing import Any

from ..errors import BatchStoppedError, LLMError
from .results import BatchResult
from .window import Window


class Ending:
    """Whether a batch still reads prompts, and why it reads no more."""

    def __init__(self, window: Window[Any]) -> None:
        self._window = window
        self.is_reading = True
        self._source_error: BaseException | None = None
        self._stopped_by: LLMError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing is read any more, and all that was read has been given."""
        return not self.is_reading and self._window.is_empty

    def note(self, result: BatchResult[Any]) -> None:
        """Stop reading where the error of *result* would meet every further prompt."""
        if self.is_reading and result.stops_batch:
            self.is_reading = False
            assert isinstance(result.error, LLMError), "no other error is known to meet all"
            self._stopped_by = result.error

    def end_source(self, error: BaseException) -> None:
        """Stop reading as the prompts have ended: by their end, or by an *error* of their own."""
        # A reader that is cancelled because nothing is read any more has no error of its own.
        if self.is_reading and not isinstance(error, (StopIteration, StopAsyncIteration)):
            self._source_error = error
        self.is_reading = False

    def raise_error(self) -> None:
        """Raise what kept the batch from reading all prompts, if anything did."""
        if (error := self.error()) is not None:
            raise error

    def error(self) -> BaseException | None:
        """Return what kept the batch from reading all prompts, None where nothing did.

        An error of the prompts' own iterator is returned as it is.
        """
        if self._source_error is None and (cause := self._stopped_by) is not None:
            stopped = BatchStoppedError.after(self._window.started, cause)
            stopped.__cause__ = cause
            return stopped
        return self._source_error


def closed_meanwhile() -> RuntimeError:
    """Return what a reader gets whose batch another thread or task closes while it waits."""
    return RuntimeError("the batch was closed while its next result was waited for")
