"""Streams of Bedrock: their events, joined into one reply."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...types import Reply, Request
from ..completeness import raises_llm_error
from ..fields import count, first, member, rows, text
from .converse import from_converse
from .invoke import family, read_body

_Json = Mapping[str, Any]


@raises_llm_error("bedrock")
def fold_converse(events: Iterable[_Json], request: Request, about: _Json | None = None) -> Reply:
    """Return the reply that a ConverseStream's *events* add up to.

    *about* is the response's `ResponseMetadata`. A stream without a `messageStop` ends with no
    error of botocore's: it raises TruncatedError with the text that came.
    """
    blocks: dict[int, dict[str, Any]] = {}
    response: dict[str, Any] = {"ResponseMetadata": about or {}}
    for event in events:
        start, delta = member(event, "contentBlockStart"), member(event, "contentBlockDelta")
        # Only tools begin with one: a text's block is opened by its first delta (recorded).
        if start:
            tool = dict(member(member(start, "start"), "toolUse") or {})
            blocks[_block_index(start)] = {"toolUse": tool | {"input": ""}} if tool else {}
        if delta:
            _add(blocks.setdefault(_block_index(delta), {}), member(delta, "delta"))
        if stop := member(event, "messageStop"):
            response["stopReason"] = member(stop, "stopReason")
        if counts := member(event, "metadata"):
            response |= {name: member(counts, name) for name in ("usage", "metrics")}
    content = [_finished_block(block) for _, block in sorted(blocks.items())]
    return from_converse(response | {"output": {"message": {"content": content}}}, request)


def _block_index(event: object) -> int:
    return count(event, "contentBlockIndex") or 0


def _add(block: dict[str, Any], delta: object) -> None:
    if (piece := text(delta, "text")) is not None:
        block["text"] = block.get("text", "") + piece
    if (thought := text(member(delta, "reasoningContent"), "text")) is not None:
        before = member(member(block.get("reasoningContent"), "reasoningText"), "text") or ""
        block["reasoningContent"] = {"reasoningText": {"text": before + thought}}
    if (piece := text(member(delta, "toolUse"), "input")) is not None:
        tool = block.setdefault("toolUse", {"input": ""})
        tool["input"] += piece


def _finished_block(block: dict[str, Any]) -> dict[str, Any]:
    """Parse a tool's input, which a stream sends as pieces of JSON."""
    tool = block.get("toolUse")
    if not tool:
        return block
    return block | {"toolUse": tool | {"input": _parsed(tool["input"])}}


def _parsed(pieces: str) -> Any:
    try:
        return json.loads(pieces or "{}")
    except ValueError:
        return pieces  # cut off, as the stop reason says


@raises_llm_error("bedrock")
def fold_invoke(events: Iterable[_Json], request: Request, headers: _Json | None = None) -> Reply:
    """Return the reply that an InvokeModelWithResponseStream's *events* add up to.

    Raises ConfigurationError for a model of no known family, else as `fold_converse`.
    """
    add = {"claude": _add_claude, "llama": _add_llama, "mistral": _add_mistral}
    body: dict[str, Any] = {"content": [], "generation": "", "outputs": [{"text": ""}]}
    body |= {"stop_reason": None, "usage": {}}
    # As the headers of a reply without a stream, which `read_body` reads.
    counts: dict[str, str] = dict(headers or {})
    for event in events:
        piece = json.loads(member(member(event, "chunk"), "bytes") or "{}")
        add[family(request.model)](body, piece)
        for name, value in (piece.get("amazon-bedrock-invocationMetrics") or {}).items():
            counts[_HEADERS.get(name) or name] = str(value)
    body["content"] = [_finished_claude_block(block) for block in body["content"]]
    return read_body(body, request, counts)


#: A stream's last chunk says what a plain reply's headers do.
_HEADERS = {
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokenCount": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokenCount": "x-amzn-bedrock-cache-write-input-token-count",
    "invocationLatency": "x-amzn-bedrock-invocation-latency",
}


def _add_claude(body: dict[str, Any], piece: _Json) -> None:
    kind, delta = text(piece, "type"), member(piece, "delta") or {}
    if kind == "message_start":
        body["usage"] |= member(member(piece, "message"), "usage") or {}
    elif kind == "content_block_start":
        body["content"].append(dict(member(piece, "content_block") or {}) | {"partial_json": ""})
    elif kind == "content_block_delta":
        block = body["content"][-1]
        for name in ("text", "thinking", "partial_json"):
            if text(delta, name):
                block[name] = block.get(name, "") + delta[name]
    elif kind == "message_delta":
        body["stop_reason"] = text(delta, "stop_reason")
        body["usage"] |= member(piece, "usage") or {}


def _finished_claude_block(block: dict[str, Any]) -> dict[str, Any]:
    pieces = block.pop("partial_json")
    return block | {"input": _parsed(pieces)} if text(block, "type") == "tool_use" else block


def _add_llama(body: dict[str, Any], piece: _Json) -> None:
    body["generation"] += text(piece, "generation") or ""
    for name in ("prompt_token_count", "generation_token_count", "stop_reason"):
        if member(piece, name) is not None:
            body[name] = piece[name]


def _add_mistral(body: dict[str, Any], piece: _Json) -> None:
    output = body["outputs"][0]
    output["text"] += "".join(text(one, "text") or "" for one in rows(piece, "outputs"))
    reason = text(first(piece, "outputs"), "stop_reason")
    output["stop_reason"] = reason or output.get("stop_reason")
