"""Tells the hooks of one batch of a provider's what happens to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..account.account import Account
from ..call.call_events import call_ids
from ..events import (
    BatchEnded,
    BatchPolled,
    BatchSubmitted,
    BatchUsage,
    CallInfo,
    Event,
    Hooks,
    call_hooks,
)
from ..frozen import FrozenDict
from ..ledger.usage import UsageSums
from ..providers.batch_types import BatchStatus
from ..types import Usage


class BatchEvents:
    """What is told of a batch; all of its events share one `call`, whose model is not named."""

    def __init__(
        self, account: Account, hooks: Hooks, endpoint: str, tags: Mapping[str, str]
    ) -> None:
        self._account = account
        self._hooks = hooks
        self._call = CallInfo(
            *(call_ids.next(), account.provider, "", "batch", account.wall()),
            tags=FrozenDict(tags),
            endpoint=endpoint,
        )

    def submitted(self, batch_id: str, prompts: int) -> None:
        """The provider has taken a file of so many prompts."""
        self._tell(BatchSubmitted, batch=batch_id, prompts=prompts)

    def polled(self, status: BatchStatus) -> None:
        """The batch was looked at."""
        self._tell(
            BatchPolled,
            state=status.state,
            total=status.total,
            completed=status.completed,
            failed=status.failed,
        )

    def ended(
        self, batch_id: str, state: str, *, is_new: bool, sums: Mapping[str, UsageSums]
    ) -> None:
        """A batch of the provider's has ended, and has used these *sums*, by model."""
        usage = tuple(_usage(model, each) for model, each in sums.items())
        self._tell(BatchEnded, batch=batch_id, state=state, is_new=is_new, by_model=usage)

    def _tell(self, kind: type[Event], **values: Any) -> None:
        hooks = call_hooks(self._hooks)
        if hooks is not None and (hooks.kinds is None or kind in hooks.kinds):
            hooks.tell(kind(call=self._call, at=self._account.now(), **values))


def _usage(model: str, sums: UsageSums) -> BatchUsage:
    usage = Usage(
        sums.input_tokens,
        sums.output_tokens,
        sums.input_tokens + sums.output_tokens,
        sums.cached_input_tokens,
        sums.reasoning_tokens,
        sums.attempts > sums.unreported,
        sums.cache_write_input_tokens,
    )
    cost = None if sums.unpriced else sums.dollars
    return BatchUsage(model, sums.calls - sums.failed, sums.failed, usage, cost)
