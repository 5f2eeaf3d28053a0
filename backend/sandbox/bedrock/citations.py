"""What an answer of Converse rests on: the documents whose citations the request wants."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from ..block_tokens import member

# Recorded: a citation quotes the passage; the sandbox quotes a document's first words.
_QUOTED = 60
_TEXTS = frozenset({"txt", "md", "csv", "html"})


def citations_of(messages: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """One citation of each document that is to be cited, in the form of Converse's answers."""
    documents = [block["document"] for block in _blocks(messages) if "document" in block]
    return tuple(
        _citation(document, index)
        for index, document in enumerate(documents)
        if member(document, "citations").get("enabled")
    )


def _blocks(messages: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        yield from (block for block in message["content"] if isinstance(block, dict))


def _citation(document: Mapping[str, Any], index: int) -> dict[str, Any]:
    words = _text(document)[:_QUOTED]
    place: dict[str, Any] = {"documentPage": {"documentIndex": index, "start": 1, "end": 2}}
    if words:
        place = {"documentChar": {"documentIndex": index, "start": 0, "end": len(words)}}
    return {
        "title": document.get("name"),
        "sourceContent": [{"text": words}],
        "location": place,
    }


def _text(document: Mapping[str, Any]) -> str:
    source = member(document, "source")
    if isinstance(source.get("text"), str):
        return str(source["text"])
    if isinstance(source.get("content"), list):
        return " ".join(str(part.get("text", "")) for part in source["content"])
    if document.get("format") not in _TEXTS:
        return ""
    try:
        return base64.b64decode(source.get("bytes") or "").decode(errors="replace")
    except (binascii.Error, TypeError, ValueError):
        return ""
