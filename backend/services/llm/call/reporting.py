"""How a call ended, for those who want to know: its hooks, and the ledger of usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..account.account import Account
from ..effects import Effects
from ..errors import LLMError, ProviderUnavailableError, RateLimitError
from ..types import Reply
from .call import Call
from .call_policy import CallPolicy

if TYPE_CHECKING:
    from .usage_recorder import UsageRecorder


def make_usage_recorder(account: Account, policy: CallPolicy) -> UsageRecorder | None:
    """Return what adds a new call's usage to the account's ledger; None where there is none."""
    if account.ledger is None:
        return None
    from .usage_recorder import UsageRecorder  # most hosts have none

    return UsageRecorder(account.ledger, account, policy.tags)


def report_failure(call: Call, error: BaseException) -> Effects[None]:
    """Tell of the *error* that ends a call; nothing is yielded where the call is interrupted."""
    if call.events is not None:
        call.events.call_failed(error, tuple(call.attempts), call.duration())
    if call.usage_recorder is not None:
        if isinstance(error, LLMError):
            yield from call.usage_recorder.call_ended(None, call.time_left())
        else:
            call.usage_recorder.call_interrupted()


def report_reply(call: Call, reply: Reply) -> Effects[None]:
    """Tell of the *reply* that ends a call."""
    # First, since a call may be interrupted while it waits for the ledger.
    if call.events is not None:
        call.events.call_answered(reply, call.duration())
    if call.usage_recorder is not None:
        yield from call.usage_recorder.call_ended(reply, call.time_left())


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
