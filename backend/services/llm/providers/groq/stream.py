"""A Groq stream's chunks, read into events and added up to the answer that they spell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ...limit_types import LimitReport
from ...stream_types import ReasoningPiece, StreamEvent, TextPiece, ToolCallPiece, UsageReport
from ...types import Reply, Request
from ..answer_reader import AnswerReader
from ..completeness import raises_llm_error
from ..fields import first, member, rows, short_name, text
from ..pieces import PieceFields, PieceText
from .answer import from_chat_completion, is_real, only_choice, usage_of
from .errors import error_in_ok_body, error_of_event
from .sse import Events

_DONE = b"[DONE]"
_FIELDS = PieceFields("groq")


@raises_llm_error("groq")
def fold(chunks: Iterable[object], request: Request) -> Reply:
    """The whole reply that a stream's *chunks*, the SDK's objects or dicts, add up to.

    A stream that ends before a finish reason came ends with no error of the SDK's: it raises
    TruncatedError with the text that came. Usage is the last chunk's, asked for or not.
    """
    reader = ChunkReader(request)
    for chunk in chunks:
        reader.add(chunk)
    return reader.whole()


#: Members of a chunk that nearly every one lacks.
_RARE = ("error", "detail", "usage", "x_groq")


class ChunkReader(AnswerReader):
    """Reads one stream: its bytes by `feed`, or chunks that an SDK has read by `add`."""

    provider = "groq"

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._events = Events()
        self._content, self._reasoning = self._new_text(TextPiece), self._new_text(ReasoningPiece)
        self._calls: dict[int, dict[str, Any]] = {}
        self._has_more_choices = False
        self._annotations: list[Any] = []
        self._top: dict[str, Any] = {}
        self._reason: str | None = None
        self._is_real = True
        #: What the head of the response said of limits.
        self.limits: tuple[LimitReport, ...] = ()

    @property
    def answer_has_ended(self) -> bool:
        """Whether the answer has ended, whatever is still missing of the stream."""
        return self._reason is not None

    def _pieces_in(self, received: bytes) -> Iterator[Any]:
        for name, data in self._events.feed(received):
            if name == b"error":
                raise error_of_event(_parsed_or_text(data), self._request.model)
            if data == _DONE:
                self.is_done = True
                break
            yield _parsed(data)

    def add(self, chunk: object) -> list[StreamEvent]:
        """Read a chunk; raises the LLMError that it carries, or one where it cannot be read."""
        if (words := self._plain_words(chunk)) is not None:
            return self._content.events(words)
        if (chunk := _FIELDS.as_object(chunk, "a chunk")) is None:
            return []
        # In this form the SDK hands out an event that it does not know for an error.
        if text(chunk, "event") == "error":
            raise error_of_event(member(chunk, "data"), self._request.model)
        extra = member(chunk, "x_groq")
        # The SDK raises an error event, but not an error inside a chunk.
        for body in (extra, chunk):
            if (failure := error_in_ok_body(body, self._request.model)) is not None:
                raise failure
        named = [(name, short_name(chunk, name)) for name in ("model", "service_tier")]
        for name, value in (*named, ("x_groq", extra)):
            if value and (name != "x_groq" or text(value, "id")):
                self._top[name] = value
        choice = self._choice(chunk)
        # A server that knows no streams says all of it in one message.
        found = self._add_delta(_FIELDS.part(choice, "delta") or _FIELDS.part(choice, "message"))
        self._reason = text(choice, "finish_reason") or self._reason
        if self._reason is not None:
            found += self._halves()
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
        if type(choice) is not dict or choice.get("index"):
            return None
        if choice.get("finish_reason") is not None:
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

    def _choice(self, chunk: object) -> Any:
        """The choice that is read of a chunk, or None; others are told of once."""
        if not (found := _FIELDS.rows(chunk, "choices")):
            return first(chunk, "choices")  # a test's mock, if anything
        choice = only_choice(found, warns=not self._has_more_choices)
        self._has_more_choices |= any(each is not choice for each in found)
        return choice

    def _add_delta(self, delta: object) -> list[StreamEvent]:
        found = self._reasoning.events(_FIELDS.text(delta, "reasoning") or "")
        found += self._content.events(_FIELDS.text(delta, "content") or "")
        self._annotations += rows(delta, "annotations")
        for place, call in enumerate(_FIELDS.rows(delta, "tool_calls")):
            found.append(self._add_call(call, place))
        return found

    def _add_call(self, call: object, place: int) -> ToolCallPiece:
        index, function = _FIELDS.count(call, "index"), _FIELDS.part(call, "function")
        index = place if index is None else index
        if index not in self._calls:
            arguments = self._new_text(partial(ToolCallPiece, index))
            self._calls[index] = {"id": "", "name": "", "arguments": arguments}
        made = self._calls[index]
        piece = ToolCallPiece(
            index,
            made["arguments"].add(_FIELDS.text(function, "arguments") or ""),
            _FIELDS.text(call, "id") or "",
            _FIELDS.text(function, "name") or "",
        )
        made["id"] = made["id"] or piece.id
        made["name"] = made["name"] or piece.name
        return piece

    def _texts(self) -> Iterator[PieceText]:
        yield from (self._reasoning, self._content)
        yield from (call["arguments"] for call in self._calls.values())

    def whole(self) -> Reply:
        """The reply that has come; raises as `from_chat_completion` for one that is not whole."""
        return from_chat_completion(self._completion(), self._request, real=self._is_real)

    def _completion(self) -> dict[str, Any]:
        calls = [_closed(call) for _, call in sorted(self._calls.items())]
        message = {
            "content": str(self._content) or None,
            "reasoning": str(self._reasoning) or None,
            "tool_calls": calls,
            "annotations": self._annotations,
        }
        choices = [{"message": message, "finish_reason": self._reason}]
        return {"choices": choices, "_limits": self.limits, **self._top}


def _parsed(data: bytes) -> Any:
    """The JSON in *data*; raises ValueError."""
    from pydantic_core import from_json  # the SDK's own, and three times as fast

    try:
        return from_json(data)
    except ValueError:
        return json.loads(data)  # it knows half of a surrogate pair, and says what is wrong


def _parsed_or_text(data: bytes) -> Any:
    """The JSON in *data*, or *data* as words where it holds none."""
    try:
        return _parsed(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _closed(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call as a whole answer has it."""
    return {"id": call["id"], "function": call | {"arguments": str(call["arguments"])}}
