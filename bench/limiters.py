"""The limiters that bench/limits.py measures, each asked as its manual shows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

MODEL = "openai/gpt-oss-120b"
PROMPT = "Tell me of wooden chairs, and of the tables that go with them. " * 4
LONGEST = 200
TOKENS = len(PROMPT) // 4 + LONGEST
#: The window that limiters are made for, in seconds.
MINUTE = 60.0
#: Names the shared quota that our processes share, where there is one.
SHARED_QUOTA = "BENCH_QUOTA_URL"
OURS = ("ours", "ours, unknown", "ours, unknown, shared")
LIMITERS = ("aiolimiter", "pyrate-limiter", "limits", "throttled-py", "LangChain", "LiteLLM")

Ask = Callable[[], Awaitable[object]]
Take = Callable[[float], Awaitable[object]]


@dataclass(frozen=True)
class Row:
    """One line: a server with one limit, and how many processes share it."""

    name: str
    server: str
    unit: str
    amount: int
    processes: int

    @property
    def per_process(self) -> int:
        """The part of the limit that each process is told."""
        return self.amount // self.processes


def ours(row: Row, url: str, *, known: bool, shares: bool) -> Ask:
    """This project's client, which is told its limit or has to learn it."""
    from services import llm_client

    name = {"requests": "GROQ_REQUESTS_PER_MINUTE", "tokens": "GROQ_TOKENS_PER_MINUTE"}[row.unit]
    shared = os.environ.get(SHARED_QUOTA, "") if shares else ""
    amount = row.amount if shared else row.per_process
    limits = {"GROQ_REQUESTS_PER_MINUTE": 10**6} | ({name: amount} if known else {})
    llm_client.settings = SimpleNamespace(
        LLM_QUOTA_URL=shared,
        LLM_QUOTA_FALLBACK_SHARE=1 / row.processes,
        **limits,
        LLM_MAX_QUOTA_WAIT=600.0,
        LLM_TIMEOUT=600.0,
        LLM_MAX_CONCURRENCY=1_000,
    )
    client = llm_client.GroqClient("k", MODEL, max_tokens=LONGEST, base_url=url)

    async def ask() -> object:
        return await client.arespond(PROMPT)

    return ask


def limited(row: Row, url: str, take: Take) -> Ask:
    """The groq SDK behind a limiter; what is refused all the same, the SDK tries again."""
    import groq

    client = groq.AsyncGroq(api_key="k", base_url=url, max_retries=8)
    amount = 1.0 if row.unit == "requests" else float(TOKENS)

    async def ask() -> object:
        await take(amount)
        return await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": PROMPT}], max_tokens=LONGEST
        )

    return ask


def aiolimiter(row: Row) -> Take:
    """aiolimiter's leaky bucket."""
    limiter: Any = import_module("aiolimiter").AsyncLimiter(row.per_process, MINUTE)
    return lambda amount: limiter.acquire(amount)


def pyrate_limiter(row: Row) -> Take:
    """pyrate-limiter's bucket in memory."""
    library: Any = import_module("pyrate_limiter")
    rate = library.Rate(row.per_process, library.Duration.MINUTE)
    limiter = library.Limiter(library.InMemoryBucket([rate]))

    async def take(amount: float) -> object:
        return await limiter.try_acquire_async("key", int(amount))

    return take


def limits_library(row: Row) -> Take:
    """The moving window of limits, asked again until it has room: it does not wait."""
    library: Any = import_module("limits")
    aio: Any = import_module("limits.aio")
    limiter = aio.strategies.MovingWindowRateLimiter(aio.storage.MemoryStorage())
    rate = library.RateLimitItemPerMinute(row.per_process)

    async def take(amount: float) -> object:
        while not await limiter.hit(rate, cost=int(amount)):
            await asyncio.sleep(0.05)
        return None

    return take


def throttled_py(row: Row) -> Take:
    """throttled-py's token bucket, which waits for as long as it is told."""
    library: Any = import_module("throttled.asyncio")
    throttle = library.Throttled(
        key="key", quota=library.rate_limiter.per_min(row.per_process), timeout=600
    )
    return lambda amount: throttle.limit(cost=int(amount))


def langchain(row: Row) -> Take:
    """LangChain's InMemoryRateLimiter: it counts requests alone."""
    library: Any = import_module("langchain_core.rate_limiters")
    amount = row.per_process if row.unit == "requests" else row.per_process / TOKENS
    limiter = library.InMemoryRateLimiter(
        requests_per_second=amount / MINUTE, max_bucket_size=max(1, int(amount))
    )
    return lambda _: limiter.aacquire()


def litellm(row: Row, url: str) -> Ask:
    """LiteLLM's Router with the deployment's rpm or tpm, and 8 retries."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    library: Any = import_module("litellm")
    library.suppress_debug_info = True
    limit = {"requests": "rpm", "tokens": "tpm"}[row.unit]
    where = {"model": f"groq/{MODEL}", "api_base": f"{url}/openai/v1", "api_key": "k"}
    router = library.Router(
        model_list=[{"model_name": "m", "litellm_params": {**where, limit: row.per_process}}],
        num_retries=8,
        routing_strategy="usage-based-routing-v2",
    )

    async def ask() -> object:
        return await router.acompletion(
            model="m", messages=[{"role": "user", "content": PROMPT}], max_tokens=LONGEST
        )

    return ask


TAKES: dict[str, Callable[[Row], Take]] = {
    "aiolimiter": aiolimiter,
    "pyrate-limiter": pyrate_limiter,
    "limits": limits_library,
    "throttled-py": throttled_py,
    "LangChain": langchain,
}


def made(subject: str, row: Row, url: str) -> Ask:
    """Make the subject's way to ask."""
    if subject in OURS:
        return ours(row, url, known=subject == OURS[0], shares=subject != OURS[1])
    return litellm(row, url) if subject == "LiteLLM" else limited(row, url, TAKES[subject](row))
