"""Spans and metrics of calls, as OpenTelemetry's own SDK exports them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from groq_client_compliant import GroqClient as CompliantClient
from sandbox import Answer, Fault, Sandbox
from services.llm.errors import ConfigurationError, LLMError
from services.llm.events import (
    AttemptEnded,
    AttemptStarted,
    CacheHit,
    Hooks,
    WaitStarted,
    hears,
    hooks,
)
from services.llm.runtime import fork
from services.llm.telemetry import opentelemetry
from services.llm.telemetry.opentelemetry import OpenTelemetryHook
from services.llm.telemetry.otel_attributes import attributes_of
from services.llm.telemetry.otel_content import answer_attributes, question_attributes
from services.llm.types import ToolCall
from tests.telemetry.ended import ATTEMPT, INFO, MODEL, REPLY, USAGE, answered, cancelled, failed
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import SECRETS, Face
from tests.wire.streaming import open_stream, read

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
PROMPT = "the confidential prompt"


@dataclass
class Telemetry:
    """An SDK that keeps in memory what it exports."""

    spans_kept: InMemorySpanExporter
    metrics_kept: InMemoryMetricReader
    providers: Mapping[str, Any]

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.spans_kept.get_finished_spans())

    @property
    def calls(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.kind is SpanKind.CLIENT]

    @property
    def attempts(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith("attempt ")]

    @property
    def metrics(self) -> dict[str, list[Any]]:
        """Data points by the metric's name."""
        data = self.metrics_kept.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = (
        TracerProvider(shutdown_on_exit=False),
        MeterProvider([reader], shutdown_on_exit=False),
    )
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    yield Telemetry(exporter, reader, {"tracer_provider": tracers, "meter_provider": meters})
    tracers.shutdown()
    meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_is_a_client_span_with_a_child_for_each_attempt(
    face: Face, sandbox: Sandbox, virtual: VirtualTime, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    sandbox.script(Fault.error(503))
    reply = face.respond("hi", temperature=0.2, max_tokens=50, tags={"tenant": "acme"})
    (call,) = telemetry.calls
    first, second = telemetry.attempts
    provider = {"groq": "groq", "bedrock": "aws.bedrock"}[face.provider]
    host, port = sandbox.url.removeprefix("http://").split(":")
    assert "chat sandbox/ok" == call.name
    expected: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": "sandbox/ok",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": reply.model,
        "gen_ai.response.id": reply.request_id,
        "gen_ai.response.finish_reasons": (reply.finish_reason,),
        "gen_ai.usage.input_tokens": reply.usage.input_tokens,
        "gen_ai.usage.output_tokens": reply.usage.output_tokens,
        "server.address": host,
        "server.port": int(port),
        "llm.tag.tenant": "acme",
        "llm.outcome": "answered",
    }
    if reply.usage.reasoning_tokens:
        expected["gen_ai.usage.reasoning.output_tokens"] = reply.usage.reasoning_tokens
    assert expected == attributes(call)
    assert StatusCode.UNSET is call.status.status_code
    assert call.context is not None
    for number, attempt in enumerate((first, second), 1):
        assert attempt.parent is not None
        assert call.context.span_id == attempt.parent.span_id
        assert number == attributes(attempt)["llm.attempt.number"]
    assert (503, "ProviderUnavailableError", StatusCode.ERROR) == (
        attributes(first)["http.response.status_code"],
        attributes(first)["error.type"],
        first.status.status_code,
    )
    assert 200 == attributes(second)["http.response.status_code"]
    assert ["llm.retry_planned", "llm.waited"] == [event.name for event in call.events]


