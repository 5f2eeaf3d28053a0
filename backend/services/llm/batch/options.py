"""How a batch is answered, checked at the door: each error names the argument."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sized
from typing import Any

from ..errors import ConfigurationError
from ..events import check_callback
from ..frozen import dataclass
from ..redaction.printable import shown
from ..settings.knobs import Knobs
from .progress import Reporter, reporter_of
from .results import BatchResult, OnProgress
from .window import Window

#: Prompts that may be read and not be given back yet, for each call at once: enough to keep all
#: calls busy while the result whose turn it is takes long.
AHEAD = 4


#: Seconds for which a call of a batch waits for the cache, at least: an answer that is not kept is
#: paid for again when the batch is resumed.
_CACHE_TIMEOUT = 30.0


@dataclass(frozen=True)
class BatchOptions:
    """How many calls are made at once, in which order results come, and who is told of them."""

    concurrency: int
    ordered: bool = True
    progress: OnProgress | bool | None = None

    def window(self) -> Window[BatchResult[Any]]:
        """Return the window of a new batch."""
        return Window(AHEAD * self.concurrency, ordered=self.ordered)

    def reporter(self, prompts: object) -> Reporter:
        """Return what is told of each result of *prompts*."""
        total = len(prompts) if isinstance(prompts, Sized) else None
        return reporter_of(self.progress, total)


def cache_timeout_of(knobs: Knobs) -> float:
    """Return the seconds for which a call of a batch waits for the cache."""
    return max(_CACHE_TIMEOUT, knobs.LLM_CACHE_TIMEOUT)


def checked_prompts(prompts: object, *, is_async: bool) -> Any:
    """Return *prompts* if they are an iterable of prompts, else raise `ConfigurationError`."""
    if isinstance(prompts, (str, bytes, bytearray, memoryview, Mapping)):
        raise ConfigurationError(
            f"prompts is one {type(prompts).__name__}: give a list, or another iterable, of prompts"
        )
    if isinstance(prompts, Iterable) or (is_async and isinstance(prompts, AsyncIterable)):
        return prompts
    hint = ": agenerate_batch takes it" if isinstance(prompts, AsyncIterable) else ""
    raise ConfigurationError(f"prompts is no iterable, but {shown(prompts)}{hint}")


def checked_progress(progress: object) -> Any:
    """Return *progress* if it is a function, a bool or None, else raise `ConfigurationError`."""
    if progress is not None and not isinstance(progress, bool):
        check_callback("progress", progress, "a BatchProgress, or True")
    return progress
