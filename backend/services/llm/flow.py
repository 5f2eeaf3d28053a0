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

from . import models
from .account import Account
from .admission import Admission
from .cache import Cache
from .demand import most
from .errors import AuthenticationError, LLMError, RateLimitError
from .flights import Flight, Lead, StillFlying, WouldDeadlock
from .journey import Journey, Terms
from .quota import Demand, Refusal, Ticket
from .types import Flow, Overdue, Reply, Request, ask, join, send, sleep

R = TypeVar("R")

#: Seconds by which one lane must be free sooner than another to be taken out of turn.
_A_TIE = 1e-3


def travel(terms: Terms, account: Account, way: Callable[[Journey], Flow[R]]) -> Flow[R]:
    """Go *way* on a new journey; what fails on it carries the journey's ledger."""
    journey = Journey(terms, account, account.now())
    try:
        return (yield from way(journey))
    except LLMError as error:
        error.attempts = tuple(journey.attempts)
        raise


def answer(request: Request, journey: Journey) -> Flow[Reply]:
    """Answer from the cache, from an identical call that is in flight, or from the provider."""
    cache = journey.account.cache
    if cache is None:
        reply = yield from _complete(request, journey)
    else:
        reply = yield from _shared(request, journey, cache)
    latency = journey.account.now() - journey.started
    return replace(reply, attempts=tuple(journey.attempts), latency=latency)


def _shared(request: Request, journey: Journey, cache: Cache) -> Flow[Reply]:
    """Look into the cache, then join the twin in flight, or lead the flight."""
    key = cache.key_of(request)
    if kept := (yield from cache.asked(partial(cache.get, key), journey.left())):
        return kept
    claim = journey.account.flights.claim(key)
    if isinstance(claim, Flight):
        try:
            claim = yield from join(claim, journey.left())
        except StillFlying:
            raise journey.too_late() from None
        except WouldDeadlock:
            # A task that leads runs in this thread, which must not wait for it: a call of its own.
            return (yield from _complete(request, journey))
        if not isinstance(claim, Lead):
            reply: Reply = claim
            return replace(reply, cost=0.0, cached=True)
    return (yield from _led(claim, key, request, journey, cache))


def _led(
    lead: Lead[Reply], key: str, request: Request, journey: Journey, cache: Cache
) -> Flow[Reply]:
    """Bring the answer home to all who wait for it.

    Whose own time, limits, key or interruption are what failed hands over: another's may do.
    """
    with lead:
        try:
            # Another flight may have landed between our look into the cache and our claim.
            reply = yield from cache.asked(partial(cache.get, key), journey.left())
            if reply is None:
                reply = yield from _complete(request, journey)
                yield from cache.asked(partial(cache.put, key, reply), journey.left())
        except Exception as error:
            own = isinstance(error, (AuthenticationError, RateLimitError))
            if isinstance(error, LLMError) and journey.attempts and journey.left() > 0 and not own:
                raise
            ours = error
        else:
            lead.land(reply)
            return reply
    raise ours


def _complete(request: Request, journey: Journey) -> Flow[Reply]:
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
    raise journey.given_up(error)  # pyright: ignore[reportPossiblyUnboundVariable] one failed


def _attempt(request: Request, journey: Journey) -> Flow[Reply]:
    """Send once, when nothing forbids it; whatever comes of that, give back what it took."""
    asked, request = request, journey.account.fit(request)
    admission = Admission(journey.account, most(request))
    try:
        yield from _admitted(admission, request, journey)
        outcome: Reply | LLMError = yield from _sent(admission, request, asked, journey)
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


def _sent(admission: Admission, request: Request, asked: Request, journey: Journey) -> Flow[Reply]:
    """Send once, and enter into the ledger, and into what all calls share, what came of it."""
    account, model, lane = journey.account, request.model, admission.lane
    request = replace(request, key=account.key_of(lane))
    sent = admission.send(model)
    try:
        reply = yield from send(request, min(journey.left(), journey.terms.attempt_timeout))
    except LLMError as error:
        admission.end(error.partial, error)
        journey.record(model, sent, error.partial, error)
        # Before its place and its room are free again: nobody may go where a refusal forbids it.
        account.learn(error, lane, model, journey.patience())
        account.adapt(error, asked, request)
        raise
    admission.end(reply)
    account.served(lane)
    journey.record(model, sent, reply)
    return reply


def _admitted(admission: Admission, request: Request, journey: Journey) -> Flow[None]:
    """Wait for the day's budget, an outage's end, a lane's limits and a place on the wire."""
    account, budget = journey.account, journey.account.budget
    if budget is not None:
        booking = partial(budget.book, admission.booking, account.wall())
        try:
            # It may be shared with other processes.
            yield from ask(booking, journey.left(), "budget", blocking=budget.blocking)
        except Overdue:
            raise journey.too_late() from None
    while True:
        admission.ticket = yield from _reserved(request, journey, admission.demand)
        if (yield from _started(admission, journey)):
            return
        admission.cancel()


def _reserved(request: Request, journey: Journey, demand: Demand) -> Flow[Ticket]:
    """Reserve every limit of the lane that is free first, or none; all else equal, in turn."""
    account, now = journey.account, journey.account.now
    lanes = account.lanes(request.model)
    yield from _in_service(lanes, journey)
    if journey.left() <= 0:
        raise journey.too_late()
    moment = now()
    best: Refusal | None = None
    first = ""
    for lane in lanes:
        verdict = account.book(lane, demand, moment)
        if isinstance(verdict, Ticket):
            return verdict
        if best is None or verdict.wait < best.wait - _A_TIE:
            best, first = verdict, lane
    assert best is not None, "an account without lanes says so itself"
    ticket = account.book(first, demand, now(), journey.patience())
    if isinstance(ticket, Refusal):
        raise journey.refused(ticket, demand)
    return ticket


def _in_service(lanes: Sequence[str], journey: Journey) -> Flow[None]:
    """Wait until a Retry-After that is not a limit's has passed, whoever received it.

    Then one call asks first, and all others wait until that is back.
    """
    account = journey.account
    scope = account.outage_scope(lanes[0])
    while True:
        wait, returned = account.outages.wait(scope, account.now()), None
        if wait >= journey.left() and wait > 0:
            raise journey.out_of_service(wait)
        if wait == 0:
            returned = account.outages.returned(scope)
            if returned is None:
                return
            wait = journey.left()
            if wait <= 0:
                raise journey.too_late()
        yield from journey.wait(wait, "retry", returned)


def _started(admission: Admission, journey: Journey) -> Flow[bool]:
    """Wait for the booked moment, then for a place on the wire, which is not held while waiting.

    False where the ticket's lane is not to carry it any more.
    """
    account, ticket, lane = journey.account, admission.ticket, admission.lane
    assert ticket is not None, "it has a lane"
    wait = ticket.at - account.now()
    while True:
        if wait > journey.patience():
            raise journey.refused(Refusal(wait, None), ticket.demand)
        yield from journey.wait(wait, "quota", ticket.moved)
        yield from _in_service((lane,), journey)
        admission.place = place = account.gate.enter()
        if not place.done():
            yield from journey.wait(journey.left(), "gate", place)
        if not place.done() or journey.left() <= 0:
            raise journey.too_late()
        if not account.carries(lane, account.now()):
            return False
        wait = 0.0
        # Meanwhile an outage may have begun, or the ticket been moved on, by a pause or by
        # requests that came late.
        if account.outages.admit(account.outage_scope(lane), journey, account.now()):
            wait = admission.start()
            if wait <= 0:
                return True
            account.outages.release(journey)
        admission.leave()
