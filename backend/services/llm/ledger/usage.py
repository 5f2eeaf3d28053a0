"""What calls have used, as sums by day, provider, model, service tier and tags; pure.

Money is in whole nano-dollars, so that sums do not depend on their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..types import Usage

#: Nano-dollars in a US dollar.
NANO = 10**9
#: The largest count that one line, row or field can plausibly hold.
MOST = 10**18


@dataclass(frozen=True, order=True)
class UsageKey:
    """What a sum is kept by: the UTC `day` as YYYY-MM-DD, and `tags` as sorted pairs.

    `tier` is the provider's service tier, "batch" for its own batches, "" for the default one.
    """

    day: str
    provider: str
    model: str
    tier: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class UsageSums:
    """Sums over calls and their attempts; tokens as in `Usage`, failed attempts' included.

    `cost` is in nano-dollars and leaves out `unpriced` attempts, whose price is not known;
    `unreported` attempts were sent and have no count of tokens. `cached` calls sent nothing.
    """

    calls: int = 0
    failed: int = 0
    cached: int = 0
    attempts: int = 0
    unreported: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0

    def __add__(self, other: UsageSums) -> UsageSums:
        return UsageSums(*(getattr(self, name) + getattr(other, name) for name in COUNTS))

    @property
    def dollars(self) -> float:
        """The cost in US dollars."""
        return self.cost / NANO

    def counts(self) -> dict[str, int]:
        """Return the sums that are not 0, by their names."""
        return {name: n for name in COUNTS if (n := getattr(self, name))}


#: The names of the sums, in their order.
COUNTS = tuple(each.name for each in fields(UsageSums))


@dataclass(frozen=True)
class UsageEntry:
    """Sums that are to be added, or were kept, under a key."""

    key: UsageKey
    sums: UsageSums


def in_dollars(nano: int, digits: int = 6) -> str:
    """Return *nano* nano-dollars in US dollars, exactly, with *digits* or more after the point."""
    whole, part = divmod(nano, NANO)
    decimals = f"{part:09d}".rstrip("0").ljust(digits, "0")
    return f"{whole:,}.{decimals}".rstrip(".")


def sums_of_attempt(usage: Usage, dollars: float | None) -> UsageSums:
    """Return the sums of one attempt that was sent; *dollars* is None for an unknown price."""
    return UsageSums(
        attempts=1,
        unreported=0 if usage.reported else 1,
        unpriced=1 if usage.reported and dollars is None else 0,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_input_tokens=usage.cache_write_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost=round((dollars or 0.0) * NANO),
    )


def combined(entries: Iterable[UsageEntry]) -> dict[UsageKey, UsageSums]:
    """Return one sum for each key of *entries*."""
    sums: dict[UsageKey, UsageSums] = {}
    for entry in entries:
        add_to(sums, entry.key, entry.sums)
    return sums


def add_to(sums: dict[UsageKey, UsageSums], key: UsageKey, more: UsageSums) -> None:
    """Add *more* to the sum of *key*, which may be new."""
    kept = sums.get(key)
    sums[key] = more if kept is None else kept + more


def tags_of(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return *tags* as a key holds them."""
    return tuple(sorted(tags.items()))


def encode_tags(tags: tuple[tuple[str, str], ...]) -> str:
    """Return *tags* as a JSON object, the same text for the same tags."""
    return json.dumps(dict(tags), separators=(",", ":"), sort_keys=True)


def decode_tags(text: Any) -> tuple[tuple[str, str], ...]:
    """Return the tags in a JSON object; ValueError for anything else."""
    tags = json.loads(text) if isinstance(text, (str, bytes)) else None
    if not isinstance(tags, dict) or not all(isinstance(each, str) for each in tags.values()):
        raise ValueError("the tags are no JSON object of texts")
    return tags_of(tags)


def checked_sums(counts: Mapping[str, Any]) -> UsageSums:
    """Return the sums that *counts* holds by name; ValueError for what no sum can be."""
    for name, count in counts.items():
        if name not in COUNTS or type(count) is not int or not 0 <= count <= MOST:
            raise ValueError(f"{name!r} is no plausible count")
    return UsageSums(**counts)


def checked_key(day: Any, provider: Any, model: Any, tier: Any, tags: Any) -> UsageKey:
    """Return the key of what a store has kept; ValueError for what is no key."""
    if not all(isinstance(each, str) for each in (day, provider, model, tier)):
        raise ValueError("a part of the key is no text")
    return UsageKey(day, provider, model, tier, decode_tags(tags))
