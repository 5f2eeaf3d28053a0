"""Violations of a schema: a JSONPath, and a sentence for the model and the developer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ..frozen import dataclass

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAME_LENGTH = 60


@dataclass(frozen=True)
class Violation:
    """One violation of the schema: its JSONPath (`$` is the whole answer) and a sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def json_path(tokens: Iterable[str | int]) -> str:
    """Render keys and indexes as a JSONPath (RFC 9535), each name cut at 60 characters:
    `$.items[0]['a b']`.
    """
    parts = ["$"]
    for token in tokens:
        if isinstance(token, int):
            parts.append(f"[{token}]")
        elif _PLAIN_NAME.match(token):
            parts.append("." + shorten(token, _NAME_LENGTH))
        else:
            name = shorten(token, _NAME_LENGTH).replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{printable(name)}']")
    return "".join(parts)


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of a text longer than `limit` characters; its ends tell most."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[len(text) - tail :]}"


def excerpt(value: object, limit: int = 80) -> str:
    """Show a JSON value in at most `limit` characters; a large one is never written out."""
    if isinstance(value, str):
        return printable(json.dumps(shorten(value, limit - 2), ensure_ascii=False))
    if isinstance(value, dict):
        return f"an object with {len(value)} {_plural(len(value), 'property', 'properties')}"
    if isinstance(value, list):
        return f"an array of {len(value)} {_plural(len(value), 'item', 'items')}"
    # Writing a huge integer takes quadratic time, and CPython refuses it.
    if isinstance(value, int) and value.bit_length() > 4 * limit:
        return "an integer of more than " + str(value.bit_length() // 4) + " digits"
    return shorten(json.dumps(value), limit)


def printable(text: str) -> str:
    """Escape what UTF-8 cannot carry, so that a message can be logged and sent."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
