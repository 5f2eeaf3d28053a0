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
REQUESTS: list[tuple[str, Any]] = [
    ("/openai/v1/chat/completions", GROQ_BODY),
    ("/openai/v1/chat/completions", GROQ_JSON_BODY),
    ("/model/us.anthropic.claude-sonnet-4-6/converse", CONVERSE_BODY),
    ("/model/us.anthropic.claude-sonnet-4-6/converse", FORMAT_BODY),
    ("/model/us.anthropic.claude-sonnet-4-6/invoke", CLAUDE_BODY),
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
    assert json.loads(handled.response.body)


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
