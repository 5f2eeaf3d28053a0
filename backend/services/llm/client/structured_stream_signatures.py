"""The types of the streams whose answer satisfies a schema, as `structured_signatures` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..call.structured_stream import AsyncStructuredStream, StructuredStream
from ..types import UNSET, Message
from .signatures import Guardrail, ReasoningEffort, ServiceTier, ToolChoice

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")


class StreamStructured(Protocol):
    """Snapshots of the value, and in the end the value itself."""

    @overload
    def __call__(
        self,
        /,
        prompt: str | None = None,
        schema: Mapping[str, Any] = ...,
        system_prompt: str | None = None,
        model: str | None = None,
        temperature: float | None = UNSET,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        guardrail: Guardrail | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> StructuredStream[dict[str, Any]]: ...

    @overload
    def __call__(
        self,
        /,
        prompt: str | None = None,
        schema: TypeForm[T] = ...,
        system_prompt: str | None = None,
        model: str | None = None,
        temperature: float | None = UNSET,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        guardrail: Guardrail | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> StructuredStream[T]: ...


class AStreamStructured(Protocol):
    """The same for an event loop."""

    @overload
    def __call__(
        self,
        /,
        prompt: str | None = None,
        schema: Mapping[str, Any] = ...,
        system_prompt: str | None = None,
        model: str | None = None,
        temperature: float | None = UNSET,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        guardrail: Guardrail | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> AsyncStructuredStream[dict[str, Any]]: ...

    @overload
    def __call__(
        self,
        /,
        prompt: str | None = None,
        schema: TypeForm[T] = ...,
        system_prompt: str | None = None,
        model: str | None = None,
        temperature: float | None = UNSET,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        top_p: float | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        service_tier: ServiceTier | None = None,
        guardrail: Guardrail | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> AsyncStructuredStream[T]: ...
