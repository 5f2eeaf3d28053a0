"""Identical calls made at the same time are one call: the first makes it, the others wait.

There is one leader a key, whatever thread, task, event loop or client asks. `SingleFlight.claim`
gives the first caller the `Leader`, and every other a `Follower` to wait with:

    claim = flights.claim(key)
    if isinstance(claim, Flight):
        claim = claim.join(seconds_left)         # or: await claim.ajoin(seconds_left)
        if not isinstance(claim, Lead):
            return claim
    with claim as lead:
        value = make_the_call()
        lead.land(value)
        return value

A leader that is cancelled hands the lead to one of those who wait, and the rest wait on. One whose
event loop stands still, blocked or run no more, loses it to a follower from elsewhere. Landing ends
the flight: whatever later callers are to find is stored before `land`, and a leader looks there
once more before it makes the call, since another may have landed between its look and its claim.
The lock is held for a few steps of arithmetic, so nobody waits for it.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from ..runtime.fork import ForkLock, reset_in_child
from ..runtime.running_loop import own_loop, sign_of_life

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

#: Seconds within which a leader's event loop must give a sign of life, and the part of a follower's
#: own time if that is less: then there is time left to make the call.
_STANDS_STILL = 1.0
_OF_THE_TIME = 0.25


class StillInFlight(Exception):  # noqa: N818  a verdict on the waiting, not on the request
    """The follower's own time is over; the flight goes on without it."""


class WouldDeadlock(RuntimeError):  # noqa: N818  a verdict on the waiting, not on the request
    """The leader runs in this very thread, and waiting would stop it: make the call alone."""


@dataclass(frozen=True)
class _Result(Generic[T]):
    value: T


@dataclass(frozen=True)
class _Failure:
    error: Exception


