"""Durations and dates as they stand in headers and messages."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

_NS = 1_000_000_000


def go_duration(seconds: float) -> str:
    """Write `seconds` as Go's Duration.String does: `1m26.4s`, `789.6ms`; never negative."""
    # Rounded, where the service truncates: `23.5125s` must not become `23.512499999s`.
    nanoseconds = max(0, round(seconds * _NS))
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000:
            return _decimal(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60 * _NS)
    text = _decimal(rest, _NS) + "s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return text


def retry_after_date(seconds: float) -> Callable[[float], str]:
    """A Retry-After as HTTP-date, `seconds` (whole) after the wall clock as of the response."""
    return lambda now: formatdate(now + seconds, usegmt=True)


def _decimal(value: int, size: int) -> str:
    whole, fraction = divmod(value, size)
    digits = f"{fraction:0{len(str(size)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)
