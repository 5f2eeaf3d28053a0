"""In which form a model is asked for a structured answer, and what follows a refusal of it."""

from __future__ import annotations

import pytest

from services.llm.errors import (
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
)
from services.llm.types import Message, Provider, Request

from .asking import GOOD, Asking, refusal
from .scripted import says


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
    asking = Asking(says('{"hs_code": "9401.61"}'), prompt_only=True)
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
    asking = Asking(says('{"hs_code": "9401.61"}'), prompt_only=True, messages=messages)
    asking.run()
    (sent,) = asking.drive.sent
    assert [at] == [n for n, said in enumerate(sent.messages) if "JSON Schema" in said["content"]]


def test_in_words_a_list_of_parts_gets_one_more() -> None:
    messages = ({"role": "user", "content": [{"type": "text", "text": "Classify."}]},)
    asking = Asking(says('{"hs_code": "9401.61"}'), prompt_only=True, messages=messages)
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
    assert {} == asking.account.output_modes.items(asking.account.now())


def test_the_memory_of_forms_is_bounded() -> None:
    asking = Asking(refusal("bad schema"), says('{"hs_code": "9401.61"}'))
    for number in range(5000):
        asking.account.remember_output_mode(("model", number), "tool")
    asking.run()
    output_modes = asking.account.output_modes.items(asking.account.now())
    assert 1024 == len(output_modes)
    assert "schema" in output_modes.values()


def test_a_stronger_form_is_tried_again_after_a_day() -> None:
    first = Asking(refusal("bad schema"), says('{"hs_code": "9401.61"}'))
    first.run()
    second = Asking(says('{"hs_code": "9401.61"}'), account=first.account)
    second.clock.now += 86_400.0
    second.run()
    assert ["strict"] == second.modes


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
    asking = Asking(refusal("Groq API error: bad JSON schema"), prompt_only=True)
    with pytest.raises(InvalidRequestError):
        asking.run()
