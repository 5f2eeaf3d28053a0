"""Converts a settings value of any type to plain Python, or to None."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

_PLAIN = (bool, int, float, list, tuple, set, frozenset, Mapping)


def plain(value: Any) -> Any:
    """Return *value* as text, number or container; None if it holds no value.

    That is None, blank text, a test's mock, and an object that has no text of its own. URLs,
    paths, decimals and secrets give their text, an Enum's member its value, a timedelta seconds.
    """
    kind = type(value)  # not `isinstance`, which believes a mock's `__class__`
    if value is None or is_mock(value):
        return None
    if issubclass(kind, str):
        return str.__str__(value) if value.strip() else None
    if hasattr(kind, "geturl"):  # what urllib.parse makes of a URL, a tuple
        return value.geturl()
    return value if issubclass(kind, _PLAIN) else plain(_unwrapped(value, kind))


def is_unknown(value: object) -> bool:
    """Whether *value* is there, but of a kind that says nothing, and no mock: a mistake."""
    has_no_text = type(value).__str__ is object.__str__
    return value is not None and has_no_text and not is_mock(value) and plain(value) is None


def is_mock(value: object) -> bool:
    """Whether a mocking library made *value*: it has every attribute, and means none of them."""
    modules = {base.__module__ for base in type(value).__mro__}
    return not modules.isdisjoint(("unittest.mock", "mock", "mock.mock"))


def _unwrapped(value: Any, kind: type) -> Any:
    if issubclass(kind, Enum):
        return value.value
    if hasattr(kind, "get_secret_value"):  # pydantic's SecretStr and SecretBytes
        return value.get_secret_value()
    if issubclass(kind, timedelta):
        return value.total_seconds()
    if issubclass(kind, (bytes, bytearray)):
        return value.decode("utf-8", "backslashreplace")
    return None if kind.__str__ is object.__str__ else str(value)
