"""Against recorded traffic of the live services: LLM_RECORDINGS names the folder that holds it."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from sandbox import Answer, Fault, Limits
from sandbox.durations import go_duration
from sandbox.handler import Handler
from sandbox.http_types import HttpRequest, HttpResponse

FOLDER = os.environ.get("LLM_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="LLM_RECORDINGS names no folder of recordings")

GPT = "openai/gpt-oss-120b"
SONNET = "us.anthropic.claude-sonnet-4-6"
CHAT = "/openai/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HEADERS_OF_THE_CONNECTION = {"content-length", "date", "connection"}


@cache
def recordings(provider: str) -> list[dict[str, Any]]:
    lines = (Path(FOLDER) / f"{provider}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def replies(provider: str, keep: Callable[[dict[str, Any]], bool]) -> Iterator[Any]:
    """The parsed bodies of the recorded replies to keep."""
    for recording in recordings(provider):
        if keep(recording) and recording["response"].get("body_text"):
            yield json.loads(recording["response"]["body_text"])


def answer(
    path: str, body: Any, step: Answer | Fault | None = None, limits: Limits | None = None
) -> HttpResponse:
    """The sandbox's reply, with no server between."""
    handler = Handler(limits, None, lambda: 0.0, lambda: 0.0, date(2024, 1, 1))
    if step is not None:
        handler.script.add((step,), None)
    headers = {"authorization": "Bearer k"}
    request = HttpRequest("POST", path, headers, json.dumps(body).encode())
    return handler.receive(request, 1).response


def keys(value: Any, prefix: str = "") -> set[str]:
    """The paths of all members, array items taken together; a tool's input is left out."""
    if isinstance(value, list):
        return set().union(*(keys(item, f"{prefix}[]") for item in value)) if value else set()
    if not isinstance(value, dict) or prefix.endswith((".input", ".toolUse.input")):
        return set()
    named = [(f"{prefix}.{name}", child) for name, child in value.items()]
    return {name for name, _ in named}.union(*(keys(child, name) for name, child in named))


def assert_shaped_like(ours: Any, recorded: list[set[str]]) -> None:
    """Every key of ours was recorded, and every key that is in all recordings is in ours."""
    assert len(recorded) > 2
    assert keys(ours) <= set.union(*recorded)
    assert keys(ours) >= set.intersection(*recorded)


def groq_body(**more: Any) -> dict[str, Any]:
    return {"model": GPT, "messages": [{"role": "user", "content": "hello"}], **more}


@pytest.mark.parametrize(
    ("kinds", "more"),
    [({"chat", "json"}, {}), ({"tools"}, {"tools": [TOOL], "tool_choice": "required"})],
)
def test_groq_answers_are_shaped_like_recorded_ones(kinds: set[str], more: dict[str, Any]) -> None:
    recorded = [
        keys(body)
        for body in replies("groq", lambda r: r["kind"] in kinds and r["response"]["status"] == 200)
    ]
    assert_shaped_like(json.loads(answer(CHAT, groq_body(**more)).body), recorded)


def test_groq_headers_are_recorded_ones() -> None:
    recorded = {
        name
        for recording in recordings("groq")
        if recording["kind"] == "chat" and recording["fidelity"]["response_headers"] == "full"
        for name in recording["response"]["headers"]
    }
    assert (
        set(answer(CHAT, groq_body(), limits=Limits.free()).headers) - HEADERS_OF_THE_CONNECTION
        <= recorded
    )


def test_recorded_reset_times_are_written_as_ours_are() -> None:
    texts = {
        value
        for recording in recordings("groq")
        for name, value in recording["response"]["headers"].items()
        if name.startswith("x-ratelimit-reset")
    }
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6}
    assert len(texts) > 50
    for text in texts:
        parts = re.findall(r"([\d.]+)(h|ms|µs|m|s)", text)
        assert text == go_duration(sum(float(number) * units[unit] for number, unit in parts))


def test_recorded_groq_429s_have_the_waits_that_our_formula_gives() -> None:
    from sandbox.groq.errors import rate_limited
    from sandbox.limits import Limit, Refusal

    seen = 0
    for body in replies("groq", lambda r: r["response"]["status"] == 429):
        error = body["error"]
        found = re.search(
            r"model `([^`]+)` in organization `([^`]+)` .*\(TPM\): "
            r"Limit (\d+), Used (\d+), Requested (\d+)",
            error["message"],
        )
        assert found
        model, organisation, *numbers = found.groups()
        limit, used, requested = map(int, numbers)
        refusal = Refusal(Limit("TPM", limit, 60.0, "tokens"), used, requested)
        ours = json.loads(rate_limited(refusal, model, organisation).body)["error"]
        assert ours == error
        seen += 1
    assert seen >= 3


