"""Measure what hooks cost: processor time of a blocking call with each, beside one without any.

    PYTHONPATH=backend python -m bench.hooks [provider] [--rounds 60]

All take turns in one process, in an order that is drawn, against a server in another; a ratio is
the median of those to the turn without hooks in the same round, which a busy machine moves least.
It needs the packages of backend/requirements-telemetry.txt and opentelemetry-sdk.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from services.llm.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    EventHook,
    hears,
)

from .loopback import server
from .subjects import our_client

Setting = Callable[[], AbstractContextManager[EventHook | None]]

#: What a call's spans and metrics are known by.
_COMMON: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "groq",
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "model",
    "server.address": "127.0.0.1",
    "server.port": 80,
}
_ASKED: dict[str, Any] = {
    **_COMMON,
    "gen_ai.output.type": "text",
    "gen_ai.request.temperature": 0.7,
    "gen_ai.request.max_tokens": 4096,
}
_FIRST = {"llm.attempt.number": 1}
_USED: dict[str, Any] = {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 9}
_SENT: dict[str, Any] = {"http.response.status_code": 200, **_USED}
_ANSWERED: dict[str, Any] = {
    **_USED,
    "llm.outcome": "answered",
    "llm.cost": 0.00001,
    "gen_ai.response.model": "model",
    "gen_ai.response.id": "id",
    "gen_ai.response.finish_reasons": ["stop"],
}
_INPUT, _OUTPUT = ({**_COMMON, "gen_ai.token.type": each} for each in ("input", "output"))

#: Calls in a row with one setting: so many that what is put off is done within a turn.
_TURN = 64


def _idle(event: object) -> None:
    return None


@contextmanager
def none() -> Iterator[EventHook | None]:
    """No hook at all."""
    yield None


@contextmanager
def plain() -> Iterator[EventHook | None]:
    """A hook that does nothing: the events themselves."""

    yield _idle


@contextmanager
def removed() -> Iterator[EventHook | None]:
    """No hook any more, where there was one of all clients."""
    from services.llm.events import hooks

    hooks.add(_idle)
    hooks.remove(_idle)
    yield None


@contextmanager
def ends_alone() -> Iterator[EventHook | None]:
    """A hook that does nothing, and hears of the end of calls alone."""
    yield hears(CallEnded)(lambda event: None)


@contextmanager
def logs() -> Iterator[EventHook | None]:
    """A log line a call, which a handler drops."""
    from services.llm.telemetry.logs import log, log_call

    with _dropped(log):
        yield log_call


@contextmanager
def logging_alone() -> Iterator[EventHook | None]:
    """The same line, written beforehand: what logging takes."""
    log = logging.getLogger("bench.hooks")
    fields = {"id": "1", "outcome": "answered"}
    with _dropped(log):
        yield hears(CallEnded)(lambda _: log.info("%s %s", "call", "id=1", extra={"llm": fields}))


@contextmanager
def _dropped(log: logging.Logger) -> Iterator[None]:
    log.addHandler(handler := logging.NullHandler())
    log.propagate = False
    log.setLevel(logging.INFO)
    yield
    log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.NOTSET)


@contextmanager
def prometheus() -> Iterator[EventHook | None]:
    """Metrics for Prometheus, scraped once."""
    from prometheus_client import CollectorRegistry, generate_latest

    from services.llm.telemetry.prometheus import hook_of

    registry = CollectorRegistry()
    yield hook_of(registry)
    generate_latest(registry)


@contextmanager
def opentelemetry_alone(sampler: Any = None) -> Iterator[EventHook | None]:
    """The same spans and metrics with attributes that are made beforehand: what the SDK takes."""
    from opentelemetry import context, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    from services.llm.telemetry.opentelemetry import SCOPE

    tracers = TracerProvider(sampler, shutdown_on_exit=False)
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    tracer, meter = tracers.get_tracer(SCOPE), meters.get_meter(SCOPE)
    tokens, duration = meter.create_histogram("tokens"), meter.create_histogram("duration")
    spans: list[trace.Span] = []
    current: list[Any] = []

    def hook(event: Event, /) -> None:
        if isinstance(event, CallStarted):
            spans.append(tracer.start_span("call", kind=trace.SpanKind.CLIENT, attributes=_ASKED))
        elif isinstance(event, AttemptStarted):
            parent = trace.set_span_in_context(spans[0])
            spans.append(tracer.start_span("attempt", parent, attributes=_FIRST))
            current.append(context.attach(trace.set_span_in_context(spans[1])))
        elif isinstance(event, AttemptEnded):
            context.detach(current.pop())
            span = spans.pop()
            span.set_attributes(_SENT)
            span.end()
        elif isinstance(event, CallEnded):
            for kind in _INPUT, _OUTPUT:
                tokens.record(9, kind)
            duration.record(event.seconds, _COMMON)
            span = spans.pop()
            span.set_attributes(_ANSWERED)
            span.end()

    yield hook
    tracers.shutdown()
    meters.shutdown()


@contextmanager
def opentelemetry(sampler: Any = None) -> Iterator[EventHook | None]:
    """Spans and metrics, made by OpenTelemetry's SDK and exported to nowhere."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    from services.llm.telemetry.opentelemetry import hook_of

    tracers = TracerProvider(sampler, shutdown_on_exit=False)
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    yield hook_of(tracers, meters)
    tracers.shutdown()
    meters.shutdown()


