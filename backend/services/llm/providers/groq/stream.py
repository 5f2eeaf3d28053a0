"""Streams of Groq: their chunks, joined into one reply."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...types import Reply, Request
from ..completeness import raises_llm_error
from ..fields import count, first, member, rows, text
from .answer import from_chat_completion
from .errors import error_in_ok_body


@raises_llm_error("groq")
def fold(chunks: Iterable[object], request: Request) -> Reply:
    """Return the reply that a stream's *chunks*, the SDK's objects or dicts, add up to.

    A stream that ends before a finish reason came ends with no error of the SDK's: it raises
    TruncatedError with the text that came. The usage is that of the last chunk.
    """
    builder = _CompletionBuilder(request.model)
    for chunk in chunks:
        builder.add(chunk)
    return from_chat_completion(builder.completion(), request)


class _CompletionBuilder:
    """Builds a completion out of chunks."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._parts: dict[str, list[str]] = {"content": [], "reasoning": []}
        self._calls: dict[int, dict[str, Any]] = {}
        self._top: dict[str, Any] = {}
        self._reason: str | None = None

    def add(self, chunk: object) -> None:
        extra = member(chunk, "x_groq")
        # The SDK raises an error event, but not an error inside a chunk.
        for body in (extra, chunk):
            if (failure := error_in_ok_body(body, self._model)) is not None:
                raise failure
        for name, value in (("model", text(chunk, "model")), ("x_groq", extra)):
            if value and (name != "x_groq" or text(value, "id")):
                self._top[name] = value
        usage = member(extra, "usage") or member(chunk, "usage")
        if usage:
            self._top["usage"] = usage
        choice = first(chunk, "choices")
        self._reason = text(choice, "finish_reason") or self._reason
        self._add_delta(member(choice, "delta"))

    def _add_delta(self, delta: object) -> None:
        for name, parts in self._parts.items():
            parts.append(text(delta, name) or "")
        for call in rows(delta, "tool_calls"):
            function = member(call, "function")
            made = self._calls.setdefault(
                count(call, "index") or 0, {"id": "", "name": "", "arguments": ""}
            )
            made["id"] = made["id"] or text(call, "id") or ""
            made["name"] = made["name"] or text(function, "name") or ""
            made["arguments"] += text(function, "arguments") or ""

    def completion(self) -> dict[str, Any]:
        texts = {name: "".join(parts) or None for name, parts in self._parts.items()}
        calls = [{"id": call["id"], "function": call} for _, call in sorted(self._calls.items())]
        message = {**texts, "tool_calls": calls}
        return {"choices": [{"message": message, "finish_reason": self._reason}], **self._top}
