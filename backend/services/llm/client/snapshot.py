"""A deep copy of what a caller gave, taken at the door: plain JSON that nobody else can change.

What JSON cannot hold, or UTF-8 cannot encode, is an error that names its place, before anything is
reserved for it. Texts are shared and not copied, so that a plain prompt costs next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from ..errors import UnsendableError
from ..redaction.printable import shown

#: Levels of lists and objects within one another; no schema or chat comes near.
MOST_LEVELS = 200
#: Values in one argument: lists that share their parts can be endless when written out.
MOST_VALUES = 1_000_000
#: Bits of the largest integer that every reader of JSON takes as a number.
_MOST_BITS = 1024


def snapshot(name: str, value: object) -> Any:
    """Return *value* as JSON's own types, sharing no list or mapping with it.

    Raises UnsendableError that names the place, such as `messages[2].content`, of what cannot be
    sent: another type, a number that is none, a key that is no text, a lone surrogate, a cycle.
    """
    try:
        return _Copying().copy((name,), value, 0)
    except RecursionError as error:  # the caller's own stack was nearly full
        raise _too_deep((name,)) from error


def sendable(name: str, text: str) -> str:
    """Return *text* as a plain str; UnsendableError where UTF-8 cannot encode it."""
    plain = str.__str__(text)
    if not plain.isascii():
        try:
            plain.encode()
        except UnicodeEncodeError as error:
            # Not chained: the original holds the whole text.
            raise UnsendableError(
                f"{name} holds half a surrogate pair, U+{ord(plain[error.start]):04X}, as its"
                f" character {error.start}: decode what it was read from as UTF-8 or UTF-16"
            ) from None
    return plain


#: Where a value stands: its argument's name, or the place around it and its key or number there.
#: A name is written out of it only where something is wrong.
_Place: TypeAlias = "tuple[Any, ...]"


class _Copying:
    """One copy on its way, which knows how many values it has copied."""

    def __init__(self) -> None:
        self._values = 0

    def copy(self, place: _Place, value: object, level: int) -> Any:
        self._values += 1
        if level > MOST_LEVELS:
            raise _too_deep(place)
        if self._values > MOST_VALUES:
            raise UnsendableError(f"{place[0]} holds more than {MOST_VALUES} values")
        if isinstance(value, str):
            # Nearly every text is ASCII, and then nothing is to be looked for.
            return value if type(value) is str and value.isascii() else _text(place, value)
        if isinstance(value, Mapping):
            copy = {}
            # In one step, since another thread may be changing it.
            for key, inner in list(value.items()):
                copy[_key(place, key)] = self.copy((*place, key), inner, level + 1)
            return copy
        if isinstance(value, (list, tuple)):
            copies = []
            for number, inner in enumerate(list(value)):
                copies.append(self.copy((*place, number), inner, level + 1))
            return copies
        return value if value is None or isinstance(value, bool) else _number(place, value)


def _text(place: _Place, value: str) -> str:
    return sendable(_written(place), value)


def _number(place: _Place, value: object) -> int | float:
    if isinstance(value, int) and int(value).bit_length() <= _MOST_BITS:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    name = _written(place)
    if isinstance(value, float):
        raise UnsendableError(f"{name} is {float(value)}: JSON has no such number")
    if isinstance(value, int):
        raise UnsendableError(f"{name} is an integer of {value.bit_length()} bits: give a smaller")
    kind = f"the class {value.__name__}" if isinstance(value, type) else f"a {_named(type(value))}"
    # Other libraries take a class there.
    instead = (
        "give it to generate_structured, as its schema"
        if name == "response_format" and isinstance(value, type)
        else "give text, numbers, true, false, null, lists or mappings of these"
    )
    raise UnsendableError(f"{name} is {kind}, which JSON has no form for: {instead}")


def _named(kind: type) -> str:
    home = kind.__module__
    return kind.__name__ if home == "builtins" else f"{home}.{kind.__name__}"


def _key(place: _Place, key: object) -> str:
    if type(key) is str and key.isascii():
        return key
    if not isinstance(key, str):
        kind = _named(type(key))
        raise UnsendableError(f"{_written(place)} has the key {shown(key)}, a {kind}: give a str")
    return sendable(f"a key of {_written(place)}", key)


def _written(place: _Place) -> str:
    name, *steps = place
    return str(name) + "".join(map(_step, steps))


def _step(key: str | int) -> str:
    is_name = isinstance(key, str) and key.isidentifier() and key.isascii()
    return f".{key:.40}" if is_name else f"[{key!a:.40}]"


def _too_deep(place: _Place) -> UnsendableError:
    # A cycle's path repeats itself: its start tells enough.
    return UnsendableError(
        f"{_written(place[:6])} is nested deeper than {MOST_LEVELS} levels, or holds itself"
    )
