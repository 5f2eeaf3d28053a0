"""The schema of an answer: a JSON Schema or a Python type, checked and compiled once.

A dict asks for a plain value; any annotation that pydantic's TypeAdapter takes asks for an instance
of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from .annotations import adapter_of, lossless_instance
from .compile import MOST_STEPS, compile_checked, compile_validator, steps_for
from .deadline import StepDeadline
from .explain import violations
from .losses import lost_members
from .violations import Violation, excerpt, json_path, printable, shorten
from .walk import MAX_DEPTH, MAX_NODES, JsonSchema, Tokens, declared_names

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: Schemas that stay compiled; a bound for an application that makes them up.
_COMPILED = 256
#: Values of a JSON Schema, and fields of a type, that are compiled in two milliseconds.
_SMALL, _SMALL_TYPE = 400, 50


@dataclass(frozen=True, eq=False)
class Schema:
    """A checked and compiled schema; `Schema.of` makes it and remembers it."""

    #: The JSON Schema, a private copy; nobody writes to it.
    document: JsonSchema
    #: The document as compact JSON, its keys in the caller's order.
    text: str
    #: The property names that the schema declares for the answer itself.
    names: frozenset[str]
    #: Steps that a pattern with assertions or back references may take on one string.
    steps: int
    _validator: Any = field(repr=False)
    _adapter: TypeAdapter[Any] | None = field(repr=False, default=None)

    @staticmethod
    def of(spec: Any) -> Schema:
        """Compile a JSON Schema dict or a type.

        Raises ValueError, with the JSONPath of the fault, for a schema that is invalid or refers to
        another document or to nothing; ValueError too for one that is deeper than 200 levels of
        JSON, holds more than 500,000 values or multiplies its alternatives; and for what is neither
        a dict nor a type.
        """
        if isinstance(spec, Mapping):
            return _compiled(_canonical(spec))
        try:
            # Unions are equal in any order, but pydantic tries their members in the one they have.
            _, order = hash(spec), repr(spec)
        except Exception:
            # An Annotated with unhashable metadata cannot be remembered: it is compiled each time.
            return _of_type(spec)
        return _cached_type(spec, order)

    @staticmethod
    def is_small(spec: Any) -> bool:
        """Tell whether a schema is compiled in two milliseconds at most."""
        if not isinstance(spec, Mapping):
            return len(getattr(spec, "__annotations__", ())) < _SMALL_TYPE
        left = _SMALL
        pending: list[Any] = [spec]
        while pending and left:
            left -= 1
            part = pending.pop()
            if isinstance(part, Mapping):
                pending += part.values()
            elif isinstance(part, (list, tuple)):
                pending += part
        return not pending

    def within(self, characters: int) -> Schema:
        """Give the schema for an answer of so many characters.

        In a longer answer a pattern may take fewer steps on one string, so that none can hang.
        """
        steps = steps_for(self.document, characters)
        return self if steps == self.steps else _with_steps(self, steps)

    def accepts(self, value: Any) -> bool:
        """Tell whether a JSON value satisfies the document, formats included.

        For a type, pydantic owns the formats (its datetime takes more than RFC 3339), so that its
        instance decides on them.
        """
        return bool(self._validator.is_valid(value))

    def instance(self, value: Any) -> Any:
        """Return an accepted value as the caller wants it: itself, or an instance of the type.

        Raises pydantic's ValidationError for what the type's own validators refuse.
        """
        if self._adapter is None:
            return value
        # From JSON and not from Python, so that strict types take dates, enums and tuples as well.
        text = json.dumps(value, allow_nan=False)
        if self._has_alternatives and (whole := lossless_instance(self._adapter, text)) is not None:
            return whole[0]
        return self._adapter.validate_json(text)

    @cached_property
    def _has_alternatives(self) -> bool:
        return '"anyOf":' in self.text or '"oneOf":' in self.text

    def satisfied_by(self, value: Any, deadline: StepDeadline) -> bool:
        """Tell whether a JSON value satisfies the document and, for a type, gives an instance that
        loses nothing of it.
        """
        deadline.step()
        return self.accepts(value) and not self._violations_of_type(value, 1, deadline)

    def violations(
        self, value: Any, limit: int, deadline: StepDeadline | None = None
    ) -> list[Violation]:
        """List at most `limit` faults of a value, by path; empty if it satisfies the schema.

        Raises OutOfTimeError when the time of the *deadline* is up.
        """
        deadline = deadline or StepDeadline()
        if self.accepts(value):
            return self._violations_of_type(value, limit, deadline)
        formats = self._adapter is None
        return violations(
            self.document, value, limit, formats=formats, steps=self.steps, deadline=deadline
        )

    def is_echo(self, value: Any) -> bool:
        """Tell whether a value is the schema, which models repeat before, or for, their answer."""
        properties = self.document.get("properties")
        return isinstance(value, dict) and (
            (value == self.document and "type" in value)
            or bool(properties and value.get("properties") == properties)
        )

    def _violations_of_type(
        self, value: Any, limit: int, deadline: StepDeadline
    ) -> list[Violation]:
        if self._adapter is None:
            return []
        from pydantic import ValidationError

        try:
            self.instance(value)
        except ValidationError as refused:
            errors = refused.errors()
            return [Violation(json_path(e["loc"]), shorten(e["msg"], 300)) for e in errors[:limit]]
        return lost_members(self.document, value, limit, deadline)


def _canonical(spec: Mapping[Any, Any]) -> str:
    """Write a schema as compact JSON; raises ValueError for no JSON, too deep or too large."""
    # Counted before it is written: dicts that share their parts can be endless when written out.
    budget = MAX_NODES
    pending: list[tuple[Tokens, Any]] = [((), spec)]
    while pending:
        location, value = pending.pop()
        budget -= 1
        if len(location) > 2 * MAX_DEPTH:
            raise ValueError(f"schema is nested deeper than {2 * MAX_DEPTH} levels")
        if budget < 0:
            raise ValueError(f"schema holds more than {MAX_NODES} values")
        pending.extend(((*location, step), child) for step, child in _children(location, value))
    return json.dumps(
        spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict
    )


def _children(location: Tokens, value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if not isinstance(key, str) or printable(key) != key:
                where = json_path(location)
                raise ValueError(f"schema at {where}: a key must be a text, not {key!r}")
            yield key, child
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, str) and printable(value) != value:
        where = json_path(location)
        raise ValueError(f"schema at {where}: {excerpt(value)} is no text that UTF-8 can carry")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"schema at {json_path(location)}: {value} is not a JSON number")
    elif not (value is None or isinstance(value, (str, int, float))):
        where = json_path(location)
        raise ValueError(f"schema at {where}: {type(value).__name__} is not a JSON type")


@lru_cache(maxsize=_COMPILED)
def _compiled(text: str) -> Schema:
    document = json.loads(text)
    validator = compile_checked(document, formats=True)
    return Schema(document, text, declared_names(document), MOST_STEPS, validator)


@lru_cache(maxsize=_COMPILED)
def _with_steps(schema: Schema, steps: int) -> Schema:
    formats = schema._adapter is None
    validator = compile_validator(schema.document, formats=formats, steps=steps)
    return replace(schema, steps=steps, _validator=validator)


# The order of a union's members is in the repr alone.
@lru_cache(maxsize=_COMPILED)
def _cached_type(spec: Any, _order: str) -> Schema:
    return _of_type(spec)


def _of_type(spec: Any) -> Schema:
    adapter, generated = adapter_of(spec)
    text = _canonical(generated)
    document = json.loads(text)
    validator = compile_checked(document, formats=False)
    return Schema(document, text, declared_names(document), MOST_STEPS, validator, adapter)
