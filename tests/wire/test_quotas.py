"""Limits as the provider tells of them, kept through the real SDKs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sandbox import Fault, Limits, Sandbox
from services.llm_client import (
    ConfigurationError,
    ContextLengthError,
    Headroom,
    RateLimitError,
    RetriesExhaustedError,
)
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face


def by_name(face: Face) -> dict[str, Headroom]:
    return {limit.name: limit for limit in face.client.headroom()}


@pytest.mark.parametrize("kind", ["groq", "groq async"])
def test_limits_that_nobody_knew_are_learnt_from_the_first_answer(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime, kind: str
) -> None:
    sandbox.limits = Limits(rpd=1_000, tpm=9_000)
    face = open_client(kind)
    assert {"RPM"} == set(by_name(face))
    reply = face.respond("hi", max_tokens=100)
    known = by_name(face)
    assert {"RPM", "RPD", "TPM"} == set(known)
    assert [(1_000, True), (9_000, True)] == [
        (known[name].amount, known[name].is_learned) for name in ("RPD", "TPM")
    ]
    assert 999 <= known["RPD"].left <= 999.1
    assert 8_000 < known["TPM"].left < 9_000
    assert ["requests", "tokens"] == [report.unit for report in reply.limits]
    face.client.forget()
    assert {"RPM"} == set(by_name(face))


def test_a_stream_tells_of_the_limits_too(open_client: OpenFace, sandbox: Sandbox) -> None:
    sandbox.limits = Limits(rpd=1_000, tpm=9_000)
    face = open_client("groq")
    with face.client.stream("hi", max_tokens=100) as stream:
        assert "Sandbox: hi" == "".join(stream)
    assert 9_000 == by_name(face)["TPM"].amount


def test_who_can_wait_is_served_however_often_a_limit_refuses(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=100.0, LLM_MAX_RETRIES=0)
    sandbox.script(*[Fault.rate_limited("1")] * 6)
    reply = face.respond("hi")
    assert [429] * 6 + [200] == [attempt.status for attempt in reply.attempts]
    arrived = [exchange.arrived_at for exchange in sandbox.exchanges]
    assert all(later - one >= 1.0 for one, later in pairwise(arrived))


def test_who_has_asked_for_a_number_of_attempts_gets_so_many(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=100.0)
    sandbox.script(*[Fault.rate_limited("1")] * 6)
    with pytest.raises(RetriesExhaustedError, match="after 2 attempts"):
        face.client.generate_with_retry("hi", max_retries=2)
    assert 2 == len(sandbox.exchanges)


def test_a_request_beyond_the_whole_limit_says_by_how_much_and_is_sent_once(
    open_client: OpenFace, sandbox: Sandbox
) -> None:
    sandbox.limits = Limits(tpm=2_000)
    face = open_client("groq", LLM_MAX_QUOTA_WAIT=100.0)
    with pytest.raises(ContextLengthError, match=r"more than the whole limit of 2000"):
        face.generate("hi", max_tokens=3_000)
    # Now the limit is known, and what is beyond it is refused here.
    with pytest.raises(ContextLengthError, match=r"limit of 2000 \(TPM; groq told of it"):
        face.generate("hi", max_tokens=3_000)
    assert 1 == len(sandbox.exchanges)
    assert "Sandbox: hi" == face.generate("hi", max_tokens=100)


def test_bedrocks_refusal_without_figures_lets_a_patient_call_through(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_client("bedrock", LLM_MAX_QUOTA_WAIT=60.0, LLM_MAX_RETRIES=0)
    sandbox.script(Fault.rate_limited())
    assert [429, 200] == [attempt.status for attempt in face.respond("hi").attempts]
    assert any(limit.amount == 6 for limit in face.client.headroom())


def test_a_refusal_that_names_neither_a_wait_nor_figures_lets_a_patient_call_through(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    # As gateways send it that speak Groq's language.
    refusal = Fault.error(429, message="Slow down.")
    sandbox.script(refusal, refusal)
    patient = open_client("groq", LLM_MAX_QUOTA_WAIT=60.0, LLM_MAX_RETRIES=0)
    assert [429, 429, 200] == [attempt.status for attempt in patient.respond("hi").attempts]
    sandbox.script(refusal)
    with pytest.raises(RateLimitError, match="Slow down"):
        open_client("groq").generate("hi")


def test_a_days_limit_without_figures_is_not_taken_for_one_of_a_minute(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_client("bedrock", LLM_MAX_QUOTA_WAIT=60.0)
    sandbox.script(Fault.error(429, message="Too many tokens per day, please wait."))
    with pytest.raises(RateLimitError, match="per day"):
        face.generate("hi")
    assert ["RPM"] == [limit.name for limit in face.client.headroom()]
    assert not any(limit.is_learned for limit in face.client.headroom())


def test_a_wait_that_is_too_long_is_refused_with_the_time(
    open_client: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_client("groq", LLM_MAX_QUOTA_WAIT=1.0, GROQ_TOKENS_PER_MINUTE=4_250)
    face.generate("hi " * 100)
    with pytest.raises(RateLimitError) as caught:
        face.generate("hi " * 100)
    assert 1.0 < (caught.value.retry_after or 0.0) < 60.0
    assert 1 == len(sandbox.exchanges)


@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_the_priority_of_a_call_is_ours_and_not_sent(
    open_client: OpenFace, sandbox: Sandbox, kind: str
) -> None:
    face = open_client(kind)
    assert "Sandbox: hi" == face.generate("hi", priority="batch")
    assert "priority" not in sandbox.exchanges[0].body
    with pytest.raises(ConfigurationError, match='give "interactive" or "batch"'):
        face.generate("hi", priority="soon")
    with pytest.raises(ConfigurationError, match="did you mean priority"):
        face.generate("hi", priorty="batch")


def test_the_error_of_an_estimate_stands_in_the_ledger(face: Face) -> None:
    (attempt,) = face.respond("word " * 400).attempts
    assert attempt.estimated_input_tokens > 400
    assert attempt.estimate_error == pytest.approx(
        attempt.estimated_input_tokens / attempt.usage.input_tokens - 1
    )
