"""What is left of a limit, to be looked at."""

from __future__ import annotations

from ..limit_types import Headroom
from .learning import LearnedLimit
from .limits import Limit, limit_name


def headroom_of(limit: Limit, now: float, used: float = 0.0) -> Headroom:
    """Return what is left of *limit* at *now*; at least so much is *used*, by others too."""
    amount = max(0.0, limit.amount)
    full_in = limit.full_at(now) - now
    if used > 0 and amount > 0:
        full_in = max(full_in, used * limit.window / amount)
    return Headroom(
        name=limit_name(limit.unit, limit.window),
        unit=limit.unit,
        window=limit.window,
        amount=amount,
        left=max(0.0, amount - max(used, limit.used(now))),
        full_in=full_in,
        is_learned=isinstance(limit, LearnedLimit) and limit.is_learned,
    )
