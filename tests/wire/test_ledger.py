"""Attempts, waits and tokens, on replies and on errors, are what the provider saw."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sandbox import Answer, Exchange, Fault, Sandbox
from services.llm_client import LLMError, TruncatedError
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.ledgers import seen, told


def gaps(exchanges: list[Exchange]) -> list[float]:
    """The seconds before each arrival since the one before, 0 before the first."""
    times = [exchange.arrived_at for exchange in exchanges]
    return [0.0, *(later - wake for wake, later in pairwise(times))]


def test_a_reply_tells_every_attempt_and_wait(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=100.0, LLM_MAX_RETRIES=4)
    sandbox.script(
        Fault.error(503), Fault.rate_limited("7"), Fault.reset(), Fault.error(500, retry_after="3")
    )
    reply = face.respond("hi")
    statuses = [503, 429, None, 500, 200]
    assert statuses == [attempt.status for attempt in reply.attempts]
    assert [1, 2, 3, 4, 5] == [attempt.number for attempt in reply.attempts]
    assert told(reply.attempts) == seen(sandbox)
    assert gaps(sandbox.exchanges) == pytest.approx([each.waited for each in reply.attempts])
    assert 7.0 == reply.attempts[2].quota_wait
    assert reply.latency == pytest.approx(sum(virtual.naps))


def test_an_error_tells_them_too(face: Face, sandbox: Sandbox, virtual: VirtualTime) -> None:
    sandbox.script(Fault.error(503), Fault.reset(), Fault.error(401))
    with pytest.raises(LLMError) as caught:
        face.generate("hi")
    assert told(caught.value.attempts) == seen(sandbox)
    assert gaps(sandbox.exchanges) == pytest.approx([each.waited for each in caught.value.attempts])
    *_, last = caught.value.attempts
    assert (401, caught.value.label) == (last.status, last.error)


def test_the_tokens_of_a_truncated_answer_are_not_lost(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer(text="Half of a", finish="length", input_tokens=11, output_tokens=22))
    with pytest.raises(TruncatedError) as caught:
        face.generate("hi")
    assert told(caught.value.attempts) == seen(sandbox)
    assert 33 == caught.value.usage.total_tokens
    assert caught.value.partial is not None
    assert "Half of a" == caught.value.partial.text


def test_a_whole_answers_tokens_and_request_id_are_the_providers(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(Answer(text="Yes.", input_tokens=100, output_tokens=9))
    reply = face.respond("hi")
    assert (100, 9, 109) == (
        reply.usage.input_tokens,
        reply.usage.output_tokens,
        reply.usage.total_tokens,
    )
    assert (face.provider, "sandbox/ok") == (reply.provider, reply.model)
    assert reply.finish_reason in {"stop", "end_turn"}
    assert reply.request_id


def test_the_price_is_that_of_the_model_that_answered(face: Face, sandbox: Sandbox) -> None:
    models = {"groq": "openai/gpt-oss-20b", "bedrock": "openai.gpt-oss-20b-1:0"}
    sandbox.script(Answer(text="Yes.", input_tokens=1_000_000, output_tokens=1_000_000))
    reply = face.respond("hi", model=models[face.provider])
    assert reply.cost is not None
    assert 0 < reply.cost == reply.attempts[0].cost


def test_what_was_never_sent_is_no_attempt(face: Face, sandbox: Sandbox) -> None:
    face.client._max_requests_per_window = 0
    with pytest.raises(LLMError) as full:
        face.generate("hi")
    face.client._max_requests_per_window = 30
    with pytest.raises(LLMError) as refused:
        face.generate("hi", stream=True)
    assert ((), (), []) == (full.value.attempts, refused.value.attempts, sandbox.exchanges)
    assert [] == face.client._request_times
