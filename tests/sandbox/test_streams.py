"""Streams in the order and with the fields of the services, as the real SDKs read them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import groq
import pytest

from sandbox import Answer, Limits, Sandbox, ToolCall
from tests.sandbox.bedrock_calls import SCHEMA, SPEC, claude, text_format
from tests.sandbox.groq_calls import hello, json_schema, post
from tests.sandbox.stream_calls import (
    converse_events,
    converse_text,
    groq_chunks,
    groq_text,
    invoke_events,
    kinds,
)

QWEN = "qwen/qwen3.8-27b"
TOOL = {"type": "function", "function": {"name": "classify", "parameters": SCHEMA}}


def test_groq_sends_the_role_the_pieces_the_finish_and_the_usage(groq_client: groq.Groq) -> None:
    first, *pieces, last = groq_chunks(groq_client, QWEN, reasoning_effort="none")
    assert ("assistant", "") == (first.choices[0].delta.role, first.choices[0].delta.content)
    assert ["Sandbox:", " hello"] == [chunk.choices[0].delta.content for chunk in pieces]
    assert [None, None] == [chunk.choices[0].finish_reason for chunk in pieces]
    assert ("stop", None) == (last.choices[0].finish_reason, last.choices[0].delta.content)
    assert (2, 4) == (last.x_groq.usage.prompt_tokens, last.x_groq.usage.completion_tokens)
    assert last.usage is None
    assert first.x_groq.id == last.x_groq.id


def test_groq_tells_the_usage_once_more_where_it_is_asked_for(groq_client: groq.Groq) -> None:
    *_, finish, usage = groq_chunks(
        groq_client, extra_body={"stream_options": {"include_usage": True}}
    )
    assert finish.usage == usage.usage == finish.x_groq.usage
    assert [] == usage.choices


def test_groq_ends_with_done_and_events_are_lines(sandbox: Sandbox) -> None:
    reply = post(sandbox, hello(stream=True))
    assert "text/event-stream" == reply.headers["content-type"]
    assert "chunked" == reply.headers["transfer-encoding"]
    events = reply.text.split("\n\n")
    assert ["data: [DONE]", ""] == events[-2:]
    assert all(event.startswith("data: {") for event in events[:-2])


def test_groq_streams_the_reasoning_first(groq_client: groq.Groq) -> None:
    deltas = [chunk.choices[0].delta for chunk in groq_chunks(groq_client)]
    thought = [delta for delta in deltas if delta.reasoning]
    assert "Echo the prompt." == "".join(delta.reasoning or "" for delta in thought)
    assert {"analysis"} == {delta.model_extra["channel"] for delta in thought if delta.model_extra}
    assert deltas.index(thought[-1]) < [bool(delta.content) for delta in deltas].index(True)


def test_raw_reasoning_stands_in_the_streamed_content(groq_client: groq.Groq) -> None:
    text = groq_text(groq_chunks(groq_client, reasoning_format="raw"))
    assert "<think>\nEcho the prompt.\n</think>\n\nSandbox: hello" == text


def test_groq_sends_each_tool_call_in_one_delta(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Answer.calls("classify", ToolCall("classify", {"hs_code": "9401"})))
    chunks = groq_chunks(groq_client, tools=[TOOL])
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [0, 1] == [call.index for call in calls]
    assert 2 == len({call.id for call in calls})
    assert {"hs_code": "9401"} == json.loads(calls[1].function.arguments)
    assert "tool_calls" == chunks[-1].choices[0].finish_reason


def test_groq_does_not_stream_a_schema(groq_client: groq.Groq) -> None:
    with pytest.raises(groq.BadRequestError, match="combined with streaming"):
        groq_chunks(groq_client, response_format=json_schema(SCHEMA))


def test_the_async_client_streams_too(sandbox: Sandbox) -> None:
    async def ask() -> str:
        async with groq.AsyncGroq(api_key="k", base_url=sandbox.url, max_retries=0) as client:
            stream = await client.chat.completions.create(**hello(), stream=True)
            return groq_text([chunk async for chunk in stream])

    assert "Sandbox: hello" == asyncio.run(ask())


def test_converse_streams_a_text(bedrock_client: Any) -> None:
    events = converse_events(bedrock_client)
    assert [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ] == kinds(events)
    assert "Sandbox: hello" == converse_text(events)
    assert {"stopReason": "end_turn"} == events[-2]["messageStop"]
    usage = events[-1]["metadata"]["usage"]
    assert (2, 4, 6) == (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"])


def test_converse_streams_thought_and_signature_before_the_text(bedrock_client: Any) -> None:
    fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    events = converse_events(bedrock_client, additionalModelRequestFields=fields)
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    thought = [
        delta["delta"]["reasoningContent"] for delta in deltas if delta["contentBlockIndex"] == 0
    ]
    assert "Echo the prompt." == "".join(part.get("text", "") for part in thought)
    assert "signature" in thought[-1]
    assert {1} == {delta["contentBlockIndex"] for delta in deltas if "text" in delta["delta"]}


def test_converse_announces_a_tool_and_streams_its_input(bedrock_client: Any) -> None:
    events = converse_events(bedrock_client, toolConfig={"tools": [{"toolSpec": SPEC}]})
    (start,) = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert "classify" == start["start"]["toolUse"]["name"]
    parts = [
        event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for event in events
        if "contentBlockDelta" in event
    ]
    assert "" == parts[0]
    assert {"hs_code": "text", "confident": True} == json.loads("".join(parts))
    assert {"stopReason": "tool_use"} == events[-2]["messageStop"]


def test_converse_streams_json_of_a_schema(bedrock_client: Any) -> None:
    events = converse_events(bedrock_client, outputConfig=text_format(SCHEMA))
    assert {"hs_code", "confident"} == set(json.loads(converse_text(events)))


def test_claude_streams_as_anthropic_does(bedrock_client: Any) -> None:
    body = claude(max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024})
    events = invoke_events(bedrock_client, body=body)
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert ["message_start", *block, *block, "message_delta", "message_stop"] == kinds(events)
    thought = [event["delta"] for event in events if event.get("index") == 0 and "delta" in event]
    assert ["thinking_delta", "signature_delta"] == [thought[0]["type"], thought[-1]["type"]]
    assert "end_turn" == events[-2]["delta"]["stop_reason"]
    assert 2 == events[-1]["amazon-bedrock-invocationMetrics"]["inputTokenCount"]


def test_claude_streams_a_tools_input(bedrock_client: Any) -> None:
    tools = [{"name": "classify", "input_schema": SCHEMA}]
    events = invoke_events(bedrock_client, body=claude(tools=tools))
    start = next(event for event in events if event["type"] == "content_block_start")
    assert ("tool_use", {}) == (start["content_block"]["type"], start["content_block"]["input"])
    parts = [e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta"]
    assert {"hs_code", "confident"} == set(json.loads("".join(parts)))


# model, body: the member that holds the text, where the reason is in the last event
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
FAMILIES: list[tuple[str, dict[str, Any], str]] = [
    ("meta.llama3-70b-instruct-v1:0", {"prompt": "hello"}, "generation"),
    ("mistral.mixtral-8x7b-instruct-v0:1", {"prompt": "hello"}, "text"),
    ("us.deepseek.r1-v1:0", {"prompt": "hello"}, "text"),
    ("amazon.titan-text-express-v1", {"inputText": "hello"}, "outputText"),
    ("cohere.command-r-v1:0", {"message": "hello"}, "text"),
    ("cohere.command-text-v14", {"prompt": "hello"}, "text"),
    (
        "amazon.nova-lite-v1:0",
        {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
        "text",
    ),
    ("qwen.qwen3-32b-v1:0", HELLO, "content"),
    (
        "mistral.mistral-large-3-675b-instruct",
        HELLO,
        "content",
    ),
    (
        "sandbox/ok",
        {"prompt": "\n\nHuman: hello\n\nAssistant:", "max_tokens_to_sample": 99},
        "completion",
    ),
]


def found(value: Any, name: str) -> list[Any]:
    """Every value of this member, at any depth."""
    if isinstance(value, list):
        return [each for item in value for each in found(item, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    return own + [each for item in value.values() for each in found(item, name)]


@pytest.mark.parametrize(("model", "body", "member"), FAMILIES)
def test_every_form_of_invoke_model_streams(
    bedrock_client: Any, model: str, body: dict[str, Any], member: str
) -> None:
    events = invoke_events(bedrock_client, model, body)
    text = "".join(each for each in found(events, member) if isinstance(each, str))
    assert "Sandbox: hello" == text.strip()
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == 4
    reasons = [
        found(events[-1], name) for name in ("stop_reason", "finish_reason", "completionReason")
    ]
    assert any(each for reason in reasons for each in reason) or "messageStop" in events[-2]


@pytest.mark.parametrize(("model", "body", "member"), FAMILIES)
def test_every_form_of_invoke_model_answers_whole(
    bedrock_client: Any, model: str, body: dict[str, Any], member: str
) -> None:
    reply = bedrock_client.invoke_model(modelId=model, body=json.dumps(body))
    payload = json.loads(reply["body"].read())
    texts = [each for each in found(payload, member) if isinstance(each, str)]
    assert "Sandbox: hello" == "".join(texts).strip()
    assert "4" == reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"]


def test_a_stream_costs_the_quota_what_a_whole_answer_does() -> None:
    bodies = hello(max_completion_tokens=100), hello(max_completion_tokens=100, stream=True)
    used = []
    for body in bodies:
        with Sandbox(limits=Limits(tpm=10_000), clock=lambda: 0.0) as sandbox:
            post(sandbox, body)
            used.append(post(sandbox, hello()).headers["x-ratelimit-remaining-tokens"])
    assert used[0] == used[1]


def test_a_scripted_text_comes_in_the_pieces_that_are_given(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Answer.streams("a", "bc", "\u00e9\u2603"), times=2)
    texts = [chunk.choices[0].delta.content for chunk in groq_chunks(groq_client)]
    assert ["a", "bc", "\u00e9\u2603"] == [text for text in texts if text]
    events = converse_events(bedrock_client)
    assert "abc\u00e9\u2603" == converse_text(events)


def test_the_journal_counts_the_frames_that_went_out(
    sandbox: Sandbox, groq_client: groq.Groq
) -> None:
    groq_chunks(groq_client, QWEN, reasoning_effort="none")
    # It is noted once the last frame is sent, which the client may have read before.
    give_up = time.monotonic() + 30
    while not sandbox.exchanges[0].frames_sent and time.monotonic() < give_up:
        time.sleep(0.002)
    (exchange,) = sandbox.exchanges
    assert (200, 5) == (exchange.status, exchange.frames_sent)
