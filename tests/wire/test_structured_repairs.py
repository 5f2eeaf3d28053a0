"""A structured answer over several turns: what is asked next, what it counts for, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Answer, Fault, Sandbox
from services.llm_client import (
    ConfigurationError,
    ContextLengthError,
    LLMTimeoutError,
    RateLimitError,
    StructuredOutputError,
    TruncatedError,
)
from tests.wire.asked import CLASSIFICATION, GOOD, TODAY, asked, form, said
from tests.wire.clock import VirtualTime
from tests.wire.conftest import OpenFace
from tests.wire.faces import Face
from tests.wire.ledgers import seen, told

WRONG = '{"hs_code": "wood", "duties": [{"rate": 1}, {"rate": -1}]}'
GOOD_TEXT = json.dumps(GOOD)


def classify(face: Face, **more: Any) -> Any:
    """Ask in the strongest form that today's model takes."""
    return face.structured("Classify.", CLASSIFICATION, model=TODAY[face.provider], **more)


def rooms(sandbox: Sandbox) -> list[int]:
    """The longest answer that each request allows, in tokens."""
    bodies = [exchange.body for exchange in sandbox.exchanges]
    return [b.get("max_tokens") or b["inferenceConfig"]["maxTokens"] for b in bodies]


def test_a_repair_turn_shows_the_answer_and_every_error_by_path(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(Answer.says(WRONG), Answer.says(GOOD_TEXT))
    assert GOOD == classify(face)
    first, repair = (said(exchange) for exchange in sandbox.exchanges)
    *conversation, (who, remark) = repair
    assert [*first, ("assistant", WRONG)] == conversation
    assert "user" == who
    assert r'$.hs_code: must match the pattern ^\d{4}\.\d{2}$, not "wood"' in remark
    assert "$.duties[1].rate: must be at least 0, not -1" in remark
    assert form(sandbox.exchanges[0]) == form(sandbox.exchanges[1]) != "prompt"


@pytest.mark.parametrize("kind", ["groq", "groq async"])
@pytest.mark.parametrize("half", ["\ud83d", '{"hs_code": "\udc00"}'])
def test_half_of_a_surrogate_pair_can_be_repaired(
    open_client: OpenFace, sandbox: Sandbox, kind: str, half: str
) -> None:
    body = json.dumps(
        {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": half}}]}
    )
    json_kind = {"content-type": "application/json"}
    sandbox.script(Fault(status=200, body=body.encode(), headers=json_kind))
    sandbox.script(Answer.says(GOOD_TEXT))
    assert GOOD == classify(open_client(kind))
    assert "\ufffd" in dict(said(sandbox.exchanges[1]))["assistant"]


def test_the_whole_reply_tells_of_all_turns(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer.says(WRONG), Answer.says(GOOD_TEXT))
    reply = face.respond_structured("Classify.", CLASSIFICATION, model=TODAY[face.provider])
    assert (GOOD, GOOD_TEXT, 2) == (reply.value, reply.text, len(reply.attempts))
    first, second = (attempt.usage.total_tokens for attempt in reply.attempts)
    assert first + second == reply.usage.total_tokens > 0
    assert sum(attempt.cost or 0 for attempt in reply.attempts) == pytest.approx(reply.cost)


def test_a_chat_asks_for_a_structured_answer_too(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(*[Answer.says(GOOD_TEXT)] * 2)
    chat = [{"role": "user", "content": "A chair."}, {"role": "assistant", "content": "Wood?"}]
    more = {"schema": CLASSIFICATION, "model": TODAY[face.provider]}
    assert GOOD == face.structured("Wood.", messages=chat, **more)
    asked_for = [{"role": "user", "content": "Classify a chair."}]
    assert GOOD == face.respond_structured(messages=asked_for, **more).value
    first, second = (said(exchange) for exchange in sandbox.exchanges)
    assert ["A chair.", "Wood?", "Wood."] == [words for _, words in first]
    assert ["Classify a chair."] == [words for _, words in second]


def test_a_misspelt_keyword_is_refused_before_anything_is_sent(
    face: Face, sandbox: Sandbox
) -> None:
    calls: list[Callable[..., Any]] = [face.generate, face.respond, face.generate_with_retry]
    calls += [lambda words, **more: face.structured(words, CLASSIFICATION, **more)]
    for call in calls:
        with pytest.raises(ConfigurationError, match="did you mean temperature"):
            call("hi", temprature=0.2)
    assert [] == sandbox.exchanges


@pytest.mark.parametrize(("repairs", "calls"), [({}, 3), ({"LLM_MAX_REPAIRS": 0}, 1)])
def test_the_knob_bounds_the_repairs(
    open_face: OpenFace, sandbox: Sandbox, repairs: dict[str, int], calls: int
) -> None:
    sandbox.script(*[Answer.says(WRONG)] * 4)
    with pytest.raises(StructuredOutputError):
        classify(open_face(**repairs))
    assert calls == len(sandbox.exchanges)


def test_the_error_says_what_was_wrong_and_what_it_took(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(*[Answer(text=WRONG, input_tokens=50, output_tokens=7)] * 3)
    with pytest.raises(StructuredOutputError) as caught:
        classify(face)
    error = caught.value
    assert "LLM did not return valid JSON: $.hs_code: must match" in str(error)
    assert WRONG == error.raw
    assert ["$.hs_code", "$.duties[1].rate"] == [path for path, _ in error.errors]
    assert told(error.attempts) == seen(sandbox)
    assert (3, 171) == (len(error.attempts), error.usage.total_tokens)
    assert error.request_id == error.attempts[-1].request_id
    assert (face.provider, None) == (error.provider, error.__cause__)


@pytest.mark.parametrize("coerce", [True, False])
def test_the_knob_turns_conversion_off(open_face: OpenFace, sandbox: Sandbox, coerce: bool) -> None:
    sandbox.script(Answer.says('{"hs_code": "9401.61", "duties": {"rate": "2.7"}}'))
    answer = classify(open_face(LLM_COERCE=coerce))
    assert coerce == ({**GOOD, "duties": [{"rate": 2.7}]} == answer)
    assert (1 if coerce else 2) == len(sandbox.exchanges)


def test_an_answer_that_was_cut_off_gets_more_room_up_to_the_models_own(
    face: Face, sandbox: Sandbox
) -> None:
    sandbox.script(*[Answer.truncated('{"hs_code": "94')] * 3)
    with pytest.raises(StructuredOutputError, match="cut off") as caught:
        classify(face, max_tokens=10_000)
    most = {"groq": 65_536, "bedrock": 64_000}[face.provider]
    assert [10_000, 40_000, most] == rooms(sandbox)
    assert 1 == len({json.dumps(said(exchange)) for exchange in sandbox.exchanges})
    assert isinstance(caught.value.__cause__, TruncatedError)
    assert '{"hs_code": "94' == caught.value.raw


def test_more_room_is_enough(face: Face, sandbox: Sandbox) -> None:
    answer = classify(face, max_tokens=3)
    assert answer["hs_code"]
    assert [3, 12] == rooms(sandbox)[:2]


def test_an_empty_answer_gets_more_room(face: Face, sandbox: Sandbox) -> None:
    sandbox.script(Answer(text="", finish="length", reasoning="Hm. " * 50))
    assert classify(face)["hs_code"]
    assert [4096, 16384] == rooms(sandbox)


@pytest.mark.parametrize("fault", [Fault.too_large(), Fault.context_length()])
def test_room_that_is_refused_ends_with_what_there_was(
    face: Face, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.script(Answer.truncated('{"hs_code": "94'), fault)
    with pytest.raises(StructuredOutputError, match="cut off") as caught:
        classify(face)
    assert '{"hs_code": "94' == caught.value.raw
    assert isinstance(caught.value.__cause__, ContextLengthError)
    assert told(caught.value.attempts) == seen(sandbox)


def test_room_beyond_our_own_limit_ends_with_what_there_was(
    open_face: OpenFace, sandbox: Sandbox
) -> None:
    sandbox.script(Answer.truncated('{"hs_code": "94'))
    face = open_face(GROQ_TOKENS_PER_MINUTE=8_000, BEDROCK_TOKENS_PER_MINUTE=8_000)
    with pytest.raises(StructuredOutputError, match="cut off") as caught:
        classify(face)
    assert isinstance(caught.value.__cause__, ContextLengthError)
    assert 1 == len(sandbox.exchanges) == len(caught.value.attempts)


@pytest.mark.parametrize("kind", ["groq", "groq async"])
class TestWhatGroqItselfRefused:
    """A 400 that holds what the model wrote."""

    GENERATIONS = (
        Fault.json_validate_failed("Sure:\n```json\n{'hs_code': '9401.61',}\n```"),
        Fault.tool_use_failed('<tool_call>{"name": "answer", "arguments": {"hs_code": "9401.61"}}'),
        Fault.tool_use_failed('<function=answer>{"hs_code": "9401.61"}</function>'),
    )

    @pytest.mark.parametrize("fault", GENERATIONS)
    def test_is_salvaged_without_a_call(
        self, open_client: OpenFace, sandbox: Sandbox, kind: str, fault: Fault
    ) -> None:
        sandbox.script(fault)
        assert GOOD == classify(open_client(kind))
        assert 1 == len(sandbox.exchanges)

    def test_is_shown_with_its_errors_where_it_is_wrong(
        self, open_client: OpenFace, sandbox: Sandbox, kind: str
    ) -> None:
        sandbox.script(Fault.json_validate_failed(WRONG), Answer.says(GOOD_TEXT))
        assert GOOD == classify(open_client(kind))
        assert ("assistant", WRONG) == said(sandbox.exchanges[1])[-2]

    @pytest.mark.parametrize("generation", ["", '{"hs_code": "94'])
    def test_gets_more_room_where_it_breaks_off(
        self, open_client: OpenFace, sandbox: Sandbox, kind: str, generation: str
    ) -> None:
        sandbox.script(Fault.json_validate_failed(generation), Answer.says(GOOD_TEXT))
        assert GOOD == classify(open_client(kind))
        assert [4096, 16384] == rooms(sandbox)
        assert ["strict", "strict"] == asked(sandbox)

    def test_keeps_the_form_where_it_holds_nothing(
        self, open_client: OpenFace, sandbox: Sandbox, kind: str
    ) -> None:
        error = {"message": "Failed to generate JSON.", "code": "json_validate_failed"}
        body = json.dumps({"error": {**error, "type": "invalid_request_error"}}).encode()
        headers = {"content-type": "application/json"}
        sandbox.script(Fault(status=400, body=body, headers=headers), Answer.says(GOOD_TEXT))
        assert GOOD == classify(open_client(kind))
        assert ["strict", "strict"] == asked(sandbox)


def test_a_passing_fault_in_a_repair_turn_is_ridden_out(
    face: Face, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    sandbox.script(Answer.says(WRONG), Fault.error(503), Answer.says(GOOD_TEXT))
    assert GOOD == classify(face)
    assert 3 == len(sandbox.exchanges)


def test_repairs_take_slots_of_the_same_quota(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face()
    face.client._max_requests_per_window = 2
    sandbox.script(*[Answer.says(WRONG)] * 3)
    with pytest.raises(RateLimitError, match="Please wait") as caught:
        classify(face)
    assert 2 == len(sandbox.exchanges) == len(caught.value.attempts)


def test_repairs_wait_for_the_quota_where_they_may(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=100.0)
    face.client._max_requests_per_window = 1
    sandbox.script(Answer.says(WRONG))
    assert classify(face)["hs_code"]
    first, second = sandbox.exchanges
    assert second.arrived_at - first.arrived_at >= 60


def test_repairs_share_the_deadline(
    open_face: OpenFace, sandbox: Sandbox, virtual: VirtualTime
) -> None:
    face = open_face(LLM_MAX_QUOTA_WAIT=1000.0)
    face.client._max_requests_per_window = 1
    sandbox.script(*[Answer.says(WRONG)] * 3)
    with pytest.raises((RateLimitError, LLMTimeoutError)) as caught:
        classify(face, timeout=100)
    assert 2 == len(sandbox.exchanges) == len(caught.value.attempts)


def test_an_answer_that_was_wrong_is_not_kept(open_face: OpenFace, sandbox: Sandbox) -> None:
    face = open_face(LLM_CACHE_URL="memory:")
    sandbox.script(*[Answer.says(WRONG)] * 3, Answer.says(GOOD_TEXT))
    with pytest.raises(StructuredOutputError):
        classify(face)
    assert 3 == len(sandbox.exchanges)
    for _ in range(2):
        assert GOOD == classify(face)
    assert 4 == len(sandbox.exchanges)
