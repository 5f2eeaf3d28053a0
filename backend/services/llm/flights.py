"""Identical calls made at the same time are one call: the first makes it, the others wait.

A flight belongs to a key, whatever thread, task, event loop or face asks. `Flights.claim` gives the
first caller the `Lead`, and every other a `Flight`, its own seat to wait in:

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

from .forks import ForkLock, reset_in_child
from .loops import own_loop, sign_of_life

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

#: Seconds within which a leader's event loop must give a sign of life, and the part of a follower's
#: own time if that is less: then there is time left to make the call.
_STANDS_STILL = 1.0
_OF_THE_TIME = 0.25


class StillFlying(Exception):  # noqa: N818  a verdict on the waiting, not on the request
    """The follower's own time is over; the flight goes on without it."""


class WouldDeadlock(RuntimeError):  # noqa: N818  a verdict on the waiting, not on the request
    """The leader runs in this very thread, and waiting would stop it: make the call alone."""


@dataclass(frozen=True)
class _Landed(Generic[T]):
    value: T


@dataclass(frozen=True)
class _Crashed:
    error: Exception


class Lead(Generic[T]):
    """The duty to end a flight: by `land`, by `crash`, or by leaving the `with` block.

    Leaving it by an Exception is a crash. By anything else (cancellation, KeyboardInterrupt,
    GeneratorExit, or no landing at all) the lead passes to a follower. Only the first end counts.
    """

    def __init__(self, flights: Flights[T], key: str, thread: int) -> None:
        self._flights = flights
        self._key = key
        self._thread = thread
        self._loop = own_loop()
        self._followers: list[Flight[T]] = []

    def land(self, value: T) -> None:
        """Give *value* itself, not a copy, to every follower."""
        self._tell_all(_Landed(value))

    def crash(self, error: BaseException) -> None:
        """Give every follower a copy of *error*; if it is no Exception, pass the lead on."""
        self._end_by(error)

    def __enter__(self) -> Lead[T]:
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
            self._tell_all(_Crashed(error))
        else:
            self._flights._pass_on(self)

    def _tell_all(self, outcome: _Landed[T] | _Crashed) -> None:
        for follower in self._flights._land(self):
            if follower._outcome.set_running_or_notify_cancel():
                follower._outcome.set_result(outcome)


class Flight(Generic[T]):
    """One follower's seat in a flight, to wait in once; giving it up disturbs nobody."""

    def __init__(self, lead: Lead[T]) -> None:
        self._lead = lead  # whom it waits for; its own once it is made the heir
        self._thread = threading.get_ident()
        self._loop = own_loop()
        self._blocks = False
        self._outcome: futures.Future[_Landed[T] | _Crashed | Lead[T]] = futures.Future()

    def join(self, timeout: float | None = None) -> T | Lead[T]:
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

    async def ajoin(self, timeout: float | None = None) -> T | Lead[T]:
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
            lead, sign = self._lead, sign_of_life(self._lead._loop)
            left = end - time.monotonic()
            yield max(0.0, min(longest, left))
            if self._outcome.done() or time.monotonic() >= end:
                return
            if not sign.done():
                lead._flights._take_over(self, lead)

    def _result(self) -> T | Lead[T]:
        if self._outcome.cancel():  # in time: from here on nobody can make it the heir
            raise StillFlying("the identical call in flight has no answer yet")
        outcome = self._outcome.result()
        if isinstance(outcome, _Crashed):
            raise twin(outcome.error)
        return outcome.value if isinstance(outcome, _Landed) else outcome

    def _give_up(self) -> None:
        if not self._outcome.cancel() and isinstance(lead := self._outcome.result(), Lead):
            self._lead._flights._pass_on(lead)


class Flights(Generic[T]):
    """The flights now in the air, at most one per key."""

    def __init__(self) -> None:
        self._lock = ForkLock(leaf=True)  # guards the dict, and leads and seats of flights in it
        self._leads: dict[str, Lead[T]] = {}
        reset_in_child(self)

    def __len__(self) -> int:
        """Return how many flights are in the air."""
        with self._lock:
            return len(self._leads)

    def claim(self, key: str) -> Lead[T] | Flight[T]:
        """Return the Lead of *key* to the first caller, and to others a Flight to wait in."""
        with self._lock:
            lead = self._leads.get(key)
            if lead is None:
                lead = self._leads[key] = Lead(self, key, threading.get_ident())
                return lead
            flight = Flight(lead)
            lead._followers.append(flight)
            return flight

    def after_fork(self) -> None:
        """Begin with no flights in a forked child: their leaders are threads of the parent."""
        self._leads = {}

    def _seat(self, follower: Flight[T]) -> None:
        """Note that *follower* blocks this thread; WouldDeadlock if its leader needs the thread."""
        with self._lock:
            here = threading.get_ident()
            if follower._lead._thread == here and not follower._outcome.done():
                follower._outcome.cancel()
                raise WouldDeadlock("this thread leads the flight that it would wait for")
            follower._thread, follower._blocks = here, True

    def _land(self, lead: Lead[T]) -> list[Flight[T]]:
        """End the flight, if it is still *lead*'s, and return whom to tell."""
        with self._lock:
            if self._leads.get(lead._key) is not lead:
                return []
            del self._leads[lead._key]
            return lead._followers

    def _take_over(self, follower: Flight[T], lead: Lead[T]) -> None:
        """Give *follower* the flight, if it is still *lead*'s, which stands still."""
        with self._lock:
            if self._leads.get(lead._key) is lead:
                self._hand_to([follower], lead)

    def _pass_on(self, lead: Lead[T]) -> None:
        """Give the flight, if it is still *lead*'s, to a follower; without any it ends.

        Those that block their thread come first: a task that led could not run if its event loop
        was in one of these threads.
        """
        with self._lock:
            if self._leads.get(lead._key) is not lead:
                return
            del self._leads[lead._key]
            self._hand_to(sorted(lead._followers, key=lambda each: not each._blocks), lead)

    def _hand_to(self, heirs: Sequence[Flight[T]], lead: Lead[T]) -> None:
        """Give the flight of *lead* to the first of *heirs* that has not given up."""
        for heir in heirs:
            if heir._outcome.set_running_or_notify_cancel():
                following = self._leads[lead._key] = Lead(self, lead._key, heir._thread)
                following._loop = None if heir._blocks else heir._loop
                for each in lead._followers:
                    each._lead = following
                    if each is not heir and not each._outcome.cancelled():
                        following._followers.append(each)
                heir._outcome.set_result(following)
                return


def twin(error: E) -> E:
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
