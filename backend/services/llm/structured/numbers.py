"""Numbers of JSON, converted without a loss of digits."""

from __future__ import annotations

import math

#: Digits of the longest number read; CPython's own limit for int(), in force before Python had one.
MAX_DIGITS = 4300
#: From here on a float no longer holds every integer.
_EXACT = 2**53


class UnreadableError(ValueError):
    """The text is no JSON that can be read in one way only."""


def integer(digits: str) -> int:
    """Convert a JSON integer exactly; raises UnreadableError for more than 4,300 digits."""
    count = len(digits.lstrip("-+"))
    if count > MAX_DIGITS:
        raise UnreadableError(f"it holds a number of {count} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def floating(digits: str) -> float:
    """Convert a JSON number with a fraction or an exponent.

    Raises UnreadableError for one beyond a float, such as 1e999, and for a whole one that a float
    would change, such as 9007199254740993.0.
    """
    number = float(digits)
    if not math.isfinite(number):
        raise UnreadableError(f"it holds the number {digits[:20]}, which is beyond any float")
    if abs(number) >= _EXACT and _is_changed(digits, number):
        raise UnreadableError(f"it holds the number {digits[:20]}, which no float can hold")
    return number


def _is_changed(digits: str, number: float) -> bool:
    """Tell whether the digits name a whole number, and another than the float."""
    whole, _, fraction = digits.partition(".")
    if fraction.strip("0") or not whole.lstrip("+-").isdecimal():
        return False
    return len(whole) > MAX_DIGITS or int(whole) != int(number)


def whole(digits: str) -> int | float:
    """Convert a whole number that may have a plus sign; raises UnreadableError as the others do."""
    if not digits.startswith("+"):
        return integer(digits)
    # A float, so that no text is ever made of it: +49301234 would lose its plus.
    if integer(digits) >= _EXACT:
        raise UnreadableError(f"it holds the number {digits[:20]}, with a sign that JSON lacks")
    return floating(digits)
