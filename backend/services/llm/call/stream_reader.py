"""Read a stream event by event: steps for whoever holds it, in a thread or in a task.

From the first event on, a stream holds a connection, a permit and tokens: until it has been read to
its end, has failed, or is closed.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..effects import Close, Effect, Effects, Emit, Join, Open, sleep
from ..errors import LLMError
from ..runtime.opening import opening
from ..stream_types import AnyEvent
from ..types import Reply
from .interruption import Interruption

#: The longest that whoever closes a stream waits for its reader to let go, in seconds: one that
#: blocks in a test's stand-in cannot be told.
PATIENCE = 1.0


class StreamReader:
    """The events that *flow* emits, one after another; `reply` is what it returns in the end."""

    def __init__(self, flow: Effects[Reply]) -> None:
        #: Events that have come and are not read yet.
        self.waiting: deque[AnyEvent] = deque()
        self.reply: Reply | None = None
        self.is_open = False
        #: Whoever reads it cannot close it: a web server that drops it when its client has gone.
        self.is_handed_over = False
        self._flow = flow
        self._resume: Callable[[], Effect] = partial(next, flow)
        self._channel: Any = None
        self._is_over = False
        #: Whether an interrupted or cancelled read has ended it before its answer was whole.
        self._is_incomplete = False
        self._is_busy = False
        self._interruption = Interruption()
        #: The task that reads; None where a thread does.
        self._task: asyncio.Task[Any] | None = None
        #: The process whose connection it is, and the thread that reads.
        self._process: int | None = None
        self._thread: int | None = None

    def next_event(self, task: asyncio.Task[Any] | None = None) -> Effects[AnyEvent | None]:
        """Return the event that comes next; None at the end. Raises what ends the stream.

        It is read by *task*, or by this thread.
        """
        while not self.waiting:
            if self._is_incomplete:
                raise RuntimeError(
                    "the stream has not come to its end: a read was interrupted or cancelled"
                )
            if self._is_over:
                return None
            if (events := (yield from self._next_events(task))) is not None:
                self.waiting.extend(events)
        return self.waiting.popleft()

    def close(self) -> Effects[None]:
        """Give back what the stream holds, and forget what waits to be read.

        Where a reader waits, its wait ends in a RuntimeError, and it gives back what is held.
        """
        self._is_over = True
        self._is_incomplete = False
        self.waiting.clear()
        if self._is_busy:
            self._interruption.interrupt(self._task)
            # A signal's handler, in the thread that reads, would wait for itself.
            if self._task is not None or self._thread != threading.get_ident():
                yield from sleep(PATIENCE, "close", self._interruption.ended)
        if (self.is_open or self._channel is not None) and not self._is_busy:
            yield from self._release()

    @property
    def is_left_open(self) -> bool:
        """Whether it is open in this process, and nobody waits for what comes next."""
        return self.is_open and not self._is_busy and self._process == os.getpid()

    def give_back(self) -> None:
        """Give back permit and tokens, where the connection is already gone."""
        self._is_over = True
        self._flow.close()
        self.is_open = False

    def _next_events(self, task: asyncio.Task[Any] | None) -> Effects[Sequence[AnyEvent] | None]:
        if self._is_busy:
            raise RuntimeError("a stream is read by one thread or task at a time")
        # The child of a fork would take what comes away from its parent, who would miss it.
        if self._process not in (None, os.getpid()):
            raise RuntimeError("a stream is read in the process that began it, not in a forked one")
        self._process, self._thread, self._task = os.getpid(), threading.get_ident(), task
        self._is_busy = self.is_open = True
        try:
            return (yield from self._run_until_emit())
        except GeneratorExit:
            # Its driver was interrupted between two steps. Whoever holds the stream closes it.
            self._is_over = self._is_incomplete = True
            raise
        except BaseException as error:
            self._is_incomplete = not (
                isinstance(error, LLMError) or self._interruption.is_interrupted
            )
            yield from self._release()
            raise
        finally:
            self._is_busy = False
            if self._is_over:
                self._interruption.end()

    def _run_until_emit(self) -> Effects[Sequence[AnyEvent] | None]:
        """Pass the flow's effects on until it emits events; None at its end."""
        resume = self._resume
        while True:
            try:
                effect = resume()
            except StopIteration as done:
                self.reply = done.value
                yield from self._release()
                return None
            if isinstance(effect, Emit):
                self._resume = partial(self._flow.send, None)
                return effect.events
            try:
                resume = partial(self._flow.send, (yield from self._perform(effect)))
            # A cancellation too: the flow gives back what it holds. An interruption is raised here.
            except BaseException as error:
                self._interruption.check()
                resume = partial(self._flow.throw, error)

    def _perform(self, effect: Effect) -> Effects[Any]:
        if isinstance(effect, Open):
            return (yield from self._open(effect))
        performed = yield self._interruption.interruptible(effect)
        # What an identical call has left to this one is the flow's to give on.
        if self._interruption.is_interrupted and not isinstance(effect, Join):
            self._interruption.check()
        return performed

    def _open(self, effect: Open) -> Effects[Any]:
        if self._channel is not None:
            yield Close(self._channel)  # the attempt before left it open
        if self._task is None:
            with opening(self._interruption.opening):
                self._channel = yield self._interruption.interruptible(effect)
        else:
            self._channel = yield self._interruption.interruptible(effect)
        self._interruption.check()
        return self._channel

    def _release(self) -> Effects[None]:
        self._interruption.begin_to_close()
        channel, self._channel = self._channel, None
        try:
            if channel is not None:
                yield Close(channel)
        finally:
            self.give_back()
