"""The parts of a Converse answer: texts, citations, and reasoning to be handed back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ...types import Citation
from ..fields import mapping, member, rows, text


def plain_text(message: object) -> str | None:
    """Return the text of a *message* of nothing but texts, as most are; else None."""
    texts = []
    for block in rows(message, "content"):
        if type(block) is not dict or len(block) != 1 or type(block.get("text")) is not str:
            return None
        texts.append(block["text"])
    return "".join(texts)


def texts_in(message: object) -> list[str]:
    """Return all texts of a *message*, including those with citations."""
    texts = []
    for block in rows(message, "content"):
        cited = rows(member(block, "citationsContent"), "content")
        texts += [text(part, "text") or "" for part in (block, *cited)]
    return texts


def thoughts_in(message: object) -> list[str]:
    """Return the texts of what the model thought."""
    thoughts = [member(block, "reasoningContent") for block in rows(message, "content")]
    return [text(member(thought, "reasoningText"), "text") or "" for thought in thoughts]


def citations_in(message: object) -> tuple[Citation, ...]:
    """Return what the texts rest on, in their order."""
    found = []
    for block in rows(message, "content"):
        cited = member(block, "citationsContent")
        words = "".join(text(part, "text") or "" for part in rows(cited, "content"))
        found += [_citation(each, words) for each in rows(cited, "citations")]
    return tuple(found)


def _citation(citation: object, words: str) -> Citation:
    quoted = (text(part, "text") or "" for part in rows(citation, "sourceContent"))
    return Citation(
        words,
        "".join(quoted),
        text(citation, "title") or "",
        text(citation, "source") or "",
        mapping(citation, "location") or {},
    )


def parts_in(message: object) -> tuple[Mapping[str, Any], ...]:
    """Return texts and reasoning in their order, if the model wants any of it back as it was."""
    parts = [part for block in rows(message, "content") if (part := _part(block))]
    wanted = any(part["type"] == "reasoning" for part in parts)
    return tuple(parts) if wanted else ()


def _part(block: object) -> dict[str, Any] | None:
    reasoning = member(block, "reasoningContent")
    thought = member(reasoning, "reasoningText")
    signature = text(thought, "signature")
    if signature:
        return {"type": "reasoning", "text": text(thought, "text") or "", "signature": signature}
    redacted = member(reasoning, "redactedContent")
    if isinstance(redacted, bytes):
        # botocore decodes it, while a stream of our own reading holds base64.
        redacted = base64.b64encode(redacted).decode()
    if redacted and isinstance(redacted, str):
        return {"type": "reasoning", "redacted": redacted}
    cited = rows(member(block, "citationsContent"), "content")
    words = "".join(text(part, "text") or "" for part in (block, *cited))
    return {"type": "text", "text": words} if words else None
