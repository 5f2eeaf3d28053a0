"""The types of the calls for many prompts: the type of each value is that of the schema."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, overload

from ..batch.asynchronous import AsyncBatch
from ..batch.blocking import Batch
from ..batch.results import OnProgress
from ..types import UNSET, Message
from .signatures import Guardrail, ReasoningEffort, ServiceTier, ToolChoice

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")

#: A prompt of a batch: text, a chat list, or the arguments of `respond` that are its own.
BatchPrompt: TypeAlias = str | Sequence[Message] | Mapping[str, Any]
Prompts: TypeAlias = Iterable[BatchPrompt]
AsyncPrompts: TypeAlias = Iterable[BatchPrompt] | AsyncIterable[BatchPrompt]


class GenerateBatch(Protocol):
    """Results with the text, a dict for a JSON Schema, or an instance."""

    @overload
    def __call__(
        self,
        /,
        prompts: Prompts,
        *,
        schema: None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
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
    ) -> Batch[str]: ...

    @overload
    def __call__(
        self,
        /,
        prompts: Prompts,
        *,
        schema: Mapping[str, Any],
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
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
    ) -> Batch[dict[str, Any]]: ...

    @overload
    def __call__(
        self,
        /,
        prompts: Prompts,
        *,
        schema: TypeForm[T],
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
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
    ) -> Batch[T]: ...


class AGenerateBatch(Protocol):
    """The same, read with `async for`."""

    @overload
    def __call__(
        self,
        /,
        prompts: AsyncPrompts,
        *,
        schema: None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
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
    ) -> AsyncBatch[str]: ...

    @overload
    def __call__(
        self,
        /,
        prompts: AsyncPrompts,
        *,
        schema: Mapping[str, Any],
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
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
    ) -> AsyncBatch[dict[str, Any]]: ...

    @overload
    def __call__(
        self,
        /,
        prompts: AsyncPrompts,
        *,
        schema: TypeForm[T],
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        ordered: bool = True,
        concurrency: int | None = None,
        progress: OnProgress | bool | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
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
    ) -> AsyncBatch[T]: ...
