"""What a model may have wrapped around its answer: a tool call, a lone key, a list of one, a string
of JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .tolerant import UnreadableError, strict, tolerant

#: Ways to look at one value; wrappers go three or four deep at most.
MAX_VIEWS = 16

# What OpenAI's, Llama's, LangChain's and Anthropic's forms of a tool call name it.
_PAYLOADS = ("arguments", "parameters", "args", "input", "tool_input", "kwargs")
_CALLERS = frozenset(("name", "function", "tool", "tool_name", "type", "id"))
_CALLS = ("tool_calls", "function", "function_call", "tool_call", "tool_use")
_OPENING = ('"', "{", "[")
_CALL_KEYS = _CALLERS.union(_PAYLOADS, _CALLS)
#: What stands beside `properties` in a schema that a model has filled in as a form.
_FORM_KEYS = frozenset(
    (
        *("properties", "type", "required", "title", "description", "additionalProperties"),
        *("$schema", "$id", "$defs", "definitions"),
    )
)


def views(value: Any, names: frozenset[str]) -> Iterator[Any]:
    """Yield a value and what it may be wrapped around, the outermost first.

    `names` are the properties that the answer is expected to have; they are never taken for a
    wrapper. A tool call is not yielded itself: its `name` is the tool's, whatever the answer's is.
    """
    pending = [value]
    for index in range(MAX_VIEWS):
        if index == len(pending):
            return
        view = pending[index]
        inside = list(_inside(view, names))
        # Where an object is expected, a bare value inside a wrapper is one of the wrapper's own.
        plausible = index == 0 or not names or isinstance(view, (dict, list))
        if plausible and not (inside and _is_call(view, names)):
            yield view
        pending.extend(inside)


def _inside(value: Any, names: frozenset[str]) -> Iterator[Any]:
    if isinstance(value, str):
        yield from _decoded(value)
    elif isinstance(value, list) and len(value) == 1:
        yield value[0]
    elif isinstance(value, dict):
        yield from _from_call(value, names)
        if len(value) == 1 and not names.intersection(value):
            yield from value.values()
        # A model that takes the schema for a form fills it in where the properties are declared.
        elif isinstance(value.get("properties"), dict) and not names.intersection(value):
            yield from [value["properties"]] if value.keys() <= _FORM_KEYS else ()


def _from_call(value: dict[str, Any], names: frozenset[str]) -> Iterator[Any]:
    """Yield the one payload of a tool call that holds nothing else which an answer could."""
    others = value.keys() - _CALL_KEYS
    if names.intersection(others) or any(_is_filled(value[key]) for key in others):
        return
    called = _CALLERS.intersection(value)
    inside = [
        *(value[k] for k in _PAYLOADS if called and isinstance(value.get(k), (dict, str))),
        *(value[k] for k in _CALLS if len(value) > 1 and isinstance(value.get(k), (dict, list))),
    ]
    if sum(map(_is_filled, inside)) <= 1:
        yield from inside


def _is_filled(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _is_call(value: Any, names: frozenset[str]) -> bool:
    """Tell a tool call: nothing but a caller and a payload, and a payload not declared."""
    return (
        isinstance(value, dict)
        and bool(_CALLERS.intersection(value))
        and value.keys() <= _CALL_KEYS
        and any(_is_payload(value.get(key)) and key not in names for key in _PAYLOADS)
    )


def _is_payload(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, str) and value.lstrip()[:1] in _OPENING)


def _decoded(text: str) -> Iterator[Any]:
    stripped = text.strip()
    if stripped[:1] not in _OPENING:
        return
    for read in (strict, tolerant):
        try:
            yield read(stripped)
        except UnreadableError:  # an ordinary string, which is its own view
            continue
        return
