"""Steps as JSON, for suites that are not in Python.

A step is null (answer normally), a name as a model may have it (`"429?retry-after=2"`), or an
object: {"answer": {...}} or {"fault": {...}}, with the members of `Answer` and `Fault`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from .answer import Answer, ToolCall
from .faults import Fault, Step
from .model_names import PREFIX, step_named
from .streams import StreamBreak


def step_of(value: Any) -> Step | None:
    """The step that a JSON value describes. Raises ValueError or TypeError that says what is."""
    if value is None:
        return None
    if isinstance(value, str):
        name = value if value.startswith(PREFIX) else PREFIX + value
        step, times = step_named(name)
        if times is not None:
            raise ValueError("a step has no `times`: give it beside `steps`")
        return step
    if isinstance(value, dict) and set(value) == {"answer"}:
        return _answer(value["answer"])
    if isinstance(value, dict) and set(value) == {"fault"}:
        return _fault(value["fault"])
    raise ValueError('a step is null, a name, {"answer": {...}} or {"fault": {...}}')


def step_text(step: Step | None) -> str | None:
    """A step as the journal shows it."""
    return None if step is None else repr(step)


def _answer(value: Any) -> Answer:
    members = _members(value, Answer)
    if isinstance(members.get("pieces"), list):
        members["pieces"] = tuple(map(str, members["pieces"]))
    if "without" in members:
        members["without"] = frozenset(members["without"])
    if isinstance(members.get("tool_calls"), list):
        members["tool_calls"] = tuple(
            ToolCall(**_members(call, ToolCall)) for call in members["tool_calls"]
        )
    return Answer(**members)


def _fault(value: Any) -> Fault:
    members = _members(value, Fault)
    if isinstance(members.get("body"), str):
        members["body"] = members["body"].encode()
    if members.get("answer") is not None:
        members["answer"] = _answer(members["answer"])
    if members.get("stream_break") is not None:
        members["stream_break"] = StreamBreak(**_members(members["stream_break"], StreamBreak))
    return Fault(**members)


def _members(value: Any, kind: type[Any]) -> dict[str, Any]:
    known = [field.name for field in fields(kind)]
    if not isinstance(value, dict):
        raise TypeError(f"must be an object with members of {kind.__name__}, not {value!r}")
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise ValueError(f"{kind.__name__} has no member `{unknown[0]}`; known: {', '.join(known)}")
    return dict(value)
