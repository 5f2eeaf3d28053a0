"""Which prefixes of prompts are kept, as Bedrock keeps them at a request's cache points."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from .completion import CachePoint

_LEAST_TOKENS = 1_024  # a shorter prefix is not kept, for most models
_MOST_PREFIXES = 10_000  # the oldest is forgotten first


@dataclass(frozen=True)
class CacheUse:
    """The tokens of a prompt that were read from the cache, and those written to it."""

    read: int = 0
    written: int = 0


class PromptCache:
    """Kept prefixes by account and model; the caller serialises the calls, and tells the time."""

    def __init__(self) -> None:
        self._expires: OrderedDict[tuple[Hashable, str], float] = OrderedDict()

    def use(self, account: Hashable, points: tuple[CachePoint, ...], now: float) -> CacheUse:
        """Read the longest prefix that is kept, and keep the longest there is."""
        usable = [point for point in points if point.tokens >= _LEAST_TOKENS]
        if not usable:
            return CacheUse()
        kept = [
            point.tokens
            for point in usable
            if self._expires.get((account, point.digest), now) > now
        ]
        read = max(kept, default=0)
        for point in usable:
            key = (account, point.digest)
            self._expires[key] = now + point.seconds
            self._expires.move_to_end(key)
        while len(self._expires) > _MOST_PREFIXES:
            self._expires.popitem(last=False)
        return CacheUse(read, max(point.tokens for point in usable) - read)

    def clear(self) -> None:
        """Forget every prefix."""
        self._expires.clear()
