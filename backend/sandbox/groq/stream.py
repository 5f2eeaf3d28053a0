"""Groq's streamed chat completion: server-sent events, in the order that was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..completion import Completion
from ..http_types import HttpResponse
from ..streams import Frame, pieces_of
from .answer import completion_id, finish_reason, request_id, shown_reasoning, tool_call, usage_of

_DONE = Frame(b"data: [DONE]\n\n")


def stream_response(done: Completion, body: Any, *, number: int, now: float) -> HttpResponse:
    """The 200 of a streamed completion: role, deltas, finish with the usage, `[DONE]`."""
    base = {
        "id": completion_id(number),
        "object": "chat.completion.chunk",
        "created": int(now),
        "model": done.model or body["model"],
        "system_fingerprint": "fp_sandbox000",
    }
    chunks = () if "choices" in done.without else _chunks(done, body, number)
    frames = [Frame(event({**base, **chunk}), piece) for chunk, piece in chunks]
    if "done" not in done.without:
        frames.append(_DONE)
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
    return HttpResponse(200, b"", headers, tuple(frames))


def event(payload: Any, name: str | None = None) -> bytes:
    """A server-sent event of this JSON, as bytes."""
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


def error_event(error: HttpResponse) -> bytes:
    """The event of an error in mid-stream; recorded: its status stands in the error object."""
    inner = {**json.loads(error.body)["error"], "status_code": error.status}
    return event({"error": inner}, "error")


def damaged_event(data: bytes) -> bytes:
    """The event with half of its JSON, still ended as an event is."""
    return data[: max(len(data) // 2, 8)].rstrip(b"\n") + b"\n\n"


def _chunks(
    done: Completion, body: Mapping[str, Any], number: int
) -> Iterator[tuple[dict[str, Any], bool]]:
    """The members of each chunk, and whether it carries a piece of the answer."""
    identity = {"id": request_id(number)}
    opening = {"role": "assistant", "content": None if done.text is None else ""}
    yield _delta(opening, x_groq={**identity, "seed": body.get("seed") or number}), False
    reasoning, before = shown_reasoning(done, body)
    # gpt-oss alone names the channel.
    channel = {"channel": "analysis"} if "gpt-oss" in str(body["model"]) else {}
    for piece in pieces_of(reasoning):
        yield _delta({"reasoning": piece, **channel}), True
    for piece in (*pieces_of(before), *done.pieces):
        yield _delta({"content": piece}), True
    # One delta for each call, with all of its arguments.
    for index, use in enumerate(done.tool_uses):
        call = {**tool_call(use, number, index), "index": index}
        yield _delta({"tool_calls": [call]}), True
    usage = {} if "usage" in done.without else {"usage": usage_of(done)}
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage")) and bool(usage)
    finish = None if "finish_reason" in done.without else finish_reason(done)
    last = _delta({}, finish, x_groq={**identity, **usage})
    yield {**last, **(usage if wants_usage else {})}, False
    if wants_usage:
        tier = {"service_tier": body.get("service_tier") or "on_demand"}
        yield {"choices": [], **usage, **tier}, False


def _delta(delta: dict[str, Any], finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"choices": [choice], **members}
