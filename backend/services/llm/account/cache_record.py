"""What the cache keeps of a reply, and how far it trusts what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from ..errors import LLMError
from ..providers.completeness import check_complete
from ..types import Citation, Reply, ToolCall, Usage

_KEPT = frozenset(
    {"text", "model", "provider", "finish_reason", "usage", "reasoning", "tool_calls", "request_id"}
)

_MAYBE_TEXTS = ("finish_reason", "reasoning", "request_id")
_COUNTS = {each.name: bool if each.name == "reported" else int for each in fields(Usage)}
_CALL = {each.name for each in fields(ToolCall)}
#: Tokens of one answer; more were never counted.
_MOST_TOKENS = 10**12
_CITATION = {each.name: dict if each.name == "location" else str for each in fields(Citation)}


def record_of(reply: Reply) -> dict[str, Any]:
    """Return what is kept of *reply*: not the story of how it came about."""
    return {
        name: value
        for name, value in asdict(reply).items()
        if name in _KEPT or (name in _IF_ANY and value)
    }


def restored(record: Mapping[str, Any], provider: str) -> Reply | None:
    """Return the reply in a record; None where it is not, to the last field, one that we kept."""
    usage, calls = record.get("usage"), record.get("tool_calls")
    if not (
        record.keys() - _IF_ANY.keys() == _KEPT
        and record["provider"] == provider
        and all(isinstance(record[name], str) for name in ("text", "model"))
        and all(isinstance(record[name], (str, type(None))) for name in _MAYBE_TEXTS)
        and isinstance(usage, dict)
        and all(_is_counted(name, value) for name, value in usage.items())
        and isinstance(calls, (list, tuple))
        and all(map(_is_call, calls))
        and all(is_one(record[name]) for name, is_one in _IF_ANY.items() if name in record)
    ):
        return None
    known = {**record, "usage": Usage(**usage)}
    known["tool_calls"] = tuple(ToolCall(**call) for call in calls)
    known["citations"] = tuple(Citation(**each) for each in record.get("citations", ()))
    known["parts"] = tuple(record.get("parts", ()))
    reply = Reply(**known, cost=0.0, cached=True)
    try:
        return check_complete(reply, real=False)
    except LLMError:
        return None  # no answer that is not whole was ever kept


def _is_counted(name: str, value: Any) -> bool:
    return type(value) is _COUNTS.get(name) and 0 <= value <= _MOST_TOKENS


def _is_call(call: object) -> bool:
    return (
        isinstance(call, dict)
        and call.keys() == _CALL
        and all(isinstance(value, str) for value in call.values())
    )


def _are_citations(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(one, dict)
        and one.keys() == _CITATION.keys()
        and all(type(one[name]) is kind for name, kind in _CITATION.items())
        for one in value
    )


def _are_parts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(one, dict) and all(isinstance(each, str) for each in one.values())
        for one in value
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


#: Kept where the reply has any: most have not, and entries from before they were kept stay good.
_IF_ANY: dict[str, Callable[[object], bool]] = {
    "citations": _are_citations,
    "parts": _are_parts,
    "guardrail_trace": _is_object,
    "service_tier": _is_text,
}
