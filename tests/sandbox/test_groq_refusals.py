"""What Groq refuses: a request, a model, a key, a path."""

from __future__ import annotations

from typing import Any

import groq
import httpx
import pytest

from sandbox import Sandbox
from tests.sandbox.groq_calls import CHAT, SCHEMA, hello, json_schema, post, refusal

IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"messages": []}, "'messages' : "),
        ({"messages": "hello"}, "'messages' : "),
        ({"messages": [{"role": "robot", "content": "x"}]}, "'messages[0].role' : must be one of"),
        ({"messages": [{"role": "user"}]}, "'messages[0]' : property 'content' is missing"),
        (
            {"messages": [{"role": "user", "content": "x", "name": "bob"}]},
            "property 'name' is unsupported",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "property 'tool_call_id' is missing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            "type must be one of text",
        ),
        ({"messages": IMAGE}, "messages[0].content must be a string"),
        ({"n": 2}, "'n' : number must be between 1 and 1"),
        ({"temperature": 3}, "'temperature' : number must be between 0 and 2"),
        ({"temperature": "warm"}, "'temperature' : "),
        ({"max_tokens": 0}, "'max_tokens' : number must be between 1 and 65536"),
        ({"max_completion_tokens": 65_537}, "'max_completion_tokens' : number must be between 1"),
        ({"logprobs": True}, "`logprobs` is not supported with this model"),
        ({"top_k": 5}, "property 'top_k' is unsupported"),
        (
            {"stream": True, "response_format": json_schema(SCHEMA)},
            "cannot be combined with streaming",
        ),
        ({"reasoning_effort": "none"}, "`reasoning_effort` must be one of `low`, `medium`, `high`"),
        ({"reasoning_format": "raw", "include_reasoning": True}, "cannot specify both"),
        ({"reasoning_format": "raw", "tools": [{"type": "mcp"}]}, "`raw` is not supported"),
        ({"tools": [{"type": "visit_website"}]}, "tools[0].type must be one of [function, mcp]"),
        ({"tool_choice": {"function": {"name": "f"}}}, "no tool is named `f`"),
        ({"response_format": {"type": "xml"}}, "must be one of text, json_object, json_schema"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"response_format": {"type": "json_schema"}}, "json schema is required"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            "'name' is missing",
        ),
        (
            {"response_format": json_schema(SCHEMA), "tools": [{"type": "mcp"}]},
            "cannot be combined with tools",
        ),
        ({"response_format": json_schema({"type": "nope"})}, "invalid JSON schema: not a usable"),
    ],
)
def test_a_bad_request_is_refused_in_groqs_form(
    sandbox: Sandbox, changes: dict[str, Any], message: str
) -> None:
    error = refusal(sandbox, **changes)
    assert message in error["message"]
    assert "invalid_request_error" == error["type"]


def test_a_schema_that_strict_mode_does_not_take_is_refused_with_its_path(sandbox: Sandbox) -> None:
    schema = {**SCHEMA, "required": ["hs_code"]}
    error = refusal(sandbox, response_format=json_schema(schema, strict=True))
    assert {
        "message": "invalid JSON schema for response_format: 'answer': /required: "
        "The following properties must be listed in `required`: confident",
        "type": "invalid_request_error",
        "param": "response_format",
        "schema_path": "/required",
        "schema_path_segments": ["$", "required"],
        "schema_kind": "object",
        "schema_code": "required_incomplete",
    } == error


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (
            "openai/gpt-oss-safeguard-20b",
            {"response_format": json_schema(SCHEMA, strict=True)},
            "does not support `strict`",
        ),
        (
            "meta-llama/llama-prompt-guard-2-86m",
            {"response_format": json_schema(SCHEMA)},
            "response format `json_schema`",
        ),
        (
            "meta-llama/llama-prompt-guard-2-86m",
            {"response_format": {"type": "json_object"}},
            "response format `json_object`",
        ),
        (
            "meta-llama/llama-prompt-guard-2-86m",
            {"reasoning_effort": "low"},
            "reasoning_effort is not supported",
        ),
        ("whisper-large-v3", {}, "does not support chat completions"),
    ],
)
def test_a_model_refuses_what_it_cannot_do(
    sandbox: Sandbox, model: str, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(sandbox, model=model, **options)["message"]


def test_a_body_that_is_no_json_is_refused(sandbox: Sandbox) -> None:
    for body in (b"{", b"", b"[]", b'"text"', b"{}", b"[" * 100_000, b"\xff"):
        reply = post(sandbox, body)
        assert (400, "invalid_request_error") == (reply.status_code, reply.json()["error"]["type"])


def test_models_gone_before_2026_are_decommissioned(groq_client: groq.Groq) -> None:
    for model in ("mixtral-8x7b-32768", "llama3-70b-8192", "gemma2-9b-it"):
        with pytest.raises(groq.BadRequestError) as caught:
            groq_client.chat.completions.create(**{**hello(), "model": model})
        assert {
            "error": {
                "message": f"The model `{model}` has been decommissioned and is no longer "
                "supported. Please refer to https://console.groq.com/docs/deprecations for a "
                "recommendation on which model to use instead.",
                "type": "invalid_request_error",
                "code": "model_decommissioned",
            }
        } == caught.value.body


def test_models_gone_in_2026_and_unknown_ones_are_not_found(groq_client: groq.Groq) -> None:
    for model in ("llama-3.3-70b-versatile", "qwen/qwen3-32b", "bad model"):
        with pytest.raises(groq.NotFoundError) as caught:
            groq_client.chat.completions.create(**{**hello(), "model": model})
        assert {
            "error": {
                "message": f"The model `{model}` does not exist or you do not have access to it.",
                "type": "invalid_request_error",
                "code": "model_not_found",
            }
        } == caught.value.body


@pytest.mark.parametrize("key", ["invalid", "INVALID_key"])
def test_a_bad_key_is_a_401(sandbox: Sandbox, key: str) -> None:
    reply = post(sandbox, hello(), key)
    assert 401 == reply.status_code
    assert {
        "error": {
            "message": "Invalid API Key",
            "type": "invalid_request_error",
            "code": "invalid_api_key",
        }
    } == reply.json()


def test_a_missing_key_is_a_401(sandbox: Sandbox) -> None:
    for headers in ({}, {"authorization": "gsk_test"}, {"authorization": "Basic gsk_test"}):
        reply = httpx.post(
            sandbox.url + CHAT, json=hello(), headers=headers, trust_env=False, verify=False
        )
        assert 401 == reply.status_code


def test_with_a_key_table_only_its_keys_are_known() -> None:
    with Sandbox(keys={"k1": "org_one", "k2": "org_two"}) as sandbox:
        statuses = [post(sandbox, hello(), key).status_code for key in ("k1", "k2", "k3")]
        assert [200, 200, 401] == statuses
        assert [
            "org_one",
            "org_two",
            None,
        ] == [exchange.organisation for exchange in sandbox.exchanges]


def test_a_path_with_the_prefix_twice_is_unknown(sandbox: Sandbox) -> None:
    with (
        groq.Groq(api_key="k", base_url=sandbox.url + "/openai/v1", max_retries=0) as client,
        pytest.raises(
            groq.NotFoundError,
            match="Unknown request URL: POST /openai/v1/openai/v1/chat/completions",
        ),
    ):
        client.chat.completions.create(**hello())


def test_a_get_where_a_post_belongs_is_unknown(sandbox: Sandbox) -> None:
    assert 404 == httpx.get(sandbox.url + CHAT, trust_env=False, verify=False).status_code
