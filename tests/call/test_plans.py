"""Which limits an account has: those of its plan, and in their place those that a host sets."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.llm.account.registry import new_account
from services.llm.models import plan_limits
from services.llm.settings.knobs import Knobs
from services.llm.types import Provider

GPT, QWEN = "openai/gpt-oss-120b", "qwen/qwen3.8-27b"


def amounts(model: str, provider: Provider = "groq", **knobs: Any) -> dict[str, float]:
    account = new_account(provider, Knobs(**knobs), "us-east-1")
    return {one.name: one.amount for one in account.headroom(model) if one.amount < math.inf}


@pytest.mark.parametrize(
    ("plan", "model", "expected"),
    [
        ("free", GPT, {"RPM": 30, "RPD": 1_000, "TPM": 8_000, "TPD": 200_000}),
        (
            "free",
            QWEN,
            {"RPM": 30, "RPD": 1_000, "TPM": 8_000, "TPD": 200_000, "ITPM": 7_000, "OTPM": 1_000},
        ),
        ("free", "newer/than-the-table", {"RPM": 30, "RPD": 1_000, "TPM": 8_000, "TPD": 200_000}),
        ("developer", GPT, {"RPM": 1_000, "TPM": 250_000}),
        ("developer", QWEN, {}),  # not confirmed
        ("custom", GPT, {"RPM": 30}),
    ],
)
def test_a_plan_gives_each_model_its_limits(
    plan: str, model: str, expected: dict[str, float]
) -> None:
    assert expected == amounts(model, GROQ_PLAN=plan)


def test_what_a_host_sets_takes_the_place_of_the_plans() -> None:
    assert {"RPM": 15, "RPD": 1_000, "TPM": 4_000, "TPD": 200_000, "ITPM": 9, "OTPM": 5} == amounts(
        GPT,
        GROQ_PLAN="free",
        GROQ_REQUESTS_PER_MINUTE=15,
        GROQ_TOKENS_PER_MINUTE=4_000,
        GROQ_INPUT_TOKENS_PER_MINUTE=9,
        GROQ_OUTPUT_TOKENS_PER_MINUTE=5,
    )


def test_bedrocks_limits_are_those_of_the_accounts_settings() -> None:
    model = "us.anthropic.claude-sonnet-4-6"
    assert {"RPM": 50} == amounts(model, "bedrock", GROQ_PLAN="free")
    assert {"RPM": 10, "RPD": 99, "TPM": 6_000, "TPD": 7_000} == amounts(
        model,
        "bedrock",
        BEDROCK_REQUESTS_PER_MINUTE=10,
        BEDROCK_REQUESTS_PER_DAY=99,
        BEDROCK_TOKENS_PER_MINUTE=6_000,
        BEDROCK_TOKENS_PER_DAY=7_000,
    )


def test_every_plan_of_every_model_has_positive_amounts() -> None:
    for plan in ("free", "developer", "custom"):
        assert all(amount > 0 for amount in plan_limits(plan, GPT).values())
