"""What Groq says of its limits: in the headers of an answer, and in the message of a refusal.

Groq's `requests` headers are of a day and its `tokens` headers of a minute; other servers of the
same API have both of a minute. The time until a limit is full again tells them apart.
"""

from __future__ import annotations

import re

from ...limit_types import LimitReport, Unit
from ...runtime.retry_after import seconds_until_retry
from ..fields import text
from .limit_messages import amounts_in, limit_of, without_quotes

MINUTE, DAY = 60.0, 86_400.0

#: What each header's limit counts, and its window in seconds where the header does not show it.
_HEADERS: tuple[tuple[str, Unit, float], ...] = (
    ("requests", "requests", DAY),
    ("tokens", "tokens", MINUTE),
)
_NAMES: dict[str, tuple[Unit, float]] = {
    "RPM": ("requests", MINUTE),
    "RPD": ("requests", DAY),
    "TPM": ("tokens", MINUTE),
    "TPD": ("tokens", DAY),
    "ITPM": ("input_tokens", MINUTE),
    "OTPM": ("output_tokens", MINUTE),
}
_IN_WORDS = re.compile(r"\b(requests|tokens) per (minute|day)\b", re.I)
#: No limit is larger; a larger number is a mistake.
_MOST = 10**12
_COUNT = re.compile(r"[0-9]{1,13}")
_WINDOWS = (MINUTE, 3_600.0, DAY)
_LEAST_WINDOW, _LONGEST = 1.0, 400 * DAY
#: A window that the figures make this many times another than a usual one is an unusual one.
_FAR = 4.0


def reports_in_headers(headers: object) -> tuple[LimitReport, ...]:
    """Return what an answer's *headers*, a mapping with names in lower case, say of its limits."""
    found = []
    for name, unit, usual in _HEADERS:
        amount = _count(headers, f"x-ratelimit-limit-{name}")
        left = _count(headers, f"x-ratelimit-remaining-{name}")
        if amount and left is not None and left <= amount:
            reset = seconds_until_retry(text(headers, f"x-ratelimit-reset-{name}"), wall=0.0)
            window = _window(amount, amount - left, reset, usual)
            found.append(LimitReport(unit, window, amount, amount - left))
    return tuple(found)


def with_refusal(
    reports: tuple[LimitReport, ...], message: str, wait: float | None, *, is_full: bool
) -> tuple[LimitReport, ...]:
    """Return the *reports* of a refusal's headers with what its *message* says of one limit.

    *wait* is its Retry-After in seconds. Where it names no limit, it is requests a minute without
    an amount. Where the request is larger than the whole limit, that need not be full (*is_full*).
    """
    words = without_quotes(message)
    unit, window = _NAMES.get(limit_of(message) or "") or _named_in_words(words)
    amount, used, requested = amounts_in(words)
    for place, report in enumerate(reports):
        if (report.unit, report.window) == (unit, window):
            amount, used = amount or report.amount, report.used if used is None else used
            reports = (*reports[:place], *reports[place + 1 :])
            break
    return (*reports, LimitReport(unit, window, amount, used, requested, is_full, wait))


def _named_in_words(words: str) -> tuple[Unit, float]:
    found = _IN_WORDS.search(words)
    if found is None:
        return "requests", MINUTE
    unit: Unit = "requests" if found[1].lower() == "requests" else "tokens"
    return unit, MINUTE if found[2].lower() == "minute" else DAY


def _window(amount: float, used: float, reset: float | None, usual: float) -> float:
    """Return the window in seconds in which *used* of *amount* is refilled after *reset* s."""
    if not used or not reset:
        return usual
    window = reset * amount / used
    near = min(_WINDOWS, key=lambda each: max(each / window, window / each))
    is_near = max(near / window, window / near) <= _FAR
    # No limit has so long a window: the header named a moment, as a date or in Unix seconds.
    if window > _LONGEST or (is_near and near == usual):
        return usual
    # A fixed window of a minute: at its end all is refilled, whatever was used.
    if reset <= MINUTE <= window:
        return MINUTE
    if is_near:
        return near
    return min(max(float(f"{window:.1g}"), _LEAST_WINDOW), DAY)


def _count(headers: object, name: str) -> int | None:
    found = _COUNT.fullmatch(text(headers, name) or "")
    return int(found[0]) if found and int(found[0]) <= _MOST else None
