"""Rate limits as the providers keep them: one continuously refilling bucket per limit.

A bucket of limit L and window W drains at L/W per second. A request is admitted when level +
requested <= L, and is else told to wait (used + requested - L) * W / L, `used` being the level
rounded up: exact on every recorded 429.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

Unit = Literal["requests", "tokens", "input", "output"]
_TOLERANCE = 1e-6  # of one unit: float noise must not turn an exact wait into a refusal
_NAMES: dict[str, tuple[Unit, str]] = {
    "rpm": ("requests", "minute"),
    "rpd": ("requests", "day"),
    "tpm": ("tokens", "minute"),
    "tpd": ("tokens", "day"),
    "itpm": ("input", "minute"),
    "otpm": ("output", "minute"),
}


@dataclass(frozen=True)
class Limit:
    """One limit: at most `amount` units of `unit`, refilled over `window` seconds."""

    name: str
    amount: int
    window: float
    unit: Unit


@dataclass(frozen=True)
class Limits:
    """One organisation's limits on one model; None enforces none; windows in seconds."""

    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    minute: float = 60.0
    day: float = 86400.0

    def __post_init__(self) -> None:
        """Refuse a limit that no request could ever fit. Raises ValueError."""
        for name in (*_NAMES, "minute", "day"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Limits({name}={value!r}): must be above 0, or None for no limit")

    @classmethod
    def free(cls, *, minute: float = 60.0, day: float = 86400.0) -> Limits:
        """Groq's free plan for a chat model, as published in October 2026."""
        return cls(rpm=30, rpd=1_000, tpm=8_000, tpd=200_000, minute=minute, day=day)

    @classmethod
    def developer(cls, *, minute: float = 60.0, day: float = 86400.0) -> Limits:
        """Groq's developer plan for gpt-oss (October 2026); its daily limits are not published."""
        return cls(rpm=1_000, tpm=250_000, minute=minute, day=day)

    def enforced(self) -> tuple[Limit, ...]:
        """The limits that are set, in the order of the fields."""
        return tuple(
            Limit(name.upper(), amount, getattr(self, span), unit)
            for name, (unit, span) in _NAMES.items()
            if (amount := getattr(self, name)) is not None
        )


@dataclass(frozen=True)
class Demand:
    """What one request takes: itself, its prompt's tokens and the tokens it may generate."""

    input_tokens: int
    output_tokens: int

    def of(self, unit: Unit) -> int:
        """The amount in `unit`."""
        if unit == "requests":
            return 1
        if unit == "input":
            return self.input_tokens
        return self.output_tokens if unit == "output" else self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Refusal:
    """A limit that a request does not fit, with the integers that the provider's message shows."""

    limit: Limit
    used: int
    requested: int

    @property
    def wait(self) -> float:
        """Seconds until the request fits, if nothing else is admitted meanwhile."""
        excess = self.used + self.requested - self.limit.amount
        return excess * self.limit.window / self.limit.amount

    @property
    def too_large(self) -> bool:
        """Whether no wait can help, the request being larger than the limit itself."""
        return self.requested > self.limit.amount


@dataclass(frozen=True)
class Reservation:
    """An admitted request's place in its buckets, to be settled when its real usage is known."""

    key: Hashable
    limits: Limits
    demand: Demand


@dataclass(frozen=True)
class Level:
    """How full a bucket is: units that have not yet drained."""

    limit: Limit
    used: float

    @property
    def remaining(self) -> int:
        """Whole units left."""
        return max(0, math.floor(self.limit.amount - self.used + _TOLERANCE))

    @property
    def reset(self) -> float:
        """Seconds until the bucket is empty again, that is until the whole limit is available."""
        return self.used * self.limit.window / self.limit.amount


class Limiter:
    """Every bucket there is; the caller serialises the calls and supplies `now` in seconds."""

    def __init__(self) -> None:
        self._levels: dict[tuple[Hashable, str], tuple[float, float]] = {}

    def reserve(
        self, key: Hashable, limits: Limits, demand: Demand, now: float
    ) -> Reservation | Refusal:
        """Admit the request under all its limits at once, or refuse it for the longest wait."""
        # All or none: a request that one limit turns away must not use up the others.
        refusals = [
            Refusal(limit, math.ceil(used - _TOLERANCE), requested)
            for limit in limits.enforced()
            if (used := self._used(key, limit, now)) + (requested := demand.of(limit.unit))
            > limit.amount + _TOLERANCE
        ]
        if refusals:
            # The longest wait is enough for all of them; which one the services name is not known.
            return max(refusals, key=lambda refusal: (refusal.too_large, refusal.wait))
        return self.charge(key, limits, demand, now)

    def charge(self, key: Hashable, limits: Limits, demand: Demand, now: float) -> Reservation:
        """Count the request under its limits, whether it fits or not."""
        for limit in limits.enforced():
            self._add(key, limit, demand.of(limit.unit), now)
        return Reservation(key, limits, demand)

    def settle(self, reservation: Reservation, actual: Demand, now: float) -> None:
        """Replace what was reserved by what was used; the request itself stays counted."""
        for limit in reservation.limits.enforced():
            # More than was reserved may be owed, where nothing was declared: the level then exceeds
            # the limit, and the next requests wait for it.
            change = actual.of(limit.unit) - reservation.demand.of(limit.unit)
            self._add(reservation.key, limit, change, now)

    def levels(self, key: Hashable, limits: Limits, now: float) -> dict[str, Level]:
        """How full the buckets of `key` are, by the limit's name."""
        return {
            limit.name: Level(limit, self._used(key, limit, now)) for limit in limits.enforced()
        }

    def clear(self) -> None:
        """Empty every bucket."""
        self._levels.clear()

    def _used(self, key: Hashable, limit: Limit, now: float) -> float:
        level, at = self._levels.get((key, limit.name), (0.0, now))
        # A clock that steps back drains nothing, rather than filling the bucket.
        drained = max(0.0, now - at) * limit.amount / limit.window
        return max(0.0, level - drained)

    def _add(self, key: Hashable, limit: Limit, amount: float, now: float) -> None:
        self._levels[key, limit.name] = (max(0.0, self._used(key, limit, now) + amount), now)
