"""The types of the streams whose answer satisfies a schema, as `structured_signatures` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..call.structured_stream import AsyncStructuredStream, StructuredStream
from ..types import UNSET, Message

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
        **options: Any,
    ) -> AsyncStructuredStream[T]: ...
