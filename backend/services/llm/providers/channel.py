"""An open stream: what a source brings, read into events, until its answer is whole.

It closes itself where a pull ends in an error, and at the stream's end. What comes to grief after
the answer has ended, such as the end of the message, does the answer no harm.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol

import anyio

from ..errors import LLMError, LLMTimeoutError
from ..runtime.coroutines import run_without_loop
from ..runtime.signals import find_signal_error, handler_traceback
from ..stream_types import StreamEvent
from ..types import Reply
from .foreign_errors import class_names

#: Seconds for what may follow the end of an answer, such as its usage: it comes at once, or never.
_AFTER_THE_END = 1.0


class Reader(Protocol):
    """What a stream says, added up."""

    is_done: bool
    #: What was wrong with that which came after the last events, to be raised after them.
    failure: Exception | None

    @property
    def answer_has_ended(self) -> bool:
        """Whether the answer has ended, whatever is still missing of the stream."""

    def whole(self) -> Reply:
        """The reply that has come; raises LLMError for one that is not whole."""

    def so_far(self) -> Reply:
        """The reply as far as it has come, whole or not."""


class Source(Protocol):
    """Where a stream comes from, blocking."""

    def read(self, until: float) -> Any:
        """Return what comes next before *until* (`time.monotonic`), or None at the end."""

    def close(self, *, is_done: bool = False) -> None:
        """Let go of the connection, which may be kept where the stream *is_done*."""

    def abort(self) -> None:
        """End a read in another thread at once."""


class AsyncSource(Protocol):
    """The same, for an event loop."""

    async def read(self, until: float) -> Any:
        """Return what comes next before *until* (`time.monotonic`), or None at the end."""

    async def aclose(self, *, is_done: bool = False) -> None:
        """Let go of the connection, which may be kept where the stream *is_done*."""


def raise_mapped(error: BaseException, to_error: Callable[[Exception], LLMError]) -> NoReturn:
    """Raise what *error* means, from it; itself where it is that already, or no Exception."""
    if not isinstance(error, Exception) or (meant := to_error(error)) is error:
        raise error
    raise meant from error


@contextmanager
def map_errors(to_error: Callable[[Exception], LLMError]) -> Iterator[None]:
    """Raise what an error of the block means, from it."""
    try:
        yield
    except Exception as error:
        raise_mapped(error, to_error)


class _Channel(ABC):
    """What both kinds of channel know: the answer so far, and what an error means."""

    def __init__(
        self,
        reader: Reader,
        take: Callable[[Any], Sequence[StreamEvent]],
        to_error: Callable[[Exception], LLMError],
    ) -> None:
        self.reader = reader
        self.take = take
        self.to_error = to_error
        self.is_closed = False
        #: Until when what may follow the answer's end is waited for, once that has come.
        self._rest_until: float | None = None

    @property
    def answer_has_ended(self) -> bool:
        """Whether the answer has come to its end, whatever may follow it."""
        return self.reader.answer_has_ended

    def whole(self) -> Reply:
        """Return the whole answer once the stream has ended; raises LLMError for less."""
        return self.reader.whole()

    def so_far(self) -> Reply:
        """Return what has come, whole or not."""
        return self.reader.so_far()

    @abstractmethod
    async def _read(self, until: float) -> Any:
        """Return what comes next before *until*, or None at the end."""

    @abstractmethod
    async def _close(self) -> None:
        """Release the connection, once."""

    @abstractmethod
    async def _give_turn(self) -> None:
        """Let others have their turn, where there are any."""

    def _bounded(self, until: float) -> float:
        """Return until when to wait for what comes next: not as long where the answer has ended.

        Half of the time is left to whoever asked, who is still to look at the answer.
        """
        if self._rest_until is None and self.answer_has_ended:
            now = time.monotonic()
            self._rest_until = now + min(_AFTER_THE_END, (until - now) / 2)
        return until if self._rest_until is None else min(until, self._rest_until)

    async def _pull(self, timeout: float) -> Sequence[StreamEvent] | None:
        until = time.monotonic() + timeout
        try:
            if self.reader.failure is not None:
                raise self.reader.failure
            while not self.reader.is_done:
                until = self._bounded(until)
                if (item := await self._read(until)) is None:
                    break
                if events := self.take(item):
                    return events
                # A server may send what says nothing, byte by byte, and always have more.
                if time.monotonic() >= until:
                    raise TimeoutError("nothing was said in time")
                await self._give_turn()
        except Exception as error:
            await self._close()
            if (failure := self._failure(error, timeout)) is not None:
                raise failure from failure.__cause__
        except BaseException:
            await self._close()
            raise
        await self._close()
        return None

    def _failure(self, error: Exception, timeout: float) -> LLMError | None:
        """What *error* means, with the answer so far; None where that was whole already."""
        raised = find_signal_error(error, None)
        if handler_traceback(raised) is not None:
            raise raised
        was_told = isinstance(error, LLMError) or "EventStreamError" in class_names(
            error, "botocore"
        )
        if self.answer_has_ended and not was_told:
            return None
        meant = self.to_error(error)
        if isinstance(meant, LLMTimeoutError) and meant.status is None:
            meant.args = (
                f"{(meant.provider or '').capitalize()} connection error: the stream has stood"
                f" still for {timeout:g} seconds",
            )
        meant.partial = self.so_far()
        if meant is not error:
            meant.__cause__ = error
        return meant


class Channel(_Channel):
    """A stream for threads."""

    def __init__(self, source: Source, *how: Any) -> None:
        super().__init__(*how)
        self.source = source

    def pull(self, timeout: float) -> Sequence[StreamEvent] | None:
        """Return the events that come next, in at most *timeout* seconds; None at the end."""
        return run_without_loop(self._pull(timeout))

    async def _read(self, until: float) -> Any:
        return self.source.read(until)

    async def _close(self) -> None:
        self.close()

    async def _give_turn(self) -> None:
        pass

    def abort(self) -> None:
        """End a pull in another thread at once."""
        self.source.abort()

    def close(self) -> None:
        """Release the connection, once."""
        if not self.is_closed:
            self.is_closed = True
            self.source.close(is_done=self.reader.is_done)


class AsyncChannel(_Channel):
    """A stream for an event loop."""

    def __init__(self, source: AsyncSource, *how: Any) -> None:
        super().__init__(*how)
        self.source = source

    async def _give_turn(self) -> None:
        await asyncio.sleep(0)

    async def pull(self, timeout: float) -> Sequence[StreamEvent] | None:
        """Return the events that come next, in at most *timeout* seconds; None at the end."""
        return await self._pull(timeout)

    async def _read(self, until: float) -> Any:
        return await self.source.read(until)

    async def _close(self) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connection, once, also in a task that is being cancelled."""
        if not self.is_closed:
            self.is_closed = True
            with anyio.CancelScope(shield=True):
                await self.source.aclose(is_done=self.reader.is_done)
