"""Refuses, where a step is made, what would break inside the server when it is sent."""

from __future__ import annotations

import json
import re
from typing import Any

# What a header can hold: no control characters, nothing beyond Latin-1.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# field: least, most
_NUMBERS: dict[str, tuple[float, float]] = {
    "silence": (0, float("inf")),
    "stall": (0, float("inf")),
    "drip": (0, float("inf")),
    "drip_every": (0, float("inf")),
    "cut": (0, 1),
    "frame_every": (0, float("inf")),
    "status": (200, 599),
}
_PARTS = frozenset({"choices", "finish_reason", "usage", "done"})
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")


def check_answer(answer: Any) -> None:
    """Raise TypeError or ValueError, with field and value, for what no response can hold."""
    for name in _COUNTS:
        value = getattr(answer, name)
        if isinstance(value, bool) or not isinstance(value, (int, type(None))):
            raise TypeError(f"Answer({name}={value!r}): must be a whole number")
    if answer.model is not None and not isinstance(answer.model, str):
        raise TypeError(f"Answer(model={answer.model!r}): must be a text")
    for piece in answer.pieces or ():
        if not isinstance(piece, str):
            raise TypeError(f"Answer(pieces=...): {piece!r} is no text")
    unknown = sorted(set(answer.without) - _PARTS)
    if unknown:
        raise ValueError(
            f"Answer(without=...): there is no part {unknown[0]!r}; known: {sorted(_PARTS)}"
        )
    # An enumeration's member stands for "unset".
    if type(answer.tool_input).__name__ != "Unset":
        check_input("Answer(tool_input=...)", answer.tool_input)


def check_input(what: str, value: object) -> None:
    """Raise TypeError for a tool's input that is no JSON."""
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: {error}") from error


def check_fault(fault: Any) -> None:
    """Raise TypeError or ValueError, with field and value, for what no response can hold."""
    for name, (least, most) in _NUMBERS.items():
        value = getattr(fault, name)
        if value is None and name in ("cut", "status"):
            continue
        kinds = int if name in ("drip", "status") else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise TypeError(f"Fault({name}={value!r}): must be a number")
        if not least <= value <= most:
            raise ValueError(f"Fault({name}={value!r}): must be between {least:g} and {most:g}")
    if fault.body is not None and not isinstance(fault.body, bytes):
        raise TypeError(f"Fault(body={fault.body!r}): must be bytes")
    for name, value in fault.headers.items():
        if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
            raise ValueError(f"Fault(headers=...): {name!r} is no header's name")
        if not (isinstance(value, str) and _HEADER_VALUE.fullmatch(value)):
            raise ValueError(f"Fault(headers=...): {name} cannot be {value!r}; give a text")
    _check_retry_after(fault.retry_after)


def _check_retry_after(value: object) -> None:
    if value is None or callable(value):
        return
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(
            f"Fault(retry_after={value!r}): must be seconds, a text, "
            "or a function of the wall clock that gives a text"
        )
    if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"Fault(retry_after={value!r}): no header can hold this text")


def header_text(value: object) -> str:
    """What a function gave, as a header can hold it."""
    return "".join(char if _HEADER_VALUE.fullmatch(char) else "?" for char in str(value))
