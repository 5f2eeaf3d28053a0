"""Ends what the reader of a stream waits for, once another thread or task closes the stream."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..effects import Effect, Join, Open, Pull, Sleep
from ..runtime.opening import Opening

if TYPE_CHECKING:
    from .drivers import StreamChannel


class Interruption:
    """Knows what one reader waits for, and whether it was told to wait no more.

    The reader notes its next wait, and then looks whether it was interrupted; who interrupts says
    so, and then ends the wait that is noted: so neither can miss the other.
    """

    def __init__(self) -> None:
        #: Done once the reader, which was interrupted, has given back what it held.
        self.ended: Future[None] = Future()
        #: What the reader opens, where it is a thread.
        self.opening = Opening()
        self.is_interrupted = False
        #: Done with that, for waits that know but futures.
        self._interrupted: Future[None] = Future()
        self._effect: Effect | None = None
        self._is_closing = False
        #: The task that was cancelled, until it has come to know why.
        self._cancelled: asyncio.Task[Any] | None = None

    def interrupt(self, task: asyncio.Task[Any] | None) -> None:
        """End the wait of a reader: of *task*, or of a thread where that is None."""
        if self._is_closing:
            return
        self.is_interrupted = True
        _set(self._interrupted)
        if task is not None:
            self._cancelled = task
            task.cancel()
        elif isinstance(effect := self._effect, Pull):
            cast("StreamChannel", effect.channel).abort()
        elif isinstance(effect, Join):
            effect.follower.abort()
        elif isinstance(effect, Open):
            self.opening.abort()

    def interruptible(self, effect: Effect) -> Effect:
        """Return *effect* as the reader is to wait for it; raises as `check`."""
        self._effect = effect
        if self.is_interrupted:
            self.check()
        if type(effect) is Sleep:
            return replace(effect, wake=_either(self._interrupted, effect.wake))
        return effect

    def check(self) -> None:
        """Raise RuntimeError where the reader was interrupted, and no one else cancels its task."""
        if self._is_closing or not self.is_interrupted:
            return
        task, self._cancelled = self._cancelled, None
        # Python 3.10 does not count the requests to cancel a task.
        if task is None or not getattr(task, "uncancel", int)():
            raise RuntimeError("the stream was closed while its next piece was waited for")

    def begin_to_close(self) -> None:
        """From now on the reader gives back what it holds, and is not interrupted."""
        self._is_closing = True

    def end(self) -> None:
        """Tell whoever has interrupted the reader that it has given everything back."""
        _set(self.ended)


def _set(future: Future[None]) -> None:
    with suppress(InvalidStateError):  # several threads may close a stream at once
        future.set_result(None)


def _either(one: Future[None], other: Future[None] | None) -> Future[None]:
    """Return a future that is done with the first of the two."""
    if other is None:
        return one
    first: Future[None] = Future()
    for each in (one, other):
        each.add_done_callback(lambda _: _set(first))
    return first
