"""Tells hooks and the ledger of usage what becomes of a call.

A hook may be interrupted, the ledger, or the wait for it: the others have the call's end anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from ..errors import LLMError, ProviderUnavailableError, RateLimitError
from ..events import Hooks, call_hooks

if TYPE_CHECKING:
    from ..account.account import Account
    from ..effects import Effects
    from ..events import Operation
    from ..frozen import FrozenDict
    from ..types import Reply, Request
    from .call import Call
    from .call_events import CallEvents
    from .call_policy import CallPolicy
    from .usage_recorder import UsageRecorder


@cache
def _call_events() -> type[CallEvents]:
    from .call_events import CallEvents  # most hosts have no hooks

    return CallEvents


def events_of(
    client_hooks: Hooks,
    operation: Operation,
    request: Request,
    account: Account,
    tags: FrozenDict[str, str],
    endpoint: Callable[[], str] = str,
) -> CallEvents | None:
    """Return what tells the hooks of a new call; None where there are none.

    *endpoint* returns the URL that is called.
    """
    if (hooks := call_hooks(client_hooks)) is None:
        return None
    return _call_events()(
        hooks, client_hooks.has_content, operation, request, account, tags, endpoint
    )


def make_usage_recorder(account: Account, policy: CallPolicy) -> UsageRecorder | None:
    """Return what adds a new call's usage to the account's ledger; None where there is none."""
    if account.ledger is None:
        return None
    from .usage_recorder import UsageRecorder  # most hosts have none

    return UsageRecorder(account.ledger, account, policy.tags)


def report_failure(call: Call, error: BaseException) -> Effects[None]:
    """Tell of the *error* that ends a call; nothing is yielded where the call is interrupted."""
    try:
        _enter(call, None)
    finally:
        if call.events is not None:
            call.events.call_failed(error, tuple(call.attempts), call.duration())
    if isinstance(error, LLMError):
        yield from _wait_for_ledger(call)


def report_reply(call: Call, reply: Reply) -> Effects[None]:
    """Tell of the *reply* that ends a call."""
    try:
        _enter(call, reply)
    finally:
        if call.events is not None:
            call.events.call_answered(reply, call.duration())
    yield from _wait_for_ledger(call)


def _enter(call: Call, reply: Reply | None) -> None:
    """Enter the end of a call in the ledger, if it has one."""
    if call.usage_recorder is not None:
        call.usage_recorder.call_ended(reply)


def _wait_for_ledger(call: Call) -> Effects[None]:
    if call.usage_recorder is not None:
        yield from call.usage_recorder.wait_until_written(call.time_left())


def report_cache_hit(call: Call) -> None:
    """Tell hooks that the reply was in the cache."""
    if call.events is not None:
        call.events.cache_hit()


def report_pause_or_outage(call: Call, scope: str, error: LLMError) -> None:
    """Tell hooks of the pause, or the outage, that *error* begins."""
    if call.events is None:
        return
    if isinstance(error, RateLimitError):
        call.events.paused(scope)
    elif isinstance(error, ProviderUnavailableError) and error.retry_after is not None:
        call.events.outage_began(scope, error.retry_after)
