"""What outlives a client: the answers that were given, and the day's tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from groq_client_compliant import GroqClient
from sandbox import Answer, Sandbox
from services.llm.errors import (
    InvalidRequestError,
    ProviderUnavailableError,
    RateLimitError,
    TruncatedError,
)
from tests.compliant.support import MODEL, ask, said, with_client


def test_an_answer_is_found_again_by_another_client(sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(2):
        assert "Sandbox: hello" == ask(sandbox.url, cache_path=tmp_path / "cache.json")
    assert 1 == len(sandbox.exchanges)
    assert 0o600 == (tmp_path / "cache.json").stat().st_mode & 0o777


def test_the_cache_is_where_its_url_says(sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(2):
        ask(sandbox.url, cache_path=f"sqlite:{tmp_path}/cache.db")
    assert 1 == len(sandbox.exchanges)


def test_without_a_cache_every_call_is_sent(sandbox: Sandbox) -> None:
    for _ in range(2):
        ask(sandbox.url)
    assert 2 == len(sandbox.exchanges)


def test_a_day_without_tokens_sends_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(RateLimitError, match="0 of 0 are left until 00:00 UTC"):
        ask(sandbox.url, daily_token_budget=0)
    assert [] == sandbox.exchanges


def test_the_days_tokens_are_settled_and_survive_a_restart(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    cache = tmp_path / "cache.json"
    sandbox.script(Answer(text="yes", input_tokens=40, output_tokens=50))
    ask(sandbox.url, cache_path=cache, daily_token_budget=100)
    with pytest.raises(RateLimitError, match="10 of 100 are left"):
        ask(sandbox.url, "another", cache_path=cache, daily_token_budget=100)


def test_a_failure_is_refunded(sandbox: Sandbox) -> None:
    failures = {
        "400": InvalidRequestError,
        "reset": ProviderUnavailableError,
        "length": TruncatedError,
    }

    async def fail_and_ask(client: GroqClient) -> str:
        for fault, error in failures.items():
            with pytest.raises(error):
                await client.chat(said("hello"), f"sandbox/{fault}", max_tokens=50)
        return await client.chat(said("hello"), MODEL, max_tokens=50)

    # The estimate is 60 tokens: two of them would be too many.
    assert "Sandbox: hello" == with_client(
        sandbox.url, fail_and_ask, daily_token_budget=100, max_retries=0
    )
