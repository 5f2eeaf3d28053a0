from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from services.llm.errors import ConfigurationError, InvalidRequestError
from services.llm.providers.bedrock import to_converse
from services.llm.types import Message, Output, Request

MODEL = "us.anthropic.claude-sonnet-4-6"
PIXEL = base64.b64encode(b"pixel").decode()


def _request(*messages: Any, **changes: Any) -> Request:
    asked = messages or ({"role": "user", "content": "Hello"},)
    return Request(**{"model": MODEL, "messages": asked, **changes})


def test_a_plain_request_always_bounds_the_answer() -> None:
    assert to_converse(_request()) == {
        "modelId": MODEL,
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 4096},
    }


def test_parameters_go_into_the_inference_config() -> None:
    call = to_converse(_request(temperature=0.5, max_tokens=7, options={"top_p": 1, "stop": "x"}))

    assert call["inferenceConfig"] == {
        "maxTokens": 7,
        "temperature": 0.5,
        "topP": 1,
        "stopSequences": ["x"],
    }


def test_a_temperature_that_nobody_wants_is_not_sent() -> None:
    assert "temperature" not in to_converse(_request(max_tokens=7))["inferenceConfig"]


def test_options_of_converses_own_pass_as_they_are() -> None:
    options = {
        "inferenceConfig": {"maxTokens": 5, "topP": 0.5},
        "guardrailConfig": {"guardrailIdentifier": "g"},
        "requestMetadata": {"a": "b"},
        "stop": ["x", "y"],
    }
    call = to_converse(_request(max_tokens=9, options=options))

    assert call["inferenceConfig"] == {"maxTokens": 5, "topP": 0.5, "stopSequences": ["x", "y"]}
    assert call["guardrailConfig"] == {"guardrailIdentifier": "g"}
    assert call["requestMetadata"] == {"a": "b"}


@pytest.mark.parametrize("options", [{"seed": 1}, {"inferenceConfig": 5}])
def test_an_option_that_converse_lacks_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"Converse has no option '(seed|inf.*)'.*top_p"):
        to_converse(_request(options=options))


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("system", "system_prompt"),
        ("stop_sequences", "stop"),
        ("response_format", "generate_structured"),
    ],
)
def test_what_says_the_same_is_named_for_an_option_of_another_wire(name: str, instead: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no option '{name}'; use {instead}"):
        to_converse(_request(options={name: "x"}))


def test_an_options_name_is_shown_though_it_sounds_like_a_secret() -> None:
    with pytest.raises(InvalidRequestError, match="option 'api_key', only additional"):
        to_converse(_request(options={"api_key": "x"}))


def test_a_talk_is_merged_into_turns() -> None:
    talk: list[Message] = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "One"},
        {"role": "user", "content": [{"type": "text", "text": "Two"}]},
        {"role": "assistant", "content": "Three"},
    ]
    call = to_converse(_request(*talk))

    assert call["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert call["messages"] == [
        {"role": "user", "content": [{"text": "One"}, {"text": "Two"}]},
        {"role": "assistant", "content": [{"text": "Three"}]},
    ]


def test_tools_that_were_called_and_what_they_gave_become_blocks() -> None:
    calls = [
        {"id": "t1", "function": {"name": "look", "arguments": '{"at": 1}'}},
        {"function": {"name": "now", "arguments": ""}},
    ]
    talk: list[Message] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
        {
            "role": "tool",
            "tool_call_id": "now",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
    ]

    assert to_converse(_request(*talk))["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": 1}}},
                {"toolUse": {"toolUseId": "now", "name": "now", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "a cat"}]}},
                {"toolResult": {"toolUseId": "now", "content": [{"text": "a\nb"}]}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("named", "format_"), [("png", "png"), ("jpg", "jpeg"), ("JPEG", "jpeg"), ("webp", "webp")]
)
def test_a_picture_becomes_bytes(named: str, format_: str) -> None:
    url = f"data:image/{named};base64,{PIXEL}"
    for source in (url, {"url": url}):
        part = {"type": "image_url", "image_url": source}
        (message,) = to_converse(_request({"role": "user", "content": [part]}))["messages"]
        image = {"format": format_, "source": {"bytes": b"pixel"}}
        assert message["content"] == [{"image": image}]


