"""Many chats with the compliant client: side by side, or as a batch of Groq's own."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from typing import Any

from ..llm.batch.answer_format import AnswerFormat
from ..llm.batch.asynchronous import AsyncBatch
from ..llm.batch.options import BatchOptions, cache_timeout_of, checked_progress, checked_prompts
from ..llm.batch.prompts import arguments_of
from ..llm.batch.provider_batch import ProviderBatch
from ..llm.batch.results import OnProgress
from ..llm.batch.submission import LEAST_HOURS, BatchService, Submission, checked_hours
from ..llm.call import lifecycle, structured
from ..llm.call.call import Call
from ..llm.call.output_forms import StructuredSpec
from ..llm.client.arguments import conversation, count, flag, tags_of, take_priority
from ..llm.effects import Effects
from ..llm.events import Hooks, Operation
from ..llm.frozen import dataclass
from ..llm.providers.groq.client_transport import GroqTransport
from ..llm.providers.groq.connect import GroqConnection
from ..llm.types import Reply, Request, StructuredReply
from .constructor import DEFAULT_MODEL, DEFAULT_TEMPERATURE, request_of
from .structured_chats import StructuredChats

#: A prompt is text, a chat list, or a dict of arguments.
Prompts = Iterable[Any] | AsyncIterable[Any]


@dataclass(frozen=True)
class _Shared:
    """What all prompts of a batch have in common, but for what is a prompt's own."""

    model: str
    temperature: float | None
    max_tokens: int | None
    tags: Mapping[str, str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def request(self, prompt: Any) -> tuple[Request, Mapping[str, str]]:
        """Return the request for one *prompt*, and its tags; raises `ConfigurationError`."""
        own = {**self.options, **arguments_of(prompt)}
        named = {name: own.pop(name, None) for name in ("prompt", "system_prompt", "messages")}
        tags = tags_of(own.pop("tags", self.tags))
        model = own.pop("model", self.model)
        temperature = own.pop("temperature", self.temperature)
        length = own.pop("max_tokens", self.max_tokens)
        priority = take_priority({"priority": "batch", **own})
        own.pop("priority", None)
        request = request_of(conversation(**named), model, temperature, length, own)
        return replace(request, priority=priority), tags


class BatchChats(StructuredChats):
    """Asks for a reply to each of many prompts."""

    hooks: Hooks
    _base_url: str
    _shown_url: str
    _max_concurrency: int
    _request_timeout: float

    @abstractmethod
    def _find_sdk(self) -> Any:
        """What stands for the groq package's class `Groq` now."""

    def generate_batch(
        self,
        prompts: Prompts,
        *,
        schema: Any = None,
        model: str = DEFAULT_MODEL,
        temperature: float | None = DEFAULT_TEMPERATURE,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> AsyncBatch[Any]:
        """Return the results of *prompts*, an async iterator: a reply or an error for each.

        A prompt is text, a chat list, or a dict of arguments that replace those given here. With a
        *schema* each reply has a value that satisfies it. Results come in order, or with
        `ordered=False` as they are there; at most *concurrency* calls are made at once, by default
        as many as the client makes. Raises ConfigurationError at once for what is wrong for all.
        """
        checked_prompts(prompts, is_async=True)
        shared = _Shared(model, temperature, max_tokens, tags, provider_options)
        shared.request("-")
        if schema is not None:
            StructuredSpec.of(schema, self._knobs)
        at_once = self._max_concurrency if concurrency is None else concurrency
        options = BatchOptions(
            count("concurrency", at_once, least=1),
            flag("ordered", ordered),
            checked_progress(progress),
        )
        return AsyncBatch(prompts, partial(self._ask, shared, schema), options)

    async def _ask(self, shared: _Shared, schema: Any, prompt: Any) -> Reply:
        request, tags = shared.request(prompt)
        policy = replace(self._policy(tags), cache_timeout=cache_timeout_of(self._knobs))

        def get_reply(call: Call) -> Effects[Reply]:
            if schema is None:
                return (yield from lifecycle.fetch_reply(request, call))
            found = structured.structured_by(request, schema, self._knobs, call)
            return StructuredReply.of(*(yield from found))

        operation: Operation = "respond" if schema is None else "structured"
        events = self._events(operation, request, policy)
        return await self._run(policy, get_reply, events)

    async def submit_batch(
        self,
        prompts: Prompts,
        *,
        schema: Any = None,
        model: str = DEFAULT_MODEL,
        temperature: float | None = DEFAULT_TEMPERATURE,
        max_tokens: int | None = None,
        tags: Mapping[str, str] | None = None,
        hours: int = LEAST_HOURS,
        **provider_options: Any,
    ) -> ProviderBatch[Any]:
        """Submit *prompts* as a batch of Groq's, at half the price, by the first of the keys.

        It is answered within *hours*, 24 to 168, or expires. All prompts are written to disk before
        the first is submitted: one that cannot be sent is a ConfigurationError, and nothing is.
        The most that it can take is reserved of the day's budgets; the cache has no part in it.
        """
        checked_prompts(prompts, is_async=True)
        shared = _Shared(model, temperature, max_tokens, tags, provider_options)
        return await self._submission(shared, schema, hours).asubmit(prompts)

    def submission(
        self, schema: Any, model: str, temperature: float | None, max_tokens: int | None
    ) -> Submission:
        """Return what submits prompts as `submit_batch` does, for the command line."""
        return self._submission(_Shared(model, temperature, max_tokens), schema, LEAST_HOURS)

    def _submission(self, shared: _Shared, schema: Any, hours: int) -> Submission:
        from ..llm.batch.reservations import BatchReservations  # few submit batches

        _, tags = shared.request("-")  # raises what is wrong for all prompts
        return Submission(
            self._batch_service(schema, tags),
            self._account,
            shared.request,
            checked_hours(hours),
            BatchReservations(self._account),
        )

    def resume_batch(self, id: str, /, schema: Any = None) -> ProviderBatch[Any]:
        """Return the batch that was submitted as *id*; *schema* is that of its prompts, if any.

        Nothing is asked of Groq here. Raises ConfigurationError for what is no id.
        """
        return self._batch_service(schema).find(id)

    def _batch_service(self, schema: Any, tags: Mapping[str, str] | None = None) -> BatchService:
        from ..llm.batch.bookkeeping import BatchBookkeeper  # few submit batches

        # A batch is of one organisation; the first key's is as good as any.
        connection = GroqConnection(
            self._find_sdk,
            api_key=self._account.keys[0],
            base_url=self._base_url,
            timeout=self._request_timeout,
            max_connections=self._max_concurrency,
            limit=self._knobs.LLM_MAX_RESPONSE_MB,
        )
        transport = GroqTransport(connection, time.sleep, self._account.wall)
        answer_format = AnswerFormat(self._account, self._knobs, self._policy(None), schema)
        bookkeeper = BatchBookkeeper(self._account, self.hooks, lambda: self._shown_url, tags)
        return BatchService(transport.batch_api(self._knobs), transport, answer_format, bookkeeper)
