"""Candidate strings and numbers for a schema's constraints, the plainest first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from .parts import Parts
from .patterns import matching

_FILLER = "text"
# One value of each format that JSON Schema 2020-12 names.
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "user@example.com",
    "idn-email": "user@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "uri": "https://example.com/path",
    "uri-reference": "/path",
    "iri": "https://example.com/path",
    "iri-reference": "/path",
    "uri-template": "https://example.com/{id}",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "json-pointer": "/path",
    "relative-json-pointer": "0",
    "regex": "^a+$",
}


def strings(parts: Parts) -> Iterator[str]:
    """Texts by format, by pattern, or plain ones of an allowed length."""
    least = parts.largest("minLength", 0)
    most = parts.smallest("maxLength", max(least, 100))
    for name in parts.all("format"):
        if name in _FORMATS:
            yield _FORMATS[name]
    # Each candidate is checked against everything else by whoever asked for it.
    for pattern in parts.all("pattern"):
        for text in matching(pattern, variants=24):
            yield text
            if len(text) < least:
                yield text + "a" * (least - len(text))
        for text in matching(pattern, variants=2):
            yield from (text + str(number) for number in range(1, 10))
    for suffix in ("", *map(str, range(1, 10))):
        yield _fitted(suffix, least, most)
    yield ""


def _fitted(suffix: str, least: int, most: int) -> str:
    """The filler and a suffix, repeated or cut to between `least` and `most` characters."""
    length = max(least, min(most, len(_FILLER) + len(suffix)))
    body = (_FILLER * (length // len(_FILLER) + 1))[: max(0, length - len(suffix))]
    return (body + suffix)[:length]


def numbers(parts: Parts, *, whole: bool) -> Iterator[Any]:
    """Numbers on, near and between the bounds that fit the steps of `multipleOf`."""
    low = max([*parts.all("minimum"), *parts.all("exclusiveMinimum")], default=None)
    high = min([*parts.all("maximum"), *parts.all("exclusiveMaximum")], default=None)
    # Steps are multiplied as decimals: 0.01 * 301 is not 3.01 in binary.
    for step in parts.all("multipleOf"):
        start = math.ceil((low if low is not None else min(0, high or 0)) / step)
        # From the lower bound up; where that is far from the upper one, from there down.
        back = math.floor(high / step) if high is not None else start + 1
        for count in (*range(start, start + 12), back, back - 1):
            yield _plain(float(Decimal(str(step)) * count), whole)
    if low is None and high is None:
        yield from (1,) if whole else (1, 1.5)
        yield from (*range(2, 16), 0)
    near = [
        bound + offset
        for bound in (low, high)
        if bound is not None
        for offset in (0, 1, -1, 0.5, -0.5)
    ]
    for value in (
        *near,
        *((low + high) / 2 for _ in range(1) if low is not None and high is not None),
    ):
        yield _plain(value, whole)
    # Variety, for arrays of unique numbers.
    if low is not None:
        yield from (_plain(low + offset, whole) for offset in range(2, 20))


def _plain(value: Any, whole: bool) -> Any:
    """An integer where the value is one, or has to be."""
    rounded = math.ceil(value) if whole else value
    return int(rounded) if rounded == int(rounded) else rounded
