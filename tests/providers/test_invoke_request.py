from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.errors import ConfigurationError, InvalidRequestError
from services.llm.providers.bedrock import (
    INVOKE_MODELS,
    format_prompt,
    parse_response,
    to_invoke,
    uses_invoke,
)
from services.llm.providers.bedrock.invoke import body_of
from services.llm.types import Message, Output, Request

CLAUDE, LLAMA, MIXTRAL = INVOKE_MODELS[0], INVOKE_MODELS[3], INVOKE_MODELS[5]
PIXEL = base64.b64encode(b"pixel").decode()


def _request(model: str = CLAUDE, **changes: Any) -> Request:
    asked = ({"role": "user", "content": "Hello"},)
    return Request(**{"model": model, "messages": asked, **changes})


def _send(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(to_invoke(request)["body"])
    return body


def test_the_six_alone_are_invoked() -> None:
    assert [uses_invoke(model) for model in INVOKE_MODELS] == [True] * 6
    assert not uses_invoke("us." + CLAUDE)
    assert not uses_invoke("us.anthropic.claude-sonnet-4-6")


def test_a_prompt_for_claude_is_one_message() -> None:
    assert format_prompt("Hello", "Be brief.", CLAUDE, temperature=0.7, max_tokens=4096) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 4096,
        "temperature": 0.7,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hello"}],
    }


def test_a_prompt_for_llama_is_its_header_template() -> None:
    body = format_prompt("Hello", "Be brief.", LLAMA, temperature=0.7, max_tokens=100)

    assert body == {
        "max_gen_len": 100,
        "temperature": 0.7,
        "prompt": (
            "<|begin_of_text|>"
            "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
    }


def test_a_prompt_for_mixtral_stands_between_its_marks() -> None:
    body = format_prompt("Hello", "Be brief.", MIXTRAL, temperature=0.7, max_tokens=100)

    assert body == {
        "max_tokens": 100,
        "temperature": 0.7,
        "prompt": "<s>[INST] Be brief.\n\nHello [/INST]",
    }


@pytest.mark.parametrize("model", INVOKE_MODELS)
def test_no_system_prompt_leaves_no_trace(model: str) -> None:
    body = format_prompt("Hello", None, model)

    assert "system" not in json.dumps(body)
    assert "temperature" not in body
    assert 4096 in body.values(), "an answer's length is always bounded"


@pytest.mark.parametrize("model", ["meta.llama3-1-8b-instruct-v1:0", "mistral.mistral-7b-v0:2"])
def test_other_models_of_the_families_are_spoken_too(model: str) -> None:
    assert "prompt" in format_prompt("Hello", None, model)


@pytest.mark.parametrize("model", ["amazon.titan-text-express-v1", "", "cohere.command-r-v1:0"])
def test_a_model_of_no_known_family_is_named(model: str) -> None:
    with pytest.raises(ValueError, match=f"^Unsupported model: {re.escape(model)}$"):
        format_prompt("Hello", None, model)
    with pytest.raises(ValueError, match="Unsupported model"):
        parse_response({}, model)
    with pytest.raises(ConfigurationError):
        to_invoke(_request(model))


TALK: tuple[Message, ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Two"},
    {"role": "user", "content": "Three"},
    {"role": "user", "content": "Four"},
)


def test_a_talk_becomes_claudes_messages() -> None:
    body = _send(_request(messages=TALK))

    assert body["system"] == "Be brief."
    assert body["messages"] == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Three"}, {"type": "text", "text": "Four"}],
        },
    ]


