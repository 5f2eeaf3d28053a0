"""A chat list and its tools as Groq takes them: without what is Bedrock's, documents as text."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...types import Message
from ..fields import member, text
from ..request_checks import invalid_request

# Its prompt cache needs no mark: it finds what prompts have in common.
_CONTROL, _POINT = "cache_control", "cachePoint"
_TEXT_DOCUMENT = re.compile(r"data:(text/[\w.+-]+)(?:;charset=[\w-]+)?;base64,", re.I | re.ASCII)


def to_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return *messages* for the SDK; InvalidRequestError names the part that Groq cannot take."""
    return [_message(each, f"messages[{place}]") for place, each in enumerate(messages)]


def to_tools(tools: object) -> object:
    """Return the *tools* without marks of a prompt cache."""
    if not isinstance(tools, (list, tuple)):
        return tools
    return [_tool(tool) for tool in tools if not _is_point(tool)]


def _message(message: Message, where: str) -> dict[str, Any]:
    kept = {name: value for name, value in message.items() if name != _CONTROL}
    content = kept.get("content")
    if isinstance(content, (list, tuple)):
        parts = [
            one
            for place, part in enumerate(content)
            for one in _part(part, f"{where}.content[{place}]")
        ]
        # What was Bedrock's alone leaves nothing, as beside calls of tools.
        kept["content"] = parts if parts or not content else None
    return kept


def _part(part: object, where: str) -> Iterator[object]:
    if not isinstance(part, Mapping):
        yield part
        return
    kind = part.get("type")
    if kind == "reasoning" or _is_point(part):
        return  # Bedrock's
    kept = {name: value for name, value in part.items() if name != _CONTROL}
    if kind == "file":
        yield {"type": "text", "text": _document(kept, where)}
        return
    if kind == "image_url":
        source = kept.get("image_url")
        url = source if isinstance(source, str) else text(source, "url") or ""
        if url[:5].lower() == "s3://":
            raise invalid_request("groq", f"{where} lies in S3, where Groq does not look: send it")
        kept["image_url"] = {"url": source} if isinstance(source, str) else source
    yield kept


def _document(part: Mapping[str, Any], where: str) -> str:
    """A document's text, with its name; InvalidRequestError where it is no text."""
    file = part.get("file")
    if member(part.get("citations"), "enabled"):
        raise invalid_request(
            "groq", f"{where} asks for citations: Groq cites what the option documents holds alone"
        )
    url, name = text(file, "file_data") or "", text(file, "filename") or "document"
    head = _TEXT_DOCUMENT.match(url)
    if head is None:
        raise invalid_request(
            "groq", f"{where} is no text, and Groq reads no other documents: give it as text"
        )
    try:
        words = base64.b64decode(url[head.end() :], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        # Not chained: the original holds what was sent.
        raise invalid_request("groq", f"{where} is no base64 of UTF-8") from None
    return f"<document name={json.dumps(name, ensure_ascii=False)}>\n{words}\n</document>"


def _is_point(part: object) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get(_POINT), Mapping)


def _tool(tool: object) -> object:
    if not isinstance(tool, Mapping):
        return tool
    kept = {name: value for name, value in tool.items() if name != _CONTROL}
    function = kept.get("function")
    if isinstance(function, Mapping) and _CONTROL in function:
        kept["function"] = {name: each for name, each in function.items() if name != _CONTROL}
    return kept
