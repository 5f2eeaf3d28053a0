"""The bodies of InvokeModel, put together from the pieces in which a stream sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from ...types import Reply, Request
from ..fields import first, member, rows, text
from .errors import error_in_ok_body
from .invoke import family, read_body
from .invoke_usage import usage_of

_Json = Mapping[str, Any]

#: A stream's last chunk says what a plain reply's headers do.
_HEADERS = {
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokenCount": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokenCount": "x-amzn-bedrock-cache-write-input-token-count",
    "invocationLatency": "x-amzn-bedrock-invocation-latency",
}
_METRICS = "amazon-bedrock-invocationMetrics"

#: What Bedrock says of a guardrail, beside the model's own words.
_OF_GUARDRAILS = ("amazon-bedrock-guardrailAction", "amazon-bedrock-trace")

#: What tells that a piece is of an answer, rather than an error.
_OF_ANSWERS = frozenset({"type", "completion", "generation", "outputs", _METRICS})


class Body:
    """A body in the making; *headers* are the response's.

    Raises ConfigurationError for a model of no known family.
    """

    def __init__(self, request: Request, headers: _Json | None) -> None:
        self._request = request
        self._add = {"claude": self._add_claude, "llama": self._add_llama}.get(
            family(request.model), self._add_mistral
        )
        self._body: dict[str, Any] = {"content": [], "generation": "", "outputs": [{"text": ""}]}
        self._body |= {"stop_reason": None, "usage": {}}
        # What Llama or Mistral has said: joined once, since each piece would copy all of it.
        self._words: list[str] = []
        # In the form of a plain reply's headers, which is what the reader of bodies knows.
        self._counts: dict[str, str] = dict(headers or {})

    @property
    def reason(self) -> str | None:
        """Why the answer has ended, if it has."""
        of_mistral = text(self._body["outputs"][0], "stop_reason")
        return text(self._body, "stop_reason") or of_mistral

    def add(self, event: _Json) -> tuple[list[StreamEvent], bool]:
        """Take an event; return what it says, and whether it was the last one."""
        piece = json.loads(member(member(event, "chunk"), "bytes") or "{}")
        is_answer = _OF_ANSWERS & piece.keys()
        if not is_answer and (error := error_in_ok_body(piece, self._request.model)):
            raise error
        found = self._add(piece)
        self._body |= {name: piece[name] for name in _OF_GUARDRAILS if name in piece}
        metrics = member(piece, _METRICS) or {}
        for name, value in metrics.items():
            self._counts[_HEADERS.get(name) or name] = str(value)
        if metrics and (usage := usage_of(self._body, self._counts)).reported:
            found.append(UsageReport(usage))
        return found, bool(metrics) and self.reason is not None

    def reply(self) -> Reply:
        """The reply that has come; raises as `from_invoke` for one that is not whole."""
        content = [_closed(dict(block)) for block in self._body["content"]]
        words = "".join(self._words)
        body = self._body | {"content": content, "generation": words}
        body["outputs"] = [self._body["outputs"][0] | {"text": words}]
        return read_body(body, self._request, self._counts)

    def _add_claude(self, piece: _Json) -> list[StreamEvent]:
        kind, delta, body = text(piece, "type"), member(piece, "delta") or {}, self._body
        if kind == "message_start":
            body["usage"] |= member(member(piece, "message"), "usage") or {}
        elif kind == "content_block_start":
            block = dict(member(piece, "content_block") or {}) | {"pieces": {}}
            body["content"].append(block)
            if text(block, "type") == "tool_use":
                identity = text(block, "id") or "", text(block, "name") or ""
                return [ToolCallPiece(len(body["content"]) - 1, "", *identity)]
        elif kind == "content_block_delta":
            return self._add_delta(delta)
        elif (words := text(piece, "completion")) is not None:
            # The form of Claude 2 and Claude Instant, older ones without a type.
            body["stop_reason"] = text(piece, "stop_reason")
            return self._add_delta({"text": words})
        elif kind == "message_delta":
            body["stop_reason"] = text(delta, "stop_reason")
            body["usage"] |= member(piece, "usage") or {}
        elif kind == "error" and (error := error_in_ok_body(piece, self._request.model)):
            raise error
        return []

    def _add_delta(self, delta: _Json) -> list[StreamEvent]:
        blocks = self._body["content"]
        if not blocks:
            blocks.append({"type": "text", "pieces": {}})
        found: list[StreamEvent] = []
        for name in ("text", "thinking", "partial_json"):
            if words := text(delta, name):
                blocks[-1]["pieces"].setdefault(name, []).append(words)
                found.append(_piece(name, words, len(blocks) - 1))
        return found

    def _add_llama(self, piece: _Json) -> list[StreamEvent]:
        words = text(piece, "generation") or ""
        self._words.append(words)
        for name in ("prompt_token_count", "generation_token_count", "stop_reason"):
            if member(piece, name) is not None:
                self._body[name] = piece[name]
        return [TextPiece(words)] if words else []

    def _add_mistral(self, piece: _Json) -> list[StreamEvent]:
        output = self._body["outputs"][0]
        words = "".join(text(one, "text") or "" for one in rows(piece, "outputs"))
        self._words.append(words)
        reason = text(first(piece, "outputs"), "stop_reason")
        output["stop_reason"] = reason or output.get("stop_reason")
        return [TextPiece(words)] if words else []


def _piece(name: str, words: str, place: int) -> StreamEvent:
    if name == "partial_json":
        return ToolCallPiece(place, words)
    return ReasoningPiece(words) if name == "thinking" else TextPiece(words)


def _closed(block: dict[str, Any]) -> dict[str, Any]:
    pieces = {name: "".join(parts) for name, parts in block.pop("pieces").items()}
    written = pieces.pop("partial_json", "")
    whole = block | {name: (text(block, name) or "") + words for name, words in pieces.items()}
    return whole | {"input": parsed(written)} if text(block, "type") == "tool_use" else whole


def parsed(pieces: str) -> Any:
    """A tool's input from its pieces of JSON; the pieces themselves where they are cut off."""
    try:
        return json.loads(pieces or "{}")
    except ValueError:
        return pieces  # which the stop reason says
