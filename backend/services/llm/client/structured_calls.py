"""The calls whose answer satisfies a schema; `structured_signatures` has their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..call.drivers import async_method, blocking_method
from ..effects import Effects
from ..errors import ConfigurationError
from ..types import UNSET, Message, Request, StructuredReply
from .configured import ConfiguredClient
from .requests import make_policy, make_request, takes

if TYPE_CHECKING:
    from ..call.call import Call
    from ..call.call_policy import CallPolicy
    from ..call.structured_stream import AsyncStructuredStream, StructuredStream
    from . import structured_signatures, structured_stream_signatures

#: The temperature of structured answers, unless the caller gives one.
STRUCTURED_TEMPERATURE = 0.3
_MISSING: Any = object()


def structured_arguments(
    self: ConfiguredClient,
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
    tags: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[Request, Any, CallPolicy]:
    """Return request, schema and policy of a structured call; raises `ConfigurationError`."""
    if schema is _MISSING:
        raise ConfigurationError("schema is missing: give a JSON Schema as a dict, or a type")
    request = make_request(
        *(self, prompt, system_prompt, temperature, model, max_tokens),
        messages=messages,
        options=options,
    )
    if temperature is UNSET and request.temperature is not None:
        request = replace(request, temperature=STRUCTURED_TEMPERATURE)
    return request, schema, make_policy(self, timeout, max_retries, tags=tags)


class StructuredCalls(ConfiguredClient):
    """Asks for an object that satisfies a schema."""

    if TYPE_CHECKING:
        generate_structured: structured_signatures.GenerateStructured
        agenerate_structured: structured_signatures.AGenerateStructured
        respond_structured: structured_signatures.RespondStructured
        arespond_structured: structured_signatures.ARespondStructured
        stream_structured: structured_stream_signatures.StreamStructured
        astream_structured: structured_stream_signatures.AStreamStructured
    else:

        @blocking_method
        @takes(structured_arguments)
        def respond_structured(
            self, request: Request, schema: Any, policy: CallPolicy
        ) -> Effects[StructuredReply[Any]]:
            """Return an answer that satisfies *schema* as `.value`, with the cost of all turns.

            Arguments and errors are those of `generate_structured`.
            """
            return self._structured(request, schema, policy)

        @blocking_method
        @takes(structured_arguments)
        def generate_structured(
            self, request: Request, schema: Any, policy: CallPolicy
        ) -> Effects[Any]:
            """Return an object that satisfies *schema*: a dict for a JSON Schema, else an instance.

            *schema* may be any annotation that pydantic's TypeAdapter takes. *messages* come before
            the *prompt*. Raises `ConfigurationError` before any call for an invalid schema, and
            `StructuredOutputError` when no answer satisfies it.
            """
            return (yield from self._structured(request, schema, policy)).value

        @takes(structured_arguments)
        def stream_structured(
            self, request: Request, schema: Any, policy: CallPolicy
        ) -> StructuredStream[Any]:
            """Return an answer that satisfies *schema* as it comes, to be read in a `with` block.

            It gives snapshots, each of which extends the one before, and in the end `.value`.
            Arguments and errors are those of `generate_structured`.
            """
            from ..call.structured_stream import StructuredStream

            return StructuredStream(self._snapshots(request, schema, policy), self._transport)

        @takes(structured_arguments)
        def astream_structured(
            self, request: Request, schema: Any, policy: CallPolicy
        ) -> AsyncStructuredStream[Any]:
            """Return the same for an event loop, to be read in an `async with` block."""
            from ..call.structured_stream import AsyncStructuredStream

            flow = self._snapshots(request, schema, policy)
            return AsyncStructuredStream(flow, self._transport)

        agenerate_structured = async_method(generate_structured)
        arespond_structured = async_method(respond_structured)

    def _structured(
        self, request: Request, schema: Any, policy: CallPolicy
    ) -> Effects[StructuredReply[Any]]:
        from ..call import lifecycle, structured  # pays for schemas only where there is one

        is_stand_in = not self._transport.lender.is_real

        def get_reply(call: Call) -> Effects[StructuredReply[Any]]:
            found = structured.structured_by(
                request, schema, self._knobs, call, prompt_only=is_stand_in
            )
            return StructuredReply.of(*(yield from found))

        events = self._events("structured", request, policy)
        return (yield from lifecycle.run_call(policy, self._account, get_reply, events))

    def _snapshots(
        self, request: Request, schema: Any, policy: CallPolicy
    ) -> Effects[StructuredReply[Any]]:
        from ..call import structured_streaming  # pays for schemas only where there is one

        return structured_streaming.stream(
            request,
            schema,
            self._knobs,
            policy,
            self._account,
            self._events("structured_stream", request, policy),
            prompt_only=not self._transport.lender.is_real,
        )
