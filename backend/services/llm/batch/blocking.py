"""A batch that is read with `for`: prompts are read in the caller's thread, and answered in the
event loop of a thread of the batch's own, in which whatever is in flight can be cancelled.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from threading import Condition, get_ident
from typing import Any, Generic, TypeVar

from typing_extensions import Self

from ..runtime.closing import ClosedByBlock
from .loop_thread import LoopThread
from .options import BatchOptions
from .pipeline import BatchHandle, BatchPipeline
from .prompts import copy_of
from .results import BatchResult
from .runner import Ask

T = TypeVar("T")

#: Prompts that are read before a result that is there is given: more than one, so that all calls
#: come to be used, and few, so that a slow source holds no result back.
_MOST_READS = 2


class Batch(BatchHandle, ClosedByBlock, Generic[T]):
    """The results of a batch, one for each prompt: an iterator, which several threads may share.

    Nothing is read or sent before the first result is asked for. Leaving the iteration early
    cancels what is in flight: at once where the batch is used in a `with` block, else when the
    iterator is dropped.
    """

    def __init__(self, prompts: Iterable[Any], ask: Ask, options: BatchOptions) -> None:
        self._pipeline: _Pipeline = _Pipeline(prompts, ask, options)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BatchResult[T]:
        result = None if self._is_closed else self._pipeline.next()
        if result is None:
            raise StopIteration
        return result

    def close(self) -> None:
        """Cancel what is in flight, and wait until it has ended."""
        self._is_closed = True
        self._pipeline.close()


class _Pipeline(BatchPipeline):
    """Reads prompts as there is room for them, and keeps results until they are asked for."""

    def __init__(self, prompts: Iterable[Any], ask: Ask, options: BatchOptions) -> None:
        super().__init__(prompts, ask, options)
        #: Guards all that is here; neither prompts nor a progress function run under it.
        self._changed = Condition()
        self._waiting = 0
        #: What the loop's thread has answered. That thread takes the lock only to wake readers that
        #: wait, so that a signal handler which holds the lock can wait for the end of the thread.
        self._answered: deque[BatchResult[Any]] = deque()
        self._process = 0
        self._thread: LoopThread | None = None
        #: None while a thread reads a prompt from it.
        self._source: Iterator[Any] | None = None
        #: The thread that reads a prompt, or has read the last one.
        self._source_user = 0

    def next(self) -> BatchResult[Any] | None:
        """Return the next result; None where there is none any more."""
        if (result := self._reported(self._take(self._begin()))) is None:
            self._release()
            self._ending.raise_error()
        return result

    def close(self) -> None:
        """Read no more, cancel what is in flight, and wait until it has ended."""
        if self._is_in_child:
            return
        with self._changed:
            self._ending.close()
            self._wake()
        self._release()

    def close_soon(self) -> None:
        """Have what is in flight cancelled, without waiting for that, from whichever thread."""
        if self._thread is not None and not self._is_in_child:
            self._thread.end()

    @property
    def _is_in_child(self) -> bool:
        return self._process not in (0, os.getpid())

    def _begin(self) -> LoopThread:
        if self._is_in_child:
            raise RuntimeError("a batch is read in the process that began it, not in a forked one")
        with self._changed:
            if self._thread is None:
                self.reporter.begin()
                self._source = iter(self._prompts)
                self._process = os.getpid()
                self._thread = LoopThread(self._ask, self._concurrency, self._deliver, self._fail)
            return self._thread

    def _take(self, thread: LoopThread) -> BatchResult[Any] | None:
        """Read as many prompts as there is room for, and wait for the next result."""
        reads = 0
        while True:
            source: Any = None
            try:
                with self._changed:
                    self._wait()
                    if self._ending.has_ended:
                        return None
                    if self._window.is_ready and (reads >= _MOST_READS or not self._may_read):
                        self._wake()  # there is room again
                        return self._window.take()
                    self._source_user = get_ident()
                    source, self._source = self._source, None
                self._read(source, thread)
                reads += 1
            finally:
                self._return_source(source)

    def _wait(self) -> None:
        """Wait until there is something to do, under the lock."""
        self._waiting += 1
        try:
            self._changed.wait_for(self._has_work)
        finally:
            self._waiting -= 1

    @property
    def _may_read(self) -> bool:
        is_free = self._source is not None
        return is_free and self._ending.is_reading and self._window.has_room

    def _has_work(self) -> bool:
        """Take in what was answered; return whether there is anything to do for this reader."""
        while self._answered:
            self._finish(self._answered[0])  # before it is dropped: this may be interrupted
            self._answered.popleft()
        if self._ending.has_ended or self._window.is_ready or self._may_read:
            return True
        is_user = self._source is None and self._source_user == get_ident()
        self._check_wait(is_for_prompts=is_user)
        return False

    def _read(self, source: Iterator[Any], thread: LoopThread) -> None:
        try:
            prompt = copy_of(next(source))
        except BaseException as error:
            self._ending.end_source(error)
        else:
            with self._changed:
                index = self._window.start() if self._ending.is_reading else None
            # Not under the lock: it wakes the loop, whose first step may be to deliver.
            if index is not None:
                thread.submit(index, prompt)

    def _return_source(self, source: Iterator[Any] | None) -> None:
        if source is not None:
            with self._changed:
                self._source = source
                self._wake()

    def _deliver(self, result: BatchResult[Any]) -> None:
        self._answered.append(result)
        self._wake()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._ending.abort(error)
            self._wake()

    def _release(self) -> None:
        if self._thread is not None:
            self._thread.close()
        self.reporter.close()

    def _wake(self) -> None:
        if self._waiting:
            with self._changed:
                self._changed.notify_all()
