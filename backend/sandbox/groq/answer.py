"""Groq's chat completion: the whole answer, and what it shares with the streamed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..completion import Completion, ToolUse
from ..http_types import HttpResponse, json_response

_FINISH = {
    "tool": "tool_calls",
    "filter": "content_filter",
    # Groq has no guardrails; the nearest word of the API that it is compatible with.
    "guardrail": "content_filter",
    "stop_sequence": "stop",
}
# The order of gpt-oss-120b's published speed; prompts are read ten times as fast.
_SPEED = 500.0  # tokens per second, for the times in `usage`


def completion_id(number: int) -> str:
    """The id of the n-th completion, in the form of Groq's."""
    return f"chatcmpl-{number:08x}-5a4d-4b0c-8000-5a6d0b0a7c15"


def request_id(number: int) -> str:
    """The id of the n-th request, in the form of Groq's."""
    return f"req_01sandbox{number:017d}"


def finish_reason(done: Completion) -> str:
    """Why the answer ended, in Groq's word."""
    return _FINISH.get(done.finish, done.finish)


def shown_reasoning(done: Completion, body: Mapping[str, Any]) -> tuple[str, str]:
    """The reasoning of its own member, and that which stands before the content."""
    # `parsed` is what the service does when nothing is asked for.
    hidden = body.get("reasoning_format") == "hidden" or body.get("include_reasoning") is False
    if done.reasoning and body.get("reasoning_format") == "raw":
        return "", f"<think>\n{done.reasoning}\n</think>\n\n"
    return ("" if hidden else done.reasoning), ""


def tool_call(use: ToolUse, number: int, index: int) -> dict[str, Any]:
    """A call as a member of `tool_calls`; its id is used once only."""
    call = {"name": use.name, "arguments": use.arguments}
    return {"id": f"call_{number:06d}{index:02d}", "type": "function", "function": call}


def chat_response(done: Completion, body: Any, *, number: int, now: float) -> HttpResponse:
    """The 200 of a completion; `number` makes the ids and `now` is the wall clock in seconds."""
    payload = {
        "id": completion_id(number),
        "object": "chat.completion",
        "created": int(now),
        "model": done.model or body["model"],
        "choices": [_choice(done, body, number)],
        "usage": usage_of(done),
        "usage_breakdown": None,
        "system_fingerprint": "fp_sandbox000",
        "x_groq": {"id": request_id(number), "seed": body.get("seed") or number},
        "service_tier": body.get("service_tier") or "on_demand",
    }
    for part in done.without & {"choices", "usage"}:
        del payload[part]
    return json_response(200, payload)


def _choice(done: Completion, body: Mapping[str, Any], number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": done.text}
    reasoning, before = shown_reasoning(done, body)
    if before:
        message["content"] = before + (done.text or "")
    elif reasoning:
        message["reasoning"] = reasoning
    if done.tool_uses:
        # Recorded: a message that calls a tool mostly has no content member at all.
        if done.text is None:
            del message["content"]
        message["tool_calls"] = [
            tool_call(use, number, index) for index, use in enumerate(done.tool_uses)
        ]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason(done),
    }
    if "finish_reason" in done.without:
        del choice["finish_reason"]
    return choice


def usage_of(done: Completion) -> dict[str, Any]:
    """The tokens and times of a completion."""
    prompt_time = done.input_tokens / (_SPEED * 10)
    completion_time = done.output_tokens / _SPEED
    usage: dict[str, Any] = {
        "queue_time": 0.001,
        "prompt_tokens": done.input_tokens,
        "prompt_time": round(prompt_time, 9),
        "completion_tokens": done.output_tokens,
        "completion_time": round(completion_time, 9),
        "total_tokens": done.input_tokens + done.output_tokens,
        "total_time": round(prompt_time + completion_time, 9),
    }
    if done.reasoning_tokens:
        usage["completion_tokens_details"] = {"reasoning_tokens": done.reasoning_tokens}
    if done.cached_tokens:
        usage["prompt_tokens_details"] = {"cached_tokens": done.cached_tokens}
    return usage
