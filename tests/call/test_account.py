"""What an account draws from a refusal: for how long it holds, and that it can be dropped."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from dataclasses import asdict, replace

import pytest

from services.llm.account.learned import Learned
from services.llm.errors import (
    AuthenticationError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from services.llm.types import Request

from .scripted import Clock, account

OLD, REPLACEMENT = "mixtral-8x7b-32768", "openai/gpt-oss-120b"
#: A model that our table knows to be alive, and where to go should the provider say otherwise.
ALIVE, NEXT = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-sonnet-4-6"
SAID = ({"role": "user", "content": "hi"},)
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SHOWN = ({"role": "user", "content": [{"type": "text", "text": "hi"}, IMAGE]},)
DEFAULTED = frozenset({"temperature", "max_tokens"})


def asking(model: str) -> Request:
    return Request(model, SAID, 0.7, 4096, DEFAULTED)


def not_found(model: str, *, ended: bool = False, status: int | None = 404) -> ModelNotFoundError:
    error = ModelNotFoundError(f"Groq model not found: {model}", status=status)
    error.end_of_life = ended
    return error


def refused(option: str | None = "temperature", status: int | None = 400) -> InvalidRequestError:
    error = InvalidRequestError(f"{option} is deprecated for this model", status=status)
    error.refused_option = option
    return error


def test_a_model_that_was_shut_down_is_answered_for_by_its_successor_for_a_day() -> None:
    clock = Clock()
    ours = account(clock)
    error = not_found(OLD, ended=True)
    ours.learn_about_model(error, asking(OLD), asking(OLD))
    assert (REPLACEMENT, Retry.AT_ONCE) == (error.successor, error.retry)
    assert REPLACEMENT == ours.resolve_model(asking(OLD))
    clock.now += 86_399.0
    assert REPLACEMENT == ours.resolve_model(asking(OLD))
    clock.now += 1.0
    assert OLD == ours.resolve_model(asking(OLD))


def test_a_model_that_should_be_alive_is_asked_again_after_an_hour() -> None:
    clock = Clock()
    ours = account(clock, "bedrock")
    ours.learn_about_model(not_found(ALIVE, ended=True), asking(ALIVE), asking(ALIVE))
    assert NEXT == ours.resolve_model(asking(ALIVE))
    clock.now += 3_600.0
    assert ALIVE == ours.resolve_model(asking(ALIVE))


def test_an_id_that_the_provider_does_not_know_is_gone_where_the_table_says_so_too() -> None:
    for model, kept in ((OLD, REPLACEMENT), (ALIVE, ALIVE)):
        ours = account(Clock(), "groq" if model == OLD else "bedrock")
        error = not_found(model)
        error.unknown_id = True
        ours.learn_about_model(error, asking(model), asking(model))
        assert kept == ours.resolve_model(asking(model))


@pytest.mark.parametrize("error", [not_found(OLD), not_found(OLD, ended=True, status=None)])
def test_a_404_that_is_no_end_of_life_moves_nobody(error: ModelNotFoundError) -> None:
    ours = account(Clock())
    ours.learn_about_model(error, asking(OLD), asking(OLD))
    assert (None, Retry.NEVER) == (error.successor, error.retry)
    assert OLD == ours.resolve_model(asking(OLD))


def test_a_successor_that_is_not_there_is_no_longer_asked() -> None:
    ours = account(Clock())
    ours.learn_about_model(not_found(OLD, ended=True), asking(OLD), asking(OLD))
    error = not_found(REPLACEMENT)
    ours.learn_about_model(error, asking(OLD), asking(REPLACEMENT))
    assert str(error).startswith(f"Groq model not found: {OLD}")
    assert OLD == ours.resolve_model(asking(OLD))


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("Bedrock API error: no access", status=403),
        InvalidRequestError("Bedrock API error: no profile", status=400),
        ProviderUnavailableError("Bedrock API error: busy", status=503),
        not_found(NEXT),
    ],
)
def test_where_the_successor_fails_too_the_error_names_both_and_the_region(
    error: LLMError,
) -> None:
    ours = account(Clock(), "bedrock", region="eu-west-1")
    ours.learn_about_model(error, asking(ALIVE), asking(NEXT))
    assert ALIVE in str(error)
    assert f"its successor {NEXT} was asked in eu-west-1" in str(error)


def test_a_successor_that_was_shut_down_itself_hands_over() -> None:
    ours = account(Clock(), "bedrock")
    old, next_leader = "us.meta.llama3-8b-instruct-v1:0", "us.meta.llama3-1-8b-instruct-v1:0"
    ours.learn_about_model(not_found(old, ended=True), asking(old), asking(old))
    assert next_leader == ours.resolve_model(asking(old))
    error = not_found(next_leader, ended=True)
    ours.learn_about_model(error, asking(old), asking(next_leader))
    assert (None, Retry.NEVER) == (error.successor, error.retry)
    assert old == ours.resolve_model(asking(old))


def test_a_model_that_sees_is_not_replaced_by_one_that_does_not() -> None:
    ours = account(Clock())
    shown = replace(asking("llama-3.3-70b-versatile"), messages=SHOWN)
    error = not_found(shown.model, ended=True)
    ours.learn_about_model(error, shown, shown)
    assert (None, Retry.NEVER) == (error.successor, error.retry)
    assert "choose a model that sees images, such as qwen/qwen3.8-27b" in str(error)
    assert REPLACEMENT == ours.resolve_model(asking(shown.model))


def test_a_model_that_sees_is_replaced_by_one_that_does_where_there_is_one() -> None:
    ours = account(Clock())
    scout = "meta-llama/llama-4-scout-17b-16e-instruct"
    ours.learn_about_model(not_found(scout, ended=True), asking(scout), asking(scout))
    assert REPLACEMENT == ours.resolve_model(asking(scout))
    assert "qwen/qwen3.8-27b" == ours.resolve_model(replace(asking(scout), messages=SHOWN))


def test_a_model_of_the_other_provider_is_not_looked_up_there() -> None:
    ours = account(Clock(), "bedrock")
    error = not_found("llama-3.1-8b-instant", ended=True)
    ours.learn_about_model(error, asking("llama-3.1-8b-instant"), asking("llama-3.1-8b-instant"))
    assert (None, Retry.NEVER) == (error.successor, error.retry)
    assert "it is a model of Groq's; choose a model, such as us.anthropic" in str(error)


def test_a_successor_takes_what_the_caller_gave() -> None:
    ours = account(Clock(), "bedrock")
    haiku = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    ours.learn_about_model(not_found(haiku, ended=True), asking(haiku), asking(haiku))
    assert "us.anthropic.claude-haiku-5-5" == ours.resolve_model(asking(haiku))
    warm = replace(asking(haiku), defaulted=frozenset())
    assert haiku == ours.resolve_model(warm), "its successor takes no temperature"
    long = replace(asking(haiku), max_tokens=64_000, defaulted=frozenset({"temperature"}))
    assert haiku == ours.resolve_model(long), "its successor writes no more than 32,000 tokens"


def test_a_default_that_a_model_refuses_is_left_out_for_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    ours = account(clock, "bedrock")
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr"
    error = refused()
    with caplog.at_level(logging.WARNING):
        ours.learn_about_model(error, asking(arn), ours.adapt_request(asking(arn)))
        ours.learn_about_model(refused(), asking(arn), asking(arn))
    assert Retry.AT_ONCE is error.retry
    assert 1 == len(caplog.records)
    assert (None, 4096) == (
        ours.adapt_request(asking(arn)).temperature,
        ours.adapt_request(asking(arn)).max_tokens,
    )
    assert 0.7 == ours.adapt_request(asking(ALIVE)).temperature
    clock.now += 86_400.0
    assert 0.7 == ours.adapt_request(asking(arn)).temperature


def test_a_default_length_that_a_model_refuses_is_left_out_altogether() -> None:
    ours = account(Clock(), "bedrock")
    ours.learn_about_model(refused("max_tokens"), asking(ALIVE), asking(ALIVE))
    sent = ours.adapt_request(asking(ALIVE))
    assert (0.7, None, frozenset({"max_tokens"})) == (
        *(sent.temperature, sent.max_tokens),
        sent.omitted,
    )


@pytest.mark.parametrize(
    ("error", "request_"),
    [
        (refused(), replace(asking(ALIVE), defaulted=frozenset())),
        (refused(), replace(asking(ALIVE), temperature=None)),
        (refused("top_p"), asking(ALIVE)),
        (refused(None), asking(ALIVE)),
        (refused(status=None), asking(ALIVE)),
    ],
)
def test_what_the_caller_gave_stays_and_fails(
    error: InvalidRequestError, request_: Request
) -> None:
    ours = account(Clock(), "bedrock")
    ours.learn_about_model(error, request_, request_)
    assert Retry.NEVER is error.retry
    assert request_.temperature == ours.adapt_request(request_).temperature


@pytest.mark.parametrize(
    ("stated", "own", "waits"),
    [
        (180.0, 180.0, 180.0),
        (600.0, 600.0, 600.0),
        (7_200.0, 7_200.0, 600.0),
        (7_200.1, 600.0, 600.0),
        (86_400.0, 600.0, 600.0),
    ],
)
def test_an_outage_is_bounded_in_minutes(stated: float, own: float, waits: float) -> None:
    ours = account(Clock())
    error = ProviderUnavailableError("busy", status=503, retry_after=stated)
    ours.learn_about_scope(error, REPLACEMENT, REPLACEMENT, 0.0)
    assert (own, waits) == (error.retry_after, ours.outages.wait(REPLACEMENT, ours.now()))


def test_a_limits_pause_is_a_day_at_most() -> None:
    ours = account(Clock())
    error = RateLimitError("slow", status=429, retry_after=1e9)
    ours.learn_about_scope(error, REPLACEMENT, REPLACEMENT, 0.0)
    assert 86_400.0 == error.retry_after == ours.quota.paused_for(REPLACEMENT, ours.now())


def test_a_wait_that_is_of_no_outage_and_no_limit_holds_nobody_back() -> None:
    ours = account(Clock())
    ours.learn_about_scope(
        InvalidRequestError("no", status=400, retry_after=60.0), REPLACEMENT, REPLACEMENT, 0.0
    )
    assert Learned() == ours.learned()


def test_what_was_learnt_can_be_looked_at_and_dropped() -> None:
    ours = account(Clock())
    ours.learn_about_model(not_found(OLD, ended=True), asking(OLD), asking(OLD))
    ours.learn_about_model(
        not_found("groq/compound", ended=True), asking("groq/compound"), asking("groq/compound")
    )
    ours.learn_about_model(refused(), asking(REPLACEMENT), asking(REPLACEMENT))
    ours.learn_about_scope(
        ProviderUnavailableError("busy", status=503, retry_after=7.0), REPLACEMENT, REPLACEMENT, 0.0
    )
    ours.learn_about_scope(RateLimitError("slow", status=429, retry_after=9.0), OLD, OLD, 0.0)
    ours.remember_output_mode((REPLACEMENT, 1), "tool")
    ours.remember_output_mode((REPLACEMENT, 2), "tool")
    assert ours.learned() == Learned(
        ended={OLD: REPLACEMENT, "groq/compound": None},
        outages={REPLACEMENT: 7.0},
        pauses={OLD: 9.0},
        refused_options={REPLACEMENT: ("temperature",)},
        weaker_modes={REPLACEMENT: ("tool",)},
    )
    ours.forget()
    assert Learned() == ours.learned()
    assert (OLD, 0.7) == (
        ours.resolve_model(asking(OLD)),
        ours.adapt_request(asking(REPLACEMENT)).temperature,
    )


def test_what_was_learnt_can_be_copied_and_sent_and_written() -> None:
    ours = account(Clock())
    ours.learn_about_model(not_found(OLD, ended=True), asking(OLD), asking(OLD))
    for known in (ours.learned(), Learned()):
        assert known == pickle.loads(pickle.dumps(known)) == copy.deepcopy(known)
        assert known == Learned(**json.loads(json.dumps(asdict(known))))
