"""The calls whose answer is read as it comes; `signatures` has their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..effects import Effects
from ..types import UNSET, Message, Reply, Request
from .arguments import flag
from .configured import ConfiguredClient
from .requests import call_arguments, takes

if TYPE_CHECKING:
    from ..call.call_policy import CallPolicy
    from ..call.stream import AsyncStream, Stream
    from .signatures import AskForStream


def stream_arguments(
    self: ConfiguredClient,
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
    **options: Any,
) -> tuple[Request, CallPolicy, bool]:
    """Return request and policy of a stream, and whether it goes on after a break."""
    request, policy = call_arguments(
        *(self, prompt, system_prompt, temperature, model, max_tokens),
        messages=messages,
        timeout=timeout,
        max_retries=max_retries,
        tags=tags,
        **options,
    )
    return request, policy, flag("resume", resume)


class StreamedCalls(ConfiguredClient):
    """Asks for a reply whose pieces are read as they come."""

    if TYPE_CHECKING:
        stream: AskForStream[Stream]
        astream: AskForStream[AsyncStream]
    else:

        @takes(stream_arguments)
        def stream(self, request: Request, policy: CallPolicy, resume: bool) -> Stream:
            """Return the reply as it comes, to be read in a `with` block; arguments of `respond`.

            The request is sent when the first piece is asked for. A failure after that piece is not
            tried again: it raises `LLMError`, whose `partial` holds what came. With *resume*, a
            model that can goes on where its text broke off.
            """
            from ..call.stream import Stream  # with what writes them as server-sent events

            return Stream(self._stream(request, policy, resume), self._transport)

        @takes(stream_arguments)
        def astream(self, request: Request, policy: CallPolicy, resume: bool) -> AsyncStream:
            """Return the reply as it comes, to be read in an `async with` block; as `stream`."""
            from ..call.stream import AsyncStream

            return AsyncStream(self._stream(request, policy, resume), self._transport)

    def _stream(self, request: Request, policy: CallPolicy, resume: bool) -> Effects[Reply]:
        from ..call import streaming

        idle = self._knobs.LLM_STREAM_IDLE_TIMEOUT
        events = self._events("stream", request, policy)
        return streaming.stream(request, policy, self._account, idle, events, resumes=resume)
