"""The whole life of a request, top to bottom, without any I/O.

travel              a call's whole journey, and its ledger
  answer            one answer: kept, on its way to an identical call, or new
    _complete       tenacity's own state machine: an attempt, a wait, or the end
      _attempt      send once, when nothing forbids it, and give back what that took
        _admitted   the day's budget, an outage, every limit, a place on the wire
        _sent       the request itself, and what is learnt from what came of it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from tenacity import DoAttempt, DoSleep, RetryCallState, RetryError

from .. import models
from ..account.account import Account
from ..account.cache import Cache
from ..account.single_flight import Follower, Leader, StillInFlight, WouldDeadlock
from ..errors import AuthenticationError, LLMError, RateLimitError
from ..quota import Demand, Refusal, Reservation
from ..types import Flow, Overdue, Reply, Request, ask, join, send, sleep
from .admission import Admission
from .call import Call, CallPolicy
from .demand import most

R = TypeVar("R")

#: Seconds by which one lane must be free sooner than another to be taken out of turn.
_A_TIE = 1e-3


def run_call(terms: CallPolicy, account: Account, way: Callable[[Call], Flow[R]]) -> Flow[R]:
    """Go *way* on a new journey; what fails on it carries the journey's ledger."""
    journey = Call(terms, account, account.now())
    try:
        return (yield from way(journey))
    except LLMError as error:
        error.attempts = tuple(journey.attempts)
        raise


def answer(request: Request, journey: Call) -> Flow[Reply]:
    """Answer from the cache, from an identical call that is in flight, or from the provider."""
    cache = journey.account.cache
    if cache is None:
        reply = yield from _send_with_retries(request, journey)
    else:
        reply = yield from _answer_once(request, journey, cache)
    latency = journey.account.now() - journey.started
    return replace(reply, attempts=tuple(journey.attempts), latency=latency)


def _answer_once(request: Request, journey: Call, cache: Cache) -> Flow[Reply]:
    """Look into the cache, then join the twin in flight, or lead the flight."""
    key = cache.key_of(request)
    if kept := (yield from cache.asked(partial(cache.get, key), journey.left())):
        return kept
    claim = journey.account.single_flight.claim(key)
    if isinstance(claim, Follower):
        try:
            claim = yield from join(claim, journey.left())
        except StillInFlight:
            raise journey.deadline_error() from None
        except WouldDeadlock:
            # A task that leads runs in this thread, which must not wait for it: a call of its own.
            return (yield from _send_with_retries(request, journey))
        if not isinstance(claim, Leader):
            reply: Reply = claim
            return replace(reply, cost=0.0, cached=True)
    return (yield from _answer_as_leader(claim, key, request, journey, cache))


def _answer_as_leader(
    leader: Leader[Reply], key: str, request: Request, journey: Call, cache: Cache
) -> Flow[Reply]:
    """Bring the answer home to all who wait for it.

    Whose own time, limits, key or interruption are what failed hands over: another's may do.
    """
    with leader:
        try:
            # Another flight may have landed between our look into the cache and our claim.
            reply = yield from cache.asked(partial(cache.get, key), journey.left())
            if reply is None:
                reply = yield from _send_with_retries(request, journey)
                yield from cache.asked(partial(cache.put, key, reply), journey.left())
        except Exception as error:
            own = isinstance(error, (AuthenticationError, RateLimitError))
            if isinstance(error, LLMError) and journey.attempts and journey.left() > 0 and not own:
                raise
            ours = error
        else:
            leader.land(reply)
            return reply
    raise ours


def _send_with_retries(request: Request, journey: Call) -> Flow[Reply]:
    """Let tenacity decide: each of its steps is an attempt, a wait, or the end."""
    retrying = journey.terms.retrying.copy()
    retrying.begin()
    state = RetryCallState(retrying, None, (), {})
    while True:
        try:
            step = retrying.iter(state)
        except RetryError:
            break
        match step:
            case DoAttempt():
                try:
                    state.set_result((yield from _attempt(request, journey)))
                except LLMError as failure:
                    error = failure
                    state.set_exception((type(failure), failure, failure.__traceback__))
                finally:
                    journey.account.outages.release(journey)
            case DoSleep() as pause:
                if pause >= journey.left():
                    break
                yield from journey.wait(float(pause), "retry")
                state.prepare_for_next_attempt()
            case _:
                reply: Reply = step
                return reply
    raise journey.last_error(error)  # pyright: ignore[reportPossiblyUnboundVariable] one failed


