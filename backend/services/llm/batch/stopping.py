"""When a batch reads no further prompt, and what is raised after its last result."""

from __future__ import annotations

from typing import Any

from ..errors import BatchStoppedError, LLMError
from .results import BatchResult
from .window import Window


class Ending:
    """Whether a batch still reads prompts, and why it reads no more.

    *total* is the number of prompts where it is known.
    """

    def __init__(self, window: Window[Any], total: int | None = None) -> None:
        self._window = window
        self._total = total
        self.is_reading = True
        self._is_aborted = False
        self._error: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing is read any more, and all that was read has been given or is dropped."""
        return self._is_aborted or (not self.is_reading and self._window.is_empty)

    def check_result(self, result: BatchResult[Any]) -> None:
        """Stop reading where the error of *result* would meet every further prompt."""
        if self.is_reading and result.stops_batch:
            assert isinstance(result.error, LLMError), "no other error is known to meet all"
            self.is_reading = False
            if self._window.started != self._total:
                self._error = BatchStoppedError.after(self._window.started, result.error)
                self._error.__cause__ = result.error

    def end_source(self, error: BaseException) -> None:
        """Stop reading as the prompts have ended: by their end, or by an *error* of their own.

        What is to end the process, a Ctrl-C above all, is raised at once as well: the results that
        are there could take hours to come.
        """
        # A reader that is cancelled because nothing is read any more has no error of its own.
        if self.is_reading and not isinstance(error, (StopIteration, StopAsyncIteration)):
            self._error = error
        self.is_reading = False
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error

    def abort(self, error: BaseException) -> None:
        """Read no more, and drop what was not given yet: whoever reads on gets *error*."""
        self._error = error
        self.is_reading, self._is_aborted = False, True

    def close(self) -> None:
        """Drop what was not given yet, since the batch is closed."""
        if not self.has_ended:
            self.abort(RuntimeError("the batch was closed while its next result was waited for"))

    def raise_error(self) -> None:
        """Raise what kept the batch from reading all prompts, if anything did.

        An error of the prompts' own iterator is raised as it is, to each who reads on.
        """
        error = self._error
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            # To a reader it would look like the end (PEP 479).
            raise RuntimeError(f"progress raised {type(error).__name__}") from error
        if error is not None:
            raise error
