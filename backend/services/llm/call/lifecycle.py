"""The life of a call, top to bottom. Nothing here does I/O: what takes time is yielded.

run_call                     begin a call and get its reply; an error carries all attempts
  fetch_reply                from the cache, from an identical call in flight, or by sending
    _wait_for_leader         get the reply of an identical call, or become its leader
    _send_as_leader          send for all identical calls, and give them the outcome
      _send_with_retries     attempt, and wait before another attempt, as the policy decides
        _attempt             admit, send, and in the end give back what the attempt holds
          admit              wait for the daily budget, outages, limits and a permit (admission.py)
          _send              send once, record the attempt, learn from its failure
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..account.account import Account
from ..account.single_flight import Follower, Leader, StillInFlight, WouldDeadlock
from ..effects import Effects, join, send
from ..errors import AuthenticationError, LLMError, RateLimitError
from ..types import Reply, Request
from .admission import Admission, admit
from .call import Call
from .call_policy import CallPolicy
from .demand import max_demand
from .reporting import (
    make_usage_recorder,
    report_cache_hit,
    report_failure,
    report_pause_or_outage,
    report_reply,
)

if TYPE_CHECKING:
    from ..account.cache import Cache
    from .call_events import CallEvents
    from .retry import Retries

R = TypeVar("R", bound=Reply)


def run_call(
    policy: CallPolicy,
    account: Account,
    get_reply: Callable[[Call], Effects[R]],
    events: CallEvents | None = None,
) -> Effects[R]:
    """Begin a call and *get_reply* of it; an error that ends it carries the call's attempts.

    *events* tell the call's hooks what happens.
    """
    call = Call(policy, account, account.now(), events, make_usage_recorder(account, policy))
    try:
        if events is not None:
            events.call_started()
        reply = yield from get_reply(call)
    except BaseException as error:
        if isinstance(error, LLMError):
            error.attempts = tuple(call.attempts)
        yield from report_failure(call, error)
        raise
    yield from report_reply(call, reply)
    return reply


def fetch_reply(request: Request, call: Call) -> Effects[Reply]:
    """Get the reply from the cache, an identical call in flight, or the provider."""
    if call.usage_recorder is not None:
        call.usage_recorder.model = request.model
    cache = call.account.cache
    if cache is None:
        reply = yield from _send_with_retries(request, call)
    else:
        reply = yield from _fetch_with_cache(request, call, cache)
    return reply.replace(attempts=tuple(call.attempts), latency=call.duration())


def _fetch_with_cache(request: Request, call: Call, cache: Cache) -> Effects[Reply]:
    """Return the cached reply, or wait for the leader of an identical call, or be that leader."""
    key = cache.key_of(request)
    cached: Reply | None = yield from call.run_cache_operation(cache, partial(cache.get, key))
    if cached is not None:
        report_cache_hit(call)
        return cached
    try:
        return (yield from _lead_or_follow(key, request, call, cache))
    finally:
        # An interrupt may have come before the claim was returned, or in the midst of its end.
        if call.claim is not None:
            call.claim.release()


def _lead_or_follow(key: str, request: Request, call: Call, cache: Cache) -> Effects[Reply]:
    """Send for all identical calls, or wait for the call that does."""
    claim = call.account.single_flight.claim(key, call)
    if isinstance(claim, Leader):
        return (yield from _send_as_leader(claim, key, request, call, cache))
    try:
        outcome = yield from _wait_for_leader(claim, call)
    except WouldDeadlock:
        # The leader is a task in this very thread, which must not wait for it.
        return (yield from _send_with_retries(request, call))
    if isinstance(outcome, Leader):
        return (yield from _send_as_leader(outcome, key, request, call, cache))
    return outcome.replace(cost=0.0, cached=True)


def _wait_for_leader(follower: Follower[Reply], call: Call) -> Effects[Reply | Leader[Reply]]:
    """Return the leader's reply, or the call's own turn to lead where the leader has resigned."""
    if call.events is not None:
        call.events.call_joined()
    try:
        outcome: Reply | Leader[Reply] = yield from join(follower, call.time_left())
    except StillInFlight:
        raise call.deadline_error() from None
    return outcome


def _send_as_leader(
    leader: Leader[Reply], key: str, request: Request, call: Call, cache: Cache
) -> Effects[Reply]:
    """Send for all identical calls, and give their followers the reply, or the error."""
    call.leader = leader
    with leader:
        try:
            # Another leader may have stored its reply between our lookup and our claim.
            reply = yield from call.run_cache_operation(cache, partial(cache.get, key))
            if reply is not None:
                report_cache_hit(call)
            else:
                reply = yield from _send_with_retries(request, call)
                yield from call.run_cache_operation(cache, partial(cache.put, key, reply))
        except Exception as error:
            if not _applies_to_followers(error, call):
                leader.resign()
            raise
        leader.set_result(reply)
        return reply


def _applies_to_followers(error: Exception, call: Call) -> bool:
    """Whether followers would fail alike: not where our own time, limits or key are the cause."""
    is_caller_specific = isinstance(error, (AuthenticationError, RateLimitError))
    is_from_provider = isinstance(error, LLMError) and bool(call.attempts)
    return is_from_provider and not is_caller_specific and call.time_left() > 0


def _send_with_retries(request: Request, call: Call) -> Effects[Reply]:
    """Attempt until one succeeds, as long as the retry policy and the deadline allow."""
    retries: Retries | None = None
    while True:
        try:
            reply = yield from _attempt(request, call)
            resumption = call.stream_resumption
            return reply if resumption is None else resumption.join_parts(reply)
        except LLMError as failure:
            error = failure
        if call.has_streamed:
            request = _request_to_resume(error, request, call)
        if retries is None:
            from .retry import Retries  # most calls pay for no tenacity

            retries = Retries(call.policy.make_retry_policy())
        seconds = retries.seconds_before_retry(
            error, has_requested_attempts=call.policy.has_requested_attempts
        )
        if seconds is None or seconds >= call.time_left():
            raise call.final_error(error)
        if call.events is not None:
            call.events.retry_planned(len(call.attempts), error, seconds)
        yield from call.wait(seconds, "backoff")


def _request_to_resume(error: LLMError, request: Request, call: Call) -> Request:
    """Return what asks for the rest of a stream; raises where what was shown stays all there is."""
    if call.stream_resumption is None:
        raise error
    return call.stream_resumption.request_for_rest(error, call.account.resolve_model(request))


def _attempt(request: Request, call: Call) -> Effects[Reply]:
    """Be admitted, send once, and give back or settle what the attempt holds, however it ends."""
    adapted = call.account.adapt_request(request)
    estimate = call.account.estimator.estimate(adapted)
    admission = Admission(call.account, max_demand(adapted, estimate.tokens), estimate)
    outcome: Reply | LLMError
    try:
        yield from admit(admission, adapted, call)
        outcome = yield from _send(admission, adapted, request, call)
    except LLMError as error:
        outcome = error
    finally:
        try:
            admission.close()
        except BaseException:  # an interrupt, of all that is not done yet
            admission.close()
            raise
    if admission.budget_reservations is not None:
        yield from admission.budget_reservations.wait_until_settled(call)
    if isinstance(outcome, LLMError):
        raise outcome
    return outcome.replace(cost=call.attempts[-1].cost)


def _send(admission: Admission, adapted: Request, request: Request, call: Call) -> Effects[Reply]:
    """Send the *adapted* request once, record the attempt, and learn from its failure."""
    account, model, scope = call.account, adapted.model, admission.scope
    # No variable of ours is the key itself: tracebacks show them.
    has_key = account.api_key_of(scope) != ""
    request_with_key = replace(adapted, key=account.api_key_of(scope)) if has_key else adapted
    sent_at = admission.mark_sent(model)
    try:
        if call.events is not None:
            call.events.attempt_started(len(call.attempts) + 1, model, scope)
        timeout = min(call.time_left(), call.policy.attempt_timeout)
        if call.send_stream is None:
            reply = yield from send(request_with_key, timeout)
        else:
            reply = yield from call.send_stream(request_with_key, timeout, admission)
    except LLMError as error:
        admission.set_outcome(error.partial, error)
        # Before the permit is released: the next attempt must know what this one has learnt.
        account.learn_about_scope(error, scope, model, call.quota_wait_left())
        account.learn_about_model(error, request, adapted)
        if account.fleet is not None:
            from .fleet_grant import publish_failure

            publish_failure(account, account.fleet, scope, model, error)
        call.record_attempt(model, sent_at, error.partial, error, admission.estimate.tokens)
        report_pause_or_outage(call, scope, error)
        raise
    except BaseException as error:
        call.record_interruption(model, sent_at, error)
        raise
    admission.set_outcome(reply)
    account.end_outage(scope)
    call.record_attempt(model, sent_at, reply, None, admission.estimate.tokens)
    return reply
