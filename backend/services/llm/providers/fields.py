"""Reads fields of a provider's answer; a value of another type than expected counts as absent.

An answer may be an SDK's object, a dict, or a test's mock, on which every attribute exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: The tokens of the largest context that any model has; a larger count is a mistake.
MOST = 10**7

#: No answer takes longer, in seconds.
LONGEST = 86_400.0

# A provider's name of an error or of an answer. What is longer or has a space is a text, which may
# quote anybody, and names stand in log lines and metrics.
_NAME = re.compile(r"[\w.:#/+=@-]{1,100}", re.ASCII)


def member(thing: object, name: str) -> Any:
    """The key or attribute *name* of *thing*, or None where there is none."""
    # Nearly everything is a plain dict of JSON, and the check for a mapping is slow.
    if type(thing) is dict or isinstance(thing, Mapping):
        return thing.get(name)
    return getattr(thing, name, None)


def text(thing: object, name: str) -> str | None:
    """A string, or None."""
    value = member(thing, name)
    return value if isinstance(value, str) else None


def count(thing: object, name: str) -> int | None:
    """A whole number from 0 to `MOST`, or None."""
    value = member(thing, name)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST else None


def parse_count(words: str | None) -> int | None:
    """The count that a header writes in digits, or None."""
    # `"²".isdigit()` holds too, but it is no number to `int`.
    written = words if words and len(words) <= len(str(MOST)) and words.isascii() else ""
    return count({"": int(written)}, "") if written.isdigit() else None


def status(thing: object, name: str) -> int | None:
    """An HTTP status, as a number or in three digits, or None."""
    value = member(thing, name)
    number = parse_count(value) if isinstance(value, str) else count(thing, name)
    return number if number is not None and 100 <= number <= 599 else None


def short_name(thing: object, name: str) -> str | None:
    """A provider's own name of an error or of an answer, or None for what is a text."""
    return as_short_name(text(thing, name))


def as_short_name(word: str | None) -> str | None:
    """*word*, or None where it is no name but a text."""
    return word if word and _NAME.fullmatch(word) else None


def seconds(thing: object, name: str, unit: float = 1.0) -> float | None:
    """A time from 0 to a day, given in *unit* seconds, or None."""
    value = member(thing, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Before any arithmetic: an integer of JSON may be larger than every float.
    return value * unit if 0 <= value <= LONGEST / unit else None


def rows(thing: object, name: str) -> list[Any]:
    """A list's or a tuple's items, or none."""
    value = member(thing, name)
    return list(value) if isinstance(value, (list, tuple)) else []


def mapping(thing: object, name: str) -> dict[str, Any] | None:
    """A mapping that holds something, as a dict, or None."""
    value = member(thing, name)
    return dict(value) if isinstance(value, Mapping) and value else None


def first(thing: object, name: str) -> Any:
    """The first item of whatever can be indexed, a test's mock too, or None."""
    try:
        return member(thing, name)[0]
    except (TypeError, LookupError):
        return None  # nothing there, which is for the caller to say
