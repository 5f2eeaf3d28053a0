"""Whatever is sent, the sandbox answers as a provider: never with a crash of its own."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.handler import Handled, Handler
from sandbox.http_types import HttpRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
GROQ_BODY = {
    "model": "openai/gpt-oss-120b",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "JSON"}]}],
    "max_tokens": 9,
    "temperature": 0.5,
    "stop": ["a"],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "reasoning_effort": "low",
}
GROQ_JSON_BODY = {
    "model": "openai/gpt-oss-120b",
    "messages": [{"role": "user", "content": "JSON"}],
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "n",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "required": ["a"],
                "additionalProperties": False,
            },
        },
    },
}
CONVERSE_BODY = {
    "messages": [{"role": "user", "content": [{"text": "hello"}]}],
    "system": [{"text": "x"}],
    "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["a"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}],
        "toolChoice": {"tool": {"name": "f"}},
    },
}
FORMAT_BODY = {
    "messages": [{"role": "user", "content": [{"text": "hello"}]}],
    "outputConfig": {
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"schema": '{"type": "string"}', "name": "n"}},
        }
    },
}
CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    "system": "y",
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "f"},
    "stop_sequences": ["a"],
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
}
GROQ_STREAM_BODY = {
    "model": "openai/gpt-oss-120b",
    "messages": [
        {"role": "user", "content": "x"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "22"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}
TALK_BODY = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "x"},
                {"image": {"format": "png", "source": {"bytes": "aGVsbG8="}}},
                {"document": {"format": "txt", "name": "d", "source": {"bytes": "aGVsbG8="}}},
                {"guardContent": {"text": {"text": "y"}}},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "t", "signature": "c2FuZGJveA=="}}},
                {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "1", "content": [{"json": {"a": 1}}]}}],
        },
    ],
    "toolConfig": {
        "tools": [
            {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}},
            {"cachePoint": {"type": "default"}},
        ],
    },
    "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
    "outputConfig": {"effort": "low"},
}
CLAUDE_TALK_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 2048,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image", "source": {"type": "base64", "data": "aGVsbG8="}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "2"}]},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "output_config": {"effort": "low"},
}
CHAT_BODY = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "22"},
    ],
    "max_tokens": 9,
    "stop": ["a"],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
}
CONVERSE, STREAM = "/model/us.anthropic.claude-sonnet-4-6/converse", "-stream"
INVOKE = "/model/us.anthropic.claude-sonnet-4-6/invoke"
NOVA_BODY = {**CONVERSE_BODY, "schemaVersion": "messages-v1"}
TITAN_BODY = {
    "inputText": "x",
    "textGenerationConfig": {"maxTokenCount": 9, "stopSequences": ["a"], "topP": 0.5},
}
COHERE_BODY = {
    "message": "x",
    "chat_history": [{"role": "USER", "message": "y"}],
    "max_tokens": 9,
    "stop_sequences": ["a"],
}
COUNT_BODY = {"input": {"converse": TALK_BODY}}
GUARD_BODY = {"source": "INPUT", "content": [{"text": {"text": "sandbox/masked"}}]}
REQUESTS: list[tuple[str, Any]] = [
    ("/openai/v1/chat/completions", GROQ_STREAM_BODY),
    (CONVERSE, TALK_BODY),
    (CONVERSE + STREAM, TALK_BODY),
    (INVOKE, CLAUDE_TALK_BODY),
    (INVOKE + "-with-response-stream", CLAUDE_TALK_BODY),
    ("/model/qwen.qwen3-32b-v1:0/invoke", CHAT_BODY),
    ("/model/openai.gpt-oss-120b-1:0/invoke-with-response-stream", CHAT_BODY),
    ("/model/amazon.nova-lite-v1:0/invoke", NOVA_BODY),
    ("/model/amazon.titan-text-express-v1/invoke", TITAN_BODY),
    ("/model/cohere.command-r-v1:0/invoke-with-response-stream", COHERE_BODY),
    ("/model/us.deepseek.r1-v1:0/invoke", {"prompt": "x", "max_tokens": 9, "stop": ["a"]}),
    ("/model/sandbox/ok/invoke", {"prompt": "x", "max_tokens_to_sample": 9}),
    ("/model/us.anthropic.claude-sonnet-4-6/count-tokens", COUNT_BODY),
    ("/guardrail/g/version/1/apply", GUARD_BODY),
    ("/openai/v1/chat/completions", GROQ_BODY),
    ("/openai/v1/chat/completions", GROQ_JSON_BODY),
    (CONVERSE, CONVERSE_BODY),
    (CONVERSE, FORMAT_BODY),
    (INVOKE, CLAUDE_BODY),
    ("/model/meta.llama3-70b-instruct-v1:0/invoke", {"prompt": "x", "max_gen_len": 9}),
    ("/model/mistral.mixtral-8x7b-instruct-v0:1/invoke", {"prompt": "x", "stop": ["a"]}),
]


def receive(path: str, body: bytes, method: str = "POST") -> Handled:
    handler = Handler(None, None, lambda: 0.0, lambda: 0.0, date(2026, 11, 22))
    headers = {"authorization": "Bearer k"}
    return handler.receive(HttpRequest(method, path, headers, body), 1)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every value within a JSON value."""
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at that path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(deadline=None)
@given(st.sampled_from(REQUESTS), st.data(), JSON)
def test_any_value_in_any_place_is_answered_with_200_or_400(
    request: tuple[str, Any], data: st.DataObject, value: Any
) -> None:
    path, body = request
    place = data.draw(st.sampled_from(places(body)))
    handled = receive(path, json.dumps(replaced(body, place, value)).encode())
    assert handled.response.status in (200, 400, 404)
    assert handled.response.frames or json.loads(handled.response.body)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([path for path, _ in REQUESTS]))
def test_any_bytes_are_answered_with_an_error(body: bytes, path: str) -> None:
    assert receive(path, body).response.status in (400, 404)


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(["GET", "POST", "DELETE", "HEAD"]))
def test_any_path_is_answered(path: str, method: str) -> None:
    assert 200 <= receive("/" + path, b"{}", method).response.status < 500


def test_the_requests_that_are_mutilated_here_are_good_ones() -> None:
    replies = [receive(path, json.dumps(body).encode()).response for path, body in REQUESTS]
    assert [200] * len(REQUESTS) == [reply.status for reply in replies]
