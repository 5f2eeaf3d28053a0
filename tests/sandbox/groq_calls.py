"""Requests to the sandbox's Groq, as its SDK or another client would make them."""

from __future__ import annotations

import json
from typing import Any

import groq
import httpx

from sandbox import Sandbox

GPT = "openai/gpt-oss-120b"
CHAT = "/openai/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {"hs_code": {"type": "string"}, "confident": {"type": ["boolean", "null"]}},
    "required": ["hs_code", "confident"],
    "additionalProperties": False,
}


def hello(text: str = "hello", **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": GPT, "messages": [{"role": "user", "content": text}], **more}


def post(sandbox: Sandbox, body: Any, key: str = "gsk_test") -> httpx.Response:
    """Send a body, of whatever kind."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with httpx.Client(trust_env=False, verify=False) as client:
        return client.post(sandbox.url + CHAT, content=content, headers=headers)


def refusal(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """The error object of a request that is refused with a 400."""
    reply = post(sandbox, {**hello(), **changes})
    assert 400 == reply.status_code
    error = reply.json()["error"]
    assert isinstance(error, dict)
    return error


def json_schema(schema: Any, **more: Any) -> dict[str, Any]:
    """The response_format of a schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **more}}


def ask(client: groq.Groq, model: str = GPT, **more: Any) -> Any:
    """The SDK's answer to the plainest question."""
    messages: Any = [{"role": "user", "content": "hello"}]
    return client.chat.completions.create(model=model, messages=messages, **more)