class Leader(Generic[T]):
    """The duty to end a flight: by `land`, by `crash`, or by leaving the `with` block.

    Leaving it by an Exception is a crash. By anything else (cancellation, KeyboardInterrupt,
    GeneratorExit, or no landing at all) the lead passes to a follower. Only the first end counts.
    """

    def __init__(self, single_flight: SingleFlight[T], key: str, thread: int) -> None:
        self._flights = single_flight
        self._key = key
        self._thread = thread
        self._loop = own_loop()
        self._followers: list[Follower[T]] = []

    def land(self, value: T) -> None:
        """Give *value* itself, not a copy, to every follower."""
        self._tell_all(_Result(value))

    def crash(self, error: BaseException) -> None:
        """Give every follower a copy of *error*; if it is no Exception, pass the lead on."""
        self._end_by(error)

    def __enter__(self) -> Leader[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end_by(error)

    def _end_by(self, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._tell_all(_Failure(error))
        else:
            self._flights._promote_follower(self)

    def _tell_all(self, outcome: _Result[T] | _Failure) -> None:
        for follower in self._flights._land(self):
            if follower._outcome.set_running_or_notify_cancel():
                follower._outcome.set_result(outcome)


class Follower(Generic[T]):
    """One follower's seat in a flight, to wait in once; giving it up disturbs nobody."""

    def __init__(self, leader: Leader[T]) -> None:
        self._lead = leader  # whom it waits for; its own once it is made the heir
        self._thread = threading.get_ident()
        self._loop = own_loop()
        self._blocks = False
        self._outcome: futures.Future[_Result[T] | _Failure | Leader[T]] = futures.Future()

    def join(self, timeout: float | None = None) -> T | Leader[T]:
        """Wait in this thread, up to *timeout* seconds, for what the leader lands.

        Returns the lead instead if the leader left, or its event loop stands still, and this
        follower is to make the call. Raises its own copy of the leader's error; StillFlying;
        WouldDeadlock if the leader is in this very thread, be it a task of the event loop that
        waiting would block.
        """
        self._lead._flights._seat(self)
        try:
            for part in self._parts_of(timeout):
                futures.wait([self._outcome], part)
        except BaseException:
            self._give_up()
            raise
        return self._result()

    async def ajoin(self, timeout: float | None = None) -> T | Leader[T]:
        """Wait as `join` does, in the running event loop, without blocking it."""
        waiting = asyncio.wrap_future(self._outcome)
        try:
            for part in self._parts_of(timeout):
                await asyncio.wait({waiting}, timeout=part)
        except BaseException:
            self._give_up()
            raise
        return self._result()

    def _parts_of(self, timeout: float | None) -> Iterator[float]:
        """Divide *timeout* seconds into waits, each followed by a look at the leader.

        Where its event loop has given no sign of life for as long as a wait, the lead is this
        follower's. The waits end with any outcome, or with the time.
        """
        timeout = min(threading.TIMEOUT_MAX, math.inf if timeout is None else timeout)
        end = time.monotonic() + timeout
        longest = min(_STANDS_STILL, _OF_THE_TIME * timeout)
        while True:
            leader, sign = self._lead, sign_of_life(self._lead._loop)
            left = end - time.monotonic()
            yield max(0.0, min(longest, left))
            if self._outcome.done() or time.monotonic() >= end:
                return
            if not sign.done():
                leader._flights._take_over(self, leader)

    def _result(self) -> T | Leader[T]:
        if self._outcome.cancel():  # in time: from here on nobody can make it the heir
            raise StillInFlight("the identical call in flight has no answer yet")
        outcome = self._outcome.result()
        if isinstance(outcome, _Failure):
            raise copied_error(outcome.error)
        return outcome.value if isinstance(outcome, _Result) else outcome

    def _give_up(self) -> None:
        if not self._outcome.cancel() and isinstance(leader := self._outcome.result(), Leader):
            self._lead._flights._promote_follower(leader)


class SingleFlight(Generic[T]):
    """The flights now in the air, at most one per key."""

    def __init__(self) -> None:
        self._lock = ForkLock(leaf=True)  # guards the dict, and leads and seats of flights in it
        self._leads: dict[str, Leader[T]] = {}
        reset_in_child(self)

    def __len__(self) -> int:
        """Return how many flights are in the air."""
        with self._lock:
            return len(self._leads)

    def claim(self, key: str) -> Leader[T] | Follower[T]:
        """Return the Lead of *key* to the first caller, and to others a Flight to wait in."""
        with self._lock:
            leader = self._leads.get(key)
            if leader is None:
                leader = self._leads[key] = Leader(self, key, threading.get_ident())
                return leader
            follower = Follower(leader)
            leader._followers.append(follower)
            return follower

    def after_fork(self) -> None:
        """Begin with no flights in a forked child: their leaders are threads of the parent."""
        self._leads = {}

    def _seat(self, follower: Follower[T]) -> None:
        """Note that *follower* blocks this thread; WouldDeadlock if its leader needs the thread."""
        with self._lock:
            here = threading.get_ident()
            if follower._lead._thread == here and not follower._outcome.done():
                follower._outcome.cancel()
                raise WouldDeadlock("this thread leads the flight that it would wait for")
            follower._thread, follower._blocks = here, True

    def _land(self, leader: Leader[T]) -> list[Follower[T]]:
        """End the flight, if it is still *leader*'s, and return whom to tell."""
        with self._lock:
            if self._leads.get(leader._key) is not leader:
                return []
            del self._leads[leader._key]
            return leader._followers

    def _take_over(self, follower: Follower[T], leader: Leader[T]) -> None:
        """Give *follower* the flight, if it is still *leader*'s, which stands still."""
        with self._lock:
            if self._leads.get(leader._key) is leader:
                self._hand_to([follower], leader)

    def _promote_follower(self, leader: Leader[T]) -> None:
        """Give the flight, if it is still *leader*'s, to a follower; without any it ends.

        Those that block their thread come first: a task that led could not run if its event loop
        was in one of these threads.
        """
        with self._lock:
            if self._leads.get(leader._key) is not leader:
                return
            del self._leads[leader._key]
            self._hand_to(sorted(leader._followers, key=lambda each: not each._blocks), leader)

    def _hand_to(self, heirs: Sequence[Follower[T]], leader: Leader[T]) -> None:
        """Give the flight of *leader* to the first of *heirs* that has not given up."""
        for next_leader in heirs:
            if next_leader._outcome.set_running_or_notify_cancel():
                following = self._leads[leader._key] = Leader(
                    self, leader._key, next_leader._thread
                )
                following._loop = None if next_leader._blocks else next_leader._loop
                for each in leader._followers:
                    each._lead = following
                    if each is not next_leader and not each._outcome.cancelled():
                        following._followers.append(each)
                next_leader._outcome.set_result(following)
                return


def copied_error(error: E) -> E:
    """Return a copy of *error* to raise elsewhere, with its cause but no traceback.

    One object raised in many threads would collect all their tracebacks. An exception of a kind
    that cannot be copied without its constructor (UnicodeDecodeError) is returned itself.
    """
    try:
        copy = type(error).__new__(type(error), *error.args)
    except TypeError:  # its own `__new__` asks for more than its args
        return error.with_traceback(None)
    for name, value in vars(error).items():  # lists are copied: notes are added in place
        vars(copy)[name] = list(value) if type(value) is list else value
    if str(copy) != str(error):
        return error.with_traceback(None)
    copy.__cause__ = error.__cause__
    copy.__suppress_context__ = True
    return copy
