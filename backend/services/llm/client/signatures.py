"""How a checker sees the calls: every option that both providers share has its type.

What else a provider takes goes there as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from typing_extensions import NotRequired, TypedDict

from ..types import UNSET, Message

R_co = TypeVar("R_co", covariant=True)

#: Whether tools may, must or must not be called; a mapping names the one that must.
ToolChoice: TypeAlias = Literal["auto", "required", "none"] | Mapping[str, Any]
#: How much a model is to reason; each knows some of them.
ReasoningEffort: TypeAlias = Literal["none", "default", "low", "medium", "high", "xhigh", "max"]
#: Both providers have the default and flex, the others are one's own.
ServiceTier: TypeAlias = Literal[
    "default", "flex", "auto", "on_demand", "performance", "priority", "reserved"
]


class Guardrail(TypedDict):
    """One of Bedrock's guardrails; with *trace*, the reply says what it has found."""

    id: str
    version: str
    trace: NotRequired[bool]


class Ask(Protocol[R_co]):
    """A call that is answered by a text, a whole reply, or either of them in pieces."""

    def __call__(
        self,
        /,
        prompt: str | None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
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
    ) -> R_co:
        """Ask *messages*, then *prompt* as what the user says last."""
        ...


class AskForStream(Protocol[R_co]):
    """A call whose answer is read as it comes, and may go on after a break."""

    def __call__(
        self,
        /,
        prompt: str | None = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        tags: Mapping[str, str] | None = None,
        resume: bool = False,
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
    ) -> R_co:
        """Ask *messages*, then *prompt* as what the user says last."""
        ...


class AskWithRetry(Protocol[R_co]):
    """The same in so many attempts in all."""

    def __call__(
        self,
        /,
        prompt: str | None = None,
        max_retries: int = 3,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        *,
        messages: Sequence[Message] | None = None,
        timeout: float | None = None,
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
    ) -> R_co:
        """Ask in at most *max_retries* attempts."""
        ...
