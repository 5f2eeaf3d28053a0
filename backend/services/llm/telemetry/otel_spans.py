"""The spans of calls that are in flight: one for each call, and a child for each attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..events import (
    AttemptEnded,
    AttemptStarted,
    CacheHit,
    CallEnded,
    CallInfo,
    CallJoined,
    Event,
    ModelSwitched,
    OutageBegan,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitEnded,
)
from ..runtime.fork import on_fork_in_child
from ..types import Usage
from .extras import import_required
from .otel_content import answer_attributes, question_attributes

#: Parameters of a request, and their names in the conventions.
_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "max_tokens": "gen_ai.request.max_tokens",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "n": "gen_ai.request.choice.count",
}
#: What is noted on the call's span as a span event, and the fields of ours that it carries.
SPAN_EVENTS: dict[type[Event], tuple[str, tuple[str, ...]]] = {
    CallJoined: ("llm.call_joined", ()),
    CacheHit: ("llm.cache_hit", ()),
    WaitEnded: ("llm.waited", ("limit", "seconds", "scope")),
    ModelSwitched: ("llm.model_switched", ("previous", "model")),
    ScopePaused: ("llm.scope_paused", ("scope", "seconds")),
    OutageBegan: ("llm.outage_began", ("scope", "seconds")),
    RetryPlanned: ("llm.retry_planned", ("attempt", "error", "seconds")),
    RepairPlanned: ("llm.repair_planned", ("turn", "violations")),
}


@dataclass(eq=False, slots=True)
class _OpenCall:
    """The span of a call, that of its attempt, and what makes the latter the current one.

    Of a call that is not sampled there is no span of an attempt: the call's own stands for it.
    """

    span: Any
    is_recording: bool
    #: The span is of a trace, so that what is called below it is to know of it.
    is_traced: bool
    attempt: Any = None
    #: The context before the attempt, and the token that restores it.
    outer: Any = None
    token: Any = None


class CallSpans:
    """Starts and ends the spans of calls.

    While an attempt of a call that is not streamed is under way, its span is the current one: what
    an SDK's or a network's own instrumentation traces is its child. A stream's reader goes on with
    other things between two pieces, and keeps the current span that it has.
    """

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer
        self._trace = import_required("opentelemetry.trace", "opentelemetry-api")
        self._context = import_required("opentelemetry.context", "opentelemetry-api")
        self._open: dict[str, _OpenCall] = {}
        on_fork_in_child(self, CallSpans._reset_in_child)

    def is_sent(self, call: CallInfo) -> bool:
        """Whether an attempt of *call* is under way."""
        return call.id in self._open and self._open[call.id].attempt is not None

    def start_call(self, call: CallInfo, attributes: Mapping[str, Any]) -> None:
        """Start the call's span, as a child of the one that is current."""
        span = self._tracer.start_span(
            f"chat {call.model}",
            kind=self._trace.SpanKind.CLIENT,
            attributes={**attributes, **_request_attributes(call)},
        )
        is_recording = span.is_recording()
        is_traced = is_recording or span.get_span_context().is_valid
        self._open[call.id] = _OpenCall(span, is_recording, is_traced)
        if is_recording and call.messages is not None:
            span.set_attributes(question_attributes(call.messages))

    def start_attempt(self, event: AttemptStarted) -> None:
        """Start an attempt's span, as a child of the call's."""
        if (open_call := self._open.get(event.call.id)) is None:
            return
        open_call.attempt = self._attempt_span(event, open_call)
        if open_call.is_traced and not event.call.is_streamed:
            context = self._trace.set_span_in_context(open_call.attempt)
            open_call.outer = self._context.get_current()
            open_call.token = self._context.attach(context)

    def _attempt_span(self, event: AttemptStarted, open_call: _OpenCall) -> Any:
        if not open_call.is_recording:
            return open_call.span
        attributes: dict[str, Any] = {"llm.attempt.number": event.number}
        if event.scope != event.model:
            attributes["llm.scope"] = event.scope
        context = self._trace.set_span_in_context(open_call.span)
        return self._tracer.start_span(
            f"attempt {event.model}", context=context, attributes=attributes
        )

    def end_attempt(self, event: AttemptEnded) -> None:
        """End the attempt's span."""
        open_call = self._open.get(event.call.id)
        if open_call is None or open_call.attempt is None:
            return
        self._detach(open_call)
        span, open_call.attempt = open_call.attempt, None
        if not open_call.is_recording:
            return
        attempt = event.attempt
        attributes: dict[str, Any] = {}
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
        if attempt.usage.reported:
            _add_usage(attributes, attempt.usage)
        span.set_attributes(attributes)
        if attempt.error not in (None, "Cancelled"):
            self._fail(span, attempt.error.partition("(")[0], attempt.error)
        span.end()

    def note(self, event: Event) -> None:
        """Note *event*, which is of a kind in `SPAN_EVENTS`, on the call's span."""
        open_call = self._open.get(event.call.id)
        if open_call is not None and open_call.is_recording:
            name, fields = SPAN_EVENTS[type(event)]
            open_call.span.add_event(name, {f"llm.{one}": getattr(event, one) for one in fields})

    def end_call(self, event: CallEnded) -> None:
        """End the call's span."""
        if (open_call := self._open.pop(event.call.id, None)) is None:
            return
        self._detach(open_call)
        if not open_call.is_recording:
            return
        if open_call.attempt is not None:
            open_call.attempt.end()  # its own end was interrupted
        span = open_call.span
        span.set_attributes(_outcome_attributes(event))
        if event.error_type not in (None, "Cancelled"):
            self._fail(span, event.error_type, str(event.error or event.error_type))
        span.end()

    def _detach(self, open_call: _OpenCall) -> None:
        token, open_call.token = open_call.token, None
        if token is not None:
            self._context.detach(token)
        # An interruption may have come before the token was kept, or before it was used.
        if open_call.outer is not None and self._trace.get_current_span() is open_call.attempt:
            self._context.attach(open_call.outer)
        open_call.outer = None

    def _fail(self, span: Any, error_type: str | None, description: str) -> None:
        span.set_attribute("error.type", error_type)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, description))

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's spans alone: they end there."""
        self._open = {}


