"""A structured answer turn by turn, without a wire: what is asked next, and when it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.llm.call import lifecycle, retry, structured
from services.llm.call.call import Call
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects, Overdue, RunBlocking
from services.llm.errors import (
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    StructuredOutputError,
    TruncatedError,
)
from services.llm.settings.knobs import Knobs
from services.llm.types import Reply, StructuredReply

from .asking import GOOD, HS_CODE, STRICT, WORDS, Asking, refusal
from .scripted import Clock, Drive, account, says


def cut(text: str, reason: str = "length", model: str = STRICT) -> TruncatedError:
    error = TruncatedError("Groq API error: cut off", provider="groq", status=200)
    error.text = text
    error.partial = replace(says(text, model), finish_reason=reason)
    return error


def test_a_faulty_answer_is_shown_with_its_errors() -> None:
    asking = Asking(says('{"hs_code": "wood"}'), says(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()
    (_, repair) = asking.drive.sent
    asked, wrote, told = repair.messages
    assert {"role": "user", "content": "Classify."} == asked
    assert {"role": "assistant", "content": '{"hs_code": "wood"}'} == wrote
    assert "$.hs_code" in told["content"]
    assert 2 == len(asking.reply.attempts)


def test_only_the_last_faulty_answer_is_shown() -> None:
    asking = Asking(says('{"hs_code": "a"}'), says('{"hs_code": "b"}'), says(GOOD))
    asking.run()
    assert [1, 3, 3] == [len(request.messages) for request in asking.drive.sent]


def test_the_repairs_are_used_up() -> None:
    asking = Asking(*[says('{"hs_code": "wood"}')] * 3)
    with pytest.raises(StructuredOutputError) as caught:
        asking.run()
    error = caught.value
    assert "LLM did not return valid JSON: $.hs_code" in str(error)
    assert '{"hs_code": "wood"}' == error.raw
    assert ["$.hs_code"] == [path for path, _ in error.errors]
    assert 3 == len(error.attempts)
    assert 30 == error.usage.total_tokens


def test_the_message_names_a_few_errors_and_counts_the_rest() -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in "abcde"},
        "required": [*"abcde"],
    }
    asking = Asking(
        says('{"a": "x", "b": "x", "c": "x", "d": "x", "e": "x"}'), schema=schema, repairs=0
    )
    with pytest.raises(StructuredOutputError, match="and 2 more"):
        asking.run()


def test_without_repairs_there_is_one_call() -> None:
    asking = Asking(says("no idea"), repairs=0)
    with pytest.raises(StructuredOutputError):
        asking.run()
    assert 1 == len(asking.drive.sent)


def test_an_answer_that_was_cut_off_gets_more_room_and_no_lecture() -> None:
    asking = Asking(cut('{"hs_code": "94'), says(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()
    first, second = asking.drive.sent
    assert first.messages == second.messages
    assert (100, 400) == (first.max_tokens, second.max_tokens)


def test_the_room_ends_at_the_models_own_maximum() -> None:
    asking = Asking(cut("{"), cut("{"), max_tokens=60_000)
    with pytest.raises(StructuredOutputError) as caught:
        asking.run()
    assert [60_000, 65_536] == [request.max_tokens for request in asking.drive.sent]
    assert isinstance(caught.value.__cause__, TruncatedError)


def test_a_whole_object_counts_although_the_provider_cut_what_follows() -> None:
    asking = Asking(cut(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()


def test_an_empty_answer_is_asked_for_again() -> None:
    asking = Asking(*[cut("", "stop", WORDS)] * 3, model=WORDS, max_tokens=None)
    with pytest.raises(StructuredOutputError):
        asking.run()
    assert [None] * 3 == [request.max_tokens for request in asking.drive.sent]


def test_what_the_provider_itself_refused_is_salvaged() -> None:
    failed = refusal("Groq API error: Failed to validate JSON")
    assert isinstance(failed, InvalidRequestError)
    failed.failed_generation = "Sure! ```json\n{'hs_code': '9401.61',}\n```"
    asking = Asking(failed)
    assert {"hs_code": "9401.61"} == asking.run()


def test_a_refused_generation_that_is_empty_gets_more_room() -> None:
    failed = refusal("Groq API error: Failed to generate JSON")
    assert isinstance(failed, InvalidRequestError)
    failed.failed_generation = ""
    asking = Asking(failed, says(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()
    assert [100, 400] == [request.max_tokens for request in asking.drive.sent]


def test_what_was_valid_without_its_end_counts_all_turns() -> None:
    asking = Asking(says('{"hs_code": "wood"}'), cut(GOOD))
    asking.run()
    assert [False, True] == [each.error is not None for each in asking.reply.attempts]
    assert 20 == StructuredReply.of(None, asking.reply).usage.total_tokens


def test_a_truncated_answer_of_which_nothing_is_known_is_judged_by_its_text() -> None:
    error = cut('{"hs_code": "9401.61"}')
    error.partial = None
    assert {"hs_code": "9401.61"} == Asking(error).run()


def test_coercion_can_be_turned_off() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert {"n": 36} == Asking(says('{"n": "36"}'), schema=schema).run()
    with pytest.raises(StructuredOutputError):
        Asking(says('{"n": "36"}'), schema=schema, coerce=False, repairs=0).run()


def test_a_long_answer_is_judged_where_no_event_loop_waits() -> None:
    text = '{"hs_code": "9401.61", "note": "' + "x" * 60_000 + '"}'
    asking = Asking(says(text))
    asking.run()
    assert 1 == len([effect for effect in asking.drive.effects if isinstance(effect, RunBlocking)])


def test_so_is_a_short_answer_to_a_large_schema() -> None:
    properties = {f"p{n}": {"type": "string"} for n in range(2_000)}
    schema = {**HS_CODE, "properties": {**HS_CODE["properties"], **properties}}
    asking = Asking(says(GOOD), schema=schema)
    asking.run()
    assert 1 == len([effect for effect in asking.drive.effects if isinstance(effect, RunBlocking)])


def test_so_is_an_answer_of_many_items_to_a_schema_of_many_alternatives() -> None:
    schema = {"type": "array", "items": {"oneOf": [{"const": f"c{n}"} for n in range(1_000)]}}
    asking = Asking(says(json.dumps([f"c{n}" for n in range(900)])), schema=schema)
    asking.run()
    assert 1 == len([effect for effect in asking.drive.effects if isinstance(effect, RunBlocking)])


def _compiled(spec: Any, clock: Clock, drive: Drive) -> Any:
    owner = account(clock)

    def steps(call: Call) -> Effects[StructuredReply[Any]]:
        found = structured.structured_by(Asking().request, spec, Knobs(), call)
        return StructuredReply.of(*(yield from found))

    return drive.run(
        lifecycle.run_call(CallPolicy(lambda: retry.transient_errors(1), timeout=120), owner, steps)
    )


def test_a_large_schema_is_compiled_where_no_event_loop_waits() -> None:
    clock = Clock()
    large = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(2_000)}}
    for spec, asks in ((HS_CODE, 0), (large, 2)):
        drive = Drive(clock, [says(GOOD if asks == 0 else '{"p1": "x"}')])
        _compiled(spec, clock, drive)
        assert asks == len([effect for effect in drive.effects if isinstance(effect, RunBlocking)])


def test_so_ends_the_compilation_of_a_large_one() -> None:
    call = SimpleNamespace(
        time_left=lambda: 7.0, deadline_error=lambda: LLMTimeoutError("it is late", provider="groq")
    )
    spec: dict[str, Any] = {"properties": {f"p{n}": {} for n in range(2_000)}}
    running = structured.structured_by(
        Asking().request, spec, Knobs(), cast("Any", call), prompt_only=False
    )
    compiling = next(running)
    assert isinstance(compiling, RunBlocking)
    assert 7.0 == compiling.timeout
    with pytest.raises(LLMTimeoutError, match="it is late"):
        running.throw(Overdue(is_slow=True))


def test_judging_ends_with_the_deadline() -> None:
    asking = Asking(says(GOOD))
    asking.drive.outcomes = iter(_slow(asking.clock, says(GOOD)))
    with pytest.raises(LLMTimeoutError, match="No answer within 120 seconds"):
        asking.run()


def test_repairs_keep_the_deadline() -> None:
    asking = Asking(says("no"), says(GOOD))
    asking.drive.outcomes = iter(_slow(asking.clock, says("no"), says(GOOD)))
    with pytest.raises(LLMError, match="No answer within 120 seconds"):
        asking.run()


def _slow(clock: Clock, *replies: Reply) -> Any:
    for reply in replies:
        clock.now += 130
        yield reply


def ungenerated(text: str) -> InvalidRequestError:
    """Groq's refusal of what its model wrote."""
    failed = refusal("Groq API error: Failed to validate JSON")
    assert isinstance(failed, InvalidRequestError)
    failed.failed_generation = text
    return failed


