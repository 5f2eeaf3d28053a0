"""A structured answer turn by turn, without a wire: what is asked next, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from services.llm import flow, retry, turns
from services.llm.account import Account
from services.llm.errors import (
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    StructuredOutputError,
    TruncatedError,
)
from services.llm.journey import Terms
from services.llm.structured import Schema
from services.llm.turns import Wanted
from services.llm.types import Ask, Message, Provider, Reply, Request

from .scripted import Clock, Drive, account, says

HS_CODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "hs_code": {"type": "string", "pattern": r"^\d{4}\.\d{2}$"},
        "note": {"type": "string"},
    },
    "required": ["hs_code"],
}
GOOD = '{"hs_code": "9401.61", "note": null}'
STRICT, OBJECT, WORDS = "openai/gpt-oss-120b", "llama-3.1-8b-instant", "sandbox/unknown"


class Asking:
    """One question on one account, and the drive that answered it."""

    def __init__(self, *outcomes: Reply | BaseException, **more: Any) -> None:
        self.clock = Clock()
        provider: Provider = more.pop("provider", "groq")
        self.account: Account = more.pop("account", None) or account(self.clock, provider)
        self.account.now = self.clock
        self.drive = Drive(self.clock, outcomes)
        self.spec = more.pop("schema", HS_CODE)
        self.wanted = {
            name: more.pop(name) for name in ("repairs", "coerce", "plain") if name in more
        }
        self.request = Request(
            model=more.pop("model", STRICT),
            messages=more.pop("messages", ({"role": "user", "content": "Classify."},)),
            temperature=0.3,
            max_tokens=more.pop("max_tokens", 100),
            defaulted=frozenset({"temperature", "max_tokens"}),
            options=more,
        )

    def run(self) -> Any:
        wanted = Wanted(Schema.of(self.spec), **self.wanted)
        terms = Terms(retry.riding_out(1), timeout=120)
        way = partial(turns.structured, self.request, wanted)
        value, self.reply = self.drive.run(flow.travel(terms, self.account, way))
        return value

    @property
    def modes(self) -> list[str | None]:
        return [request.output.mode if request.output else None for request in self.drive.sent]


def cut(text: str, reason: str = "length", model: str = STRICT) -> TruncatedError:
    error = TruncatedError("Groq API error: cut off", provider="groq", status=200)
    error.text = text
    error.partial = replace(says(text, model), finish_reason=reason)
    return error


def refusal(message: str, kind: type[LLMError] = InvalidRequestError) -> LLMError:
    return kind(message, provider="groq", status=400)


def last_said(request: Request) -> str:
    content: str = request.messages[-1]["content"]
    return content


def test_a_valid_answer_takes_one_call_in_the_strongest_form() -> None:
    asking = Asking(says(GOOD))
    assert {"hs_code": "9401.61"} == asking.run()
    assert ["strict"] == asking.modes
    assert GOOD == asking.reply.text


@pytest.mark.parametrize(
    ("provider", "model", "mode"),
    [
        ("groq", "openai/gpt-oss-120b", "strict"),
        ("groq", "openai/gpt-oss-safeguard-20b", "schema"),
        ("bedrock", "us.anthropic.claude-sonnet-4-6", "strict"),
        ("bedrock", "us.amazon.nova-lite-v1:0", "tool"),
        ("bedrock", "mistral.mixtral-8x7b-instruct-v0:1", "prompt"),
        ("bedrock", "us.meta.llama3-3-70b-instruct-v1:0", "prompt"),
    ],
)
def test_each_model_is_asked_in_the_strongest_form_it_takes(
    provider: Provider, model: str, mode: str
) -> None:
    asking = Asking(says('{"hs_code": "9401.61"}'), provider=provider, model=model)
    assert {"hs_code": "9401.61"} == asking.run()
    assert [mode] == asking.modes


def test_in_words_the_schema_follows_what_the_user_says() -> None:
    asking = Asking(says('{"hs_code": "9401.61"}'), plain=True)
    asking.run()
    assert last_said(asking.drive.sent[0]).startswith("Classify.\n\n")
    assert r'"pattern":"^\\d{4}\\.\\d{2}$"' in last_said(asking.drive.sent[0])


@pytest.mark.parametrize(
    ("messages", "at"),
    [
        (({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}), 0),
        (({"role": "system", "content": "a"},), 0),
        (({"role": "user", "content": "a"}, {"role": "user", "content": "b"}), 1),
    ],
)
def test_in_words_the_last_that_the_user_says_bears_the_schema(
    messages: tuple[Message, ...], at: int
) -> None:
    asking = Asking(says('{"hs_code": "9401.61"}'), plain=True, messages=messages)
    asking.run()
    (sent,) = asking.drive.sent
    assert [at] == [n for n, said in enumerate(sent.messages) if "JSON Schema" in said["content"]]


def test_in_words_a_list_of_parts_gets_one_more() -> None:
    messages = ({"role": "user", "content": [{"type": "text", "text": "Classify."}]},)
    asking = Asking(says('{"hs_code": "9401.61"}'), plain=True, messages=messages)
    asking.run()
    first, second = asking.drive.sent[0].messages[0]["content"]
    assert {"type": "text", "text": "Classify."} == first
    assert "JSON Schema" in second["text"]


@pytest.mark.parametrize("option", ["tools", "toolConfig"])
def test_the_callers_own_tools_leave_just_the_prompt(option: str) -> None:
    asking = Asking(says('{"hs_code": "9401.61"}'), **{option: [{}]})
    asking.run()
    assert ["prompt"] == asking.modes


def test_a_schema_that_strict_mode_cannot_hold_falls_to_the_next_form_without_a_call() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    asking = Asking(says('{"a": 1}'), schema=schema)
    assert {"a": 1} == asking.run()
    assert ["schema"] == asking.modes


def test_a_form_that_the_provider_refuses_falls_to_the_next_and_is_not_tried_again() -> None:
    refused = refusal("Groq API error: this model does not support response format json_schema")
    first = Asking(refused, says('{"hs_code": "9401.61"}'))
    assert {"hs_code": "9401.61"} == first.run()
    assert ["strict", "schema"] == first.modes
    second = Asking(says('{"hs_code": "9401.61"}'), account=first.account)
    second.run()
    assert ["schema"] == second.modes


def test_a_form_that_did_not_work_either_is_not_remembered() -> None:
    asking = Asking(*[refusal("Groq API error: no JSON today")] * 5)
    with pytest.raises(InvalidRequestError):
        asking.run()
    assert 5 == len(asking.drive.sent)
    assert {} == asking.account.forms


def test_the_memory_of_forms_is_bounded() -> None:
    asking = Asking(refusal("bad schema"), says('{"hs_code": "9401.61"}'))
    asking.account.forms.update({("model", n): "tool" for n in range(5000)})
    asking.run()
    assert len(asking.account.forms) == 1


@pytest.mark.parametrize(
    "error",
    [
        refusal("Groq API error: top_p must be at most 1"),
        refusal("Groq API error: the schema and prompt are too long", ContextLengthError),
        refusal("Groq API error: withheld", ContentFilteredError),
    ],
)
def test_a_refusal_of_what_is_asked_is_raised_at_once(error: LLMError) -> None:
    asking = Asking(error)
    with pytest.raises(type(error)):
        asking.run()
    assert len(asking.drive.sent) == 1


def test_the_refusal_of_the_last_form_is_raised() -> None:
    asking = Asking(refusal("Groq API error: bad JSON schema"), plain=True)
    with pytest.raises(InvalidRequestError):
        asking.run()


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
    assert 3 == len(asking.drive.sent)


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
    assert 1 == len([effect for effect in asking.drive.effects if isinstance(effect, Ask)])


def test_so_is_a_short_answer_to_a_large_schema() -> None:
    properties = {f"p{n}": {"type": "string"} for n in range(2_000)}
    schema = {**HS_CODE, "properties": {**HS_CODE["properties"], **properties}}
    asking = Asking(says(GOOD), schema=schema)
    asking.run()
    assert 1 == len([effect for effect in asking.drive.effects if isinstance(effect, Ask)])


def test_repairs_keep_the_deadline() -> None:
    asking = Asking(says("no"), says(GOOD))
    asking.drive.outcomes = iter(_slow(asking.clock, says("no"), says(GOOD)))
    with pytest.raises(LLMError, match="No answer within 120 seconds"):
        asking.run()


def _slow(clock: Clock, *replies: Reply) -> Any:
    for reply in replies:
        clock.now += 130
        yield reply