def _request_attributes(call: CallInfo) -> dict[str, Any]:
    is_structured = call.operation.startswith("structured")
    attributes: dict[str, Any] = {"gen_ai.output.type": "json" if is_structured else "text"}
    if call.is_streamed:
        attributes["gen_ai.request.stream"] = True
    for name, value in call.parameters.items():
        if name in _PARAMETERS and isinstance(value, (int, float)):
            attributes[_PARAMETERS[name]] = value
        elif name in ("stop", "stop_sequences"):
            stops = list(value) if isinstance(value, (list, tuple)) else [value]
            attributes["gen_ai.request.stop_sequences"] = stops
    for name, value in call.tags.items():
        attributes[f"llm.tag.{name}"] = value
    return attributes


def _add_usage(attributes: dict[str, Any], usage: Usage) -> None:
    attributes["gen_ai.usage.input_tokens"] = usage.input_tokens
    attributes["gen_ai.usage.output_tokens"] = usage.output_tokens
    if usage.cached_input_tokens:
        attributes["gen_ai.usage.cache_read.input_tokens"] = usage.cached_input_tokens
    if usage.cache_write_input_tokens:
        attributes["gen_ai.usage.cache_creation.input_tokens"] = usage.cache_write_input_tokens
    if usage.reasoning_tokens:
        attributes["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens


def _outcome_attributes(event: CallEnded) -> dict[str, Any]:
    reply, usage, cost = event.reply, event.usage, event.cost
    attributes: dict[str, Any] = {"llm.outcome": event.outcome}
    if usage.reported:
        _add_usage(attributes, usage)
        if cost is not None:
            attributes["llm.cost"] = cost
    if reply is None:
        return attributes
    attributes["gen_ai.response.model"] = reply.model
    if reply.request_id is not None:
        attributes["gen_ai.response.id"] = reply.request_id
    if reply.finish_reason is not None:
        attributes["gen_ai.response.finish_reasons"] = [reply.finish_reason]
    if reply.time_to_first_token is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = reply.time_to_first_token
    if event.call.messages is not None:
        attributes |= answer_attributes(reply)
    return attributes