BAD: list[tuple[Any, str]] = [
    ({"role": "robot", "content": "x"}, r"messages\[0\].role must not be 'robot'"),
    ({"role": "user"}, r"messages\[0\].content must be a string or a list of parts"),
    ({"role": "user", "content": []}, r"messages\[0\].content must be a string or a list"),
    ({"role": "user", "content": 5}, r"messages\[0\].content must be .*, not 5"),
    (
        {"role": "user", "content": [{"type": "audio"}]},
        r"messages\[0\].content\[0\] is of type 'audio'; known are text, image_url, file, reasoning"
        " and cachePoint",
    ),
    ({"role": "user", "content": ["x"]}, r"content\[0\] must be a mapping, not a str"),
    ({"role": "user", "content": [{"type": "text"}]}, r"content\[0\] is of type 'text'"),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": "http://x/a.png"}]},
        r"content\[0\] must be a data: URL of a png, jpeg, gif or webp image",
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
        r"content\[0\] must be a data: URL",
    ),
    (
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": "data:image/png;base64,?"}],
        },
        r"content\[0\] is not valid base64",
    ),
    (
        {
            "role": "system",
            "content": [{"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"}],
        },
        r"messages\[0\].content must be text, not Image",
    ),
    ({"role": "tool", "content": "x"}, r"messages\[0\].tool_call_id must name the call"),
    ({"role": "assistant", "tool_calls": 5}, r"messages\[0\].tool_calls must be a list of calls"),
    (
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": "f", "arguments": "[" * 200_000}}],
        },
        r"tool_calls\[0\].function.arguments is not JSON",
    ),
    (
        {"role": "assistant", "tool_calls": ["x"]},
        r"tool_calls\[0\] must hold a function's name and arguments",
    ),
    (
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
        r"tool_calls\[0\].function.arguments is not JSON",
    ),
    (
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]},
        r"tool_calls\[0\].function.arguments must be a JSON object",
    ),
]


@pytest.mark.parametrize(("message", "words"), BAD)
def test_what_converse_has_no_word_for_is_named(message: Message, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"Bedrock API error: .*{words}"):
        to_converse(_request(message))


TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ("any", {"any": {}}),
        ({"type": "function", "function": {"name": "look"}}, {"tool": {"name": "look"}}),
    ],
)
def test_tools_of_a_chat_completion_become_converses(choice: Any, expected: Any) -> None:
    options = {"tools": [TOOL]} | ({"tool_choice": choice} if choice else {})
    config = to_converse(_request(options=options))["toolConfig"]

    schema = {"json": {"type": "object"}}
    spec = {"name": "look", "description": "Look.", "inputSchema": schema}
    assert config["tools"] == [{"toolSpec": spec}]
    assert config.get("toolChoice") == expected


def test_a_tool_may_have_nothing_but_a_name() -> None:
    config = to_converse(_request(options={"tools": [{"function": {"name": "f"}}]}))["toolConfig"]

    assert config == {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tools": [TOOL], "tool_choice": "all"}, "knows no tool_choice 'all', only auto, req"),
        ({"tools": ["look"]}, "each of tools must be a mapping with a function and its name"),
    ],
)
def test_tools_that_cannot_be_said_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        to_converse(_request(options=options))


def test_where_none_may_be_called_no_tool_is_shown() -> None:
    options = {"tools": [TOOL], "tool_choice": "none"}
    assert "toolConfig" not in to_converse(_request(options=options))

    calls = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    talk = (
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "Seen."},
    )
    with pytest.raises(InvalidRequestError, match="no tool_choice 'none' after messages that hold"):
        to_converse(_request(*talk, options=options))


@pytest.mark.parametrize("mode", ["strict", "schema"])
def test_a_schema_is_sent_as_a_string(mode: Any) -> None:
    schema = {"type": "object", "properties": {}}
    options = {"outputConfig": {"effort": "low"}}
    config = to_converse(_request(output=Output(mode, schema), options=options))["outputConfig"]

    form = config["textFormat"]["structure"]["jsonSchema"]
    assert config["textFormat"]["type"] == "json_schema"
    assert (json.loads(form["schema"]), form["name"]) == (schema, "answer")
    assert config["effort"] == "low"


def test_one_tool_is_forced() -> None:
    config = to_converse(_request(output=Output("tool", {"type": "object"})))["toolConfig"]

    spec = {"name": "answer", "inputSchema": {"json": {"type": "object"}}}
    assert config == {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": "answer"}}}


@pytest.mark.parametrize("mode", ["object", "prompt"])
def test_a_form_in_words_alone_changes_nothing(mode: Any) -> None:
    assert to_converse(_request(output=Output(mode))) == to_converse(_request())


def test_a_length_that_the_model_does_not_take_is_not_sent_by_default_either() -> None:
    asked = Request("m", ({"role": "user", "content": "Hi"},), 0.7, 9)
    assert {"temperature": 0.7} == to_converse(asked.omitting(["max_tokens"]))["inferenceConfig"]