def _attempt(request: Request, journey: Call) -> Flow[Reply]:
    """Send once, when nothing forbids it; whatever comes of that, give back what it took."""
    asked, request = request, journey.account.fit(request)
    admission = Admission(journey.account, most(request))
    try:
        yield from _admit(admission, request, journey)
        outcome: Reply | LLMError = yield from _send(admission, request, asked, journey)
    except LLMError as error:
        outcome = error
    finally:
        admission.close()
    if (written := admission.written) is not None:
        # Nothing is lost to a call that is cancelled here: a thread writes it.
        yield from sleep(journey.left(), "budget", written)
    if isinstance(outcome, LLMError):
        raise outcome
    return replace(outcome, cost=models.cost(outcome.model, outcome.usage))


def _send(admission: Admission, request: Request, asked: Request, journey: Call) -> Flow[Reply]:
    """Send once, and enter into the ledger, and into what all calls share, what came of it."""
    account, model, scope = journey.account, request.model, admission.scope
    request = replace(request, key=account.key_of(scope))
    sent = admission.send(model)
    try:
        reply = yield from send(request, min(journey.left(), journey.terms.attempt_timeout))
    except LLMError as error:
        admission.end(error.partial, error)
        journey.record(model, sent, error.partial, error)
        # Before its place and its room are free again: nobody may go where a refusal forbids it.
        account.learn(error, scope, model, journey.quota_wait_left())
        account.adapt(error, asked, request)
        raise
    admission.end(reply)
    account.served(scope)
    journey.record(model, sent, reply)
    return reply


def _admit(admission: Admission, request: Request, journey: Call) -> Flow[None]:
    """Wait for the day's budget, an outage's end, a lane's limits and a place on the wire."""
    account, budget = journey.account, journey.account.budget
    if budget is not None:
        booking = partial(budget.book, admission.booking, account.wall())
        try:
            # It may be shared with other processes.
            yield from ask(booking, journey.left(), "budget", blocking=budget.blocking)
        except Overdue:
            raise journey.deadline_error() from None
    while True:
        admission.reservation = yield from _reserve(request, journey, admission.demand)
        if (yield from _wait_for_start(admission, journey)):
            return
        admission.cancel()


def _reserve(request: Request, journey: Call, demand: Demand) -> Flow[Reservation]:
    """Reserve every limit of the lane that is free first, or none; all else equal, in turn."""
    account, now = journey.account, journey.account.now
    scopes = account.scopes(request.model)
    yield from _wait_for_outage(scopes, journey)
    if journey.left() <= 0:
        raise journey.deadline_error()
    moment = now()
    best: Refusal | None = None
    first = ""
    for scope in scopes:
        verdict = account.book(scope, demand, moment)
        if isinstance(verdict, Reservation):
            return verdict
        if best is None or verdict.wait < best.wait - _A_TIE:
            best, first = verdict, scope
    assert best is not None, "an account without lanes says so itself"
    reservation = account.book(first, demand, now(), journey.quota_wait_left())
    if isinstance(reservation, Refusal):
        raise journey.refused(reservation, demand)
    return reservation


def _wait_for_outage(scopes: Sequence[str], journey: Call) -> Flow[None]:
    """Wait until a Retry-After that is not a limit's has passed, whoever received it.

    Then one call asks first, and all others wait until that is back.
    """
    account = journey.account
    outage_key = account.outage_scope(scopes[0])
    while True:
        wait, returned = account.outages.wait(outage_key, account.now()), None
        if wait >= journey.left() and wait > 0:
            raise journey.outage_error(wait)
        if wait == 0:
            returned = account.outages.returned(outage_key)
            if returned is None:
                return
            wait = journey.left()
            if wait <= 0:
                raise journey.deadline_error()
        yield from journey.wait(wait, "retry", returned)


def _wait_for_start(admission: Admission, journey: Call) -> Flow[bool]:
    """Wait for the booked moment, then for a place on the wire, which is not held while waiting.

    False where the ticket's lane is not to carry it any more.
    """
    account, reservation, scope = journey.account, admission.reservation, admission.scope
    assert reservation is not None, "it has a lane"
    wait = reservation.at - account.now()
    while True:
        if wait > journey.quota_wait_left():
            raise journey.refused(Refusal(wait, None), reservation.demand)
        yield from journey.wait(wait, "quota", reservation.wake)
        yield from _wait_for_outage((scope,), journey)
        admission.place = place = account.concurrency.enter()
        if not place.done():
            yield from journey.wait(journey.left(), "concurrency", place)
        if not place.done() or journey.left() <= 0:
            raise journey.deadline_error()
        if not account.is_usable(scope, account.now()):
            return False
        wait = 0.0
        # Meanwhile an outage may have begun, or the ticket been moved on, by a pause or by
        # requests that came late.
        if account.outages.admit(account.outage_scope(scope), journey, account.now()):
            wait = admission.start()
            if wait <= 0:
                return True
            account.outages.release(journey)
        admission.leave()
