"""Reads the seconds to wait from a Retry-After header or an error message."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import datetime
from email.utils import parsedate_to_datetime

#: The longest wait in seconds: no window of either provider is longer than a day.
LONGEST = 86_400.0

# More than a week is a mistake, such as a date as a number.
_PLAUSIBLE = 7 * LONGEST

# Go writes the micro sign, and reads the Greek letter too (its manual, time.ParseDuration).
_UNITS = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ns": 1e-9,
}
_AMOUNT = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_PART = f"({_AMOUNT})({'|'.join(sorted(_UNITS, key=len, reverse=True))})"
_DURATION = f"(?:{_PART})+"
# No letter or digit follows, so that "5minutes" is not five minutes and a rest.
_IN_TEXT = rf"(?i:try again in) ({_DURATION})(?!\w)"


def seconds_until_retry(value: object, *, wall: float) -> float | None:
    """Return the seconds that a Retry-After *value* asks to wait, or None.

    *value* is delay-seconds, a float, an HTTP-date (RFC 9110, 10.2.3; compared with *wall*, Unix
    seconds) or a Go duration such as `2m59.56s`. It is a day at most. What is negative, not
    finite, longer than a week or no such form counts as absent; a date that has passed asks for
    0 s.
    """
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.strip()
    if re.fullmatch(_AMOUNT, text):
        return _plausible(float(text))
    if re.fullmatch(_DURATION, text):
        return _plausible(_duration(text))
    if not text.isascii():
        return None
    try:
        date = _unix(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None  # no date, or none that the calendar has
    return _plausible(max(0.0, date - wall))


def seconds_in_text(message: str) -> float | None:
    """Return the seconds that a text such as "Please try again in 7.66s" names, or None."""
    found = re.search(_IN_TEXT, message)
    return _plausible(_duration(found.group(1))) if found else None


def _duration(text: str) -> float:
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_PART, text))


def _plausible(seconds: float) -> float | None:
    # A sum of parts may be infinite, and compares as more than any bound.
    return min(seconds, LONGEST) if 0 <= seconds <= _PLAUSIBLE else None


def _unix(date: datetime) -> float:
    # HTTP-dates are in GMT even where that is not written, and `utctimetuple` reads them so.
    return timegm(date.utctimetuple())
