"""The calls whose answer is read as it comes; `signatures` has their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..call import streaming
from ..call.call import CallPolicy
from ..call.stream import AsyncStream, Stream
from ..effects import Flow
from ..types import Reply, Request
from .configured import ConfiguredClient
from .requests import call_arguments, takes
from .signatures import Ask


class StreamedCalls(ConfiguredClient):
    """Asks for a reply whose pieces are read as they come."""

    if TYPE_CHECKING:
        stream: Ask[Stream]
        astream: Ask[AsyncStream]
    else:

        @takes(call_arguments)
        def stream(self, request: Request, policy: CallPolicy) -> Stream:
            """Return the reply as it comes, to be read in a `with` block; arguments of `respond`.

            The request is sent when the first piece is asked for. A failure after that piece is not
            tried again: it raises `LLMError`, whose `partial` holds what came.
            """
            return Stream(self._stream(request, policy), self._transport)

        @takes(call_arguments)
        def astream(self, request: Request, policy: CallPolicy) -> AsyncStream:
            """Return the reply as it comes, to be read in an `async with` block; as `stream`."""
            return AsyncStream(self._stream(request, policy), self._transport)

    def _stream(self, request: Request, policy: CallPolicy) -> Flow[Reply]:
        idle = self._knobs.LLM_STREAM_IDLE_TIMEOUT
        events = self._events("stream", request, policy)
        return streaming.stream(request, policy, self._account, idle, events)
