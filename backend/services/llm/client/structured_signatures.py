"""The types of the calls whose answer satisfies a schema: a checker knows each by a Protocol.

The type of the answer is that of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..types import UNSET, Message, StructuredReply
from .signatures import Guardrail, ReasoningEffort, ServiceTier, ToolChoice

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")


class GenerateStructured(Protocol):
    """The value itself: a dict for a JSON Schema, else an instance."""

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
    ) -> dict[str, Any]: ...

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
    ) -> T: ...


class AGenerateStructured(Protocol):
    """The same, awaited."""

    @overload
    async def __call__(
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
    ) -> dict[str, Any]: ...

    @overload
    async def __call__(
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
    ) -> T: ...


class RespondStructured(Protocol):
    """The value with the reply that held it."""

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
    ) -> StructuredReply[dict[str, Any]]: ...

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
    ) -> StructuredReply[T]: ...


class ARespondStructured(Protocol):
    """The same, awaited."""

    @overload
    async def __call__(
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
    ) -> StructuredReply[dict[str, Any]]: ...

    @overload
    async def __call__(
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
    ) -> StructuredReply[T]: ...