def test_a_call_that_fails_names_its_error_on_span_and_metric(
    face: Face, sandbox: Sandbox, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    sandbox.script(Fault.invalid_key())
    with pytest.raises(LLMError) as caught:
        face.generate("hi")
    (call,) = telemetry.calls
    assert ("AuthenticationError", StatusCode.ERROR, str(caught.value)) == (
        attributes(call)["error.type"],
        call.status.status_code,
        call.status.description,
    )
    (point,) = telemetry.metrics["gen_ai.client.operation.duration"]
    assert "AuthenticationError" == point.attributes["error.type"]
    assert "gen_ai.client.token.usage" not in telemetry.metrics


def test_metrics_have_the_names_units_buckets_and_attributes_of_the_conventions(
    open_client: OpenFace, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    face = open_client("groq")
    usage = face.respond("hi").usage
    read(face, "hi")
    metrics = telemetry.metrics
    (duration,) = metrics["gen_ai.client.operation.duration"]
    assert isinstance(duration, HistogramDataPoint)
    assert 2 == duration.count
    seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48]
    assert (*seconds, 40.96, 81.92) == duration.explicit_bounds
    common = {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "server.address",
        "server.port",
    }
    assert duration.attributes is not None
    assert common == set(duration.attributes)
    tokens = {point.attributes["gen_ai.token.type"]: point for point in metrics[TOKENS]}
    assert {"input", "output"} == set(tokens)
    assert (2 * usage.input_tokens, 2 * usage.output_tokens) == (
        tokens["input"].sum,
        tokens["output"].sum,
    )
    assert (1, 4, 16, 64, 256) == tokens["input"].explicit_bounds[:5]
    assert (67108864, 14) == (
        tokens["input"].explicit_bounds[-1],
        len(tokens["input"].explicit_bounds),
    )
    (first,) = metrics["gen_ai.client.operation.time_to_first_chunk"]
    assert 1 == first.count


TOKENS = "gen_ai.client.token.usage"


def test_the_latest_conventions_count_tokens_where_the_environment_asks(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http, gen_ai_latest_experimental")
    opentelemetry.instrument(**telemetry.providers)
    (hook,) = hooks.registered
    hook.hook(answered())
    metrics = telemetry.metrics
    assert TOKENS not in metrics
    usage = {
        name.removeprefix("gen_ai.client.inference.usage."): points[0].value
        for name, points in metrics.items()
        if isinstance(points[0], NumberDataPoint)
    }
    assert {
        "input_tokens": 100,
        "output_tokens": 40,
        "cache_read.input_tokens": 60,
        "reasoning.output_tokens": 8,
    } == usage
    (total,) = metrics["gen_ai.client.inference.operation.input_tokens"]
    assert (100, "text") == (total.sum, total.attributes["gen_ai.token.modality"])


def test_a_stream_tells_its_first_chunk_and_leaves_the_readers_span_current(
    face: Face, sandbox: Sandbox, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    tracer = telemetry.providers["tracer_provider"].get_tracer("host")
    sandbox.script(Answer.streams("a", "b"))
    with tracer.start_as_current_span("reader") as reader:
        stream = open_stream(face, "hi")
        if face.loop is None:
            next(stream)
            assert reader is trace.get_current_span()
            stream.close()
        else:
            face.run(stream.__anext__())
            face.run(stream.aclose())
    reply = read(face, "hi").reply
    left, whole = telemetry.calls
    assert ("cancelled", StatusCode.UNSET) == (
        attributes(left)["llm.outcome"],
        left.status.status_code,
    )
    assert StatusCode.UNSET == telemetry.attempts[0].status.status_code
    assert left.parent is not None
    assert reader.get_span_context().span_id == left.parent.span_id
    assert reply is not None
    assert (True, reply.time_to_first_token) == (
        attributes(whole)["gen_ai.request.stream"],
        attributes(whole)["gen_ai.response.time_to_first_chunk"],
    )


def test_spans_have_the_callers_parent_in_threads_and_tasks(
    face: Face, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    tracer = telemetry.providers["tracer_provider"].get_tracer("host")

    def call(name: str) -> None:
        with tracer.start_as_current_span(name):
            face.generate(name)

    async def acall(name: str) -> None:
        with tracer.start_as_current_span(name):
            await face.client.agenerate(name)

    async def all_calls() -> None:
        await asyncio.gather(*map(acall, "abc"))

    if face.loop is None:
        threads = [threading.Thread(target=call, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        face.run(all_calls())
    parents = {
        span.context.span_id for span in telemetry.spans if span.context and span.name in "abc"
    }
    assert 3 == len(parents)
    assert parents == {span.parent.span_id for span in telemetry.calls if span.parent}


def test_an_attempts_span_is_current_while_it_is_sent(
    open_client: OpenFace, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    seen: list[Any] = []
    face = open_client("groq")
    face.client.hooks.add(
        lambda event: (
            seen.append(trace.get_current_span())
            if isinstance(event, (AttemptStarted, AttemptEnded))
            else None
        )
    )
    before = trace.get_current_span()
    face.generate("hi")
    assert [telemetry.attempts[0].name, before] == [getattr(seen[0], "name", None), seen[1]]
    assert before is trace.get_current_span()


@pytest.mark.parametrize(
    "tracers", [NoOpTracerProvider(), TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)]
)
def test_what_is_called_below_a_call_knows_of_its_trace_where_there_is_one(
    face: Face, telemetry: Telemetry, tracers: Any
) -> None:
    opentelemetry.instrument(**{**telemetry.providers, "tracer_provider": tracers})
    seen: list[Any] = []
    face.client.hooks.add(hears(AttemptStarted)(lambda _: seen.append(trace.get_current_span())))
    before = trace.get_current_span()
    face.generate("hi")
    (current,) = seen
    assert isinstance(tracers, TracerProvider) == current.get_span_context().is_valid
    assert [False, before] == [current.is_recording(), trace.get_current_span()]
    assert "gen_ai.client.operation.duration" in telemetry.metrics


def test_an_event_that_is_neither_span_nor_note_is_left_out(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    for event in (whole_call()[0], WaitStarted(INFO, 1.0, "tokens", 2.0), answered()):
        hook(event)
    assert [()] == [span.events for span in telemetry.calls]
    assert WaitStarted not in hook.heard_events


def test_a_kept_answer_is_a_span_and_no_operation_of_the_providers(
    open_client: OpenFace, telemetry: Telemetry
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    face = open_client("groq", LLM_CACHE_URL="memory:")
    for _ in range(2):
        face.generate("hi")
        read(face, "hi")
    assert ["answered", "cached", "cached", "cached"] == [
        attributes(span)["llm.outcome"] for span in telemetry.calls
    ]
    assert 1 == telemetry.metrics["gen_ai.client.operation.duration"][0].count
    assert "gen_ai.client.operation.time_to_first_chunk" not in telemetry.metrics


@pytest.mark.parametrize("content", [False, True])
def test_content_is_in_spans_only_where_the_host_asks_for_it(
    open_client: OpenFace, telemetry: Telemetry, content: bool
) -> None:
    opentelemetry.instrument(**telemetry.providers)
    face = open_client("groq", LLM_EVENTS_CONTENT=content)
    face.generate(PROMPT, "Be brief.")
    exported = "".join(span.to_json() for span in telemetry.spans)
    assert content is (PROMPT in exported)
    assert [] == [secret for secret in SECRETS if secret in exported]
    if content:
        shown = attributes(telemetry.calls[0])
        question = [{"role": "user", "parts": [{"type": "text", "content": PROMPT}]}]
        assert question == json.loads(shown["gen_ai.input.messages"])
        assert "Be brief." in shown["gen_ai.system_instructions"]
        assert PROMPT in shown["gen_ai.output.messages"]


def test_a_structured_call_asks_for_json(
    open_client: OpenFace, sandbox: Sandbox, telemetry: Telemetry
) -> None:
    face = open_client("groq")
    sandbox.script(Answer(text="None."))
    opentelemetry.instrument(face.client, **telemetry.providers)
    with suppress(LLMError):
        face.structured("hi", {"type": "object", "required": ["a"]}, stop=["END"], top_p=0.5)
    (call,) = telemetry.calls
    assert ("json", ("END",), 0.5) == (
        attributes(call)["gen_ai.output.type"],
        attributes(call)["gen_ai.request.stop_sequences"],
        attributes(call)["gen_ai.request.top_p"],
    )
    assert "llm.repair_planned" in {event.name for event in call.events}


def test_one_client_is_followed_until_that_is_ended(
    open_client: OpenFace, telemetry: Telemetry
) -> None:
    followed, other = open_client("groq"), open_client("groq")
    opentelemetry.instrument(followed.client, **telemetry.providers)
    end = opentelemetry.instrument(followed.client, **telemetry.providers)
    for face in (followed, other):
        face.generate("hi")
    assert 1 == len(telemetry.calls)
    end()
    followed.generate("hi")
    assert 1 == len(telemetry.calls)


def test_what_is_not_sampled_has_no_attributes_to_pay_for(telemetry: Telemetry) -> None:
    sampling = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    opentelemetry.instrument(tracer_provider=sampling)
    hook = hooks.registered[0].hook
    for event in (*whole_call()[:1], CacheHit(INFO, 1.0), *whole_call()[1:]):
        hook(event)
    assert [] == telemetry.spans


def whole_call() -> list[Any]:
    from services.llm.events import CallStarted

    return [
        CallStarted(INFO, 1.0),
        AttemptStarted(INFO, 1.0, 1, MODEL, MODEL),
        AttemptEnded(INFO, 1.5, ATTEMPT, True),
        answered(),
    ]


def hook_of(telemetry: Telemetry) -> OpenTelemetryHook:
    registry = Hooks()

    class Client:
        hooks = registry

    opentelemetry.instrument(Client(), **telemetry.providers)
    (registration,) = registry.registered
    assert isinstance(registration.hook, OpenTelemetryHook)
    return registration.hook


def test_the_end_of_a_call_whose_beginning_was_not_told_is_no_span(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    for event in whole_call()[1:]:
        hook(event)
    assert [] == telemetry.spans


def test_a_child_process_leaves_its_parents_spans_alone(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    started, *others = whole_call()
    hook(started)
    fork._resets[hook._spans](hook._spans)
    for event in others:
        hook(event)
    assert [] == telemetry.spans


def test_an_attempt_whose_end_was_not_told_ends_with_its_call(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    before = trace.get_current_span()
    started, attempt, _, ended = whole_call()
    for event in (started, attempt, ended):
        hook(event)
    assert [f"attempt {MODEL}", f"chat {MODEL}"] == [span.name for span in telemetry.spans]
    assert before is trace.get_current_span()


@pytest.mark.parametrize("step", ["attach", "detach"])
def test_a_span_that_an_interruption_has_left_current_is_so_no_longer(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    hook, real = hook_of(telemetry), context.attach

    def interrupted(value: Any) -> None:
        if step == "attach":
            real(value)
        raise KeyboardInterrupt

    before = trace.get_current_span()
    for event in whole_call():
        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            if type(event) is (AttemptStarted if step == "attach" else AttemptEnded):
                patched.setattr(context, step, interrupted)
            hook(event)
    assert before is trace.get_current_span()
    assert {} == hook._spans._open


def test_a_span_ends_where_its_metrics_fail(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    started, *_, ended = whole_call()
    hook(started)
    unreadable: Any = replace(ended, attempts=None)
    with pytest.raises(TypeError):
        hook(unreadable)
    assert {} == hook._spans._open


@pytest.mark.parametrize("name", ["client", "tracer_provider", "meter_provider"])
@pytest.mark.parametrize("value", [5, "x", TracerProvider])
def test_what_is_no_client_and_no_provider_is_named(name: str, value: Any) -> None:
    kinds = {
        "client": "client of ours, or None",
        "tracer_provider": "TracerProvider, or None",
        "meter_provider": "MeterProvider, or None",
    }
    words = re.escape(f"{name} is {value!r:.60}: give a {kinds[name]}")
    with pytest.raises(ConfigurationError, match=words):
        opentelemetry.instrument(**{name: value})
    assert () == hooks.registered


@pytest.mark.parametrize("is_compliant", [False, True])
def test_a_structured_stream_leaves_the_readers_span_current(
    open_client: OpenFace, sandbox: Sandbox, telemetry: Telemetry, is_compliant: bool
) -> None:
    async def read(client: Any) -> list[Any]:
        if is_compliant:
            stream = client.stream_structured([{"role": "user", "content": "hi"}], SCHEMA)
        else:
            stream = client.astream_structured("hi", SCHEMA)
        async with stream:
            return [trace.get_current_span() async for _ in stream]

    async def compliant() -> list[Any]:
        how: Any = {"cache_path": None, "base_url": sandbox.url}
        async with CompliantClient("gsk-one", **how) as client:
            return await read(client)

    opentelemetry.instrument(**telemetry.providers)
    sandbox.script(Answer.streams('{"a": "b', 'c"}'))
    before = trace.get_current_span()
    seen = asyncio.run(compliant() if is_compliant else read(open_client("groq").client))
    assert [before] * len(seen) == seen
    (call,) = telemetry.calls
    assert (True, "json") == (
        attributes(call)["gen_ai.request.stream"],
        attributes(call)["gen_ai.output.type"],
    )


def test_an_interrupted_call_names_what_interrupted_it(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    started, attempt, *_ = whole_call()
    for event in (started, attempt, cancelled()):
        hook(event)
    assert "CancelledError" == attributes(telemetry.calls[0])["error.type"]


def test_cached_and_reasoning_tokens_are_told_apart(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    written = replace(ATTEMPT, usage=replace(USAGE, cache_write_input_tokens=5), cost=None)
    for event in (*whole_call()[:3], answered(attempts=(written,))):
        hook(event)
    usage = {
        name.removeprefix("gen_ai.usage."): value
        for name, value in attributes(telemetry.calls[0]).items()
        if name.startswith("gen_ai.usage.")
    }
    assert {
        "input_tokens": 100,
        "output_tokens": 40,
        "cache_read.input_tokens": 60,
        "cache_creation.input_tokens": 5,
        "reasoning.output_tokens": 8,
    } == usage
    assert "llm.cost" not in attributes(telemetry.calls[0])
    for event in (*whole_call()[:3], failed()):
        hook(event)
    assert "llm.cost" not in attributes(telemetry.calls[1])


def test_an_attempt_within_the_limits_of_a_key_names_it(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    started, _, *others = whole_call()
    for event in (started, AttemptStarted(INFO, 1.0, 1, MODEL, "key 1 of 2"), *others):
        hook(event)
    assert "key 1 of 2" == attributes(telemetry.attempts[0])["llm.scope"]


def test_what_a_provider_did_not_say_is_left_out(telemetry: Telemetry) -> None:
    hook = hook_of(telemetry)
    reply = REPLY.replace(request_id=None, finish_reason=None)
    for event in (*whole_call()[:3], answered(reply=reply)):
        hook(event)
    shown = attributes(telemetry.calls[0])
    assert not {"gen_ai.response.id", "gen_ai.response.finish_reasons"} & set(shown)


def test_other_hooks_stay_where_traces_are_set_up_again(telemetry: Telemetry) -> None:
    hooks.add(print)
    opentelemetry.instrument(**telemetry.providers)
    opentelemetry.instrument(**telemetry.providers)
    first, second = (each.hook for each in hooks.registered)
    assert (print, OpenTelemetryHook) == (first, type(second))


@pytest.mark.parametrize("stop", ["END", 5])
def test_a_stop_sequence_alone_is_a_list_of_one(telemetry: Telemetry, stop: Any) -> None:
    hook = hook_of(telemetry)
    call = replace(INFO, parameters={"stop": stop, "reasoning_effort": "low"})
    for event in whole_call():
        hook(replace(event, call=call))
    assert (stop,) == attributes(telemetry.calls[0])["gen_ai.request.stop_sequences"]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://api.groq.com/openai/v1/", ("api.groq.com", 443)),
        ("http://[::1]:8080", ("::1", 8080)),
        ("", None),
    ],
)
def test_a_server_is_an_address_and_a_port(
    telemetry: Telemetry, endpoint: str, expected: tuple[str, int] | None
) -> None:
    shown = attributes_of(replace(INFO, endpoint=endpoint))
    found = (shown["server.address"], shown["server.port"]) if endpoint else None
    assert expected == found
    assert bool(endpoint) is ("server.port" in shown)


def test_tools_images_and_their_results_are_shown_by_their_parts() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url"},
                {"image": {}},
                "!",
                5,
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"image_url": {"url": "data:..."}}]},
    ]
    shown = question_attributes(messages)
    assert "gen_ai.system_instructions" not in shown
    sent = json.loads(shown["gen_ai.input.messages"])
    asked, called, result, picture = (each["parts"] for each in sent)
    texts = [{"type": "text", "content": text} for text in ("See", "!")]
    others = [{"type": name} for name in ("image_url", "image", "text")]
    assert [texts[0], *others[:2], texts[1], others[2]] == asked
    assert [{"type": "tool_call", "id": "c1", "name": "f", "arguments": "{}"}] == called
    assert [{"type": "tool_call_response", "id": "c1", "response": "42"}] == result
    assert [{"type": "image_url"}] == picture[0]["response"]
    reply = REPLY.replace(reasoning="Hm.", tool_calls=(ToolCall("c2", "g", "[]"),))
    (message,) = json.loads(answer_attributes(reply)["gen_ai.output.messages"])
    assert ["reasoning", "tool_call"] == [part["type"] for part in message["parts"]]
    assert {} == answer_attributes(REPLY)


def test_without_the_package_an_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ConfigurationError, match="pip install opentelemetry-api"):
        opentelemetry.instrument()
    assert () == hooks.registered


class _Collector(BaseHTTPRequestHandler):
    """Takes what an OTLP exporter posts."""

    bodies: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.bodies.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The URL of a collector on loopback, and what is posted there."""
    bodies: list[tuple[str, bytes]] = []
    handler = type("Handler", (_Collector,), {"bodies": bodies})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


def test_a_collector_gets_spans_and_metrics_over_the_wire(
    open_client: OpenFace, collector: tuple[str, list[tuple[str, bytes]]]
) -> None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    url, bodies = collector
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"), 3_600_000)
    meters = MeterProvider([reader], shutdown_on_exit=False)
    opentelemetry.instrument(tracer_provider=tracers, meter_provider=meters)
    open_client("groq").generate("hi")
    tracers.shutdown()
    meters.shutdown()
    spans = [
        span
        for path, body in bodies
        if path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    attempt, call = spans
    assert ("attempt sandbox/ok", "chat sandbox/ok") == (attempt.name, call.name)
    assert (call.span_id, call.trace_id) == (attempt.parent_span_id, attempt.trace_id)
    names = {
        metric.name
        for path, body in bodies
        if path == "/v1/metrics"
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"gen_ai.client.operation.duration", TOKENS} == names
    assert os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") is None
