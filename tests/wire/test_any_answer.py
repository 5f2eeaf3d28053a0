"""Whatever a provider answers is a right reply or an error of ours, and all is given back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Fault, Sandbox
from services.llm.account.account import Account
from services.llm.account.daily_budget import DailyBudget, MemoryDayCounter
from services.llm.providers.bedrock import INVOKE_MODELS
from services.llm.providers.bedrock.stream import fold_converse, fold_invoke
from services.llm.providers.fields import MOST
from services.llm.providers.groq.stream import fold
from services.llm.types import Reply, Request
from services.llm_client import LLMError
from tests.conftest import FEWER
from tests.wire import bent
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

CONVERSE = "us.anthropic.claude-sonnet-4-6"
ERRORS = [300, 400, 401, 403, 404, 408, 413, 418, 422, 424, 429, 498, 500, 502, 503, 529]

#: Kind of client, model, body, statuses, how many answers.
ANSWERS: dict[str, tuple[str, str, Mapping[str, Any], list[int], int]] = {
    "Groq": ("groq", "m", bent.GROQ, [200], 1200),
    "Groq, awaited": ("groq async", "m", bent.GROQ, [200], 300),
    "Groq's errors": ("groq", "m", bent.GROQ_ERROR, [200, *ERRORS], 800),
    "Converse": ("bedrock", CONVERSE, bent.CONVERSE, [200], 1100),
    "Converse, awaited": ("bedrock async", CONVERSE, bent.CONVERSE, [200], 200),
    "Claude": ("bedrock", INVOKE_MODELS[0], bent.CLAUDE, [200], 400),
    "Llama": ("bedrock", INVOKE_MODELS[3], bent.LLAMA, [200], 200),
    "Mistral": ("bedrock", INVOKE_MODELS[5], bent.MISTRAL, [200], 200),
    "Bedrock's errors": ("bedrock", CONVERSE, bent.BEDROCK_ERROR, [200, *ERRORS], 600),
}

#: Headers that one of the readers, or the SDK below it, looks at.
HEADERS = [
    *("retry-after", "x-request-id", "x-ratelimit-remaining-tokens", "x-should-retry"),
    *("x-amzn-errortype", "x-amzn-requestid", "x-amzn-bedrock-input-token-count"),
    *("x-amzn-bedrock-output-token-count", "x-amzn-bedrock-invocation-latency"),
]


def assert_right(reply: Reply) -> None:
    """It can be written down, counted and paid for."""
    json.dumps(asdict(reply), allow_nan=False)
    usage = reply.usage
    for tokens in (usage.input_tokens, usage.output_tokens, usage.total_tokens):
        assert 0 <= tokens <= 3 * MOST
    for number in (reply.cost, reply.processing, reply.latency):
        assert number is None or 0 <= number <= 86_400
    assert isinstance(reply.text, str)
    assert reply.text.strip() or reply.tool_calls


def assert_all_is_back(to: Account) -> None:
    """Nobody holds a permit, a reservation, or the probe of an outage."""
    assert to.concurrency.free == to.concurrency._size
    for scope in to.quota._state.queues.values():
        assert (0, 0) == (len(scope.waiting), len(scope.in_flight))
        assert [0.0] * len(scope.limits) == [
            limit.pending.in_flight_amount for limit in scope.limits
        ]
    assert all(each.probe is None for each in to.outages._outages.values())


@pytest.mark.parametrize("kind", ANSWERS)
def test_any_answer_is_a_right_reply_or_an_error_of_ours(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    wire, model, body, statuses, examples = ANSWERS[kind]
    face, tally = open_client(wire), MemoryDayCounter()
    to: Account = face.client._account
    to.window.amount, to.budget = math.inf, DailyBudget(10**15, tally)

    @settings(max_examples=examples // FEWER, suppress_health_check=list(HealthCheck))
    @given(
        body=bent.sent(body),
        status=st.sampled_from(statuses),
        headers=st.dictionaries(st.sampled_from(HEADERS), bent.HEADER_VALUES, max_size=3),
    )
    def answered(body: bytes, status: int, headers: dict[str, str]) -> None:
        spent = tally.add(0, to.wall())
        sandbox.script(Fault(status=status, body=body, headers=JSON_TYPE | headers))
        outcome = ask(face, model)
        if isinstance(outcome, Reply):
            assert_right(outcome)
        elif outcome.partial is None:
            assert spent == tally.add(0, to.wall())
        assert_all_is_back(to)
        assert all(0 <= each <= 86_400 for each in to.learned().pauses.values())
        assert all(0 <= each <= 600 for each in to.learned().outages.values())
        to.forget()
        sandbox.exchanges.clear()

    answered()


JSON_TYPE = {"content-type": "application/json"}


def ask(face: Face, model: str) -> Reply | LLMError:
    """Ask once, and take an error of ours for an outcome."""
    try:
        return face.respond("hi", model=model, max_retries=0)
    except LLMError as error:
        return error


def claude_events() -> list[dict[str, Any]]:
    return [
        {"type": "message_start", "message": {"usage": {"input_tokens": 5}}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Yes."}},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "pay"}},
        {"type": "content_block_delta", "delta": {"partial_json": '{"a": 1}'}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"o": 2}},
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "invocationLatency": 500}},
    ]


CONVERSE_EVENTS: list[dict[str, Any]] = [
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Yes."}}},
    {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"name": "pay"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": bent.CONVERSE["usage"], "metrics": {"latencyMs": 500}}},
]
GROQ_CHUNKS: list[dict[str, Any]] = [
    {"model": "m", "choices": [{"delta": {"content": "Yes."}, "finish_reason": None}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, **bent.CALL}]}}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": bent.USAGE}},
]


def chunks(events: Any) -> Any:
    """Events of InvokeModel's stream, as botocore hands them over."""
    several = events if isinstance(events, list) else [events]
    return [{"chunk": {"bytes": json.dumps(event).encode()}} for event in several]


@settings(max_examples=200 // FEWER)
@given(
    groq=bent.bent(GROQ_CHUNKS),
    converse=bent.bent(CONVERSE_EVENTS),
    claude=bent.bent(claude_events()),
)
@pytest.mark.parametrize("model", [INVOKE_MODELS[0], INVOKE_MODELS[3], INVOKE_MODELS[5]])
def test_any_stream_is_a_right_reply_or_an_error_of_ours(
    groq: Any, converse: Any, claude: Any, model: str
) -> None:
    request = Request(model, ({"role": "user", "content": "hi"},))
    readers: list[Callable[[], Reply]] = [
        lambda: fold(groq, request),
        lambda: fold_converse(converse, request),
        lambda: fold_invoke(chunks(claude), request),
    ]
    for read in readers:
        with suppress(LLMError):
            assert_right(read())
