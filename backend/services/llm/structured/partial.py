"""Snapshots of an answer that has not ended: plain values, each of which extends the one before.

What the whole answer might take back is not shown: a number whose digits may go on, a string that
is to be a number or one of an enum, null where absence may be meant, and whatever stands where more
than one alternative of the schema is still possible.
"""

from __future__ import annotations

import marshal
import re
from collections import deque
from collections.abc import Sequence
from operator import is_
from typing import Any, TypeVar

from .accepted_types import json_type
from .coerce import Coercion
from .deadline import StepDeadline
from .open_json import OpenJson
from .restore import WRAPPER
from .schema import Schema
from .walk import JsonSchema, item_schemas, member_schemas, resolve

#: What may stand before an answer: a think block, and words without brackets before its fence.
_BEGINNING = re.compile(
    r"[\ufeff\s]*(?:<think>.*?</think>\s*)?(?:[^{\[]*?```\w*\s*)?(?=[{\[])", re.DOTALL | re.I
)
#: Pieces in which the answer's beginning is looked for.
_MAX_LOOKS = 100
#: A long text is read again once it has grown by this part of itself, so that all readings together
#: take a time that is linear in its length.
_GROWTH = 64

_HIDDEN: Any = object()

K = TypeVar("K", dict[str, Any], list[Any])


class PartialAnswer:
    """One answer as it comes; *is_wrapped* says that it is asked for inside an object."""

    def __init__(self, schema: Schema, *, is_wrapped: bool, coerce: bool) -> None:
        self._schema = schema
        self._is_wrapped = is_wrapped
        self._view = _View(schema.document, coerce)
        self._before = ""
        self._looks = 0
        self._json: OpenJson | None = None
        self._size = self._read_at = 0
        #: The last snapshot; None before the first.
        self.shown: Any = None

    def add(self, piece: str) -> Any:
        """Read on, and return a new snapshot; None where there is none."""
        if not (piece := self._from_beginning(piece)):
            return None
        assert self._json is not None, "it has begun"
        self._json.add(piece)
        self._size += len(piece)
        if self._size < self._read_at:
            return None
        self._read_at = self._size + self._size // _GROWTH
        value = self._read(self._json)
        if not value or value == self.shown or not extends(value, self.shown):
            return None
        self.shown = value
        # A reader may write to its copy; marshal makes one in a tenth of the time of our own code.
        return marshal.loads(marshal.dumps(value))

    def _from_beginning(self, piece: str) -> str:
        """Return *piece* without what stands before the answer."""
        if self._json is not None:
            return piece
        self._before += piece
        if self._looks == _MAX_LOOKS or not ("{" in piece or "[" in piece):
            return ""
        self._looks += 1
        if (found := _BEGINNING.match(self._before)) is None:
            return ""
        self._json = OpenJson()
        return self._before[found.end() :]

    def _read(self, text: OpenJson) -> Any:
        from pydantic_core import from_json

        levels, names = text.levels, self._schema.names
        if not levels:
            return None  # it is whole, and to be validated
        try:
            value = from_json(text.closed(), allow_inf_nan=False)
        except ValueError:  # no JSON after all: the whole answer is read with more patience
            return None
        if self._is_wrapped and isinstance(value, dict):
            if WRAPPER not in value:
                return None
            is_last = next(reversed(value)) == WRAPPER
            levels, value = levels - 1 if is_last else 0, value[WRAPPER]
        elif isinstance(value, dict) and names and next(iter(value), None) not in names:
            return None  # what wraps an answer is no part of it
        seen = self._view.at([self._schema.document], value, levels, self.shown)
        return None if seen is _HIDDEN else seen


