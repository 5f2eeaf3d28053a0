"""How a checker sees the compliant client's calls: each option of Groq's that is known is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ..llm.client.signatures import ReasoningEffort, ServiceTier, ToolChoice
from ..llm.types import Message

R_co = TypeVar("R_co", covariant=True)


class AskChat(Protocol[R_co]):
    """A call that is answered by a text or a whole reply."""

    def __call__(
        self,
        messages: Sequence[Message],
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
    ) -> R_co:
        """Ask *messages*."""
        ...


class AskChatForStream(Protocol[R_co]):
    """A call that is answered in pieces; with *resume* it goes on after a break."""

    def __call__(
        self,
        messages: Sequence[Message],
        model: str = ...,
        temperature: float | None = ...,
        max_tokens: int | None = ...,
        *,
        tags: Mapping[str, str] | None = None,
        resume: bool = False,
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
    ) -> R_co:
        """Ask *messages*."""
        ...
