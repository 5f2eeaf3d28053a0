"""What the readers of one batch share, be they threads or tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .options import BatchOptions
from .results import BatchProgress, BatchResult
from .runner import Ask
from .stopping import Ending


class BatchHandle:
    """What the caller has of a batch, which is closed once nobody has it any more.

    The tasks that answer the prompts hold the pipeline, and not this.
    """

    _pipeline: BatchPipeline
    _is_closed = False

    @property
    def progress(self) -> BatchProgress:
        """How far it has come."""
        return self._pipeline.reporter.progress

    def __del__(self) -> None:
        # The caller has left its loop by `break`.
        if (pipeline := vars(self).get("_pipeline")) is not None:
            pipeline.close_soon()


class BatchPipeline(ABC):
    """From the prompts to their results: what was read, what is there, and how the batch ends."""

    def __init__(self, prompts: Any, ask: Ask, options: BatchOptions) -> None:
        self._prompts = prompts
        self._ask = ask
        self._concurrency = options.concurrency
        self._window = options.window()
        self.reporter = options.reporter(prompts)
        self._ending = Ending(self._window, self.reporter.progress.total)

    @abstractmethod
    def close_soon(self) -> None:
        """Have what is in flight cancelled, without waiting for that, from whichever thread."""

    @abstractmethod
    def _wake(self) -> None:
        """Have all that wait look again."""

    def _finish(self, result: BatchResult[Any]) -> None:
        self._ending.check_result(result)
        self._window.finish(result.index, result)

    def _check_wait(self, *, is_for_prompts: bool) -> None:
        """Raise RuntimeError where a wait for the next result would never end."""
        if is_for_prompts and self._window.is_empty:
            raise RuntimeError("the prompts wait for a result of their own batch, which has none")

    def _reported(self, result: BatchResult[Any] | None) -> BatchResult[Any] | None:
        """Return *result*, once it is counted and the progress function is told of it.

        None where there is none, or where what that function raises ends the batch.
        """
        if result is None:
            return None
        try:
            self.reporter.add(result)
        except Exception as error:
            self._ending.abort(error)
            self._wake()
            return None
        # An interruption loses no result: whoever reads next gets it.
        except BaseException:
            self._window.put_back(result)
            self._wake()
            raise
        return result
