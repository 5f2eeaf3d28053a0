"""Groq's half of a client: one request through the groq SDK's clients, which the face builds."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any, TypeVar

import anyio

from ..errors import LLMError
from ..providers import groq
from ..providers.foreign_errors import redact_error
from ..providers.groq.transport import has_the_sdks_own_create, post_arguments, read_answer
from ..runtime.blocking import run_in_thread
from ..runtime.event_loops import PerEventLoop
from ..runtime.fork import reset_in_child
from ..types import Reply, Request
from .structured_calls import StructuredClient

E = TypeVar("E", bound=BaseException)


class GroqWire(StructuredClient):
    """Sends on the SDK's blocking client, or on its awaiting one: each event loop has its own."""

    api_key: str
    default_model: str
    _sdk_package = "groq"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._async_clients = PerEventLoop[Any](self._connect_async, lambda sdk: sdk.close())
        reset_in_child(self)

    @abstractmethod
    def _connect_async(self) -> Any:
        """Build the SDK's awaiting client."""

    @property
    def _model(self) -> str:
        return self.default_model

    def _identity(self) -> tuple[str, ...]:
        return self.api_key, str(self.client.base_url)

    def send(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, in this thread; raises LLMError, also after *timeout* seconds."""
        wire = groq.to_chat_completion(request)
        try:
            with self._borrowed() as sdk:
                if has_the_sdks_own_create(sdk):
                    response = read_answer(sdk.post(**post_arguments(wire, timeout)))
                elif self._is_real:
                    response = sdk.chat.completions.create(**wire, timeout=timeout)
                else:
                    response = sdk.chat.completions.create(**wire)
            return groq.from_chat_completion(response, request)
        except LLMError as error:
            self._muted(error, request)
            raise
        except Exception as error:
            meant = groq.classify(error, request.model, wall=self._account.wall())
            raise self._muted(meant, request) from self._muted(error, request)

    async def asend(self, request: Request, timeout: float) -> Reply:
        """Send *request* once, as `send` does, on this event loop.

        What a test has put in the SDK's place is called in a thread.
        """
        if not self._is_real:
            return await run_in_thread(partial(self.send, request, timeout))
        wire = groq.to_chat_completion(request)
        held = await self._async_clients.get()
        try:
            async with held as sdk:
                with anyio.fail_after(timeout):
                    if has_the_sdks_own_create(sdk):
                        response = read_answer(await sdk.post(**post_arguments(wire, timeout)))
                    else:
                        response = await sdk.chat.completions.create(**wire, timeout=timeout)
            return groq.from_chat_completion(response, request)
        except LLMError as error:
            self._muted(error, request)
            raise
        except Exception as error:
            meant = groq.classify(error, request.model, wall=self._account.wall())
            raise self._muted(meant, request) from self._muted(error, request)

    def _muted(self, error: E, sent: Request) -> E:
        return redact_error(error, self.api_key, sent=sent)

    def close(self) -> None:
        """Close the connections; an event loop's own are closed by `aclose`, or as it ends."""
        self._disconnect()

    async def aclose(self) -> None:
        """Close this loop's connections and those of all threads, each after its last call."""
        await self._async_clients.aclose()
        self.close()

    def after_fork(self) -> None:
        """In a child, leave the parent's event loops alone."""
        self._async_clients.forget()
