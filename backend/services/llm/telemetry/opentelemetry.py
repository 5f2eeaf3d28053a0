"""Traces and metrics by OpenTelemetry's conventions for generative AI.

    from services.llm.telemetry import opentelemetry
    opentelemetry.instrument()

A call is one client span, each attempt a child of it. Where they go is for the SDK to say, which
the host sets up. The conventions are those of open-telemetry/semantic-conventions-genai as of
November 2026, all of them of the status Development.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ..events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallInfo,
    CallStarted,
    Event,
    FirstPiece,
)
from .extras import HasHooks, follow, required
from .otel_metrics import CallMetrics, make_metrics
from .otel_spans import CallSpans

#: The name of the tracer and of the meter.
SCOPE = "services.llm"


def instrument(
    client: HasHooks | None = None, *, tracer_provider: Any = None, meter_provider: Any = None
) -> Callable[[], None]:
    """Trace and measure the calls of *client*, or of all clients; return what ends that.

    The providers are the global ones unless they are given. Called again, it replaces what was set
    up before. Raises ConfigurationError without the package opentelemetry-api.
    """
    return follow(client, hook_of(tracer_provider, meter_provider))


def hook_of(tracer_provider: Any = None, meter_provider: Any = None) -> OpenTelemetryHook:
    """Return a hook that traces and measures by these providers; as `instrument`."""
    trace = required("opentelemetry.trace", "opentelemetry-api")
    metrics = required("opentelemetry.metrics", "opentelemetry-api")
    tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
    meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
    return OpenTelemetryHook(CallSpans(tracer), make_metrics(meter))


class OpenTelemetryHook:
    """Tells spans and metrics what happens to each call."""

    def __init__(self, spans: CallSpans, metrics: CallMetrics) -> None:
        self._spans = spans
        self._metrics = metrics

    def __call__(self, event: Event, /) -> None:
        """Take note of *event*."""
        spans = self._spans
        match event:
            case CallStarted(call):
                spans.start_call(call, common_attributes(call))
            case AttemptStarted():
                spans.start_attempt(event)
            case AttemptEnded():
                spans.end_attempt(event)
            case CallEnded(call):
                self._metrics.record_call(event, common_attributes(call))
                spans.end_call(event)
            case _:
                if isinstance(event, FirstPiece) and spans.is_sent(event.call):
                    self._metrics.record_first_piece(event, common_attributes(event.call))
                spans.note(event)


def common_attributes(call: CallInfo) -> dict[str, Any]:
    """Return what spans and metrics of a call have in common."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS[call.provider],
        "gen_ai.request.model": call.model,
        **_address(call.endpoint),
    }


_PROVIDERS = {"groq": "groq", "bedrock": "aws.bedrock"}
_PORTS = {"https": 443, "http": 80}


@lru_cache(maxsize=64)
def _address(endpoint: str) -> dict[str, Any]:
    parts = urlsplit(endpoint)
    if not parts.hostname:
        return {}
    port = parts.port or _PORTS[parts.scheme]
    return {"server.address": parts.hostname, "server.port": port}
