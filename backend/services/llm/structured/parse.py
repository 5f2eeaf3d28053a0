"""Reads an answer: a value that satisfies the schema, or every reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import field
from typing import Any

from ..frozen import dataclass
from .coerce import coerced
from .deadline import StepDeadline
from .extract import FoundValues, find_values, strip_reasoning
from .schema import Schema
from .unwrap import views
from .violations import Violation
from .walk import resolve

#: Violations listed of one answer; a model that corrects twenty corrects the others too.
MAX_VIOLATIONS = 20

# Half of a surrogate pair, as a character or as an escape; only then is a value encoded to check.
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class ValidAnswer:
    """The answer holds a value that satisfies the schema."""

    #: What the caller asked for: a JSON value, or an instance of the type.
    value: Any
    #: The JSON value that it was made of.
    json_value: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class InvalidAnswer:
    """The answer holds no value that satisfies the schema."""

    raw: str
    errors: tuple[Violation, ...]
    #: The provider says that the answer was cut off, or a bracket or string is open at its end.
    truncated: bool


@dataclass(frozen=True)
class _Candidate:
    """One way to read the answer.

    Ranks compare: has a declared property, is valid, number of declared properties. The first comes
    before validity because a schema that requires nothing accepts any wrapper or empty object.
    """

    value: Any
    valid: bool
    rank: tuple[bool, bool, int]
    #: The declared properties that it has.
    known: frozenset[str]


def parse_answer(
    text: str,
    truncated: bool,
    schema: Schema,
    *,
    coerce: bool = True,
    restore: Callable[[Any], Any] | None = None,
    deadline: StepDeadline | None = None,
) -> ValidAnswer | InvalidAnswer:
    """Find the value in a model's text that satisfies the schema, converted as the caller asked.

    Of several valid values the one with most of the declared properties wins, then a fenced one,
    then the last, then the outermost; several different values never become a list. *truncated* is
    the provider's statement that the answer was cut off: then only a text that is one closed array
    or object counts. *restore* maps an answer in the provider's form of the schema back. Raises
    only OutOfTimeError, when the time of the *deadline* is up.
    """
    schema = schema.within(len(text))
    try:
        return _parse(
            text,
            truncated,
            schema,
            _Reader(schema, coerce, restore, text, deadline or StepDeadline()),
        )
    except RecursionError:
        # The caller's own stack is nearly used up.
        return _invalid(text, truncated, "is nested too deeply to be read")


def _parse(
    text: str, truncated: bool, schema: Schema, reader: _Reader
) -> ValidAnswer | InvalidAnswer:
    found = find_values(text)
    reader.several = any(value != found.values[0] for value in found.values)
    # Some models end with blank lines up to the token limit; nothing of the answer is lost then.
    if truncated and not found.is_whole_text:
        return _invalid(text, True, "the answer was cut off before its end")
    read = [r for v in found.values or _as_listed_string(text, schema) if (r := reader.best_of(v))]
    if not read:
        return _no_value(text, truncated, found)
    # Of equal ranks, the last.
    best = max(reversed(read), key=lambda reading: reading.rank)
    if not best.valid:
        is_usable = _is_encodable(best.value)
        listed = (
            schema.violations(best.value, MAX_VIOLATIONS, reader.deadline)
            if is_usable
            else [_LONE_SURROGATE]
        )
        return InvalidAnswer(text, tuple(listed), truncated or found.is_cut_off)
    if any(r.valid and r.known and best.known.isdisjoint(r.known) for r in read):
        return _invalid(text, truncated, "the answer is in several parts; give one value with all")
    return ValidAnswer(schema.instance(best.value), best.value)


class _Reader:
    """Reads the values of one text against one schema."""

    def __init__(
        self,
        schema: Schema,
        coerce: bool,
        restore: Callable[[Any], Any] | None,
        text: str,
        deadline: StepDeadline,
    ) -> None:
        self.schema = schema
        self.coerce = coerce
        self.restore = restore
        self.deadline = deadline
        self.suspect = _SURROGATE.search(text) is not None
        self.several = False

    def best_of(self, value: Any) -> _Candidate | None:
        """Read a value as it stands and as what it may wrap; the outermost wins a tie."""
        best: _Candidate | None = None
        for view in views(value, self.schema.names):
            if self.schema.is_echo(view):
                break
            reading = self.reading(view)
            if best is None or reading.rank > best.rank:
                best = reading
            if best.rank == (True, True, len(self.schema.names)):
                break
        return best

    def reading(self, view: Any) -> _Candidate:
        bases = (view,) if self.restore is None else (self.restore(view), view)
        wrong: list[Any] = []
        for base in bases:
            # A valid value is not converted.
            if self.accepts(base):
                return self.ranked(base, True)
            form = self.converted(base)
            if form is not base and self.accepts(form):
                return self.ranked(form, True)
            wrong.append(form)
        # Violations are those of the converted value: what a conversion mends needs no repair.
        return self.ranked(wrong[0], False)

    def ranked(self, value: Any, valid: bool) -> _Candidate:
        names = self.schema.names
        known = names.intersection(value) if isinstance(value, dict) else frozenset()
        return _Candidate(value, valid, (bool(known) or not names, valid, len(known)), known)

    def converted(self, base: Any) -> Any:
        if not self.coerce:
            return base
        form = coerced(self.schema.document, base, self.deadline)
        # Not a list of one: the other values may be items of the same list.
        wrapped = isinstance(form, list) and not isinstance(base, list)
        return base if self.several and wrapped else form

    def accepts(self, value: Any) -> bool:
        return not (self.suspect and not _is_encodable(value)) and self.schema.satisfied_by(
            value, self.deadline
        )


def _is_encodable(value: Any) -> bool:
    """Tell whether UTF-8 can encode a value: JSON can hold half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


_LONE_SURROGATE = Violation("$", "holds half of a surrogate pair, which is no character")


def _as_listed_string(text: str, schema: Schema) -> list[Any]:
    """Return the text as a string, if the schema is an enum that lists it."""
    root = resolve(schema.document, schema.document)
    members = root.get("enum", []) if isinstance(root, dict) else []
    answer = strip_reasoning(text).strip()
    return [answer] if answer in members else []


def _no_value(text: str, truncated: bool, found: FoundValues) -> InvalidAnswer:
    if not text.strip():
        return _invalid(text, truncated, "the answer is empty")
    if found.is_cut_off:
        return _invalid(text, True, f"the JSON breaks off before it is closed: {found.reasons[-1]}")
    if found.values:
        return _invalid(text, truncated, "the answer only repeats the schema")
    # Each piece that looked like JSON would have added a reason of its own.
    if len(found.reasons) == 1:
        return _invalid(text, truncated, "the answer holds no JSON")
    return _invalid(text, truncated, f"the JSON cannot be read: {found.reasons[-1]}")


def _invalid(text: str, truncated: bool, message: str) -> InvalidAnswer:
    return InvalidAnswer(text, (Violation("$", message),), truncated)
