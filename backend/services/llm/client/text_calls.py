"""The calls whose answer is text; `signatures` has their types."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..call.drivers import async_method, blocking_method
from ..effects import Effects
from ..providers.completeness import text_of
from ..types import UNSET, Message, Reply, Request
from .arguments import count
from .configured import ConfiguredClient
from .requests import call_arguments, make_policy, make_request, takes

if TYPE_CHECKING:
    from ..call.call_policy import CallPolicy
    from .signatures import Ask, AskWithRetry


class TextCalls(ConfiguredClient):
    """Asks for a whole reply, or for its text: each flow is driven in a thread, or in a task."""

    if TYPE_CHECKING:
        respond: Ask[Reply]
        arespond: Ask[Coroutine[Any, Any, Reply]]
        generate: Ask[str]
        agenerate: Ask[Coroutine[Any, Any, str]]
        generate_with_retry: AskWithRetry[str]
        agenerate_with_retry: AskWithRetry[Coroutine[Any, Any, str]]
    else:

        @blocking_method
        @takes(call_arguments)
        def respond(self, request: Request, policy: CallPolicy) -> Effects[Reply]:
            """Return the whole reply to *messages*, then to *prompt* as what the user says last.

            A *temperature* of None leaves it to the provider, whatever the client's default.
            Further *options* go to the provider as they are. *timeout* is in seconds for the whole
            call, *max_retries* the further attempts after a passing fault. *tags* name the call to
            hooks and in reports, such as {"tenant": "acme"}. Raises `LLMError`.
            """
            return self._run(request, policy)

        @blocking_method
        @takes(call_arguments)
        def generate(self, request: Request, policy: CallPolicy) -> Effects[str]:
            """Return the text of the model's answer; arguments and errors as of `respond`."""
            return text_of((yield from self._run(request, policy)))

        @blocking_method
        def generate_with_retry(
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
            **options: Any,
        ) -> Effects[str]:
            """Return the model's answer in at most *max_retries* attempts in all.

            What is not known to be permanent is tried again, after 1 s, 2 s, 4 s and so on, up to a
            minute. Raises `RetriesExhaustedError` when the attempts are used up.
            """
            request = make_request(
                *(self, prompt, system_prompt, temperature, model, max_tokens),
                messages=messages,
                options=options,
            )
            attempts = count("max_retries", max_retries, least=1)
            policy = make_policy(self, timeout, None, attempts, tags)
            return text_of((yield from self._run(request, policy)))

        agenerate = async_method(generate)
        agenerate_with_retry = async_method(generate_with_retry)
        arespond = async_method(respond)

    def _run(self, request: Request, policy: CallPolicy) -> Effects[Reply]:
        from ..call.lifecycle import fetch_reply, run_call  # with all that a call needs

        get_reply = partial(fetch_reply, request)
        events = self._events("respond", request, policy)
        return run_call(policy, self._account, get_reply, events)
