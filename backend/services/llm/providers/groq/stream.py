"""A Groq stream's chunks, read into events and added up to the answer that they spell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...limit_types import LimitReport
from ...stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from ...types import Reply, Request
from ..completeness import raises_llm_error, read_so_far
from ..fields import count, first, member, rows, text
from .answer import from_chat_completion, is_real, usage_of
from .errors import error_in_ok_body
from .sse import Events

_DONE = b"[DONE]"


@raises_llm_error("groq")
def fold(chunks: Iterable[object], request: Request) -> Reply:
    """The whole reply that a stream's *chunks*, the SDK's objects or dicts, add up to.

    A stream that ends before a finish reason came ends with no error of the SDK's: it raises
    TruncatedError with the text that came. Usage is the last chunk's, asked for or not.
    """
    reader = StreamReader(request)
    for chunk in chunks:
        reader.add(chunk)
    return reader.whole()


#: Members of a chunk that nearly every one lacks.
_RARE = ("error", "detail", "usage", "x_groq")


class StreamReader:
    """Reads one stream: its bytes by `feed`, or chunks that an SDK has read by `add`."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._events = Events()
        self._parts: dict[str, list[str]] = {"content": [], "reasoning": []}
        self._calls: dict[int, dict[str, Any]] = {}
        self._annotations: list[Any] = []
        self._top: dict[str, Any] = {}
        self._reason: str | None = None
        self._is_real = True
        #: What the head of the response said of limits.
        self.limits: tuple[LimitReport, ...] = ()
        #: Nothing more is to come: the stream says so.
        self.is_done = False
        #: What was wrong with that which came after the last events.
        self.failure: Exception | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the answer has ended, whatever is still missing of the stream."""
        return self._reason is not None

    def feed(self, received: bytes) -> list[StreamEvent]:
        """Read what was received. Raises ValueError for what is no JSON, else as `add`."""
        found: list[StreamEvent] = []
        try:
            for data in self._events.feed(received):
                if data == _DONE:
                    self.is_done = True
                    break
                found += self.add(_parsed(data))
        except Exception as error:
            if not found:
                raise
            self.failure = error
        return found

    def add(self, chunk: object) -> list[StreamEvent]:
        """Read a chunk; raises the LLMError that it carries."""
        if (words := self._plain_words(chunk)) is not None:
            self._parts["content"].append(words)
            return [TextPiece(words)]
        extra = member(chunk, "x_groq")
        # The SDK raises an error event, but not an error inside a chunk.
        for body in (extra, chunk):
            if (failure := error_in_ok_body(body, self._request.model)) is not None:
                raise failure
        named = [(name, text(chunk, name)) for name in ("model", "service_tier")]
        for name, value in (*named, ("x_groq", extra)):
            if value and (name != "x_groq" or text(value, "id")):
                self._top[name] = value
        choice = first(chunk, "choices")
        # A server that knows no streams says all of it in one message.
        found = self._add_delta(member(choice, "delta") or member(choice, "message"))
        self._reason = text(choice, "finish_reason") or self._reason
        usage = member(extra, "usage") or member(chunk, "usage")
        if usage:
            self._top["usage"] = usage
            if (counted := usage_of(usage)).reported:
                found.append(UsageReport(counted))
        self._is_real = self._is_real and is_real(chunk)
        return found

    def _plain_words(self, chunk: object) -> str | None:
        """The text of a chunk that says nothing else which is new, as nearly all do; else None."""
        if type(chunk) is not dict or any(map(chunk.get, _RARE)):
            return None
        top, choices = self._top, chunk.get("choices")
        is_known = all(chunk.get(name) == top.get(name) for name in ("model", "service_tier"))
        if not is_known or type(choices) is not list or len(choices) != 1:
            return None
        choice = choices[0]
        if type(choice) is not dict or choice.get("finish_reason") is not None:
            return None
        delta = choice.get("delta")
        words = delta.get("content") if type(delta) is dict and len(delta) == 1 else None
        return words if type(words) is str and words else None

    def add_whole(self, answer: object) -> list[StreamEvent]:
        """Read an *answer* that is no stream; raises LLMError for what is no answer."""
        if first(answer, "choices") is None:
            from_chat_completion(answer, self._request)
        self.is_done = True
        return self.add(answer)

    def _add_delta(self, delta: object) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        if thought := text(delta, "reasoning"):
            self._parts["reasoning"].append(thought)
            found.append(ReasoningPiece(thought))
        if words := text(delta, "content"):
            self._parts["content"].append(words)
            found.append(TextPiece(words))
        self._annotations += rows(delta, "annotations")
        for place, call in enumerate(rows(delta, "tool_calls")):
            index, function = count(call, "index"), member(call, "function")
            index = place if index is None else index
            piece = ToolCallPiece(
                index,
                text(function, "arguments") or "",
                text(call, "id") or "",
                text(function, "name") or "",
            )
            made = self._calls.setdefault(index, {"id": "", "name": "", "arguments": []})
            made["id"] = made["id"] or piece.id
            made["name"] = made["name"] or piece.name
            made["arguments"].append(piece.arguments)
            found.append(piece)
        return found

    def whole(self) -> Reply:
        """The reply that has come; raises as `from_chat_completion` for one that is not whole."""
        return from_chat_completion(self._completion(), self._request, real=self._is_real)

    def so_far(self) -> Reply:
        """The reply as far as it has come, whole or not."""
        return read_so_far(self.whole, self._request, "groq")

    def _completion(self) -> dict[str, Any]:
        words = {name: "".join(parts) or None for name, parts in self._parts.items()}
        calls = [_closed(call) for _, call in sorted(self._calls.items())]
        message = {**words, "tool_calls": calls, "annotations": self._annotations}
        choices = [{"message": message, "finish_reason": self._reason}]
        return {"choices": choices, "_limits": self.limits, **self._top}


def _parsed(data: bytes) -> Any:
    """The JSON in *data*; raises ValueError."""
    from pydantic_core import from_json  # the SDK's own, and three times as fast

    try:
        return from_json(data)
    except ValueError:
        return json.loads(data)  # it knows half of a surrogate pair, and says what is wrong


def _closed(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call as a whole answer has it."""
    return {"id": call["id"], "function": call | {"arguments": "".join(call["arguments"])}}
