"""What is left of a limit, and the message for a call that takes more than a whole limit."""

from __future__ import annotations

from collections.abc import Iterable

from ..limit_types import Headroom, Unit
from .learned_limit import LearnedLimit
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


def too_large_message(amount: float, unit: Unit, limits: Iterable[Headroom], provider: str) -> str:
    """Return the message for a call that takes *amount* of a *unit*, more than a whole limit.

    The lowest of the *limits* tells by how much. Where all of them have room for the call, another
    worker knows a lower one.
    """
    exceeded = [each for each in limits if each.unit == unit and each.amount < amount]
    least = min(exceeded, key=lambda each: each.amount, default=None)
    too_much = f"{amount:.0f} {unit.replace('_', ' ')} in one call are"
    advice = "shorten the prompt or lower max_tokens"
    if least is None:
        return f"{too_much} more than a whole limit: {advice}"
    exceeds = (
        f"{too_much} {amount - least.amount:.0f} more than the whole limit of {least.amount:.0f}"
    )
    if least.is_learned:
        # The provider may have stated it by mistake.
        source = f"{provider} told of it, client.forget() drops it"
        return f"{exceeds} ({least.name}; {source}): {advice}"
    window = "DAY" if least.name.endswith("D") else "MINUTE"
    knob = f"{provider.upper()}_{unit.upper()}_PER_{window}"
    return f"{exceeds} ({least.name}): {advice}, or raise {knob}"