def extends(value: Any, earlier: Any) -> bool:
    """Whether *value* holds all that the *earlier* one did; anything extends None."""
    if earlier is None:
        return True
    if isinstance(value, dict) and isinstance(earlier, dict):
        return all(name in value and extends(value[name], old) for name, old in earlier.items())
    if isinstance(value, list) and isinstance(earlier, list):
        if len(value) >= len(earlier) and all(map(is_, value, earlier[:-1])):
            earlier, value = earlier[-1:], value[len(earlier) - 1 :]
        return len(value) >= len(earlier) and all(map(extends, value, earlier))
    if isinstance(value, str) and isinstance(earlier, str):
        return value.startswith(earlier)
    return bool(value == earlier) and isinstance(value, bool) == isinstance(earlier, bool)


class _View:
    """What of a value that may be open can be shown.

    *earlier* is what was shown at a place: all of it but its last part was closed then, and is
    taken over, so that each part of a long answer is looked at a few times only.
    """

    def __init__(self, document: JsonSchema, coerce: bool) -> None:
        self._document = document
        self._coercion = Coercion(document, StepDeadline())
        self._types = self._coercion.types
        self._coerce = coerce

    def at(self, schemas: Sequence[Any], value: Any, levels: int, earlier: Any = None) -> Any:
        """Show the value at one place, in which so many *levels* are open; else `_HIDDEN`."""
        if not levels:
            value = self._coercion.at(schemas, value) if self._coerce else value
            return _without_nulls(value) if self._is_accepted(schemas, value) else _HIDDEN
        applied = self._applied(schemas, value) if self._is_accepted(schemas, value) else None
        if applied is None:
            return _HIDDEN
        if isinstance(value, dict):
            return self._members(applied, value, levels - 1, _same_kind(earlier, dict))
        if isinstance(value, list):
            return self._items(applied, value, levels - 1, _same_kind(earlier, list))
        return _HIDDEN if any("enum" in node or "const" in node for node in applied) else value

    def _members(
        self,
        applied: list[JsonSchema],
        value: dict[str, Any],
        levels: int,
        earlier: dict[str, Any],
    ) -> Any:
        schemas, last = member_schemas(applied, value), next(reversed(value), None)
        open_then = next(reversed(earlier), None)
        members = {}
        for name, member in value.items():
            if name in earlier and name != open_then:
                members[name] = earlier[name]
                continue
            inside = levels if name == last else 0
            one = self.at(schemas[name], member, inside, earlier.get(name))
            if one is not None and one is not _HIDDEN:
                members[name] = one
        return members

    def _items(
        self, applied: list[JsonSchema], value: list[Any], levels: int, earlier: list[Any]
    ) -> Any:
        items = earlier[:-1]
        open_then = earlier[-1] if earlier else None
        for place, item in enumerate(value[len(items) :], len(items)):
            inside = levels if place == len(value) - 1 else 0
            one = self.at(item_schemas(applied, place), item, inside, open_then)
            if one is _HIDDEN:
                break
            items.append(one)
            open_then = None
        return items

    def _is_accepted(self, schemas: Sequence[Any], value: Any) -> bool:
        kind = json_type(value)
        return all(
            kind in (types := self._types.of(schema))
            or (kind == "number" and "integer" in types and value.is_integer())
            for schema in schemas
        )

    def _applied(self, schemas: Sequence[Any], value: Any) -> list[JsonSchema] | None:
        """The schemas that apply to an open value in place; None where that is not known yet."""
        applied: dict[int, JsonSchema] = {}
        pending, kind = deque(schemas), json_type(value)
        while pending:
            node = resolve(self._document, pending.popleft())
            if not isinstance(node, dict) or id(node) in applied:
                continue
            applied[id(node)] = node
            pending += node.get("allOf", ())
            for keyword in node.keys() & {"anyOf", "oneOf"}:
                possible = [each for each in node[keyword] if kind in self._types.of(each)]
                if len(possible) != 1:
                    return None
                pending += possible
        return list(applied.values())


def _same_kind(earlier: Any, kind: type[K]) -> K:
    """What was shown at a place; nothing where that was of another kind (a name given twice)."""
    return earlier if isinstance(earlier, kind) else kind()


def _without_nulls(value: Any) -> Any:
    """Leave out the members that are null: they may mean absence."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value