def unsampled(
    setting: Callable[[Any], AbstractContextManager[EventHook | None]],
) -> AbstractContextManager[EventHook | None]:
    """Metrics, and spans that the sampler drops."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    return setting(ALWAYS_OFF)


SETTINGS: dict[str, Setting] = {
    "none": none,
    "none again": none,
    "none any more": removed,
    "a plain hook": plain,
    "a plain hook of CallEnded": ends_alone,
    "logging alone": logging_alone,
    "logs": logs,
    "Prometheus": prometheus,
    "OpenTelemetry's SDK alone": opentelemetry_alone,
    "OpenTelemetry": opentelemetry,
    "OpenTelemetry's SDK alone, not sampled": partial(unsampled, opentelemetry_alone),
    "OpenTelemetry, not sampled": partial(unsampled, opentelemetry),
}


def measure(provider: str, rounds: int) -> dict[str, list[int]]:
    """Return the nanoseconds of a call, by setting, of each of its turns of _TURN calls."""
    found: dict[str, list[int]] = {name: [] for name in SETTINGS}
    draw = random.Random(1)
    with server() as url, our_client(provider, url, 1) as client, ExitStack() as stack:
        hooks = {name: stack.enter_context(setting()) for name, setting in SETTINGS.items()}
        for _ in range(rounds):
            for name, took in draw.sample(list(found.items()), len(found)):
                with ExitStack() as following:
                    if (hook := hooks[name]) is not None:
                        following.callback(client.hooks.remove, client.hooks.add(hook))
                    client.generate("Hello")
                    took.append(_took(partial(client.generate, "Hello")))
    return found


def _took(ask: Callable[[], object]) -> int:
    begun = time.process_time_ns()
    for _ in range(_TURN):
        ask()
    return (time.process_time_ns() - begun) // _TURN


def table(found: dict[str, list[int]]) -> str:
    """Return a line for each setting: what a turn takes against none's of its round, and adds."""
    lines = ["| hooks | processor time of a call, against none | added |", "|---|---|---|"]
    for name, took in found.items():
        pairs = list(zip(took, found["none"], strict=True))
        ratio = statistics.median(turn / base for turn, base in pairs)
        added = statistics.median(turn - base for turn, base in pairs)
        lines.append(f"| {name} | {ratio:.3f} | {added / 1e3:+.1f} µs |")
    return "\n".join(lines)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.hooks")
    parser.add_argument("provider", nargs="?", default="groq", choices=("groq", "bedrock"))
    parser.add_argument("--rounds", type=int, default=60)
    asked = parser.parse_args()
    print(table(measure(asked.provider, asked.rounds)))


if __name__ == "__main__":
    main()
