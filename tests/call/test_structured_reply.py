"""The reply of a structured call: the value, and what all turns took."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.llm.client.base import LLMClient
from services.llm.errors import ConfigurationError
from services.llm.types import Attempt, Reply, StructuredReply, Usage
from services.llm_client import GroqClient

LAST = Usage(10, 5, 15)
ANSWER = Reply("{}", "m", "groq", usage=LAST, cost=0.5)


def _attempt(number: int, cost: float | None, tokens: int = 15) -> Attempt:
    return Attempt(number, "m", usage=Usage(tokens - 5, 5, tokens, reported=True), cost=cost)


def test_usage_and_cost_are_those_of_all_turns() -> None:
    reply = replace(ANSWER, attempts=(_attempt(1, 0.25, 20), _attempt(2, 0.5)), latency=3.0)
    found = StructuredReply.of({"a": 1}, reply)
    assert {"a": 1} == found.value
    assert (35, 0.75, 3.0, "{}") == (
        found.usage.total_tokens,
        found.cost,
        found.latency,
        found.text,
    )
    assert reply.attempts == found.attempts
    assert isinstance(found, Reply)


def test_one_turn_of_unknown_price_leaves_the_cost_unknown() -> None:
    reply = replace(ANSWER, attempts=(_attempt(1, None), _attempt(2, 0.5)))
    assert StructuredReply.of(1, reply).cost is None


def test_a_failed_attempt_that_counted_no_tokens_leaves_the_cost_known() -> None:
    failed = Attempt(1, "m", error="ProviderUnavailableError", status=503)
    reply = replace(ANSWER, attempts=(failed, _attempt(2, 0.5)))
    assert 0.5 == StructuredReply.of(1, reply).cost


def test_where_nobody_counted_tokens_the_cost_is_that_of_the_answer() -> None:
    reply = replace(ANSWER, attempts=(Attempt(1, "m", status=200),), cost=None)
    assert StructuredReply.of(1, reply).cost is None


def test_a_kept_answer_costs_nothing_and_says_what_it_once_took() -> None:
    kept = StructuredReply.of(1, replace(ANSWER, cost=0.0, cached=True))
    assert (LAST, 0.0) == (kept.usage, kept.cost)
    repaired = StructuredReply.of(
        1, replace(ANSWER, cost=0.0, cached=True, attempts=(_attempt(1, 0.25, 20),))
    )
    assert (35, 0.25) == (repaired.usage.total_tokens, repaired.cost)


class Fake(LLMClient):
    def generate(self, prompt: str, *args: object, **kwargs: object) -> str:
        return "text"

    def generate_structured(self, prompt: str, *args: object, **kwargs: object) -> object:
        return {"a": 1}

    def generate_with_retry(self, prompt: str, *args: object, **kwargs: object) -> str:
        return "text"


def test_a_client_of_three_methods_knows_no_whole_reply() -> None:
    with pytest.raises(NotImplementedError, match="Fake knows an answer's value alone"):
        Fake().respond_structured("hi", {})
    with pytest.raises(NotImplementedError, match="use generate_structured"):
        asyncio.run(Fake().arespond_structured("hi", {}))


def test_a_schema_is_asked_for() -> None:
    client = GroqClient(api_key="gsk_of_a_test")
    with pytest.raises(ConfigurationError, match="schema is missing"):
        client.generate_structured("hi")
    client.close()
