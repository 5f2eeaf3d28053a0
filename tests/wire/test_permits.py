"""Every attempt takes a slot of the quota, retries and switches of model too."""

from __future__ import annotations

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import ContextLengthError, RateLimitError
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face


def test_each_attempt_takes_a_slot(face: Face, sandbox: Sandbox, virtual: VirtualTime) -> None:
    sandbox.script(Fault.error(500), Fault.reset())
    face.generate("hi")
    seen = [exchange.arrived_at for exchange in sandbox.exchanges]
    assert seen == face.client._request_times
    assert 3 == len(seen)


def test_a_retry_without_a_slot_is_not_sent(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face.client._max_requests_per_window = 2
    sandbox.script(*[Fault.error(500)] * 9)
    with pytest.raises(RateLimitError, match=r"Please wait \d\d\.\d seconds") as caught:
        face.generate("hi")
    assert (2, 2) == (len(sandbox.exchanges), len(caught.value.attempts))
    naps = sum(virtual.naps)
    assert caught.value.retry_after == pytest.approx(60.0 - naps, abs=1e-6)


def test_a_patient_retry_waits_for_its_slot(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=100.0)
    face.client._max_requests_per_window = 1
    sandbox.script(Fault.error(500))
    reply = face.respond("hi")
    first, second = [exchange.arrived_at for exchange in sandbox.exchanges]
    assert 60.0 == second - first
    assert 60.0 == pytest.approx(reply.attempts[1].waited)


def test_the_switch_to_a_successor_takes_a_slot(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    gone = "mixtral-8x7b-32768" if face.provider == "groq" else "anthropic.claude-v2"
    face.generate("hi", model=gone)
    assert (2, 2) == (len(sandbox.exchanges), len(face.client._request_times))


def test_a_full_window_refuses_at_once_with_the_seconds(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face.client._max_requests_per_window = 3
    for _ in range(3):
        face.generate("hi")
        virtual.seconds += 5
    with pytest.raises(RateLimitError, match=r"Rate limit exceeded. Please wait 45\.0 seconds"):
        face.generate("hi")
    virtual.seconds += 45
    face.generate("hi")
    assert 4 == len(sandbox.exchanges)


def test_the_window_obeys_a_new_size_and_length_at_once(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face.generate("hi")
    face.client._max_requests_per_window = 1
    with pytest.raises(RateLimitError, match=r"wait 60\.0 seconds"):
        face.generate("hi")
    face.client._rate_limit_window = 10.0
    with pytest.raises(RateLimitError, match=r"wait 10\.0 seconds"):
        face.generate("hi")
    virtual.seconds += 10
    face.generate("hi")


def test_tokens_are_reserved_by_estimate_and_settled_by_the_answer(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    limit = 5000
    face = open_face(GROQ_TOKENS_PER_MINUTE=limit, BEDROCK_TOKENS_PER_MINUTE=limit)
    for _ in range(20):  # by estimate, the second would already be one too many
        face.generate("hi")
    assert 20 == len(sandbox.exchanges)


def test_a_request_larger_than_the_limit_of_tokens_is_refused_unsent(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(GROQ_TOKENS_PER_MINUTE=1000, BEDROCK_TOKENS_PER_MINUTE=1000)
    knob = f"{face.provider.upper()}_TOKENS_PER_MINUTE"
    with pytest.raises(ContextLengthError, match=f"limit of 1000 .TPM.: .*, or raise {knob}$"):
        face.generate("hi")
    assert [] == sandbox.exchanges
