"""What a limit costs while nobody uses it: thousands of accounts have some each."""

from __future__ import annotations

import gc
import tracemalloc

from bench.quota_cost import memory
from services.llm.account.registry import limits_of_model
from services.llm.quota import LearnedLimit, Limit, Quota
from services.llm.settings.knobs import Knobs
from tests.quota.support import sent, tokens

GPT = "openai/gpt-oss-120b"
#: A fiftieth of the ten thousand that are to fit into 20 MiB; how large an object is differs by
#: interpreter.
SCOPES, MOST = 200, 20 * 2**20 // 50


def test_ten_thousand_accounts_with_a_plans_limits_would_fit_into_20_mb() -> None:
    knobs = Knobs(GROQ_PLAN="free")

    def limits(_: str) -> list[Limit]:
        return limits_of_model("groq", knobs, GPT)

    quota = Quota(make_limits_for=limits)
    quota.settle(sent(quota, 100.0, tokens(500), "first"), {"tokens": 400}, 100.0, 100.0)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(SCOPES):
            scope = str(number)
            quota.settle(sent(quota, 100.0, tokens(500), scope), {"tokens": 400}, 100.0, 100.0)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MOST


def test_ten_thousand_accounts_with_five_limits_take_what_the_docs_say() -> None:
    assert memory(1_000) * 10 < 20.0


def test_a_limit_of_a_million_tokens_keeps_no_more_than_one_of_ten() -> None:
    for amount in (10.0, 1_000_000.0):
        limit = LearnedLimit(amount, 60.0, "tokens", configured=amount)
        quota = Quota((limit,))
        for number in range(50):
            now = 100.0 + 60.0 * number
            quota.settle(sent(quota, now, tokens(amount)), {}, now, now)
        assert 0 == len(limit.pending)
