"""InvokeModel's event streams: each family's body, put together from the pieces that are sent."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ...stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from ...types import Reply, Request
from ..fields import member, text
from ..pieces import PieceFields, PieceText, parsed
from .errors import error_in_ok_body, error_of_event
from .event_reader import EventReader
from .invoke import family, read_body
from .invoke_usage import usage_of

log = logging.getLogger(__name__)

_Json = Mapping[str, Any]
_FIELDS = PieceFields("bedrock")

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


class InvokeReader(EventReader):
    """Reads an InvokeModelWithResponseStream of any family; *headers* are its response's.

    Raises ConfigurationError for a model of no known family.
    """

    operation = "InvokeModelWithResponseStream"

    def __init__(self, request: Request, headers: _Json | None = None) -> None:
        super().__init__(request)
        self._add_piece = {"claude": self._add_claude, "llama": self._add_llama}.get(
            family(request.model), self._add_mistral
        )
        self._body: dict[str, Any] = {"content": [], "generation": "", "outputs": [{"text": ""}]}
        self._body |= {"stop_reason": None, "usage": {}}
        #: What Llama or Mistral has said.
        self._words = self._new_text(TextPiece)
        self._has_more_outputs = False
        # In the form of a plain reply's headers, which is what the reader of bodies knows.
        self._counts: dict[str, str] = dict(headers or {})

    @property
    def answer_has_ended(self) -> bool:
        """Whether a stop reason has come."""
        of_mistral = text(self._body["outputs"][0], "stop_reason")
        return (text(self._body, "stop_reason") or of_mistral) is not None

    def _event(self, kind: str, payload: Any) -> _Json:
        # As botocore reads it: bytes are base64 in JSON.
        return {kind: {"bytes": base64.b64decode(_FIELDS.text(payload, "bytes") or "")}}

    def add(self, event: _Json) -> list[StreamEvent]:
        """Read an event: the model's own JSON."""
        chunk = json.loads(member(member(event, "chunk"), "bytes") or "{}")
        piece = _FIELDS.as_object(chunk, "a chunk") or {}
        is_answer = _OF_ANSWERS & piece.keys()
        if not is_answer and (error := error_in_ok_body(piece, self._request.model)):
            raise error
        found = self._add_piece(piece)
        if self.answer_has_ended:
            found += self._halves()
        self._body |= {name: piece[name] for name in _OF_GUARDRAILS if name in piece}
        metrics = member(piece, _METRICS) or {}
        for name, value in metrics.items():
            self._counts[_HEADERS.get(name) or name] = str(value)
        if metrics and (usage := usage_of(self._body, self._counts)).reported:
            found.append(UsageReport(usage))
        self.is_done = bool(metrics) and self.answer_has_ended
        return found

    def whole(self) -> Reply:
        """The reply that has come; raises as `from_invoke` for one that is not whole."""
        content = [_closed(dict(block)) for block in self._body["content"]]
        words = str(self._words)
        body = self._body | {"content": content, "generation": words}
        body["outputs"] = [self._body["outputs"][0] | {"text": words}]
        return read_body(body, self._request, self._counts)

    def _add_claude(self, piece: _Json) -> list[StreamEvent]:
        kind, delta, body = text(piece, "type"), _FIELDS.part(piece, "delta") or {}, self._body
        if kind == "message_start":
            body["usage"] |= member(member(piece, "message"), "usage") or {}
        elif kind == "content_block_start":
            block = dict(_FIELDS.part(piece, "content_block") or {})
            # It may begin with words, which are a piece like any other.
            first_words = {name: block.pop(name) for name in ("text", "thinking") if name in block}
            body["content"].append(block | {"pieces": {}})
            if text(block, "type") == "tool_use":
                identity = _FIELDS.text(block, "id") or "", _FIELDS.text(block, "name") or ""
                return [ToolCallPiece(len(body["content"]) - 1, "", *identity)]
            return self._add_delta(first_words)
        elif kind == "content_block_delta":
            return self._add_delta(delta)
        elif (words := _FIELDS.text(piece, "completion")) is not None:
            # The form of Claude 2 and Claude Instant, older ones without a type.
            body["stop_reason"] = text(piece, "stop_reason")
            return self._add_delta({"text": words})
        elif kind == "message_delta":
            body["stop_reason"] = text(delta, "stop_reason")
            body["usage"] |= member(piece, "usage") or {}
        elif kind == "error":
            raise error_of_event(piece, self._request.model)
        return []

    def _add_delta(self, delta: _Json) -> list[StreamEvent]:
        blocks = self._body["content"]
        if not blocks:
            blocks.append({"type": "text", "pieces": {}})
        found: list[StreamEvent] = []
        for name in ("text", "thinking", "partial_json"):
            if words := _FIELDS.text(delta, name):
                pieces = blocks[-1]["pieces"]
                if name not in pieces:
                    pieces[name] = self._new_text(_kind_of(name, len(blocks) - 1))
                found += pieces[name].events(words)
        return found

    def _add_llama(self, piece: _Json) -> list[StreamEvent]:
        found = self._words.events(_FIELDS.text(piece, "generation") or "")
        for name in ("prompt_token_count", "generation_token_count", "stop_reason"):
            if member(piece, name) is not None:
                self._body[name] = piece[name]
        return found

    def _add_mistral(self, piece: _Json) -> list[StreamEvent]:
        outputs, output = _FIELDS.rows(piece, "outputs"), self._body["outputs"][0]
        if len(outputs) > 1 and not self._has_more_outputs:
            self._has_more_outputs = True
            log.warning("Bedrock's answer has more outputs than one: the first alone counts")
        first = outputs[0] if outputs else None
        output["stop_reason"] = text(first, "stop_reason") or output.get("stop_reason")
        return self._words.events(_FIELDS.text(first, "text") or "")

    def _texts(self) -> Iterator[PieceText]:
        yield self._words
        for block in self._body["content"]:
            yield from block["pieces"].values()


def _kind_of(name: str, place: int) -> Callable[[str], StreamEvent]:
    if name == "partial_json":
        return partial(ToolCallPiece, place)
    return ReasoningPiece if name == "thinking" else TextPiece


def _closed(block: dict[str, Any]) -> dict[str, Any]:
    pieces = {name: str(parts) for name, parts in block.pop("pieces").items()}
    written = pieces.pop("partial_json", "")
    whole = block | pieces
    return whole | {"input": parsed(written)} if text(block, "type") == "tool_use" else whole
