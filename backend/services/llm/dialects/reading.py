"""What a provider's answer says, believed only where it has the right type.

An answer may be an SDK's object, a dict, or a test's mock, on which every attribute exists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def member(thing: object, name: str) -> Any:
    """The key or attribute *name* of *thing*, or None where there is none."""
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def text(thing: object, name: str) -> str | None:
    """A string, or None."""
    value = member(thing, name)
    return value if isinstance(value, str) else None


def count(thing: object, name: str) -> int | None:
    """A whole number that is not negative, or None."""
    value = member(thing, name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def seconds(thing: object, name: str) -> float | None:
    """A finite number that is not negative, as a float, or None."""
    value = member(thing, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def rows(thing: object, name: str) -> list[Any]:
    """A list's or a tuple's items, or none."""
    value = member(thing, name)
    return list(value) if isinstance(value, (list, tuple)) else []


def first(thing: object, name: str) -> Any:
    """The first item of whatever can be indexed, a test's mock too, or None."""
    try:
        return member(thing, name)[0]
    except (TypeError, LookupError):
        return None  # nothing there, which is for the caller to say
