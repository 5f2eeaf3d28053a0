"""The log line of a call: what it says, to whom, and what it never says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox import Sandbox
from services import llm_client
from services.llm.events import CallEnded, CallStarted, hooks
from services.llm.telemetry.labels import error_label, model_label
from services.llm.telemetry.logs import call_fields, log_call
from tests.telemetry.ended import (
    ATTEMPT,
    INFO,
    MODEL,
    answered,
    batch_ended,
    cached,
    cancelled,
    failed,
)
from tests.wire.faces import SECRETS, settings

LOGGER = "services.llm.telemetry.logs"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, LOGGER):
        yield caplog


def test_a_line_says_what_the_call_took(logged: pytest.LogCaptureFixture) -> None:
    log_call(answered(waited={"tokens": 0.25, "backoff": 0.5}))
    assert [
        f"call id=1f-1 provider=groq model={MODEL} operation=respond outcome=answered seconds=0.5"
        " attempts=1 input_tokens=100 output_tokens=40 cost=0.0002 waited=0.75 tags.tenant=acme"
    ] == [record.getMessage() for record in logged.records]


@pytest.mark.parametrize("cost", [0.0002, None])
def test_a_batch_of_the_providers_is_a_line_when_it_is_read_first(
    logged: pytest.LogCaptureFixture, cost: float | None
) -> None:
    log_call(batch_ended(cost=cost))
    log_call(batch_ended(is_new=False))
    assert [
        "batch id=1f-2 provider=groq batch=batch_1 state=completed answered=2 failed=1"
        f" input_tokens=100 output_tokens=40{' cost=0.0002' if cost else ''} tags.tenant=acme"
    ] == [record.getMessage() for record in logged.records]


def test_the_record_has_the_same_as_fields(logged: pytest.LogCaptureFixture) -> None:
    log_call(failed())
    (record,) = logged.records
    assert (LOGGER, "INFO") == (record.name, record.levelname)
    assert ("logs.py", "_log", "logs") == (record.filename, record.funcName, record.module)
    fields = vars(record)["llm"]
    assert ("groq", "failed", "RateLimitError", 429, "acme") == tuple(
        fields[name] for name in ("provider", "outcome", "error", "status", "tags.tenant")
    )


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (answered(), "answered"),
        (cached(), "cached"),
        (failed(), "failed"),
        (cancelled(), "cancelled"),
    ],
)
def test_an_outcome_is_one_of_four(ended: CallEnded, outcome: str) -> None:
    assert outcome == call_fields(ended)["outcome"]


def test_a_model_that_another_stood_in_for_is_named() -> None:
    fields = call_fields(answered(call=replace(INFO, model="gone")))
    assert ("gone", MODEL) == (fields["requested_model"], fields["model"])


def test_an_unknown_price_is_left_out() -> None:
    fields = call_fields(answered(attempts=(replace(ATTEMPT, cost=None),)))
    assert "cost" not in fields


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("a b", 'tags.t="a b"'),
        ('a"b', 'tags.t="a\\"b"'),
        ("", 'tags.t=""'),
        ("ä", 'tags.t="ä"'),
        ("a\x9b1m", 'tags.t="a\\u009b1m"'),
        ("a\nb", 'tags.t="a\\nb"'),
        ("a\u2028\u202eä\ud800", 'tags.t="a\\u2028\\u202e\\u00e4\\ud800"'),
    ],
)
def test_a_value_that_could_be_taken_for_more_is_quoted(
    logged: pytest.LogCaptureFixture, tag: str, shown: str
) -> None:
    log_call(answered(call=replace(INFO, tags={"t": tag})))
    assert logged.records[0].getMessage().endswith(shown)


def test_nothing_is_logged_of_other_events_or_below_info(caplog: pytest.LogCaptureFixture) -> None:
    log_call(CallStarted(INFO, 1.0))
    with caplog.at_level(logging.WARNING, LOGGER):
        log_call(answered())
    assert [] == caplog.records


@pytest.mark.parametrize("both", [False, True])
def test_the_knob_logs_each_call_of_a_client_once(
    logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, both: bool
) -> None:
    if both:
        hooks.add(log_call)
    try:
        with Sandbox() as sandbox:
            known = settings(sandbox.url, LLM_LOG_CALLS=True)
            monkeypatch.setattr(llm_client, "settings", known)
            with llm_client.GroqClient() as client:
                client.generate("the confidential prompt")
                with pytest.raises(llm_client.LLMError):
                    client.generate("the confidential prompt", model="sandbox/500", max_retries=0)
    finally:
        hooks.remove(log_call)
    lines = [each.getMessage() for each in logged.records if each.name == LOGGER]
    assert 2 == len(lines)
    assert not any("confidential" in line or SECRETS[0] in line for line in lines)


def test_no_client_logs_calls_unless_it_is_asked_to(
    logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as sandbox:
        monkeypatch.setattr(llm_client, "settings", settings(sandbox.url))
        with llm_client.GroqClient() as client:
            client.generate("hi")
    assert [] == logged.records


@pytest.mark.parametrize(
    ("model", "label"),
    [
        (MODEL, MODEL),
        ("us.anthropic.claude-sonnet-4-6", "anthropic.claude-sonnet-4-6"),
        ("llama3-70b-8192", "llama3-70b-8192"),
        ("mine/own", "other"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x", "other"),
    ],
)
def test_a_label_is_a_known_model_or_other(model: str, label: str) -> None:
    assert label == model_label(model)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("RateLimitError(rate_limit_exceeded)", "RateLimitError"),
        ("CancelledError", "CancelledError"),
        ("ValueError", "other"),
        ("LLMError", "LLMError"),
    ],
)
def test_a_label_is_a_known_error_or_other(name: str, label: str) -> None:
    assert label == error_label(name)
