"""Traces and metrics by OpenTelemetry's conventions for generative AI.

    from services.llm.telemetry import opentelemetry
    opentelemetry.instrument()

A call is one client span, each attempt a child of it. Where they go is for the SDK to say, which
the host sets up. The conventions are those of open-telemetry/semantic-conventions-genai as of
November 2026, all of them of the status Development.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    FirstPiece,
)
from .extras import HasHooks, add_or_replace, checked, hooks_of, import_required
from .otel_attributes import attributes_of
from .otel_metrics import CallMetrics, make_metrics
from .otel_spans import SPAN_EVENTS, CallSpans

#: The name of the tracer and of the meter.
SCOPE = "services.llm"


def instrument(
    client: HasHooks | None = None, *, tracer_provider: Any = None, meter_provider: Any = None
) -> Callable[[], None]:
    """Trace and measure the calls of *client*, or of all clients; return what ends that.

    The providers are the global ones unless they are given. Called again, it replaces what was set
    up before. Raises ConfigurationError without the package opentelemetry-api, and for what is no
    client or provider.
    """
    return add_or_replace(hooks_of(client), hook_of(tracer_provider, meter_provider))


def hook_of(tracer_provider: Any = None, meter_provider: Any = None) -> OpenTelemetryHook:
    """Return a hook that traces and measures by these providers; as `instrument`."""
    trace = import_required("opentelemetry.trace", "opentelemetry-api")
    metrics = import_required("opentelemetry.metrics", "opentelemetry-api")
    tracers = checked("tracer_provider", tracer_provider, trace.TracerProvider)
    meters = checked("meter_provider", meter_provider, metrics.MeterProvider)
    tracer = trace.get_tracer(SCOPE, tracer_provider=tracers)
    meter = metrics.get_meter(SCOPE, meter_provider=meters)
    return OpenTelemetryHook(CallSpans(tracer), make_metrics(meter))


class OpenTelemetryHook:
    """Tells spans and metrics what happens to each call."""

    def __init__(self, spans: CallSpans, metrics: CallMetrics) -> None:
        self._spans = spans
        self._metrics = metrics
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            CallStarted: self._call_started,
            AttemptStarted: spans.start_attempt,
            AttemptEnded: spans.end_attempt,
            FirstPiece: self._first_piece,
            CallEnded: self._call_ended,
            **dict.fromkeys(SPAN_EVENTS, spans.note),
        }
        self.heard_events = frozenset(self._handlers)

    def __call__(self, event: Event, /) -> None:
        """Take note of *event*."""
        if (handler := self._handlers.get(type(event))) is not None:
            handler(event)

    def _call_started(self, event: CallStarted) -> None:
        self._spans.start_call(event.call, attributes_of(event.call))

    def _first_piece(self, event: FirstPiece) -> None:
        if self._spans.is_sent(event.call):
            self._metrics.record_first_piece(event)

    def _call_ended(self, event: CallEnded) -> None:
        try:
            self._metrics.record_call(event)
        finally:
            self._spans.end_call(event)
