"""One answer, one verdict: a value that satisfies the schema, or every reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .coerce import coerced
from .extract import Readings, readings, without_thoughts
from .faults import Fault
from .schema import Schema
from .unwrap import views
from .walk import resolved
from .watch import Watch

#: Faults listed of one answer; a model that is told of twenty mends the others with them.
MAX_FAULTS = 20

# The JSON text may hold a half, or spell one; only then is a value worth encoding to find out.
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Answered:
    """The answer holds a value that satisfies the schema."""

    #: What the caller asked for: a JSON value, or an instance of the type.
    value: Any


@dataclass(frozen=True)
class Faulty:
    """The answer holds no value that satisfies the schema."""

    raw: str
    errors: tuple[Fault, ...]
    #: The answer breaks off, by the provider's word or by a bracket or string still open at its
    #: end.
    truncated: bool


@dataclass(frozen=True)
class _Reading:
    """One way to read the answer; ranks compare by: has any declared property, is valid, has how
    many.

    Many schemas require nothing, so that any wrapper, echo or empty object satisfies them: hence
    the first.
    """

    value: Any
    valid: bool
    rank: tuple[bool, bool, int]
    #: The declared properties that it has.
    known: frozenset[str]


def judge(
    text: str,
    truncated: bool,
    schema: Schema,
    *,
    coerce: bool = True,
    restore: Callable[[Any], Any] | None = None,
    watch: Watch | None = None,
) -> Answered | Faulty:
    """Find the value in a model's text that satisfies the schema, and convert it to what the caller
    asked for.

    Of several valid values the one with most of the declared properties wins, then a fenced one,
    then the last, then the outermost; none of several different ones becomes a list of one.
    `truncated` is the provider's word that the answer was cut off: then only a text that is one
    closed array or object counts. `restore` maps the provider's form of the schema back. Text of
    any kind gives a verdict; nothing is raised but OutOfTimeError, when the time of the *watch* is
    up.
    """
    schema = schema.within(len(text))
    try:
        return _judge(
            text, truncated, schema, _Reader(schema, coerce, restore, text, watch or Watch())
        )
    except RecursionError:
        # The caller's own stack is nearly used up.
        return _faulty(text, truncated, "is nested too deeply to be read")


def _judge(text: str, truncated: bool, schema: Schema, reader: _Reader) -> Answered | Faulty:
    found = readings(text)
    reader.several = any(value != found.values[0] for value in found.values)
    # Some models go on with blank lines until the limit cuts them off; nothing is lost then.
    if truncated and not found.whole:
        return _faulty(text, True, "the answer was cut off before its end")
    read = [r for v in found.values or _bare(text, schema) if (r := reader.best_of(v))]
    if not read:
        return _nothing(text, truncated, found)
    # Of equal ones the last.
    best = max(reversed(read), key=lambda reading: reading.rank)
    if not best.valid:
        is_usable = _carries(best.value)
        listed = schema.faults(best.value, MAX_FAULTS, reader.watch) if is_usable else [_HALF_PAIR]
        return Faulty(text, tuple(listed), truncated or found.breaks_off)
    if any(r.valid and r.known and best.known.isdisjoint(r.known) for r in read):
        return _faulty(text, truncated, "the answer is in several parts; give one value with all")
    return Answered(schema.instance(best.value))


class _Reader:
    """Reads the values of one text against one schema."""

    def __init__(
        self,
        schema: Schema,
        coerce: bool,
        restore: Callable[[Any], Any] | None,
        text: str,
        watch: Watch,
    ) -> None:
        self.schema = schema
        self.coerce = coerce
        self.restore = restore
        self.watch = watch
        self.suspect = _SURROGATE.search(text) is not None
        self.several = False

    def best_of(self, value: Any) -> _Reading | None:
        """Read a value as it stands and as what it may wrap; the outermost wins a tie."""
        best: _Reading | None = None
        for view in views(value, self.schema.names):
            if self.schema.is_echo(view):
                break
            reading = self.reading(view)
            if best is None or reading.rank > best.rank:
                best = reading
            if best.rank == (True, True, len(self.schema.names)):
                break
        return best

    def reading(self, view: Any) -> _Reading:
        bases = (view,) if self.restore is None else (self.restore(view), view)
        wrong: list[Any] = []
        for base in bases:
            # What is accepted as it is needs no conversion.
            if self.accepts(base):
                return self.ranked(base, True)
            form = self.converted(base)
            if form is not base and self.accepts(form):
                return self.ranked(form, True)
            wrong.append(form)
        # A wrong value is explained as converted, so that no fault is listed that needs no repair.
        return self.ranked(wrong[0], False)

    def ranked(self, value: Any, valid: bool) -> _Reading:
        names = self.schema.names
        known = names.intersection(value) if isinstance(value, dict) else frozenset()
        return _Reading(value, valid, (bool(known) or not names, valid, len(known)), known)

    def converted(self, base: Any) -> Any:
        if not self.coerce:
            return base
        form = coerced(self.schema.document, base, self.watch)
        # The others may be items of the same list.
        wrapped = isinstance(form, list) and not isinstance(base, list)
        return base if self.several and wrapped else form

    def accepts(self, value: Any) -> bool:
        return not (self.suspect and not _carries(value)) and self.schema.satisfied_by(
            value, self.watch
        )


def _carries(value: Any) -> bool:
    """Tell whether UTF-8 can carry a value: JSON can spell half of a surrogate pair, and nothing
    can send it.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # That is the answer to the question.
        return False
    return True


_HALF_PAIR = Fault("$", "holds half of a surrogate pair, which is no character")


def _bare(text: str, schema: Schema) -> list[Any]:
    """Take a bare text for a string, where the schema lists the strings that it may be."""
    root = resolved(schema.document, schema.document)
    members = root.get("enum", []) if isinstance(root, dict) else []
    answer = without_thoughts(text).strip()
    return [answer] if answer in members else []


def _nothing(text: str, truncated: bool, found: Readings) -> Faulty:
    if not text.strip():
        return _faulty(text, truncated, "the answer is empty")
    if found.breaks_off:
        return _faulty(text, True, f"the JSON breaks off before it is closed: {found.reasons[-1]}")
    if found.values:
        return _faulty(text, truncated, "the answer only repeats the schema")
    # Nothing in it looked like JSON, as each piece that did would have left a reason of its own.
    if len(found.reasons) == 1:
        return _faulty(text, truncated, "the answer holds no JSON")
    return _faulty(text, truncated, f"the JSON cannot be read: {found.reasons[-1]}")


def _faulty(text: str, truncated: bool, message: str) -> Faulty:
    return Faulty(text, (Fault("$", message),), truncated)