def test_what_the_provider_refused_since_the_limit_cut_it_off_gets_more_room() -> None:
    asking = Asking(ungenerated('{"hs_code": "94'), says(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()
    first, second = asking.drive.sent
    assert (first.messages, 100, 400) == (second.messages, first.max_tokens, second.max_tokens)


@pytest.mark.parametrize("faulty", [ungenerated('{"hs_code": "94"}'), says('{"hs_code": "94')])
def test_what_was_refused_whole_or_left_open_by_the_model_itself_is_shown_to_it(
    faulty: Reply | InvalidRequestError,
) -> None:
    asking = Asking(faulty, says(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()
    first, second = asking.drive.sent
    assert (1, 3, 100) == (len(first.messages), len(second.messages), second.max_tokens)


def test_the_error_carries_the_last_answer() -> None:
    asking = Asking(says("first"), replace(says("last"), request_id="one"), repairs=1)
    with pytest.raises(StructuredOutputError) as caught:
        asking.run()
    partial = caught.value.partial
    assert partial is not None
    assert ("last", "one", "one") == (partial.text, partial.request_id, caught.value.request_id)


def test_a_schema_is_given_to_the_provider_where_nobody_asks_for_it_in_words() -> None:
    clock = Clock()
    drive = Drive(clock, [says(GOOD)])
    _compiled(HS_CODE, clock, drive)
    assert ["strict"] == [each.output.mode for each in drive.sent if each.output is not None]
