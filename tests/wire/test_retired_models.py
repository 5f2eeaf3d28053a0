"""A model that is gone is answered for by its successor, where one is known."""

from __future__ import annotations

import logging
import threading

import pytest

from sandbox import Fault, Sandbox
from services.llm_client import ModelNotFoundError
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face

DEFAULT = {
    "groq": "mixtral-8x7b-32768",
    "bedrock": "anthropic.claude-3-sonnet-20240229-v1:0",
}
SUCCESSOR = {"groq": "openai/gpt-oss-120b", "bedrock": "us.anthropic.claude-sonnet-4-6"}


def models(sandbox: Sandbox) -> list[str | None]:
    return [exchange.model for exchange in sandbox.exchanges]


@pytest.fixture
def default(open_face: OpenFace) -> Face:
    """A face whose default model is the drop-in's own, which is gone."""
    return open_face(GROQ_MODEL=DEFAULT["groq"], BEDROCK_MODEL_ID=DEFAULT["bedrock"])


def test_the_successor_of_the_default_model_answers_and_says_so(
    default: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    reply = default.respond("hi")
    gone, next_leader = DEFAULT[default.provider], SUCCESSOR[default.provider]
    assert next_leader == reply.model
    assert [gone, next_leader] == models(sandbox) == [attempt.model for attempt in reply.attempts]
    assert [None, 0.0] == [reply.attempts[1].error, reply.attempts[1].waited]


def test_later_calls_go_to_the_successor_at_once_after_one_warning(
    default: Face, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "services"):
        for _ in range(3):
            default.generate("hi")
    gone, next_leader = DEFAULT[default.provider], SUCCESSOR[default.provider]
    assert [gone, next_leader, next_leader, next_leader] == models(sandbox)
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert 1 == len(warnings)
    assert gone in warnings[0].getMessage()
    assert next_leader in warnings[0].getMessage()


@pytest.mark.parametrize("kind", ["groq", "bedrock"])
def test_callers_who_find_out_together_are_warned_once(
    open_client: OpenFace, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    client = open_client(kind, GROQ_REQUESTS_PER_MINUTE=99, BEDROCK_REQUESTS_PER_MINUTE=99).client
    replies = []
    start = threading.Barrier(16)

    def call() -> None:
        start.wait()
        replies.append(client.respond("hi", model=DEFAULT[kind]).model)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [SUCCESSOR[kind]] * 16 == replies
    assert 1 == len(caplog.records)


def test_switching_can_be_turned_off_and_the_error_names_the_successor(
    open_face: OpenFace, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    face = open_face(LLM_RETIRED_MODELS="error")
    gone, next_leader = DEFAULT[face.provider], SUCCESSOR[face.provider]
    with pytest.raises(ModelNotFoundError) as caught:
        face.generate("hi", model=gone)
    assert next_leader == caught.value.successor
    assert next_leader in str(caught.value)
    assert ([gone], []) == (models(sandbox), caplog.records)


def test_an_unknown_model_without_a_successor_is_an_error(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Fault.model_not_found())
    with pytest.raises(ModelNotFoundError) as caught:
        face.generate("hi", model="acme/no-such-model")
    assert (None, ["acme/no-such-model"]) == (caught.value.successor, models(sandbox))


@pytest.mark.parametrize("fault", [Fault.decommissioned(), Fault.model_not_found()])
def test_either_way_of_saying_that_it_is_gone_is_understood(
    face: Face, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.script(fault)
    assert SUCCESSOR[face.provider] == face.respond("hi", model=DEFAULT[face.provider]).model


def test_the_successor_is_asked_within_the_attempts_that_were_asked_for(
    face: Face, sandbox: Sandbox
) -> None:
    gone = DEFAULT[face.provider]
    with pytest.raises(ModelNotFoundError) as caught:
        face.generate("hi", model=gone, max_retries=0)
    assert (SUCCESSOR[face.provider], [gone]) == (caught.value.successor, models(sandbox))
    words = f" (replaced by {SUCCESSOR[face.provider]}, which later calls ask)"
    assert str(caught.value).endswith(words)
    assert SUCCESSOR[face.provider] == face.respond("hi", model=gone, max_retries=0).model


def test_a_fault_of_the_successors_is_retried_as_any(
    default: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(None, Fault.error(503))
    next_leader = SUCCESSOR[default.provider]
    assert next_leader == default.respond("hi").model
    assert [DEFAULT[default.provider], next_leader, next_leader] == models(sandbox)
