"""What every client can do; a host's own fake needs no more than three methods."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any

from ..runtime.blocking import run_in_thread
from ..runtime.closing import ClosedByAsyncBlock, ClosedByBlock
from ..types import UNSET, Reply, StructuredReply


class LLMClient(ClosedByBlock, ClosedByAsyncBlock):
    """A language model that can be asked, blocking or awaiting.

    A subclass with just the three abstract methods is a whole client: their async counterparts run
    them in a thread.
    """

    @abstractmethod
    def generate(
        self,
        prompt: str,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
    ) -> str:
        """Return the model's answer to *prompt*."""

    @abstractmethod
    def generate_structured(
        self,
        prompt: str,
        schema: Any,
        system_prompt: str | None = None,
        model: str | None = None,
    ) -> Any:
        """Return an object that satisfies *schema*."""

    @abstractmethod
    def generate_with_retry(
        self,
        prompt: str,
        max_retries: int = 3,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
    ) -> str:
        """Return the model's answer to *prompt*, in at most *max_retries* attempts in all."""

    def respond(self, prompt: str | None = None, *args: Any, **kwargs: Any) -> Reply:
        """Return the whole reply; NotImplementedError where the client knows its text alone."""
        raise NotImplementedError(
            f"{type(self).__name__} knows an answer's text alone: use generate"
        )

    def respond_structured(
        self, prompt: str | None = None, schema: Any = None, *args: Any, **kwargs: Any
    ) -> StructuredReply[Any]:
        """Return an answer that satisfies *schema*, and the whole reply; where that is known."""
        raise NotImplementedError(
            f"{type(self).__name__} knows an answer's value alone: use generate_structured"
        )

    async def agenerate(self, /, *args: Any, **kwargs: Any) -> str:
        """Do as `generate` does, without blocking the event loop."""
        return await run_in_thread(partial(self.generate, *args, **kwargs))

    async def agenerate_structured(
        self, /, prompt: str, schema: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Do as `generate_structured` does, without blocking the event loop."""
        return await run_in_thread(
            partial(self.generate_structured, prompt, schema, *args, **kwargs)
        )

    async def agenerate_with_retry(self, /, *args: Any, **kwargs: Any) -> str:
        """Do as `generate_with_retry` does, without blocking the event loop."""
        return await run_in_thread(partial(self.generate_with_retry, *args, **kwargs))

    async def arespond(self, /, prompt: str | None = None, *args: Any, **kwargs: Any) -> Reply:
        """Do as `respond` does, without blocking the event loop."""
        return await run_in_thread(partial(self.respond, prompt, *args, **kwargs))

    async def arespond_structured(
        self, /, prompt: str | None = None, schema: Any = None, *args: Any, **kwargs: Any
    ) -> StructuredReply[Any]:
        """Do as `respond_structured` does, without blocking the event loop."""
        return await run_in_thread(
            partial(self.respond_structured, prompt, schema, *args, **kwargs)
        )

    def close(self) -> None:
        """Let go of connections and threads."""

    async def aclose(self) -> None:
        """Let go of what this event loop holds, then `close`."""
        self.close()
