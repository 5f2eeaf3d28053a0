"""What the calls of one provider's client share: its settings, defaults, account and transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ..call.drivers import StreamTransport
from ..call.reporting import events_of
from ..redaction.secrets import without_credentials
from ..runtime.fork import pickling_error
from ..runtime.sdk_lender import SdkLender
from ..settings.knobs import Knobs
from ..types import Provider, Request
from .arguments import count, timeout_of
from .hooks import configured_hooks

if TYPE_CHECKING:
    from ..batch.api import BatchApi
    from ..call.call_events import CallEvents
    from ..call.call_policy import CallPolicy
    from ..events import Operation


class SdkTransport(StreamTransport, Protocol):
    """A transport that sends through an SDK's client, which it lends to its calls."""

    lender: SdkLender

    def batch_api(self, knobs: Knobs) -> BatchApi:
        """Return the provider's own batches."""
        ...

    def close(self) -> None:
        """Close connections and threads, each after its last call."""

    async def aclose(self) -> None:
        """Close what this event loop holds, then the same as `close`."""


class ConfiguredClient(ABC):
    """A client before it has methods: its settings, checked, its account and its transport.

    *timeout* is in seconds for a whole call with its waits and retries. A subclass makes the
    transport.
    """

    default_temperature: float | None
    default_max_tokens: int
    _transport: SdkTransport
    _endpoint_shown: str | None = None

    def __init__(
        self,
        provider: Provider,
        knobs: Knobs,
        timeout: float | None = None,
        max_retries: int | None = None,
        region: str | None = None,
    ) -> None:
        from ..account.registry import new_account  # with all that counts and limits

        self._knobs = knobs
        self.timeout = timeout_of("timeout", knobs.LLM_TIMEOUT if timeout is None else timeout)
        self.max_retries = count(
            "max_retries", knobs.LLM_MAX_RETRIES if max_retries is None else max_retries, least=0
        )
        self._account = new_account(provider, knobs, region)
        self._owns_account = True
        #: Those that are told of this client's calls; see `services.llm.events`.
        self.hooks = configured_hooks(knobs)

    def __reduce__(self) -> NoReturn:
        """Raise TypeError: threads, sockets and locks stay in the process that made them."""
        raise pickling_error(self)

    @property
    def client(self) -> Any:
        """The SDK's client; a host's test may assign anything in its place, and delete that."""
        return self._transport.lender.sdk

    @client.setter
    def client(self, sdk: Any) -> None:
        self._transport.lender.sdk = sdk

    @client.deleter
    def client(self) -> None:
        del self._transport.lender.sdk

    @property
    @abstractmethod
    def _model(self) -> str:
        """The model that answers where the caller names none."""

    def _check_model(self, model: str) -> None:  # noqa: B027 - most providers take any name
        """Raise `ConfigurationError` for a model's id that this client cannot reach."""

    @property
    @abstractmethod
    def _endpoint(self) -> str:
        """The URL that a real SDK's client calls."""

    @abstractmethod
    def _identity(self) -> tuple[str, ...]:
        """What tells one account at the provider from another."""

    def _events(
        self, operation: Operation, request: Request, policy: CallPolicy
    ) -> CallEvents | None:
        return events_of(
            self.hooks, operation, request, self._account, policy.tags, self._shown_endpoint
        )

    def _shown_endpoint(self) -> str:
        """The URL that is called, without credentials; "" for a test's stand-in."""
        if self._endpoint_shown is None:
            is_real = self._transport.lender.is_real
            self._endpoint_shown = without_credentials(self._endpoint) if is_real else ""
        return self._endpoint_shown

    def share_account(self) -> None:
        """Share quota, pauses and what is known of models with all clients of the same account.

        A client whose SDK is a test's stand-in shares nothing.
        """
        from ..account.registry import shared_account

        if self._transport.lender.is_real:
            self._account = shared_account(self._account, self._knobs, *self._identity())
            self._owns_account = False

    def close(self) -> None:
        """Close connections, threads and the cache, each after the calls that use it.

        The cache of an account that is shared stays open for others, until the process ends.
        """
        self._transport.close()
        self._close_cache()

    async def aclose(self) -> None:
        """Close what this event loop holds, then the same as `close`."""
        await self._transport.aclose()
        self._close_cache()

    def _open_stores(self) -> None:
        # Nothing of a test's stand-in is kept: another test would find it.
        if self._transport.lender.is_real:
            from ..account.registry import join_fleet, money_budgets, open_cache, open_ledger

            provider = self._account.provider
            self._account.cache = open_cache(self._knobs, provider, self._endpoint)
            self._account.ledger = open_ledger(self._knobs.LLM_LEDGER_URL)
            self._account.money = money_budgets(self._knobs)
            join_fleet(self._account, self._knobs, provider, *self._identity())

    def _close_cache(self) -> None:
        if self._account.cache is not None and self._owns_account:
            self._account.cache.store.close()
