"""What a Groq client sends with: the groq SDK's clients, blocking and async."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ...errors import LLMError
from ...runtime.blocking import run_in_thread
from ...runtime.event_loops import PerEventLoop
from ...runtime.fork import on_fork_in_child
from ...runtime.sdk_lender import SdkLender
from ...settings.knobs import Knobs
from ...types import Reply, Request
from ..channel import AsyncChannel, Channel, map_errors
from ..foreign_errors import redact_error
from ..sources import agiving_back, giving_back, in_threads
from . import transport
from .answer import from_chat_completion
from .connect import GroqConnection
from .errors import classify
from .request import to_chat_completion
from .stream_transport import StreamSpec, aopen_stream, open_stream
from .transport import has_original_create

if TYPE_CHECKING:
    from .batch_api import GroqBatchApi

E = TypeVar("E", bound=BaseException)


class GroqTransport:
    """Sends on the SDK's blocking client, or on its async one, of which each event loop has one.

    *sleep* and *wall* are the clocks that the client's module looks up.
    """

    def __init__(
        self, connection: GroqConnection, sleep: Callable[[float], None], wall: Callable[[], float]
    ) -> None:
        self.lender = SdkLender(connection.connect, "groq")
        self._connection = connection
        self._batch_lender: SdkLender | None = None
        self._async_clients = PerEventLoop[Any](connection.connect_async, lambda sdk: sdk.close())
        self._api_key = connection.api_key
        self._sleep = sleep
        self._wall = wall
        on_fork_in_child(self, GroqTransport._reset_in_child)

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass in this thread."""
        self._sleep(seconds)

    def send(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, in this thread; raises LLMError, also after *timeout* seconds."""
        arguments = to_chat_completion(request)
        with map_errors(partial(self._to_error, request)):
            with self.lender.lend() as sdk:
                if has_original_create(sdk):
                    response = transport.send(sdk, arguments, timeout)
                elif self.lender.is_real:
                    response = sdk.chat.completions.create(**arguments, timeout=timeout)
                else:
                    response = sdk.chat.completions.create(**arguments)
            return from_chat_completion(response, request)

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, as `send` does, on this event loop.

        What a test has put in the SDK's place is called in a thread.
        """
        if not self.lender.is_real:
            return await run_in_thread(partial(self.send, request, timeout))
        arguments = to_chat_completion(request)
        held = await self._async_clients.get()
        with map_errors(partial(self._to_error, request)):
            async with held as sdk:
                if has_original_create(sdk):
                    response = await transport.asend(sdk, arguments, timeout)
                else:
                    with anyio.fail_after(timeout):
                        response = await sdk.chat.completions.create(**arguments, timeout=timeout)
            return from_chat_completion(response, request)

    def open(self, request: Request, timeout: float) -> Channel:
        """Send *request* once for a stream, in this thread; raises LLMError."""
        spec = self._stream_spec(request)
        with giving_back(spec.to_error) as stack:
            return open_stream(stack.enter_context(self.lender.lend()), stack, spec, timeout)

    async def aopen(self, request: Request, timeout: float) -> AsyncChannel:
        """Send *request* once for a stream, as `open` does, on this event loop.

        What a test has put in the SDK's place is called in a thread.
        """
        if not self.lender.is_real:
            return in_threads(await run_in_thread(partial(self.open, request, timeout)))
        spec = self._stream_spec(request)
        async with agiving_back(spec.to_error) as stack:
            sdk = await stack.enter_async_context(await self._async_clients.get())
            return await aopen_stream(sdk, stack, spec, timeout)

    def _stream_spec(self, request: Request) -> StreamSpec:
        return StreamSpec(to_chat_completion(request), request, partial(self._to_error, request))

    def _to_error(self, request: Request, error: Exception) -> LLMError:
        return self._classify(self._redact(error, request), request)

    def batch_api(self, knobs: Knobs) -> GroqBatchApi:
        """Return Groq's Batch API, with this client's key."""
        from .batch_api import GroqBatchApi  # most clients submit no batch

        return GroqBatchApi(self._lend_for_batches, self._batch_error)

    def _lend_for_batches(self) -> AbstractContextManager[Any]:
        from .batch_api import BATCH_LIMIT, BATCH_TIMEOUT

        # What moves files takes longer, and reads more, than what asks once.
        connect = replace(self._connection, timeout=BATCH_TIMEOUT, limit=BATCH_LIMIT).connect
        if self._batch_lender is None and self.lender.is_real:
            self._batch_lender = SdkLender(connect, "groq")
        return (self._batch_lender or self.lender).lend()

    def _batch_error(self, error: Exception) -> LLMError:
        nothing = Request("", ())
        return self._classify(self._redact(error, nothing), nothing)

    def close(self) -> None:
        """Close the connections; an event loop's own are closed by `aclose`, or as it ends."""
        self.lender.close()
        if self._batch_lender is not None:
            self._batch_lender.close()

    async def aclose(self) -> None:
        """Close this loop's connections and those of all threads, each after its last call."""
        await self._async_clients.aclose()
        self.close()

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's event loops alone."""
        self._async_clients.reset_in_child()

    def _classify(self, error: Exception, request: Request) -> LLMError:
        return self._redact(classify(error, request.model, wall=self._wall()), request)

    def _redact(self, error: E, request: Request) -> E:
        return redact_error(error, self._api_key, sent=request)