def test_a_talk_becomes_llamas_headers() -> None:
    assert _send(_request(LLAMA, messages=TALK))["prompt"] == (
        "<|begin_of_text|>"
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nOne<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nTwo<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nThree\nFour<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_a_talk_becomes_mixtrals_turns() -> None:
    assert _send(_request(MIXTRAL, messages=TALK))["prompt"] == (
        "<s>[INST] Be brief.\n\nOne [/INST] Two</s>[INST] Three\nFour [/INST]"
    )


def test_mixtrals_system_text_is_the_users_even_where_the_assistant_begins() -> None:
    talk = (TALK[0], TALK[2])

    assert _send(_request(MIXTRAL, messages=talk))["prompt"] == (
        "<s>[INST] Be brief. [/INST] Two</s>"
    )


def test_pictures_and_tools_become_claudes_blocks() -> None:
    url = {"url": f"data:image/jpg;base64,{PIXEL}"}
    call = {"id": "t1", "function": {"name": "look", "arguments": '{"at": 1}'}}
    talk: tuple[Message, ...] = (
        {"role": "user", "content": [{"type": "image_url", "image_url": url}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
    )
    image = {"type": "base64", "media_type": "image/jpeg", "data": PIXEL}

    assert _send(_request(messages=talk))["messages"] == [
        {"role": "user", "content": [{"type": "image", "source": image}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a cat"}],
        },
    ]


def test_a_picture_for_a_model_of_text_is_refused() -> None:
    url = f"data:image/png;base64,{PIXEL}"
    asked = ({"role": "user", "content": [{"type": "image_url", "image_url": url}]},)

    with pytest.raises(InvalidRequestError, match="this model takes text alone, not the Image"):
        to_invoke(_request(LLAMA, messages=asked))


_LLAMA_TOKENS = re.compile(r"<\|[a-z_0-9]+\|>")
_MARKS = re.compile(r"\[/?INST\]|</?s>", re.IGNORECASE)
_PIECES = st.lists(
    st.sampled_from(
        (
            *("<|", "|>", "eot_id", "<|eot_id|>", "<|start_header_id|>", "system", "\n", "<", "["),
            *("[INST]", "[/INST]", "</s>", "<s>", "/", "s>", "INST]", "]", "<|x|>", "<<|x|>"),
        )
    )
).map("".join)


@settings(deadline=None)
@given(prompt=_PIECES, system=_PIECES)
def test_nobody_can_write_a_special_token_of_llama(prompt: str, system: str) -> None:
    body = format_prompt(prompt, system, LLAMA)
    plain = format_prompt("x", "x" if system else None, LLAMA)

    assert _LLAMA_TOKENS.findall(body["prompt"]) == _LLAMA_TOKENS.findall(plain["prompt"])


@settings(deadline=None)
@given(prompt=_PIECES, system=_PIECES)
def test_nobody_can_write_a_mark_of_mixtral(prompt: str, system: str) -> None:
    assert _MARKS.findall(format_prompt(prompt, system, MIXTRAL)["prompt"]) == [
        "<s>",
        "[INST]",
        "[/INST]",
    ]


@settings(deadline=None)
@given(prompt=st.text(alphabet=st.characters(exclude_characters="<[")))
def test_any_other_text_reaches_the_model_as_it_is(prompt: str) -> None:
    assert f"\n\n{prompt}<|eot_id|>" in format_prompt(prompt, None, LLAMA)["prompt"]
    assert f"[INST] {prompt} [/INST]" in format_prompt(prompt, None, MIXTRAL)["prompt"]
    assert format_prompt(prompt, None, CLAUDE)["messages"][0]["content"] == prompt


def test_a_token_is_broken_by_one_space() -> None:
    prompt = format_prompt("a <|eot_id|> b", None, LLAMA)["prompt"]

    assert "a < |eot_id|> b" in prompt
    assert "[ INST] [ /INST] < s>" in format_prompt("[INST] [/INST] <s>", None, MIXTRAL)["prompt"]


def test_a_call_names_its_media() -> None:
    call = to_invoke(_request(temperature=0.5, max_tokens=7))

    assert call.pop("modelId") == CLAUDE
    assert json.loads(call.pop("body"))["max_tokens"] == 7
    assert call == {"contentType": "application/json", "accept": "application/json"}


def test_options_go_where_they_belong() -> None:
    options = {"top_p": 0.5, "stop": "END", "guardrailIdentifier": "g", "guardrailVersion": "1"}
    call = to_invoke(_request(options=options))

    assert json.loads(call["body"])["stop_sequences"] == ["END"]
    assert json.loads(call["body"])["top_p"] == 0.5
    assert (call["guardrailIdentifier"], call["guardrailVersion"]) == ("g", "1")
    assert _send(_request(MIXTRAL, options={"stop": ["A", "B"]}))["stop"] == ["A", "B"]


def test_an_option_that_the_family_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"option 'seed' is none of this model's: .*top_p"
    ):
        to_invoke(_request(LLAMA, options={"seed": 1}))
    with pytest.raises(
        InvalidRequestError, match=r"'tools' is none of this model's: [^.]*top_p, trace$"
    ):
        to_invoke(_request(LLAMA, options={"tools": []}))
    with pytest.raises(InvalidRequestError, match=r"'seed' is none of .*tool_choice, tools, top_k"):
        to_invoke(_request(CLAUDE, options={"seed": 1}))


def test_claude_is_made_to_answer_by_one_tool() -> None:
    body = _send(_request(output=Output("tool", {"type": "object"})))

    assert body["tools"] == [{"name": "answer", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "tool", "name": "answer"}


@pytest.mark.parametrize("mode", ["object", "prompt"])
def test_a_form_in_words_alone_changes_nothing(mode: Any) -> None:
    assert to_invoke(_request(output=Output(mode))) == to_invoke(_request())


@pytest.mark.parametrize(
    ("model", "mode"), [(CLAUDE, "strict"), (CLAUDE, "schema"), (LLAMA, "tool"), (LLAMA, "strict")]
)
def test_a_form_that_a_model_cannot_take_is_refused(model: str, mode: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"cannot enforce a schema by '{mode}'"):
        to_invoke(_request(model, output=Output(mode)))


def test_a_length_that_the_model_does_not_take_is_not_sent_by_default_either() -> None:
    asked = Request(INVOKE_MODELS[0], ({"role": "user", "content": "Hi"},), 0.7, 9)
    assert "max_tokens" in body_of(asked)
    assert {"max_tokens", "temperature"}.isdisjoint(
        body_of(asked.omitting(["max_tokens", "temperature"]))
    )
