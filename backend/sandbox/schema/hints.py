"""Constraints in a description, which a model would heed: `(pattern: ^a$; minimum: 1)`."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from .walk import subschemas

_TEXTS = frozenset({"pattern", "format"})
_JSON = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems"}
)
_KEYWORD = "|".join(sorted(_TEXTS | _JSON))
_HINTS = re.compile(rf"\(((?:{_KEYWORD}): .*)\)", re.DOTALL)
_BETWEEN = re.compile(rf"; (?=(?:{_KEYWORD}): )")


def with_hints(schema: Any) -> Any:
    """Return a copy of *schema* in which every described constraint stands as a keyword too."""
    result = copy.deepcopy(schema)
    # Subschemas only: what looks like a description inside a const or an enum is a value.
    for _, part in subschemas(result):
        description = part.get("description")
        found = _HINTS.search(description) if isinstance(description, str) else None
        for hint in _BETWEEN.split(found[1]) if found else ():
            keyword, _, argument = hint.partition(": ")
            if (value := _value(keyword, argument)) is not None:
                part.setdefault(keyword, value)
    return result


def _value(keyword: str, argument: str) -> Any:
    if keyword in _TEXTS:
        return argument
    try:
        return json.loads(argument)
    except ValueError:
        return None  # words, and no constraint
