"""The compliant client but for its SDK: keys, limits, cache and budget, around the one flow."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tenacity import RetryCallState, Retrying

from ..llm.account.daily_budget import DailyBudget
from ..llm.account.learned import Learned
from ..llm.account.multi_key import MultiKeyAccount
from ..llm.account.registry import cache_on, money_budgets, open_ledger
from ..llm.call import lifecycle, retry, streaming
from ..llm.call.call_policy import CallPolicy
from ..llm.call.reporting import events_of
from ..llm.call.stream import AsyncStream
from ..llm.client.arguments import count, flag, seconds, tags_of, timeout_of
from ..llm.client.hooks import configured_hooks
from ..llm.events import Operation
from ..llm.http.client import check_environment
from ..llm.limit_types import MINUTE, Headroom
from ..llm.providers import groq
from ..llm.providers.completeness import text_of
from ..llm.providers.groq.connect import check_custom_headers
from ..llm.redaction.secrets import without_credentials
from ..llm.runtime.closing import ClosedByAsyncBlock
from ..llm.runtime.fork import pickling_error
from ..llm.settings import host
from ..llm.settings.endpoints import groq_endpoint
from ..llm.types import Message, Reply, Request
from .batch_chats import BatchChats
from .chat_signatures import AskChat, AskChatForStream
from .constructor import (
    DEFAULT_MODEL,
    DEFAULT_TEMPERATURE,
    keys_in,
    limit_of_all,
    max_wait,
    request_of,
    store_at,
    token_counter_at,
)
from .transport import MultiKeyTransport

if TYPE_CHECKING:
    from ..llm.call.call_events import CallEvents
    from ..llm.ledger.usage_report import UsageReport

#: Further attempts of a call after a passing fault or a refusal that asks for a wait.
DEFAULT_RETRIES = 5


class CompliantClient(BatchChats, ClosedByAsyncBlock):
    """One organisation's keys, or several organisations', used as their limits allow.

    *keys* are a list, or one string with commas. *rpm_per_key* are a key's requests in any 60 s,
    *organization_rpm* those of all keys together (None: as the settings' GROQ_ORG_RPM says, by
    default unbound). *daily_token_budget* is in tokens a UTC day, 0 for none, None for no budget.
    *cache_path* is a path, a store's URL or None; answers are found there for *cache_ttl_sec*
    seconds. *base_url* is the settings' by default, else Groq's own. A call waits for its limits
    until *max_quota_wait* seconds have passed, and for each answer *request_timeout* seconds; it
    makes *max_retries* further attempts. *window* is the minute of the limits in seconds, 60 but in
    tests. Raises ConfigurationError (a ValueError) that names the argument.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        rpm_per_key: int = 30,
        max_concurrency: int = 8,
        daily_token_budget: int | None = None,
        cache_path: str | os.PathLike[str] | None = Path(".groq_cache.json"),
        cache_ttl_sec: float = 21600,
        base_url: str | None = None,
        request_timeout: float = 60,
        *,
        organization_rpm: int | None = None,
        max_retries: int = DEFAULT_RETRIES,
        max_quota_wait: float = inf,
        window: float = MINUTE,
    ) -> None:
        known = host.read(host.current())
        self._request_timeout = timeout_of("request_timeout", request_timeout)
        self._max_retries = count("max_retries", max_retries, least=0)
        self._max_quota_wait = max_wait(max_quota_wait)
        self._account = MultiKeyAccount(
            keys_in(keys),
            rpm_per_key=count("rpm_per_key", rpm_per_key, least=1),
            max_concurrency=count("max_concurrency", max_concurrency, least=1),
            organization_rpm=limit_of_all(organization_rpm, known),
            window=seconds("window", window),
        )
        self._knobs = known
        #: Those that are told of this client's calls; see `services.llm.events`.
        self.hooks = configured_hooks(known)
        self._base_url = groq_endpoint(base_url, known.GROQ_BASE_URL) or groq.BASE_URL
        check_environment(self._base_url)
        check_custom_headers()
        self._shown_url = without_credentials(self._base_url)
        self._max_concurrency = max_concurrency
        self._transport = MultiKeyTransport(self._connect, self._account)
        self._store = store_at(cache_path, seconds("cache_ttl_sec", cache_ttl_sec))
        self._open_stores()
        if daily_token_budget is not None:
            self._account.budget = DailyBudget(daily_token_budget, token_counter_at(cache_path))

    def _open_stores(self) -> None:
        self._account.cache = cache_on(self._store, "groq", self._base_url, self._knobs)
        self._account.ledger = open_ledger(self._knobs.LLM_LEDGER_URL)
        self._account.money = money_budgets(self._knobs)

    def __reduce__(self) -> NoReturn:
        """Raise TypeError: connections and locks stay in the process that made them."""
        raise pickling_error(self)

    if TYPE_CHECKING:
        chat: AskChat[Coroutine[Any, Any, str]]
        respond: AskChat[Coroutine[Any, Any, Reply]]
        stream: AskChatForStream[AsyncStream]
    else:

        async def chat(
            self,
            messages: Sequence[Message],
            model: str = DEFAULT_MODEL,
            temperature: float | None = DEFAULT_TEMPERATURE,
            max_tokens: int | None = None,
            *,
            tags: Mapping[str, str] | None = None,
            **provider_options: Any,
        ) -> str:
            """Return the answer to a chat; arguments and errors are those of `respond`."""
            return text_of(
                await self.respond(
                    messages, model, temperature, max_tokens, tags=tags, **provider_options
                )
            )

        async def respond(
            self,
            messages: Sequence[Message],
            model: str = DEFAULT_MODEL,
            temperature: float | None = DEFAULT_TEMPERATURE,
            max_tokens: int | None = None,
            *,
            tags: Mapping[str, str] | None = None,
            **provider_options: Any,
        ) -> Reply:
            """Return the whole reply to a chat: text, usage, attempts with their waits, cost.

            None leaves a parameter to the provider; *provider_options* go there as they are. *tags*
            name the call to hooks and in reports, such as {"tenant": "acme"}. Raises
            ConfigurationError before any call for what cannot work, else LLMError.
            """
            request = request_of(messages, model, temperature, max_tokens, provider_options)
            policy, get_reply = self._policy(tags), partial(lifecycle.fetch_reply, request)
            events = self._events("respond", request, policy)
            return await self._run(policy, get_reply, events)

        def stream(
            self,
            messages: Sequence[Message],
            model: str = DEFAULT_MODEL,
            temperature: float | None = DEFAULT_TEMPERATURE,
            max_tokens: int | None = None,
            *,
            tags: Mapping[str, str] | None = None,
            resume: bool = False,
            **provider_options: Any,
        ) -> AsyncStream:
            """Return the reply to a chat as it comes, to be read in an `async with` block.

            Arguments and errors are those of `respond`; see `AsyncStream`. With *resume*, a model
            that can goes on where its text broke off.
            """
            request = request_of(messages, model, temperature, max_tokens, provider_options)
            policy, idle = self._policy(tags), self._knobs.LLM_STREAM_IDLE_TIMEOUT
            events, resumes = self._events("stream", request, policy), flag("resume", resume)
            flow = streaming.stream(request, policy, self._account, idle, events, resumes=resumes)
            return AsyncStream(flow, self._transport)

    def learned(self) -> Learned:
        """Return what this client has learnt from the provider's answers, until it expires."""
        return self._account.learned()

    def headroom(self) -> dict[str, tuple[Headroom, ...]]:
        """Return what is left of the limits of each key that is in use, named by its place."""
        account = self._account
        scopes = account.scopes(DEFAULT_MODEL)
        return {scope: account.headroom_of(scope, DEFAULT_MODEL) for scope in sorted(scopes)}

    def usage_report(
        self, days: int = 30, by: str | Iterable[str] = ("day", "model")
    ) -> UsageReport:
        """Return what the ledger at the settings' `LLM_LEDGER_URL` has added up.

        See `ProviderClient.usage_report`.
        """
        from ..llm.client.reports import usage_report  # few ask for one

        return usage_report(self._account, days, by)

    def forget(self) -> None:
        """Drop what was learnt: pauses, outages, refused keys, models that are gone."""
        self._account.forget()

    @abstractmethod
    def _connect(self) -> tuple[Any, Callable[[str], Any]]:
        """Return a pool of connections for the running loop, and what finds the SDK of a key."""

    async def aclose(self) -> None:
        """Close this event loop's connections and the cache; the client may be used again."""
        await self._transport.aclose()
        self._store.close()

    def _events(
        self, operation: Operation, request: Request, policy: CallPolicy
    ) -> CallEvents | None:
        return events_of(
            self.hooks, operation, request, self._account, policy.tags, lambda: self._shown_url
        )

    def _policy(self, tags: Mapping[str, str] | None) -> CallPolicy:
        """Attempts for passing faults; one that finds out that a key is refused is not counted."""
        account, before = self._account, self._account.refusals

        def stop(state: RetryCallState) -> bool:
            return state.attempt_number > self._max_retries + account.refusals - before

        spread: Retrying = retry.decorrelated_jitter(1).copy(stop=stop)
        return CallPolicy(
            lambda: spread, inf, self._max_quota_wait, self._request_timeout, tags=tags_of(tags)
        )
