"""What is left of a limit, to be looked at."""

from __future__ import annotations

from ..limit_types import Headroom
from .learning import LearnedLimit
from .limits import Limit, limit_name


def headroom_of(limit: Limit, now: float) -> Headroom:
    """Return what is left of *limit* at *now*."""
    amount = max(0.0, limit.amount)
    return Headroom(
        name=limit_name(limit.unit, limit.window),
        unit=limit.unit,
        window=limit.window,
        amount=amount,
        left=max(0.0, amount - limit.used(now)),
        full_in=limit.full_at(now) - now,
        is_learned=isinstance(limit, LearnedLimit) and limit.is_learned,
    )
