"""Streams of the sandbox, read by the real SDKs."""

from __future__ import annotations

import json
from typing import Any

import groq

from tests.sandbox.bedrock_calls import SONNET, claude, turn
from tests.sandbox.groq_calls import GPT, hello


def groq_chunks(client: groq.Groq, model: str = GPT, **more: Any) -> list[Any]:
    """Every chunk of a streamed chat completion."""
    with client.chat.completions.create(**{**hello(), "model": model, **more}, stream=True) as got:
        return list(got)


def groq_text(chunks: list[Any]) -> str:
    """The text that the chunks of a stream add up to."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def converse_events(client: Any, model: str = SONNET, **more: Any) -> list[dict[str, Any]]:
    """Every event of ConverseStream."""
    given = {"messages": turn(), **more}
    return list(client.converse_stream(modelId=model, **given)["stream"])


def converse_text(events: list[dict[str, Any]]) -> str:
    """The text that the events of a stream add up to."""
    return "".join(
        event["contentBlockDelta"]["delta"].get("text", "")
        for event in events
        if "contentBlockDelta" in event
    )


def invoke_events(client: Any, model: str = SONNET, body: Any = None) -> list[dict[str, Any]]:
    """Every event of InvokeModelWithResponseStream, as the JSON that it holds."""
    reply = client.invoke_model_with_response_stream(
        modelId=model, body=json.dumps(claude() if body is None else body)
    )
    return [json.loads(event["chunk"]["bytes"]) for event in reply["body"]]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The kind of each event, repetitions taken together."""
    named = [event.get("type") or next(iter(event)) for event in events]
    return [kind for place, kind in enumerate(named) if place == 0 or named[place - 1] != kind]
