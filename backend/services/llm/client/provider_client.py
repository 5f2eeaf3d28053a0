"""A client of one provider: each kind of call has its file, and is added here as a base."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .arguments import model_id
from .base import LLMClient
from .batch_calls import BatchCalls
from .provider_batch_calls import ProviderBatchCalls
from .streamed_calls import StreamedCalls
from .window import WindowAttribute, WindowTimes, check_rate_limit

if TYPE_CHECKING:
    from ..account.learned import Learned
    from ..ledger.usage_report import UsageReport
    from ..limit_types import Headroom


class ProviderClient(BatchCalls, ProviderBatchCalls, StreamedCalls, LLMClient):
    """Runs its calls on its account and its transport, which a subclass makes."""

    # What hosts' tests look at and assign to, of the window of requests.
    _request_times = WindowTimes()
    _rate_limit_window = WindowAttribute("window")
    _max_requests_per_window = WindowAttribute("amount")
    _check_rate_limit = check_rate_limit

    def learned(self) -> Learned:
        """Return what this client's account has learnt from the provider's answers, until when."""
        return self._account.learned()

    def headroom(self, model: str | None = None) -> tuple[Headroom, ...]:
        """Return what is left of each limit of *model* (the client's own by default), as we count.

        It asks nobody: the provider's last word on its limits is part of the count.
        """
        return self._account.headroom(model_id(model or self._model))

    def usage_report(
        self, days: int = 30, by: str | Iterable[str] = ("day", "model")
    ) -> UsageReport:
        """Return what the ledger at `LLM_LEDGER_URL` has added up, of all who write to it.

        It is of so many UTC *days*, today included, grouped *by* any of day, provider, model, tier
        and tag:NAME. Waits for the ledger's file or server. Raises ConfigurationError without a
        ledger, LLMError where it cannot be read.
        """
        from .reports import usage_report  # few ask for one

        return usage_report(self._account, days, by)

    def forget(self) -> None:
        """Drop what was learnt: pauses, limits, outages, models that are gone, parameters refused.

        It holds for all clients that share the account. The next calls find out anew.
        """
        self._account.forget()
