"""Chats with the compliant client whose answer satisfies a schema."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..llm.account.multi_key import MultiKeyAccount
from ..llm.call import drivers, lifecycle, structured, structured_streaming
from ..llm.call.call import Call
from ..llm.call.call_policy import CallPolicy
from ..llm.call.structured_stream import AsyncStructuredStream
from ..llm.client.signatures import ReasoningEffort, ServiceTier, ToolChoice
from ..llm.effects import Effects
from ..llm.events import Operation
from ..llm.settings.knobs import Knobs
from ..llm.types import Message, Reply, Request, StructuredReply
from .constructor import DEFAULT_MODEL, DEFAULT_TEMPERATURE, request_of
from .transport import MultiKeyTransport

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from ..llm.call.call_events import CallEvents

R = TypeVar("R", bound=Reply)
T = TypeVar("T")


class StructuredChats(ABC):
    """Asks for an object that satisfies a schema, whole or as it comes."""

    _account: MultiKeyAccount
    _knobs: Knobs
    _transport: MultiKeyTransport

    @abstractmethod
    def _policy(self, tags: Mapping[str, str] | None) -> CallPolicy:
        """What one call may take."""

    @abstractmethod
    def _events(
        self, operation: Operation, request: Request, policy: CallPolicy
    ) -> CallEvents | None:
        """What tells the hooks of one call."""

    async def _run(
        self,
        policy: CallPolicy,
        get_reply: Callable[[Call], Effects[R]],
        events: CallEvents | None,
    ) -> R:
        flow = lifecycle.run_call(policy, self._account, get_reply, events)
        return await drivers.arun(flow, self._transport)

    @overload
    async def respond_structured(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        model: str = ...,
        temperature: float | None = ...,
        max_tokens: int | None = ...,
        *,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> StructuredReply[dict[str, Any]]: ...

    @overload
    async def respond_structured(
        self,
        messages: Sequence[Message],
        schema: TypeForm[T],
        model: str = ...,
        temperature: float | None = ...,
        max_tokens: int | None = ...,
        *,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> StructuredReply[T]: ...

    async def respond_structured(
        self,
        messages: Sequence[Message],
        schema: Any,
        model: str = DEFAULT_MODEL,
        temperature: float | None = DEFAULT_TEMPERATURE,
        max_tokens: int | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> StructuredReply[Any]:
        """Return an answer that satisfies *schema* as `.value` (a dict gives a dict, a type an
        instance), with the usage and cost of all turns.

        Raises ConfigurationError for a schema that is none, StructuredOutputError where no answer
        satisfied it.
        """
        request = request_of(messages, model, temperature, max_tokens, provider_options)

        def get_reply(call: Call) -> Effects[StructuredReply[Any]]:
            found = structured.structured_by(request, schema, self._knobs, call)
            return StructuredReply.of(*(yield from found))

        policy = self._policy(tags)
        events = self._events("structured", request, policy)
        return await self._run(policy, get_reply, events)

    async def structured(
        self, messages: Sequence[Message], schema: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, Reply]:
        """Return what `respond_structured` does in two parts: the value, and the whole reply."""
        reply = await self.respond_structured(messages, schema, *args, **kwargs)
        return reply.value, reply

    @overload
    def stream_structured(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        model: str = ...,
        temperature: float | None = ...,
        max_tokens: int | None = ...,
        *,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> AsyncStructuredStream[dict[str, Any]]: ...

    @overload
    def stream_structured(
        self,
        messages: Sequence[Message],
        schema: TypeForm[T],
        model: str = ...,
        temperature: float | None = ...,
        max_tokens: int | None = ...,
        *,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> AsyncStructuredStream[T]: ...

    def stream_structured(
        self,
        messages: Sequence[Message],
        schema: Any,
        model: str = DEFAULT_MODEL,
        temperature: float | None = DEFAULT_TEMPERATURE,
        max_tokens: int | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        **provider_options: Any,
    ) -> AsyncStructuredStream[Any]:
        """Return an answer that satisfies *schema* as it comes, to be read in `async with`.

        It gives snapshots, each of which extends the one before, and in the end `.value`. Arguments
        and errors are those of `respond_structured`.
        """
        request = request_of(messages, model, temperature, max_tokens, provider_options)
        policy = self._policy(tags)
        events = self._events("structured_stream", request, policy)
        flow = structured_streaming.stream(
            request, schema, self._knobs, policy, self._account, events
        )
        return AsyncStructuredStream(flow, self._transport)
