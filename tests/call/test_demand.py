"""What is reserved for a request, and what of it counts in the end."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.call.demand import (
    budget_spent,
    demand_spent,
    latest_receipt,
    max_demand,
    partly_spent,
)
from services.llm.errors import ConfigurationError, LLMError, ProviderUnavailableError
from services.llm.quota import Demand
from services.llm.types import Reply, Request, ToolCall, Usage

#: Its output counts five times (known_models).
BURNING = "us.anthropic.claude-sonnet-4-6"
COUNTED = Reply("x", "m", "groq", usage=Usage(10, 4, 14, cached_input_tokens=3, reported=True))
NO_TOKENS = {"tokens": 0.0, "input_tokens": 0.0, "output_tokens": 0.0}


def test_prompt_and_longest_answer_are_reserved_as_both_providers_do() -> None:
    request = Request("m", ({"role": "user", "content": "x" * 300},), max_tokens=50)
    asked = max_demand(request, 100)["input_tokens"]
    assert asked > 100
    assert {
        "requests": 1.0,
        "tokens": asked + 50,
        "input_tokens": asked,
        "output_tokens": 50,
    } == max_demand(request, 100)


@pytest.mark.parametrize(
    ("model", "longest"),
    [
        ("us.anthropic.claude-haiku-5-5", 32_000),
        ("us.meta.llama3-3-70b-instruct-v1:0", 0),
        ("openai/gpt-oss-120b", 0),
        ("m", 0),
    ],
)
def test_where_none_is_declared_bedrock_reserves_the_longest_answer_of_the_model(
    model: str, longest: int
) -> None:
    assert longest == max_demand(Request(model, ()), 100)["output_tokens"]


@pytest.mark.parametrize(
    ("model", "reply", "error", "expected"),
    [
        ("m", COUNTED, None, {"tokens": 11, "input_tokens": 7, "output_tokens": 4}),
        (BURNING, COUNTED, None, {"tokens": 27, "input_tokens": 7, "output_tokens": 20}),
        ("m", COUNTED, LLMError("cut"), {"tokens": 11, "input_tokens": 7, "output_tokens": 4}),
        ("m", Reply("x", "m", "groq"), None, {}),
        ("m", None, LLMError("refused", status=400), NO_TOKENS),
        ("m", None, ConfigurationError("never sent"), {"requests": 0.0, **NO_TOKENS}),
        ("m", None, ProviderUnavailableError("silence"), {}),
    ],
)
def test_a_refusal_cost_no_tokens_an_answer_its_count_and_silence_everything(
    model: str, reply: Reply | None, error: LLMError | None, expected: Demand
) -> None:
    assert expected == demand_spent(model, reply, error)


@pytest.mark.parametrize(
    ("worked", "expected"),
    [
        (None, 112.0),  # of which nothing is known
        (9.0, 103.0),
        (12.0, 100.0),
        (13.0, 112.0),  # more than the whole call took is nobody's time of work
        (0.9, 112.0),  # gains next to nothing, and is made up by many a stand-in for a provider
    ],
)
def test_a_request_was_seen_by_when_its_provider_began_to_work(
    worked: float | None, expected: float
) -> None:
    assert expected == latest_receipt(Reply("x", "m", "groq", processing=worked), 100.0, 112.0)


def test_a_failure_may_have_been_seen_until_its_end() -> None:
    assert 112.0 == latest_receipt(None, 100.0, 112.0)


@pytest.mark.parametrize(
    ("reply", "error", "expected"),
    [
        (COUNTED, None, 14),
        (COUNTED, LLMError("cut"), 14),
        (Reply("x", "m", "groq"), None, 60),
        (Reply("x", "m", "groq"), LLMError("cut"), 0),
        (None, LLMError("refused"), 0),
    ],
)
def test_the_day_owes_what_was_counted_else_nothing_for_a_failure_and_all_for_an_answer(
    reply: Reply | None, error: LLMError | None, expected: int
) -> None:
    assert expected == budget_spent(60, reply, error)


def so_far(**said: Any) -> Reply:
    return Reply(said.pop("text", ""), "m", "groq", **said)


@pytest.mark.parametrize(
    ("reply", "output"),
    [
        (so_far(text="x" * 30), 10),
        (so_far(reasoning="x" * 60), 20),
        (so_far(tool_calls=(ToolCall("c", "pay", "x" * 90),)), 30),
        (so_far(text="x" * 30, reasoning="x" * 60), 30),
    ],
)
def test_a_stream_that_ended_early_has_spent_its_prompt_and_what_came(
    reply: Reply, output: int
) -> None:
    request = Request("m", ({"role": "user", "content": "hi"},))
    spent = partly_spent(request, reply)
    asked = max_demand(request, 100)["input_tokens"]
    assert spent["output_tokens"] == pytest.approx(output, abs=3)
    assert 0 < spent["input_tokens"] <= asked
    assert spent["tokens"] == spent["input_tokens"] + spent["output_tokens"]
    assert spent == partly_spent(request, reply, LLMError("cut", status=500))


def test_a_stream_of_which_nothing_came_has_spent_nothing_if_it_was_refused() -> None:
    request = Request("m", ({"role": "user", "content": "hi"},))
    assert {} == partly_spent(request, so_far())
    assert {} == partly_spent(request, so_far(), LLMError("silence"))
    assert partly_spent(request, so_far(), LLMError("no", status=400)) == NO_TOKENS
