"""Converse, as boto3 reads it: its answers, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from sandbox import Sandbox
from tests.sandbox.bedrock_calls import (
    MIXTRAL,
    SCHEMA,
    SONNET,
    SPEC,
    error_of,
    post,
    text_format,
    turn,
)


def test_converse_echoes_the_prompt(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn("What  is it?"), system=[{"text": "Be brief."}]
    )
    assert {
        "role": "assistant",
        "content": [{"text": "Sandbox: What is it?"}],
    } == reply["output"]["message"]
    assert "end_turn" == reply["stopReason"]
    assert {
        "inputTokens": 3 + 3,
        "outputTokens": 5,
        "totalTokens": 11,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    } == reply["usage"]


def test_converse_truncates_at_max_tokens(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn("one two"), inferenceConfig={"maxTokens": 3}
    )
    assert [{"text": "Sandbox: one"}] == reply["output"]["message"]["content"]
    assert "max_tokens" == reply["stopReason"]


def test_converse_stops_at_a_stop_sequence(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn("one two"), inferenceConfig={"stopSequences": [" two"]}
    )
    assert [{"text": "Sandbox: one"}] == reply["output"]["message"]["content"]
    assert "stop_sequence" == reply["stopReason"]


@pytest.mark.parametrize("choice", [{"tool": {"name": "classify"}}, {"any": {}}])
def test_a_forced_tool_is_used_with_input_that_fits(bedrock_client: Any, choice: Any) -> None:
    config = {
        "tools": [{"toolSpec": SPEC}, {"cachePoint": {"type": "default"}}],
        "toolChoice": choice,
    }
    reply = bedrock_client.converse(modelId=SONNET, messages=turn(), toolConfig=config)
    use = reply["output"]["message"]["content"][0]["toolUse"]
    assert "tool_use" == reply["stopReason"]
    assert "classify" == use["name"]
    assert jsonschema_rs.is_valid(SCHEMA, use["input"])


def test_a_text_format_is_satisfied(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn(), outputConfig=text_format(SCHEMA)
    )
    text = reply["output"]["message"]["content"][0]["text"]
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(text))


def test_a_schema_in_the_prompt_is_satisfied(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=turn(f"JSON like {json.dumps(SCHEMA)}!")
    )
    assert jsonschema_rs.is_valid(
        SCHEMA, json.loads(reply["output"]["message"]["content"][0]["text"])
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"messages": []}, "A conversation must start with a user message."),
        (
            {"messages": turn(role="assistant")},
            "A conversation must start with a user message.",
        ),
        (
            {"messages": turn(role="robot")},
            "Value 'robot' at 'messages.1.member.role' failed to satisfy constraint",
        ),
        (
            {"messages": [{"role": "user", "content": []}]},
            "The content field in the Message object at messages.0 is empty.",
        ),
        (
            {"messages": turn(" ")},
            "The text field in the ContentBlock object at messages.0.content.0 is blank.",
        ),
        (
            {"messages": turn() + turn(role="assistant")},
            "does not support assistant message prefill",
        ),
        ({"inferenceConfig": {"maxTokens": 130_000}}, "exceeds the model limit of 128000."),
        ({"inferenceConfig": {"temperature": 1.5}}, "Value '1.5' at 'inferenceConfig.temperature'"),
        (
            {"inferenceConfig": {"temperature": 0.5, "topP": 0.5}},
            "cannot both be specified for this model",
        ),
        (
            {"modelId": "us.anthropic.claude-opus-5-5", "inferenceConfig": {"temperature": 0.5}},
            "`temperature` is deprecated for this model.",
        ),
        ({"outputConfig": text_format("{")}, "is not valid JSON"),
        (
            {"outputConfig": text_format({"type": "object"})},
            "output_config.format.schema: For 'object' type",
        ),
        (
            {"modelId": "us.meta.llama3-3-70b-instruct-v1:0", "outputConfig": text_format(SCHEMA)},
            "doesn't support the outputConfig",
        ),
        (
            {"modelId": MIXTRAL, "toolConfig": {"tools": [{"toolSpec": SPEC}]}},
            "This model doesn't support tool use.",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": []}}}]}},
            "Provide a json object",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}},
            "must be one of the following: object",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": SPEC}], "toolChoice": {"tool": {"name": "g"}}}},
            "The toolChoice names g",
        ),
        (
            {
                "toolConfig": {
                    "tools": [
                        {
                            "toolSpec": {
                                "name": "f",
                                "strict": True,
                                "inputSchema": {"json": {"type": "object"}},
                            }
                        }
                    ]
                }
            },
            "tools.0.custom: For 'object' type",
        ),
    ],
)
def test_a_bad_converse_request_is_a_validation_exception(
    bedrock_client: Any, call: Any, message: str
) -> None:
    request = {"modelId": SONNET, "messages": turn(), **call}
    status, code, text = error_of(lambda: bedrock_client.converse(**request))
    assert (400, "ValidationException") == (status, code)
    assert message in text


def test_wrong_types_that_boto3_would_not_send_are_validation_exceptions_too(
    sandbox: Sandbox,
) -> None:
    bodies: tuple[Any, ...] = (
        [],
        {"messages": 1},
        {"messages": [1]},
        {"messages": turn(), "inferenceConfig": {"maxTokens": 0}},
    )
    for body in bodies:
        reply = post(sandbox, f"/model/{SONNET}/converse", body)
        assert 400 == reply.status_code
        assert reply.headers["x-amzn-errortype"].startswith(
            "ValidationException:http://internal.amazon.com/"
        )