GROQ_ERRORS = [
    (401, "invalid_api_key", Fault.invalid_key()),
    (404, "model_not_found", Fault.model_not_found()),
    (400, "model_decommissioned", Fault.decommissioned()),
    (400, "tool_use_failed", Fault.tool_use_failed("x")),
    (500, None, Fault.error(500)),
]


@pytest.mark.parametrize(("status", "code", "fault"), GROQ_ERRORS)
def test_groq_errors_are_recorded_ones(status: int, code: str | None, fault: Fault) -> None:
    recorded = [
        (body["error"]["message"].replace(f"`{recording['model']}`", f"`{GPT}`"), keys(body))
        for recording in recordings("groq")
        if recording["response"]["status"] == status
        for body in [json.loads(recording["response"]["body_text"])]
        if body["error"].get("code") == code
    ]
    reply = answer(CHAT, groq_body(), fault)
    ours = json.loads(reply.body)
    assert status == reply.status
    assert (ours["error"]["message"], keys(ours)) in recorded


def claude_converse(recording: dict[str, Any]) -> bool:
    return recording["kind"] == "converse" and "family:claude" in recording["tags"]


@pytest.mark.parametrize("stop", ["stop:end_turn", "stop:tool_use"])
def test_converse_answers_are_shaped_like_recorded_ones(stop: str) -> None:
    recorded = [
        keys(body)
        for body in replies("bedrock", lambda r: claude_converse(r) and stop in r["tags"])
    ]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    if stop == "stop:tool_use":
        spec = {"name": "f", "inputSchema": {"json": {"type": "object"}}}
        body["toolConfig"] = {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}
    reply = answer("/model/us.anthropic.claude-sonnet-4-6/converse", body)
    assert_shaped_like(json.loads(reply.body), recorded)


INVOKE = [
    (
        "claude",
        "anthropic.claude-3-opus-20240229-v1:0",
        {
            "anthropic_version": "v",
            "max_tokens": 99,
            "messages": [{"role": "user", "content": "x"}],
        },
    ),
    ("llama", "meta.llama3-70b-instruct-v1:0", {"prompt": "x"}),
]


@pytest.mark.parametrize(("family", "model", "body"), INVOKE)
def test_invoke_answers_are_shaped_like_recorded_ones(family: str, model: str, body: Any) -> None:
    def kept(recording: dict[str, Any]) -> bool:
        messages = "completion" not in recording["response"].get("body_text", "")[:40]
        return (
            recording["kind"] == "invoke" and f"family:{family}" in recording["tags"] and messages
        )

    recorded = [keys(reply) for reply in replies("bedrock", kept)]
    reply = answer(f"/model/{model}/invoke", body)
    assert_shaped_like(json.loads(reply.body), recorded)
    headers = {
        name
        for recording in recordings("bedrock")
        if kept(recording)
        for name in recording["response"]["headers"]
    }
    assert set(reply.headers) - HEADERS_OF_THE_CONNECTION <= headers


def test_recorded_bedrock_errors_have_our_error_types() -> None:
    from sandbox.bedrock.errors import exception

    seen = set()
    for recording in recordings("bedrock"):
        told = recording["response"]["headers"].get("x-amzn-errortype")
        if told:
            reply = exception(told.partition(":")[0])
            assert (reply.headers["x-amzn-errortype"], reply.status) == (
                told,
                recording["response"]["status"],
            )
            seen.add(told)
    assert len(seen) >= 4


STREAMS = ("stream", "converse-stream", "invoke-stream")
OPERATIONS = {
    "converse": "converse",
    "converse-stream": "converse-stream",
    "invoke": "invoke",
    "invoke-stream": "invoke-with-response-stream",
}


def accepted(recording: dict[str, Any]) -> bool:
    """Whether the live service answered a request that the sandbox means to understand."""
    return (
        recording["response"]["status"] == 200
        and recording["kind"] != "error"
        and recording["kind"] != "models"
        and recording["fidelity"]["request"] == "as-recorded"
        # A model of one's own has a body of its own.
        and "sagemaker" not in str(recording["model"])
    )


