"""Writes Converse's answer, whole or as a stream of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from ..completion import Completion, ModelRequest
from ..http_types import HttpResponse, json_response
from ..streams import Frame, pieces_of
from . import event_stream, guardrails
from .thinking import SIGNATURE

Citations: TypeAlias = tuple[Mapping[str, Any], ...]
STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filter": "content_filtered",
    "guardrail": "guardrail_intervened",
}
_TEXTS_IN_A_CALL = 8  # characters of a tool's input in one event


def converse_response(done: Completion, request: ModelRequest, number: int) -> HttpResponse:
    """The 200 of Converse."""
    content = blocks_of(done, number, signed=request.signed, citations=request.citations)
    payload: dict[str, Any] = {
        "metrics": _metrics(done),
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": STOP.get(done.finish, done.finish),
        "usage": usage_of(done),
        **_trace(done, request),
        **request.echoed,
    }
    for part, member in (
        ("choices", "output"),
        ("finish_reason", "stopReason"),
        ("usage", "usage"),
    ):
        if part in done.without:
            del payload[member]
    return json_response(200, payload)


def converse_stream(done: Completion, request: ModelRequest, number: int) -> HttpResponse:
    """The 200 of ConverseStream: messageStart, blocks, messageStop, metadata."""
    frames = []
    if "choices" not in done.without:
        signed, citations = request.signed, request.citations
        for kind, payload in converse_events(done, number, signed=signed, citations=citations):
            if kind == "messageStop" and "finish_reason" in done.without:
                continue
            piece = kind == "contentBlockDelta"
            frames.append(Frame(event_stream.event(kind, payload), piece))
    metadata = {"metrics": _metrics(done), **_trace(done, request), **request.echoed}
    if "usage" not in done.without:
        metadata["usage"] = usage_of(done)
    frames.append(Frame(event_stream.event("metadata", metadata)))
    return HttpResponse(200, b"", {"content-type": event_stream.CONTENT_TYPE}, tuple(frames))


def converse_events(
    done: Completion, number: int, *, signed: bool, citations: Citations = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events up to messageStop; recorded: only a tool's block is announced by a start."""
    yield "messageStart", {"role": "assistant"}
    index = 0
    for deltas in _text_blocks(done, signed, citations):
        for delta in deltas:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    for place, use in enumerate(done.tool_uses):
        start = {"toolUse": {"name": use.name, "toolUseId": tool_use_id(number, place)}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for text in input_pieces(use.arguments):
            delta = {"toolUse": {"input": text}}
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    yield "messageStop", {"stopReason": STOP.get(done.finish, done.finish)}


def input_pieces(arguments: str) -> list[str]:
    """A tool's input in pieces; recorded: the first of them is empty."""
    return [
        "",
        *(
            arguments[start : start + _TEXTS_IN_A_CALL]
            for start in range(0, len(arguments), _TEXTS_IN_A_CALL)
        ),
    ]


def tool_use_id(number: int, index: int) -> str:
    """The id of a call, in the form of Converse's; used once only."""
    return f"tooluse_{number:018d}{index:04d}"


def usage_of(done: Completion) -> dict[str, Any]:
    """The tokens of an answer; unlike on Groq, the input leaves out what the cache served."""
    usage: dict[str, Any] = {
        "inputTokens": done.fresh_tokens,
        "outputTokens": done.output_tokens,
        "totalTokens": done.input_tokens + done.output_tokens,
        # Recorded: these names come twice, with and without `Count`.
        "cacheReadInputTokens": done.cached_tokens,
        "cacheReadInputTokenCount": done.cached_tokens,
        "cacheWriteInputTokens": done.cache_write_tokens,
        "cacheWriteInputTokenCount": done.cache_write_tokens,
        "serverToolUsage": {},
    }
    if done.cache_write_tokens:
        usage["cacheDetails"] = [{"inputTokens": done.cache_write_tokens, "ttl": "5m"}]
    return usage


def _metrics(done: Completion) -> dict[str, Any]:
    # Made of the tokens, so that the same request has the same answer.
    return {"latencyMs": 1 + 2 * done.output_tokens}


def _trace(done: Completion, request: ModelRequest) -> dict[str, Any]:
    guardrail = request.guardrail
    if guardrail is None or not guardrail.trace:
        return {}
    blocked = done.finish == "guardrail"
    return {"trace": guardrails.trace(guardrail, request.prompt, done.text or "", blocked)}


def blocks_of(
    done: Completion, number: int, *, signed: bool, citations: Citations = ()
) -> list[dict[str, Any]]:
    """The content of the message: reasoning, text, calls."""
    blocks: list[dict[str, Any]] = []
    if done.reasoning:
        thought = {"text": done.reasoning, **({"signature": SIGNATURE} if signed else {})}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if done.text is not None:
        cited = {"content": [{"text": done.text}], "citations": list(citations)}
        blocks.append({"citationsContent": cited} if citations else {"text": done.text})
    for index, use in enumerate(done.tool_uses):
        call = {"toolUseId": tool_use_id(number, index), "name": use.name, "input": use.input}
        blocks.append({"toolUse": call})
    return blocks


def _text_blocks(
    done: Completion, signed: bool, citations: Citations
) -> Iterator[list[dict[str, Any]]]:
    """The deltas of the blocks of reasoning and text."""
    if done.reasoning:
        deltas: list[dict[str, Any]] = [
            {"reasoningContent": {"text": piece}} for piece in pieces_of(done.reasoning)
        ]
        yield [*deltas, *([{"reasoningContent": {"signature": SIGNATURE}}] if signed else [])]
    if done.text is not None:
        # Recorded: a citation comes before the text that rests on it.
        cited: list[dict[str, Any]] = [{"citation": citation} for citation in citations]
        yield [*cited, *({"text": piece} for piece in done.pieces)]
