"""What the compliant client sends with: for each event loop, an SDK's client for every key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio

from ..llm.account.multi_key import MultiKeyAccount
from ..llm.errors import LLMError
from ..llm.providers import groq
from ..llm.providers.channel import AsyncChannel, map_errors
from ..llm.providers.foreign_errors import redact_error
from ..llm.providers.groq.stream_transport import StreamSpec, aopen_stream
from ..llm.providers.groq.transport import asend, has_original_create
from ..llm.providers.sources import agiving_back
from ..llm.runtime.event_loops import PerEventLoop
from ..llm.runtime.fork import on_fork_in_child
from ..llm.types import Reply, Request


class MultiKeyTransport:
    """Sends each request with its own key.

    *connect* returns a pool of connections, and a function that returns the SDK's client for a key.
    An error shows none of the *account*'s keys, nor does a variable of its traceback.
    """

    def __init__(
        self, connect: Callable[[], tuple[Any, Callable[[str], Any]]], account: MultiKeyAccount
    ) -> None:
        self._account = account
        self._clients = PerEventLoop(connect, lambda held: held[0].aclose())
        on_fork_in_child(self, MultiKeyTransport._reset_in_child)

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, on this event loop, in at most *timeout* s; raises LLMError."""
        arguments = groq.to_chat_completion(request)
        held = await self._clients.get()
        with map_errors(partial(self._to_error, request)):
            async with held as (_, sdk_of):
                sdk = sdk_of(request.key)
                if has_original_create(sdk):
                    response = await asend(sdk, arguments, timeout)
                else:
                    with anyio.fail_after(timeout):
                        response = await sdk.chat.completions.create(**arguments, timeout=timeout)
            return groq.from_chat_completion(response, request)

    async def aopen(self, request: Request, timeout: float) -> AsyncChannel:
        """Send *request* once for a stream, as `asend` does."""
        spec = StreamSpec(
            groq.to_chat_completion(request), request, partial(self._to_error, request)
        )
        async with agiving_back(spec.to_error) as stack:
            _, sdk_of = await stack.enter_async_context(await self._clients.get())
            return await aopen_stream(sdk_of(request.key), stack, spec, timeout)

    async def aclose(self) -> None:
        """Close this event loop's connections, once its calls have ended."""
        await self._clients.aclose()

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's event loops alone."""
        self._clients.reset_in_child()

    def _to_error(self, request: Request, error: Exception) -> LLMError:
        redact_error(error, *self._account.keys, sent=request)
        meant = groq.classify(error, request.model, wall=self._account.wall())
        return redact_error(meant, *self._account.keys, sent=request)
