"""Bedrock's event streams, read into events and added up to the answers that they spell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ...stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from ...types import Reply, Request, Usage
from ..completeness import raises_llm_error
from ..fields import mapping, member, text
from ..pieces import PieceFields, PieceText, parsed
from .converse_answer import from_converse, usage_of
from .event_reader import EventReader
from .invoke_stream import InvokeReader

_Json = Mapping[str, Any]
_FIELDS = PieceFields("bedrock")
#: What the last event holds that a plain answer has at its top.
_IN_METADATA = ("usage", "metrics", "trace", "serviceTier")


@raises_llm_error("bedrock")
def fold_converse(events: Iterable[_Json], request: Request, about: _Json | None = None) -> Reply:
    """The whole reply that a ConverseStream's *events* add up to.

    *about* is the response's `ResponseMetadata`. A stream without a `messageStop` ends with no
    error of botocore's: it raises TruncatedError with the text that came.
    """
    return _folded(ConverseReader(request, about), events)


@raises_llm_error("bedrock")
def fold_invoke(events: Iterable[_Json], request: Request, headers: _Json | None = None) -> Reply:
    """The whole reply that an InvokeModelWithResponseStream's *events* add up to.

    Raises ConfigurationError for a model of no known family, else as `fold_converse`.
    """
    return _folded(InvokeReader(request, headers), events)


def _folded(reader: EventReader, events: Iterable[_Json]) -> Reply:
    for event in events:
        reader.add(event)
    return reader.whole()


class ConverseReader(EventReader):
    """Reads a ConverseStream; *about* is the response's `ResponseMetadata`."""

    operation = "ConverseStream"

    def __init__(self, request: Request, about: _Json | None = None) -> None:
        super().__init__(request)
        self._blocks: dict[int, dict[str, Any]] = {}
        self._response: dict[str, Any] = {"ResponseMetadata": about or {}}

    @property
    def answer_has_ended(self) -> bool:
        """Whether a `messageStop` has come."""
        return text(self._response, "stopReason") is not None

    def add(self, event: _Json) -> list[StreamEvent]:
        """Read an event."""
        if (delta := _FIELDS.part(event, "contentBlockDelta")) and len(event) == 1:
            return self._add_delta(delta)  # as nearly all are
        found: list[StreamEvent] = []
        # Only tools begin with one: a text's block is opened by its first delta (recorded).
        if start := _FIELDS.part(event, "contentBlockStart"):
            found += self._begin_block(_place(start), _FIELDS.part(start, "start"))
        if delta:
            found += self._add_delta(delta)
        if stop := _FIELDS.part(event, "messageStop"):
            self._response["stopReason"] = member(stop, "stopReason")
            found += self._halves()
        if counts := _FIELDS.part(event, "metadata"):
            self._response |= {name: member(counts, name) for name in _IN_METADATA}
            found += _reported(usage_of(member(counts, "usage")))
            self.is_done = self.answer_has_ended
        return found

    def _begin_block(self, place: int, start: object) -> list[StreamEvent]:
        _FIELDS.part(start, "toolUse")
        if not (tool := mapping(start, "toolUse")):
            self._blocks[place] = {}
            return []
        written = self._new_text(partial(ToolCallPiece, place))
        self._blocks[place] = {"toolUse": {**tool, "input": written}}
        identity = _FIELDS.text(tool, "toolUseId") or "", _FIELDS.text(tool, "name") or ""
        return [ToolCallPiece(place, "", *identity)]

    def _add_delta(self, event: object) -> list[StreamEvent]:
        place, delta = _place(event), _FIELDS.part(event, "delta")
        block = self._blocks.get(place)
        if block is None:
            block = self._blocks[place] = {}
        found: list[StreamEvent] = []
        if words := _FIELDS.text(delta, "text"):
            if "text" not in block:
                block["text"] = self._new_text(TextPiece)
            found = block["text"].events(words)
            if len(delta) == 1:
                return found
        if reasoning := _FIELDS.part(delta, "reasoningContent"):
            found += self._add_reasoning(block.setdefault("reasoningContent", {}), reasoning)
        if citation := member(delta, "citation"):
            block.setdefault("citations", []).append(citation)
        if (piece := _FIELDS.text(_FIELDS.part(delta, "toolUse"), "input")) is not None:
            if "toolUse" not in block:
                block["toolUse"] = {"input": self._new_text(partial(ToolCallPiece, place))}
            found.append(ToolCallPiece(place, block["toolUse"]["input"].add(piece)))
        return found

    def _add_reasoning(self, known: dict[str, Any], delta: object) -> list[StreamEvent]:
        """Add a piece of what the model thought, of its signature, or of both encrypted."""
        if redacted := member(delta, "redactedContent"):
            known["redactedContent"] = redacted
        added: dict[str, list[StreamEvent]] = {}
        for name in ("text", "signature"):
            if piece := _FIELDS.text(delta, name):
                thought = known.setdefault("reasoningText", {})
                added[name] = thought.setdefault(name, self._new_text(ReasoningPiece)).events(piece)
        return added.get("text", [])

    def _texts(self) -> Iterator[PieceText]:
        for block in self._blocks.values():
            thought = member(member(block.get("reasoningContent"), "reasoningText"), "text")
            tool = member(block.get("toolUse"), "input")
            yield from filter(None, (block.get("text"), thought, tool))

    def whole(self) -> Reply:
        """The reply that has come; raises as `from_converse` for one that is not whole."""
        content = [_closed(block) for _, block in sorted(self._blocks.items())]
        message = {"output": {"message": {"content": content}}}
        return from_converse(self._response | message, self._request)


def _place(event: object) -> int:
    return _FIELDS.count(event, "contentBlockIndex") or 0


def _reported(usage: Usage) -> list[StreamEvent]:
    return [UsageReport(usage)] if usage.reported else []


def _closed(block: dict[str, Any]) -> dict[str, Any]:
    """A tool's input comes as pieces of JSON, a citation beside its text; Converse joins them."""
    words = str(block.get("text", ""))
    if cited := block.get("citations"):
        return {"citationsContent": {"content": [{"text": words}], "citations": cited}}
    whole = block | {"text": words} if "text" in block else dict(block)
    if thought := member(reasoning := block.get("reasoningContent"), "reasoningText"):
        joined = {name: str(pieces) for name, pieces in thought.items()}
        whole["reasoningContent"] = {**(reasoning or {}), "reasoningText": joined}
    if tool := block.get("toolUse"):
        whole["toolUse"] = tool | {"input": parsed(str(tool["input"]))}
    return whole
