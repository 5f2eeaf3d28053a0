"""What the readers of one batch share, be they threads or tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .options import BatchOptions
from .results import BatchResult
from .runner import Ask
from .stopping import Ending


class BatchReading(ABC):
    """What was read of *prompts*, which results are there, and how the batch ends."""

    def __init__(self, prompts: Any, ask: Ask, options: BatchOptions) -> None:
        self._prompts = prompts
        self._ask = ask
        self._concurrency = options.concurrency
        self._window = options.window()
        self._ending = Ending(self._window)
        self.reporter = options.reporter(prompts)

    @abstractmethod
    def _wake(self) -> None:
        """Have all that wait look again."""

    def _finish(self, result: BatchResult[Any]) -> None:
        self._ending.note(result)
        self._window.finish(result.index, result)
        self._wake()

    def _is_shown(self, result: BatchResult[Any]) -> bool:
        """Count *result* and tell the progress function; False where what that raises ends all."""
        try:
            self.reporter.add(result)
        except Exception as error:
            self._ending.cut(error)
            return False
        # An interruption loses no result: whoever reads next gets it.
        except BaseException:
            self._window.put_back(result)
            self._wake()
            raise
        return True
