"""InvokeModel in each family's own form: its answers, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.sandbox.bedrock_calls import (
    LLAMA_3,
    MIXTRAL,
    OPUS_3,
    SCHEMA,
    SONNET,
    claude,
    error_of,
    invoke,
)


def test_claude_answers_invoke_model_in_its_own_form(bedrock_client: Any) -> None:
    body, headers = invoke(bedrock_client, OPUS_3, claude(system="Be brief."))
    assert [{"type": "text", "text": "Sandbox: hello"}] == body["content"]
    assert "end_turn" == body["stop_reason"]
    assert 2 + 3 == body["usage"]["input_tokens"]
    assert 4 == body["usage"]["output_tokens"]
    assert "5" == headers["x-amzn-bedrock-input-token-count"]
    assert "4" == headers["x-amzn-bedrock-output-token-count"]


def test_llama_answers_invoke_model_in_its_own_form(bedrock_client: Any) -> None:
    prompt = (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    body, _ = invoke(
        bedrock_client, LLAMA_3, {"prompt": prompt, "max_gen_len": 100, "temperature": 0.5}
    )
    assert {
        "generation": "Sandbox: hello",
        "prompt_token_count": -(-len(prompt) // 4),
        "generation_token_count": 4,
        "stop_reason": "stop",
    } == body


def test_mixtral_answers_invoke_model_in_its_own_form(bedrock_client: Any) -> None:
    body, _ = invoke(
        bedrock_client,
        MIXTRAL,
        {"prompt": "<s>[INST] hello [/INST]", "max_tokens": 2, "stop": ["x</s>"]},
    )
    assert {"outputs": [{"text": "Sandbox:", "stop_reason": "length"}]} == body


def test_a_schema_in_a_llama_prompt_is_satisfied(bedrock_client: Any) -> None:
    body, _ = invoke(bedrock_client, LLAMA_3, {"prompt": f"Fit {json.dumps(SCHEMA)}"})
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(body["generation"]))


def test_claude_uses_a_forced_tool_in_invoke_model(bedrock_client: Any) -> None:
    tools = [{"name": "classify", "input_schema": SCHEMA}]
    for choice in ({"type": "any"}, {"type": "tool", "name": "classify"}):
        body, _ = invoke(bedrock_client, OPUS_3, claude(tools=tools, tool_choice=choice))
        assert "tool_use" == body["stop_reason"]
        assert jsonschema_rs.is_valid(SCHEMA, body["content"][0]["input"])


def test_claude_keeps_an_output_format_in_invoke_model(bedrock_client: Any) -> None:
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    body, _ = invoke(bedrock_client, SONNET, claude(output_config=wanted))
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(body["content"][0]["text"]))


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (OPUS_3, [], "#: expected type: JSONObject"),
        (
            OPUS_3,
            {"messages": [], "prompt": "x"},
            "#: required key [anthropic_version] not found#: required key [max_tokens] not found"
            "#: extraneous key [prompt] is not permitted",
        ),
        (OPUS_3, claude(messages=[]), "#/messages: "),
        (
            OPUS_3,
            claude(messages=[{"role": "system", "content": "x"}]),
            "messages.0.role: Input should be 'user' or 'assistant'",
        ),
        (
            OPUS_3,
            claude(messages=[{"role": "assistant", "content": "x"}]),
            'first message must use the "user" role',
        ),
        (OPUS_3, claude(max_tokens=0), "#/max_tokens: 0 is not greater or equal to 1"),
        (OPUS_3, claude(max_tokens=5_000), "#/max_tokens: 5000 is not less or equal to 4096"),
        (OPUS_3, claude(tools=[], tool_choice={"type": "tool", "name": "f"}), "tool 'f' not found"),
        (
            OPUS_3,
            claude(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
            "Extra inputs are not permitted",
        ),
        (
            SONNET,
            claude(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
            "output_config.format.schema: For 'object' type",
        ),
        (SONNET, claude(temperature=1, top_p=1), "cannot both be specified"),
        (
            SONNET,
            claude(messages=[*claude()["messages"], {"role": "assistant", "content": "{"}]),
            "prefill",
        ),
        (
            LLAMA_3,
            {"prompt": "x", "max_gen_len": 4_096},
            "#/max_gen_len: 4096 is not less or equal to 2048",
        ),
        (LLAMA_3, {"prompt": ""}, "#/prompt: "),
        (
            LLAMA_3,
            claude(),
            "#: required key [prompt] not found#: extraneous key [anthropic_version]",
        ),
        (
            MIXTRAL,
            {"prompt": "x", "max_tokens": 8_192},
            "#/max_tokens: 8192 is not less or equal to 4096",
        ),
        ("amazon.nova-pro-v1:0", {}, "A conversation must start with a user message."),
    ],
)
def test_a_bad_body_is_a_malformed_input_request(
    bedrock_client: Any, model: str, body: Any, message: str
) -> None:
    status, code, text = error_of(lambda: invoke(bedrock_client, model, body))
    assert (400, "ValidationException") == (status, code)
    assert message in text
