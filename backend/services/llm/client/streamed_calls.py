"""The calls whose answer is read as it comes."""

from __future__ import annotations

from ..call import streaming
from ..call.call import CallPolicy
from ..call.stream import AsyncStream, Stream
from ..effects import Flow
from ..types import Reply, Request
from .configured import ConfiguredClient
from .requests import call_arguments, takes


class StreamedCalls(ConfiguredClient):
    """Asks for a reply whose pieces are read as they come."""

    @takes(call_arguments)
    def stream(self, request: Request, policy: CallPolicy) -> Stream:
        """Return the reply as it comes, to be read in a `with` block; arguments as of `respond`.

        The request is sent when the first piece is asked for. A failure after that piece is not
        tried again: it raises `LLMError`, whose `partial` holds what came.
        """
        return Stream(self._stream(request, policy), self._transport)

    @takes(call_arguments)
    def astream(self, request: Request, policy: CallPolicy) -> AsyncStream:
        """Return the reply as it comes, to be read in an `async with` block; as `stream` does."""
        return AsyncStream(self._stream(request, policy), self._transport)

    def _stream(self, request: Request, policy: CallPolicy) -> Flow[Reply]:
        idle = self._knobs.LLM_STREAM_IDLE_TIMEOUT
        events = self._events("stream", request, policy)
        return streaming.stream(request, policy, self._account, idle, events)
