"""Bedrock's event streams, read into events and added up to the answers that they spell."""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from ...stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from ...types import Reply, Request, Usage
from ..completeness import raises_llm_error, read_so_far
from ..fields import mapping, member, text
from ..pieces import PieceFields, PieceText
from .converse_answer import from_converse, usage_of
from .frames import Frames
from .invoke_stream import Body, parsed

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


class EventReader(ABC):
    """Reads one stream: its bytes by `feed`, or events that botocore has read by `add`."""

    #: The API's operation, by which botocore names its errors.
    operation: str

    def __init__(self, request: Request) -> None:
        self._request = request
        self._new_text = partial(PieceText, is_structured=request.output is not None)
        self._frames: Frames | None = None
        #: Nothing more is to come: the stream says so.
        self.is_done = False
        #: What was wrong with that which came after the last events.
        self.failure: Exception | None = None

    @property
    @abstractmethod
    def answer_has_ended(self) -> bool:
        """Whether the answer has ended, whatever is still missing of the stream."""

    def feed(self, received: bytes) -> list[StreamEvent]:
        """Read what was received. Raises botocore's errors: of a broken frame, of an exception."""
        self._frames = self._frames or Frames()
        found: list[StreamEvent] = []
        try:
            for frame in self._frames.feed(received):
                headers, payload = frame.headers, json.loads(frame.payload or b"{}")
                if headers.get(":message-type", "event") != "event":
                    raise self._error(headers, payload)
                found += self.add(self._event(headers.get(":event-type"), payload))
        except Exception as error:
            if not found:
                raise
            self.failure = error
        return found

    def _event(self, kind: str, payload: Any) -> _Json:
        return {kind: payload}

    def _error(self, headers: Mapping[str, Any], payload: Any) -> Exception:
        named = headers.get(":exception-type") or headers.get(":error-code")
        words = text(payload, "message") or text(payload, "Message")
        error = {"Code": named or "", "Message": words or headers.get(":error-message") or ""}
        raised = import_module("botocore.exceptions").EventStreamError
        made: Exception = raised({"Error": error}, self.operation)
        return made

    @abstractmethod
    def add(self, event: _Json) -> list[StreamEvent]:
        """Read an event."""

    @abstractmethod
    def whole(self) -> Reply:
        """The reply that has come; raises as `check_complete` for one that is not whole."""

    def so_far(self) -> Reply:
        """The reply as far as it has come, whole or not."""
        return read_so_far(self.whole, self._request, "bedrock")


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
            for place, block in self._blocks.items():
                found += _halves(block, place)
        if counts := _FIELDS.part(event, "metadata"):
            self._response |= {name: member(counts, name) for name in _IN_METADATA}
            found += _reported(usage_of(member(counts, "usage")))
            self.is_done = self.answer_has_ended
        return found

    def _begin_block(self, place: int, start: object) -> list[StreamEvent]:
        _FIELDS.part(start, "toolUse")
        tool = mapping(start, "toolUse") or {}
        self._blocks[place] = {"toolUse": tool | {"input": self._new_text()}} if tool else {}
        if not tool:
            return []
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
                block["text"] = self._new_text()
            found = _as_pieces(TextPiece, block["text"].add(words))
            if len(delta) == 1:
                return found
        if reasoning := _FIELDS.part(delta, "reasoningContent"):
            found += self._add_reasoning(block.setdefault("reasoningContent", {}), reasoning)
        if citation := member(delta, "citation"):
            block.setdefault("citations", []).append(citation)
        if (piece := _FIELDS.text(_FIELDS.part(delta, "toolUse"), "input")) is not None:
            used = block.setdefault("toolUse", {"input": self._new_text()})
            found.append(ToolCallPiece(place, used["input"].add(piece)))
        return found

    def _add_reasoning(self, known: dict[str, Any], delta: object) -> list[StreamEvent]:
        """Add a piece of what the model thought, of its signature, or of both encrypted."""
        if redacted := member(delta, "redactedContent"):
            known["redactedContent"] = redacted
        added = {}
        for name in ("text", "signature"):
            if piece := _FIELDS.text(delta, name):
                thought = known.setdefault("reasoningText", {})
                added[name] = thought.setdefault(name, self._new_text()).add(piece)
        return _as_pieces(ReasoningPiece, added.get("text", ""))

    def whole(self) -> Reply:
        """The reply that has come; raises as `from_converse` for one that is not whole."""
        content = [_closed(block) for _, block in sorted(self._blocks.items())]
        message = {"output": {"message": {"content": content}}}
        return from_converse(self._response | message, self._request)


def _place(event: object) -> int:
    return _FIELDS.count(event, "contentBlockIndex") or 0


def _reported(usage: Usage) -> list[StreamEvent]:
    return [UsageReport(usage)] if usage.reported else []


def _as_pieces(kind: type[TextPiece] | type[ReasoningPiece], words: str) -> list[StreamEvent]:
    return [kind(words)] if words else []


def _halves(block: Mapping[str, Any], place: int) -> list[StreamEvent]:
    """What was held back of characters of a *block* that have not come whole."""
    found: list[StreamEvent] = []
    if "text" in block:
        found += _as_pieces(TextPiece, block["text"].end())
    thought = member(member(block.get("reasoningContent"), "reasoningText"), "text")
    if thought is not None:
        found += _as_pieces(ReasoningPiece, thought.end())
    if "toolUse" in block and (piece := block["toolUse"]["input"].end()):
        found.append(ToolCallPiece(place, piece))
    return found


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


class InvokeReader(EventReader):
    """Reads an InvokeModelWithResponseStream of any family; *headers* are its response's.

    Raises ConfigurationError for a model of no known family.
    """

    operation = "InvokeModelWithResponseStream"

    def __init__(self, request: Request, headers: _Json | None = None) -> None:
        super().__init__(request)
        self._body = Body(request, headers)

    @property
    def answer_has_ended(self) -> bool:
        """Whether a stop reason has come."""
        return self._body.reason is not None

    def _event(self, kind: str, payload: Any) -> _Json:
        # As botocore reads it: bytes are base64 in JSON.
        return {kind: {"bytes": base64.b64decode(_FIELDS.text(payload, "bytes") or "")}}

    def add(self, event: _Json) -> list[StreamEvent]:
        """Read an event: the model's own JSON."""
        found, self.is_done = self._body.add(event)
        return found

    def whole(self) -> Reply:
        """The reply that has come; raises as `from_invoke` for one that is not whole."""
        return self._body.reply()
