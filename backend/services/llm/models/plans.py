"""The limits that a plan of Groq's gives an organisation on each model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from ..limit_types import Unit
from .catalogue import DEVELOPER_PLAN, GROQ, FreePlan

#: `custom` has no limits but those that a host sets, and those that the provider tells of.
Plan: TypeAlias = Literal["free", "developer", "custom"]

MINUTE, DAY = 60.0, 86_400.0

#: What the free plan gives every model in service; also taken for one that is newer than the table.
_COMMON = FreePlan(rpm=30, rpd=1_000, tpm=8_000, tpd=200_000)


def plan_limits(plan: Plan, model: str) -> Mapping[tuple[Unit, float], float]:
    """Return the amounts of the limits of *model*, by what they count and their window in seconds.

    It is empty where none is known, as of all models on the plan `custom`.
    """
    if plan == "developer" and (paid := DEVELOPER_PLAN.get(model)) is not None:
        return {("requests", MINUTE): paid.rpm, ("tokens", MINUTE): paid.tpm}
    if plan != "free":
        return {}
    free = (GROQ[model][4] if model in GROQ else None) or _COMMON
    limits: dict[tuple[Unit, float], int | None] = {
        ("requests", MINUTE): free.rpm,
        ("requests", DAY): free.rpd,
        ("tokens", MINUTE): free.tpm,
        ("tokens", DAY): free.tpd,
        ("input_tokens", MINUTE): free.itpm,
        ("output_tokens", MINUTE): free.otpm,
    }
    return {which: amount for which, amount in limits.items() if amount is not None}
