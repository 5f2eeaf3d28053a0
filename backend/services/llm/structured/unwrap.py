"""Takes an answer out of its wrapper: a tool call, a lone key, a list of one, a JSON string."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .numbers import UnreadableError
from .tolerant import parse_strict, parse_tolerant

#: Views of one value at most; wrappers are three or four deep.
MAX_VIEWS = 16

# The keys of a tool call's arguments in the formats of OpenAI, Llama, LangChain and Anthropic.
_PAYLOADS = ("arguments", "parameters", "args", "input", "tool_input", "kwargs")
_CALLERS = frozenset(("name", "function", "tool", "tool_name", "type", "id"))
_CALLS = ("tool_calls", "function", "function_call", "tool_call", "tool_use")
_OPENING = ('"', "{", "[")
_CALL_KEYS = _CALLERS.union(_PAYLOADS, _CALLS)
#: The other keys of a schema whose `properties` a model has filled in as if it were a form.
_FORM_KEYS = frozenset(
    (
        *("properties", "type", "required", "title", "description", "additionalProperties"),
        *("$schema", "$id", "$defs", "definitions"),
    )
)


def views(value: Any, names: frozenset[str]) -> Iterator[Any]:
    """Yield a value and what it may wrap, the outermost first.

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
        # Some models return the schema with the values in place of the property schemas.
        elif isinstance(value.get("properties"), dict) and not names.intersection(value):
            yield from [value["properties"]] if value.keys() <= _FORM_KEYS else ()


def _from_call(value: dict[str, Any], names: frozenset[str]) -> Iterator[Any]:
    """Yield the payload of a tool call, if nothing else in it could be the answer."""
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
    """Tell whether a value is a tool call: nothing but a tool's name and a payload."""
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
    for read in (parse_strict, parse_tolerant):
        try:
            yield read(stripped)
        except UnreadableError:  # an ordinary string, which is its own view
            continue
        return
