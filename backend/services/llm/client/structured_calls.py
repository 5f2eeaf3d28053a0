"""The calls whose answer satisfies a schema: their arguments, and the types of what they return.

A checker knows each by a Protocol: the type of the answer is that of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..call import lifecycle
from ..call.call import Call
from ..effects import Flow
from ..errors import ConfigurationError
from ..types import UNSET, Message, Reply, StructuredReply

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from .provider_client import ProviderClient

T = TypeVar("T")

#: The temperature of structured answers, unless the caller gives one.
STRUCTURED_TEMPERATURE = 0.3
_MISSING: Any = object()


def respond_structured(
    self: ProviderClient,
    /,
    prompt: str | None = None,
    schema: Any = _MISSING,
    system_prompt: str | None = None,
    model: str | None = None,
    temperature: float | None = UNSET,
    max_tokens: int | None = None,
    *,
    messages: Sequence[Message] | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> Flow[StructuredReply[Any]]:
    """Return an answer that satisfies *schema* as `.value`, with the usage and cost of all turns.

    Arguments and errors are those of `generate_structured`.
    """
    if schema is _MISSING:
        raise ConfigurationError("schema is missing: give a JSON Schema as a dict, or a type")
    request = self._request(
        prompt, system_prompt, temperature, model, max_tokens, messages, options
    )
    if temperature is UNSET and request.temperature is not None:
        request = replace(request, temperature=STRUCTURED_TEMPERATURE)
    policy = self._policy(timeout, max_retries)

    from ..call import structured  # pays for schemas only where there is one

    def steps(call: Call) -> Flow[tuple[Any, Reply]]:
        return structured.structured_by(
            request, schema, self._knobs, call, plain=not self._transport.lender.is_real
        )

    value, reply = yield from lifecycle.run_call(policy, self._account, steps)
    return StructuredReply.of(value, reply)


def generate_structured(
    self: ProviderClient,
    /,
    prompt: str | None = None,
    schema: Any = _MISSING,
    system_prompt: str | None = None,
    model: str | None = None,
    temperature: float | None = UNSET,
    max_tokens: int | None = None,
    *,
    messages: Sequence[Message] | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> Flow[Any]:
    """Return an object that satisfies *schema*: a dict for a JSON Schema, else an instance.

    *schema* may be any annotation that pydantic's TypeAdapter takes. *messages* come before the
    *prompt*. Raises `ConfigurationError` before any call for an invalid schema, and
    `StructuredOutputError` when no answer satisfies it.
    """
    flow = respond_structured(
        self,
        prompt,
        schema,
        system_prompt,
        model,
        temperature,
        max_tokens,
        messages=messages,
        timeout=timeout,
        max_retries=max_retries,
        **options,
    )
    return (yield from flow).value


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
        **options: Any,
    ) -> StructuredReply[T]: ...
