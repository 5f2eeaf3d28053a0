"""What a rule of a script may ask of a request, whichever form its body has."""

from __future__ import annotations

from functools import cached_property
from typing import Any

_PROMPTS = ("prompt", "inputText", "message")


class RequestFacts:
    """Read only where a rule asks, since most requests meet none."""

    def __init__(self, body: Any) -> None:
        self._body = body if isinstance(body, dict) else {}

    @cached_property
    def prompt(self) -> str:
        """The text of the last message of the user's that has any."""
        for message in reversed(self._messages):
            text = _text(message.get("content")) if message.get("role") == "user" else ""
            if text:
                return text
        return next((text for key in _PROMPTS if (text := _text(self._body.get(key)))), "")

    @cached_property
    def tools(self) -> frozenset[str]:
        """The names of the tools that are offered."""
        config = self._body.get("toolConfig")
        listed = self._body.get("tools") or (isinstance(config, dict) and config.get("tools"))
        found = set()
        for tool in listed if isinstance(listed, list) else ():
            inner = tool if isinstance(tool, dict) else {}
            for key in ("function", "toolSpec"):
                inner = inner[key] if isinstance(inner.get(key), dict) else inner
            found.add(str(inner.get("name")))
        return frozenset(found)

    @cached_property
    def turn(self) -> int:
        """The number of the assistant's turn that is asked for, from 1."""
        return 1 + [message.get("role") for message in self._messages].count("assistant")

    @property
    def _messages(self) -> list[dict[str, Any]]:
        messages = self._body.get("messages")
        return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )
