"""The whole life of a request, top to bottom, without any I/O.

travel              a call's whole journey, and its ledger
  answer            one answer: kept, on its way to an identical call, or new
    _complete       tenacity's own state machine: an attempt, a wait, or the end
      _attempt      send once, when nothing forbids it, and settle what that took
        _admitted   an outage, the day's budget, every limit, a place on the wire
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from tenacity import DoAttempt, DoSleep, RetryCallState, RetryError

from . import models
from .account import Account
from .budget import Booking
from .cache import Cache
from .demand import most, owed, seen_by, taken
from .errors import AuthenticationError, LLMError, RateLimitError
from .flights import Flight, Lead, StillFlying, WouldDeadlock
from .journey import Journey, Terms
from .quota import Demand, Refusal, Ticket
from .types import Flow, Reply, Request, ask, join, send

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
    key, slow = cache.key_of(request), cache.store.blocking
    if kept := (yield from ask(partial(cache.get, key), slow)):
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

    Whose own time, limits or key are what failed hands over: another's may do.
    """
    slow = cache.store.blocking
    with lead:
        try:
            # Another flight may have landed between our look into the cache and our claim.
            reply = yield from ask(partial(cache.get, key), slow)
            if reply is None:
                reply = yield from _complete(request, journey)
                yield from ask(partial(cache.put, key, reply), slow)
        except LLMError as error:
            own = isinstance(error, (AuthenticationError, RateLimitError))
            if journey.attempts and journey.left() > 0 and not own:
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
            case DoSleep() as pause:
                if pause >= journey.left():
                    break
                yield from journey.wait(float(pause), "retry")
                state.prepare_for_next_attempt()
            case _:
                reply: Reply = step
                return reply
    raise journey.given_up(error)


def _attempt(request: Request, journey: Journey) -> Flow[Reply]:
    """Send once, when nothing forbids it, and settle what that took."""
    account = journey.account
    asked, living = request.model, account.living(request.model)
    request = models.fitted(replace(request, model=living))
    going = yield from _admitted(request, journey)
    request = replace(request, key=account.key_of(going.ticket.lane))
    sent = account.now()
    try:
        reply = yield from send(request, min(journey.left(), journey.terms.attempt_timeout))
    except LLMError as error:
        journey.record(living, sent, error.partial, error)
        # Before its place and its room are free again: nobody may go where a refusal forbids it.
        account.learn(error, going.ticket.lane, living, journey.patience())
        account.mourn(error, asked, living)
        yield from _settle(going, account, living, sent, error.partial, error)
        raise
    except BaseException:
        account.lose(going.ticket, account.now())
        account.gate.leave(going.place)
        raise
    journey.record(living, sent, reply)
    yield from _settle(going, account, living, sent, reply)
    return replace(reply, cost=models.cost(reply.model, reply.usage))


@dataclass(frozen=True)
class _Going:
    """A request that may be sent: its place on the wire, its reservation, its budget."""

    place: Future[None]
    ticket: Ticket
    booking: Booking


def _admitted(request: Request, journey: Journey) -> Flow[_Going]:
    """Wait for the day's budget, an outage's end, a lane's limits and a place on the wire."""
    account, demand = journey.account, most(request)
    booking = Booking(int(demand["tokens"]))
    try:
        if account.budget is not None:
            # It may be shared with other processes.
            yield from ask(partial(account.budget.book, booking, account.wall()))
        place = None
        while place is None:
            ticket = yield from _reserved(request, journey, demand)
            try:
                place = yield from _started(ticket, request, journey)
            finally:
                if place is None:
                    account.unbook(ticket, account.now())
    except BaseException:
        if account.budget is not None:
            account.budget.true_up(booking, 0, account.wall())
        raise
    return _Going(place, ticket, booking)


def _reserved(request: Request, journey: Journey, demand: Demand) -> Flow[Ticket]:
    """Reserve every limit of the lane that is free first, or none; all else equal, in turn."""
    account, now = journey.account, journey.account.now
    lanes = account.lanes(request.model)
    yield from _in_service(lanes, journey)
    if journey.left() <= 0:
        raise journey.too_late()
    moment = now()
    best: Refusal | None = None
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
    """Wait until a Retry-After that is not a limit's has passed, whoever received it."""
    while (wait := journey.account.out_of_service(lanes)) > 0:
        if wait >= journey.left():
            raise journey.out_of_service(wait)
        yield from journey.wait(wait, "retry")


def _started(ticket: Ticket, request: Request, journey: Journey) -> Flow[Future[None] | None]:
    """Wait for the booked moment, then for a place on the wire, which is not held while waiting.

    None where the ticket's lane is not to carry it any more.
    """
    account = journey.account
    wait = ticket.at - account.now()
    while True:
        if wait > journey.patience():
            raise journey.refused(Refusal(wait, None), ticket.demand)
        yield from journey.wait(wait, "quota", ticket.moved)
        yield from _in_service((ticket.lane,), journey)
        place = account.gate.enter()
        try:
            if not place.done():
                yield from journey.wait(journey.left(), "gate", place)
            if not place.done() or journey.left() <= 0:
                raise journey.too_late()
            wait, stays = 0.0, account.carries(ticket.lane, account.now())
            # Meanwhile an outage may have begun, or the ticket been moved on, by a pause or by
            # requests that came late.
            if stays and not account.out_of_service((ticket.lane,)):
                wait = account.quota.start(ticket, account.now())
                if wait <= 0:
                    return place
        except BaseException:
            account.gate.leave(place)
            raise
        account.gate.leave(place)
        if not stays:
            return None


def _settle(
    going: _Going,
    account: Account,
    model: str,
    sent: float,
    reply: Reply | None,
    error: LLMError | None = None,
) -> Flow[None]:
    """Make room on the wire, and true up the quota and the day's budget."""
    account.gate.leave(going.place)
    now, spent = account.now(), taken(model, reply, error)
    account.quota.settle(going.ticket, spent, seen_by(reply, sent, now), now)
    if (budget := account.budget) is not None:
        tokens = owed(going.booking.tokens, reply, error)
        correct = partial(budget.true_up, going.booking, tokens, account.wall())
        try:
            yield from ask(correct)
        except BaseException:
            correct()  # a call that is cancelled here may not have begun it
            raise
