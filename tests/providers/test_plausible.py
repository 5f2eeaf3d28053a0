"""Counts and times are plausible numbers, or are not read at all."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from services.llm.errors import LLMError
from services.llm.providers.bedrock import from_converse, from_invoke
from services.llm.providers.bedrock.errors import error_in_ok_body as error_in_bedrocks_body
from services.llm.providers.fields import MOST, count, parse_count, seconds, short_name, status
from services.llm.providers.groq import from_chat_completion
from services.llm.providers.groq.errors import error_in_ok_body as error_in_groqs_body
from services.llm.types import Request, Usage

ASKED = Request("anthropic.claude-3-sonnet-20240229-v1:0", ({"role": "user", "content": "Hi"},))
ABSURD: list[Any] = [10**400, -1, -(10**400), 1e300, math.nan, math.inf, "7", True, [7], MOST + 1]


@pytest.mark.parametrize("value", [*ABSURD, None, 7.0])
def test_what_is_no_plausible_count_is_none(value: Any) -> None:
    assert count({"n": value}, "n") is None


@pytest.mark.parametrize("value", [*ABSURD[:-1], 86_400.001, 86_401, None])
def test_what_is_no_plausible_time_is_none(value: Any) -> None:
    assert seconds({"n": value}, "n") is None
    assert seconds({"n": value}, "n", 1e-3) is None or value in (86_400.001, 86_401)


def test_what_is_plausible_is_read_at_both_ends() -> None:
    assert [0, MOST] == [count({"n": n}, "n") for n in (0, MOST)]
    assert [0.0, 86_400.0] == [seconds({"n": n}, "n") for n in (0, 86_400)]
    assert 86_400.0 == seconds({"n": 86_400_000}, "n", 1e-3)
    assert [0, 17, MOST] == [parse_count(each) for each in ("0", "17", str(MOST))]
    assert [100, 599, 404] == [status({"n": n}, "n") for n in (100, 599, "404")]


@pytest.mark.parametrize("words", ["²", "٣", "", None, "-1", "1e3", " 7", "9" * 5_000, "7.0"])
def test_what_a_header_writes_in_no_digits_is_none(words: str | None) -> None:
    assert parse_count(words) is None


@pytest.mark.parametrize("value", [99, 600, "²00", "4040", 10**400, True, None])
def test_what_is_no_status_is_none(value: Any) -> None:
    assert status({"n": value}, "n") is None


@pytest.mark.parametrize(
    "name", ["rate_limit_exceeded", "ThrottlingException", "x.y#Z-1", "req_01/=+@:", "a" * 100]
)
def test_a_providers_own_name_is_one(name: str) -> None:
    assert name == short_name({"n": name}, "n")


@pytest.mark.parametrize(
    "text", ["My secret plan", "a\nb", "\x1b[2J", "naïve", "a" * 101, "", None, 7, ["a"], {"a": 1}]
)
def test_a_text_is_no_name(text: Any) -> None:
    assert short_name({"n": text}, "n") is None


@pytest.mark.parametrize("text", ["My secret plan", "\x1b[2J", "x" * 500])
def test_no_text_stands_where_names_do(text: str) -> None:
    choice = {"message": {"content": "Yes."}, "finish_reason": "stop"}
    named = {"model": text, "service_tier": text, "_request_id": text, "x_groq": {"id": text}}
    reply = from_chat_completion({"choices": [choice], **named}, ASKED)
    assert (ASKED.model, None, None) == (reply.model, reply.service_tier, reply.request_id)
    errors = [
        error_in_groqs_body({"error": {"message": "No.", "code": text, "type": text}}, "m"),
        error_in_bedrocks_body({"message": "No.", "code": text, "__type": f"x#{text}"}, "m"),
        error_in_bedrocks_body({"__type": text, "error": {"message": "No."}}, "m"),
    ]
    assert ["LLMError"] * 3 == [error.label for error in errors if error is not None]


@pytest.mark.parametrize("absurd", ABSURD)
def test_an_answer_with_absurd_numbers_is_an_answer_without_them(absurd: Any) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": absurd, "total_time": absurd}
    choice = {"message": {"content": "Yes."}, "finish_reason": "stop"}
    whole = from_chat_completion({"choices": [choice], "usage": usage}, ASKED)
    assert ("Yes.", Usage(), None) == (whole.text, whole.usage, whole.processing)

    converse = {
        "output": {"message": {"content": [{"text": "Yes."}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": absurd, "outputTokens": 5},
        "metrics": {"latencyMs": absurd if absurd != MOST + 1 else 86_400_001},
    }
    whole = from_converse(converse, ASKED)
    assert ("Yes.", Usage(), None) == (whole.text, whole.usage, whole.processing)

    body = {
        "content": [{"text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": absurd, "output_tokens": 5},
    }
    latency = {"x-amzn-bedrock-invocation-latency": "9" * 400}
    whole = from_invoke(json.dumps(body), ASKED, latency)
    assert ("Yes.", Usage(), None) == (whole.text, whole.usage, whole.processing)


def test_json_that_is_nested_too_deep_is_an_error_of_ours() -> None:
    deep = '{"content": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(LLMError, match="cannot be read"):
        from_invoke(deep, ASKED, {})
