"""What is said of a call that exceeds a whole limit."""

from __future__ import annotations

import pytest

from services.llm.limit_types import Headroom, Unit
from services.llm.quota import too_large_message


def limit(name: str, unit: Unit, amount: float, *, is_learned: bool = False) -> Headroom:
    """A limit of which all is left."""
    return Headroom(name, unit, 60.0, amount, amount, 0.0, is_learned)


LIMITS = [limit("RPM", "requests", 1), limit("TPM", "tokens", 90), limit("TPD", "tokens", 70)]


@pytest.mark.parametrize(
    ("limits", "unit", "said"),
    [
        (LIMITS, "tokens", "30 more than the whole limit of 70 (TPD): ..., or raise GROQ_*_DAY"),
        (LIMITS[:2], "tokens", "10 more than the whole limit of 90 (TPM): ..., or raise GROQ_*"),
        (LIMITS[:1], "tokens", "more than a whole limit: ..."),
        ([limit("TPM", "tokens", 100)], "tokens", "more than a whole limit: ..."),
        (
            [*LIMITS, limit("OTPM", "output_tokens", 40)],
            "output_tokens",
            "60 more than the whole limit of 40 (OTPM): ..., or raise GROQ_*",
        ),
        (
            [limit("TPM", "tokens", 40, is_learned=True)],
            "tokens",
            "60 more than the whole limit of 40 (TPM; groq told of it, client.forget() drops it):"
            " ...",
        ),
    ],
)
def test_a_call_that_exceeds_a_limit_is_told_by_how_much_and_what_helps(
    limits: list[Headroom], unit: Unit, said: str
) -> None:
    said = said.replace("...", "shorten the prompt or lower max_tokens")
    knob = f"{unit.upper()}_PER_"
    said = said.replace("*_DAY", f"{knob}DAY").replace("*", f"{knob}MINUTE")
    words = unit.replace("_", " ")
    assert f"100 {words} in one call are {said}" == too_large_message(100, unit, limits, "groq")