def test_recorded_groq_requests_are_accepted() -> None:
    refused = {}
    for recording in filter(accepted, recordings("groq")):
        body = {**recording["request"]["body"], "model": "sandbox/ok"}
        reply = answer(CHAT, {name: value for name, value in body.items() if name != "max_tokens"})
        if reply.status != 200:
            refused[recording["id"]] = reply.body.decode()[:300]
    assert {} == refused


def test_recorded_bedrock_requests_are_accepted() -> None:
    refused = {}
    for recording in filter(accepted, recordings("bedrock")):
        path = f"/model/sandbox/ok/{OPERATIONS[recording['kind']]}"
        reply = answer(path, recording["request"]["body"])
        if reply.status != 200 or bool(reply.frames) != (recording["kind"] in STREAMS):
            refused[recording["id"]] = (recording["model"], reply.body.decode()[:300])
    assert {} == refused


def events_of_groq(text: str) -> list[Any]:
    """The JSON of each event, but for the last, which is `[DONE]`."""
    lines = [line for line in text.splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def events_of_bedrock(data: bytes) -> list[tuple[str, Any]]:
    """The type and the JSON of each event; a chunk's is the model's own."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    events = []
    for message in iter(buffer):
        payload = json.loads(message.payload)
        headers: Any = message.headers
        kind = headers.get(":event-type", "exception")
        if kind == "chunk":
            payload = json.loads(base64.b64decode(payload["bytes"]))
            kind = payload.get("type") or payload.get("object") or next(iter(payload))
        events.append((kind, payload))
    return events


def bytes_of(reply: HttpResponse) -> bytes:
    return b"".join(frame.data for frame in reply.frames)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stream_options": {"include_usage": True}},
        {"tools": [TOOL], "tool_choice": "required"},
        {"reasoning_format": "raw"},
    ],
)
def test_groq_chunks_are_shaped_like_recorded_ones(more: dict[str, Any]) -> None:
    recorded: set[str] = set()
    for recording in recordings("groq"):
        if recording["kind"] == "stream":
            for event in events_of_groq(recording["response"]["body_text"]):
                recorded |= keys(event)
    reply = answer(CHAT, groq_body(stream=True, **more))
    chunks = events_of_groq(bytes_of(reply).decode())
    assert len(chunks) > 2
    assert set().union(*map(keys, chunks)) <= recorded


def shapes_by_kind(kind: str, tag: str) -> dict[str, set[str]]:
    """The members that were recorded of each kind of event."""
    shapes: dict[str, set[str]] = {}
    for recording in recordings("bedrock"):
        if recording["kind"] == kind and tag in recording["tags"]:
            for name, payload in events_of_bedrock(
                base64.b64decode(recording["response"]["body_b64"])
            ):
                shapes[name] = shapes.get(name, set()) | keys(payload)
    return shapes


CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
CLAUDE = {"anthropic_version": "v", "max_tokens": 4096, **groq_body()}
THINK = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
STREAMED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("converse-stream", "family:claude", SONNET, CONVERSE),
    ("converse-stream", "family:claude", SONNET, {**CONVERSE, "toolConfig": {"tools": [SPEC]}}),
    (
        "converse-stream",
        "family:claude",
        SONNET,
        {**CONVERSE, "additionalModelRequestFields": THINK},
    ),
    ("invoke-stream", "family:claude", SONNET, CLAUDE),
    ("invoke-stream", "family:claude", SONNET, {**CLAUDE, **THINK}),
    (
        "invoke-stream",
        "family:claude",
        SONNET,
        {**CLAUDE, "tools": [{"name": "f", "input_schema": {"type": "object"}}]},
    ),
    ("invoke-stream", "family:llama", "meta.llama3-70b-instruct-v1:0", {"prompt": "x"}),
    ("invoke-stream", "family:mistral", "mistral.mistral-7b-instruct-v0:2", {"prompt": "x"}),
    ("invoke-stream", "family:nova", "amazon.nova-lite-v1:0", CONVERSE),
    ("invoke-stream", "family:gpt-oss", "openai.gpt-oss-120b-1:0", groq_body()),
]


@pytest.mark.parametrize(("kind", "family", "model", "body"), STREAMED)
def test_bedrocks_events_are_shaped_like_recorded_ones(
    kind: str, family: str, model: str, body: dict[str, Any]
) -> None:
    recorded = shapes_by_kind(kind, family)
    given = {name: value for name, value in body.items() if name != "model"}
    reply = answer(f"/model/{model}/{OPERATIONS[kind]}", given)
    events = events_of_bedrock(bytes_of(reply))
    assert len(events) > 2
    for name, payload in events:
        assert keys(payload) <= recorded[name]
