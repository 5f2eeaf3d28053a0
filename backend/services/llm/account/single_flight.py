"""Identical calls made at the same time are one call: the leader makes it, the followers wait.

There is one leader per key, whatever thread, task, event loop or client asks. `claim` gives the
first caller the `Leader`, and every other a `Follower` to wait with:

    claimed = single_flight.claim(key)
    if isinstance(claimed, Follower):
        outcome = claimed.join(seconds_left)     # or: await claimed.ajoin(seconds_left)
        if not isinstance(outcome, Leader):
            return outcome
        claimed = outcome
    with claimed as leader:
        value = make_the_call()
        leader.set_result(value)
        return value

When a leader is cancelled or resigns, a follower becomes the leader. So does one when the leader's
event loop stands still, blocked or run no more. `set_result` ends the flight: what later callers
are to find is stored before it, and a leader looks there once more before it makes the call, since
another may have stored it between its lookup and its claim.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent import futures
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from ..frozen import dataclass
from ..runtime.coroutines import as_coroutine, run_without_loop
from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.running_loop import current_loop, next_iteration
from ..runtime.waking import set_running
from .copied_errors import copied_error

T = TypeVar("T")

#: Seconds within which a leader's event loop must react, and the part of a follower's own time if
#: that is less: then there is time left to make the call.
_MAX_SILENCE = 1.0
_MAX_SILENCE_PART = 0.25


class StillInFlight(Exception):  # noqa: N818  it is about the waiting, not about the request
    """The follower's own time is over; the call goes on without it."""


class WouldDeadlock(RuntimeError):  # noqa: N818  it is about the waiting, not about the request
    """The leader runs in this very thread, and waiting would stop it: make the call alone."""


@dataclass(frozen=True)
class _Result(Generic[T]):
    value: T


@dataclass(frozen=True)
class _Failure:
    error: Exception


class Leader(Generic[T]):
    """The caller that makes the call for all: it ends with a result, an exception or a resignation.

    Leaving the `with` block by an Exception sets that; leaving it by anything else (cancellation,
    KeyboardInterrupt, GeneratorExit, no result) resigns. Only the first end counts.
    """

    def __init__(self, single_flight: SingleFlight[T], key: str, thread: int) -> None:
        self._single_flight = single_flight
        self._key = key
        self._thread = thread
        self._loop = current_loop()
        self._followers: list[Follower[T]] = []
        #: What it has ended with, and gives its followers.
        self._outcome: _Result[T] | _Failure | None = None
        #: While it waits for who reads its stream: an object that stands for this one wait.
        self.reader_wait: object | None = None

    def set_result(self, value: T) -> None:
        """Give *value* itself, not a copy, to every follower."""
        self._end(_Result(value))

    def set_exception(self, error: BaseException | None) -> None:
        """Give every follower a copy of *error*; resign if it is no Exception."""
        if isinstance(error, Exception):
            self._end(_Failure(error))
        else:
            self.resign()

    def resign(self) -> None:
        """Let a follower make the call, if there is one."""
        self._single_flight._replace_leader(self)

    def release(self) -> None:
        """Resign, unless it has ended; complete an end that an interrupt has left half done."""
        if self._outcome is None:
            self.resign()
        else:
            self._tell_followers(self._outcome)

    def __enter__(self) -> Leader[T]:
        return self

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        self.set_exception(error)

    def _end(self, outcome: _Result[T] | _Failure) -> None:
        if self._single_flight._remove(self, outcome):
            self._tell_followers(outcome)

    def _tell_followers(self, outcome: _Result[T] | _Failure) -> None:
        for follower in self._followers:
            if set_running(follower._outcome):
                follower._outcome.set_result(outcome)


class Follower(Generic[T]):
    """A caller that waits for the leader's outcome, once; it may stop waiting at any time."""

    def __init__(self, leader: Leader[T]) -> None:
        self._leader = leader  # whom it waits for; a new one once that is replaced
        self._thread = threading.get_ident()
        self._loop = current_loop()
        self._blocks = False
        self._outcome: futures.Future[_Result[T] | _Failure | Leader[T]] = futures.Future()
        self._aborted: futures.Future[None] = futures.Future()

    def join(self, timeout: float | None = None) -> T | Leader[T]:
        """Wait in this thread, up to *timeout* seconds, for the leader's result, and return it.

        Returns a Leader instead where this follower is to make the call: the leader has resigned,
        or its event loop stands still. Raises its own copy of the leader's error; StillInFlight;
        WouldDeadlock if the leader is in this very thread, be it a task of the event loop that
        waiting would block.
        """
        self._leader._single_flight._note_blocking(self)
        ends: list[futures.Future[Any]] = [self._outcome, self._aborted]
        wait = as_coroutine(lambda seconds: futures.wait(ends, seconds, futures.FIRST_COMPLETED))
        return run_without_loop(self._join(timeout, wait))

    async def ajoin(self, timeout: float | None = None) -> T | Leader[T]:
        """Wait as `join` does, in the running event loop, without blocking it."""
        waiting = asyncio.wrap_future(self._outcome)
        return await self._join(timeout, lambda seconds: asyncio.wait({waiting}, timeout=seconds))

    def abort(self) -> None:
        """End a wait in another thread: it raises StillInFlight, if no outcome is there yet."""
        with suppress(futures.InvalidStateError):  # two may do so at once
            self._aborted.set_result(None)

    async def _join(
        self, timeout: float | None, wait: Callable[[float], Coroutine[Any, Any, object]]
    ) -> T | Leader[T]:
        try:
            for seconds in self._waits(timeout):
                await wait(seconds)
        except BaseException:
            self.release()
            raise
        return self._result()

    def _waits(self, timeout: float | None) -> Iterator[float]:
        """Divide *timeout* seconds into waits, each followed by a look at the leader.

        This follower becomes the leader where the leader's event loop has given no sign of life for
        as long as a wait, or nobody has read on in the leader's stream. The waits end with any
        outcome, or with the time.
        """
        timeout = min(threading.TIMEOUT_MAX, math.inf if timeout is None else timeout)
        end = time.monotonic() + timeout
        longest = min(_MAX_SILENCE, _MAX_SILENCE_PART * timeout)
        while True:
            leader, has_iterated = self._leader, next_iteration(self._leader._loop)
            reader_wait = leader.reader_wait
            left = end - time.monotonic()
            yield max(0.0, min(longest, left))
            if self._outcome.done() or self._aborted.done() or time.monotonic() >= end:
                return
            is_unread = reader_wait is not None and leader.reader_wait is reader_wait
            if is_unread or not has_iterated.done():
                leader._single_flight._take_over(self, leader)

    def _result(self) -> T | Leader[T]:
        if self._outcome.cancel():  # in time: from here on it cannot become the leader
            raise StillInFlight("the identical call in flight has no answer yet")
        outcome = self._outcome.result()
        if isinstance(outcome, _Failure):
            raise copied_error(outcome.error)
        return outcome.value if isinstance(outcome, _Result) else outcome

    def release(self) -> None:
        """Stop waiting; if this has become the leader meanwhile, resign, unless that has ended."""
        if not self._outcome.cancel() and isinstance(leader := self._outcome.result(), Leader):
            leader.release()


class ClaimHolder(Protocol[T]):
    """Who is to `release` a claim, however that has ended, and has it before others find it."""

    claim: Leader[T] | Follower[T] | None


class SingleFlight(Generic[T]):
    """The calls in flight that others may join, at most one per key."""

    def __init__(self) -> None:
        self._lock = ForkLock(leaf=True)  # guards the leaders and their followers
        self._leaders: dict[str, Leader[T]] = {}
        on_fork_in_child(self, SingleFlight._reset_in_child)

    def __len__(self) -> int:
        """Return how many calls are in flight."""
        with self._lock:
            return len(self._leaders)

    def claim(self, key: str, holder: ClaimHolder[T] | None = None) -> Leader[T] | Follower[T]:
        """Return a Leader to the first caller with *key*, and to the others a Follower.

        The *holder*'s `claim` is set before others find it: an interrupt may follow.
        """
        with self._lock:
            known = self._leaders.get(key)
            if known is None:
                leader = Leader(self, key, threading.get_ident())
                if holder is not None:
                    holder.claim = leader
                self._leaders[key] = leader
                return leader
            follower = Follower(known)
            if holder is not None:
                holder.claim = follower
            known._followers.append(follower)
            return follower

    def _reset_in_child(self) -> None:
        """Begin with no calls in flight in a child: their leaders are threads of the parent."""
        self._leaders = {}

    def _note_blocking(self, follower: Follower[T]) -> None:
        """Note that *follower* blocks this thread; WouldDeadlock if its leader needs the thread."""
        with self._lock:
            here = threading.get_ident()
            if follower._leader._thread == here and not follower._outcome.done():
                follower._outcome.cancel()
                raise WouldDeadlock("the leader that this thread would wait for runs in it")
            follower._thread, follower._blocks = here, True

    def _remove(self, leader: Leader[T], outcome: _Result[T] | _Failure) -> bool:
        """Let *leader* end with *outcome*, unless it was replaced; return whether it does."""
        with self._lock:
            if self._leaders.get(leader._key) is not leader:
                return False
            leader._outcome = outcome
            del self._leaders[leader._key]
            return True

    def _take_over(self, follower: Follower[T], leader: Leader[T]) -> None:
        """Make *follower* the leader in place of *leader*, unless that was replaced already."""
        with self._lock:
            if self._leaders.get(leader._key) is leader:
                self._promote_first([follower], leader)

    def _replace_leader(self, leader: Leader[T]) -> None:
        """Make a follower the leader in place of *leader*; without a follower the flight ends.

        Followers that block their thread come first: a task that was the leader could not run if
        its event loop was in one of these threads.
        """
        with self._lock:
            if self._leaders.get(leader._key) is leader:
                followers = sorted(leader._followers, key=lambda each: not each._blocks)
                self._promote_first(followers, leader)
                if self._leaders.get(leader._key) is leader:
                    del self._leaders[leader._key]

    def _promote_first(self, candidates: Sequence[Follower[T]], leader: Leader[T]) -> None:
        """Make the first of *candidates* that still waits the leader in place of *leader*."""
        for candidate in candidates:
            if set_running(candidate._outcome):
                successor = Leader(self, leader._key, candidate._thread)
                successor._loop = None if candidate._blocks else candidate._loop
                for each in leader._followers:
                    each._leader = successor
                    if each is not candidate and not each._outcome.cancelled():
                        successor._followers.append(each)
                self._leaders[leader._key] = successor
                try:
                    candidate._outcome.set_result(successor)
                except BaseException:
                    if not candidate._outcome.done():
                        candidate._outcome.set_result(successor)
                    raise
                return
