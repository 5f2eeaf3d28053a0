from __future__ import annotations

import asyncio
import json
import re
from datetime import date
from typing import Any

import groq
import httpx
import jsonschema_rs
import pytest

from sandbox import Answer, Fault, Limits, Sandbox

GPT = "openai/gpt-oss-120b"
CHAT = "/openai/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {"hs_code": {"type": "string"}, "confident": {"type": ["boolean", "null"]}},
    "required": ["hs_code", "confident"],
    "additionalProperties": False,
}


def hello(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": GPT, "messages": [{"role": "user", "content": text}], **more}


def post(sandbox: Sandbox, body: Any, key: str = "gsk_test") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with httpx.Client(trust_env=False) as client:
        return client.post(sandbox.url + CHAT, content=content, headers=headers)


def refusal(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """The error object of a request that is refused with a 400."""
    reply = post(sandbox, {**hello(), **changes})
    assert 400 == reply.status_code
    error = reply.json()["error"]
    assert isinstance(error, dict)
    return error


def json_schema(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **more}}


def test_an_answer_echoes_the_prompt(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(**hello("What  is\n an HS code?"))
    assert "Sandbox: What is an HS code?" == reply.choices[0].message.content
    assert "stop" == reply.choices[0].finish_reason
    assert GPT == reply.model


def test_usage_is_a_token_for_four_characters(groq_client: groq.Groq) -> None:
    usage = groq_client.chat.completions.create(**hello("a" * 41)).usage
    assert usage is not None
    assert 11 == usage.prompt_tokens
    assert usage.completion_tokens_details is not None
    assert 4 == usage.completion_tokens_details.reasoning_tokens
    assert 4 + 13 == usage.completion_tokens
    assert 28 == usage.total_tokens
    assert (
        pytest.approx((usage.prompt_time or 0) + (usage.completion_time or 0)) == usage.total_time
    )


def test_a_small_token_limit_truncates(groq_client: groq.Groq) -> None:
    options = {"model": "qwen/qwen3.8-27b", "reasoning_effort": "none", "max_tokens": 3}
    reply = groq_client.chat.completions.create(**{**hello("one two three"), **options})
    assert "Sandbox: one" == reply.choices[0].message.content
    assert "length" == reply.choices[0].finish_reason
    assert reply.usage is not None
    assert 3 == reply.usage.completion_tokens


def test_reasoning_can_eat_the_whole_budget(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(**hello(max_completion_tokens=2))
    assert "" == reply.choices[0].message.content
    assert "length" == reply.choices[0].finish_reason


def test_a_stop_sequence_ends_the_answer(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(**hello("one two three", stop=" two"))
    assert "Sandbox: one" == reply.choices[0].message.content
    assert "stop" == reply.choices[0].finish_reason


@pytest.mark.parametrize(
    ("options", "content", "reasoning"),
    [
        ({}, "Sandbox: hello", "Echo the prompt."),
        ({"reasoning_format": "hidden"}, "Sandbox: hello", None),
        ({"include_reasoning": False}, "Sandbox: hello", None),
        (
            {"reasoning_format": "raw"},
            "<think>\nEcho the prompt.\n</think>\n\nSandbox: hello",
            None,
        ),
    ],
)
def test_reasoning_is_told_as_asked(
    groq_client: groq.Groq, options: dict[str, Any], content: str, reasoning: str | None
) -> None:
    message = groq_client.chat.completions.create(**hello(**options)).choices[0].message
    assert (content, reasoning) == (message.content, message.reasoning)


@pytest.mark.parametrize("strict", [True, False])
def test_a_json_schema_is_satisfied(groq_client: groq.Groq, strict: bool) -> None:
    reply = groq_client.chat.completions.create(
        **hello(response_format=json_schema(SCHEMA, strict=strict))
    )
    content = json.loads(reply.choices[0].message.content or "")
    assert jsonschema_rs.is_valid(SCHEMA, content)


def test_json_object_mode_follows_a_schema_in_the_prompt(groq_client: groq.Groq) -> None:
    text = f"Answer in JSON that fits {json.dumps(SCHEMA)}, not {{this}}."
    reply = groq_client.chat.completions.create(
        **hello(text, response_format={"type": "json_object"})
    )
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(reply.choices[0].message.content or ""))


def test_json_object_mode_without_a_schema_gives_some_object(groq_client: groq.Groq) -> None:
    reply = groq_client.chat.completions.create(
        **hello("as JSON please", response_format={"type": "json_object"})
    )
    assert {"answer": "text"} == json.loads(reply.choices[0].message.content or "")


def test_a_schema_in_the_prompt_that_nothing_satisfies_does_not_bind(
    groq_client: groq.Groq,
) -> None:
    text = 'Use {"type": "string", "enum": [1]}.'
    reply = groq_client.chat.completions.create(**hello(text))
    assert f"Sandbox: {text}" == reply.choices[0].message.content


def test_a_forced_tool_is_called_with_arguments_that_fit(groq_client: groq.Groq) -> None:
    tools = [{"type": "function", "function": {"name": "classify", "parameters": SCHEMA}}]
    for choice in ("required", {"type": "function", "function": {"name": "classify"}}):
        reply = groq_client.chat.completions.create(**hello(tools=tools, tool_choice=choice))
        calls = reply.choices[0].message.tool_calls
        assert calls is not None
        assert "classify" == calls[0].function.name
        assert jsonschema_rs.is_valid(SCHEMA, json.loads(calls[0].function.arguments))
        assert reply.choices[0].message.content is None
        assert "tool_calls" == reply.choices[0].finish_reason


def test_a_tool_call_that_outgrows_the_token_limit_is_cut(groq_client: groq.Groq) -> None:
    tools = [{"type": "function", "function": {"name": "classify", "parameters": SCHEMA}}]
    reply = groq_client.chat.completions.create(
        **hello(tools=tools, tool_choice="required", max_completion_tokens=5)
    )
    assert "length" == reply.choices[0].finish_reason
    assert reply.choices[0].message.tool_calls is None


def test_tools_that_are_not_forced_are_not_called(groq_client: groq.Groq) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "mcp"}]
    reply = groq_client.chat.completions.create(**hello(tools=tools, tool_choice="auto"))
    assert "Sandbox: hello" == reply.choices[0].message.content


def test_messages_of_every_kind_are_accepted(sandbox: Sandbox) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "x"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "name": "f", "content": "42"},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ]
    reply = post(sandbox, {"model": "qwen/qwen3.8-27b", "messages": messages})
    assert 200 == reply.status_code
    assert "Sandbox: And?" == reply.json()["choices"][0]["message"]["content"]
    assert 3 + 2 + 256 + 1 + 1 == reply.json()["usage"]["prompt_tokens"]


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
        ({"stream": True}, "the sandbox does not stream yet"),
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


def test_best_effort_mode_takes_any_schema(sandbox: Sandbox) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 5}}}
    reply = post(sandbox, hello(response_format=json_schema(schema)))
    assert {"a": "textt"} == json.loads(reply.json()["choices"][0]["message"]["content"])


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


def test_on_an_earlier_day_a_retired_model_still_answers() -> None:
    with Sandbox(today=date(2024, 6, 1)) as sandbox:
        reply = post(sandbox, {**hello(), "model": "mixtral-8x7b-32768"})
    assert {
        "role": "assistant",
        "content": "Sandbox: hello",
    } == reply.json()["choices"][0]["message"]


def test_the_model_list_holds_the_living(groq_client: groq.Groq) -> None:
    listed = {model.id: model for model in groq_client.models.list().data}
    assert GPT in listed
    assert "mixtral-8x7b-32768" not in listed
    assert "OpenAI" == groq_client.models.retrieve(GPT).owned_by
    with pytest.raises(groq.NotFoundError):
        groq_client.models.retrieve("mixtral-8x7b-32768")


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
        reply = httpx.post(sandbox.url + CHAT, json=hello(), headers=headers, trust_env=False)
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
    assert 404 == httpx.get(sandbox.url + CHAT, trust_env=False).status_code


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_thirty_first_request_in_a_minute_is_refused_word_for_word() -> None:
    clock = Clock()
    with Sandbox(limits=Limits.free(), clock=clock) as sandbox:
        replies = [post(sandbox, hello(max_completion_tokens=20)) for _ in range(31)]
        assert [200] * 30 + [429] == [reply.status_code for reply in replies]
        assert "2" == replies[30].headers["retry-after"]
        assert {
            "error": {
                "message": f"Rate limit reached for model `{GPT}` in organization "
                "`org_00000000000000000000sandbox` service tier `on_demand` on requests per minute "
                "(RPM): Limit 30, Used 30, Requested 1. Please try again in 2s. Need more tokens? "
                "Upgrade to Dev Tier today at https://console.groq.com/settings/billing",
                "type": "requests",
                "code": "rate_limit_exceeded",
            }
        } == replies[30].json()
        clock.now += 2
        assert 200 == post(sandbox, hello(max_completion_tokens=20)).status_code


def test_headers_tell_of_requests_per_day_and_tokens_per_minute() -> None:
    with Sandbox(limits=Limits.free(), clock=Clock()) as sandbox:
        headers = post(sandbox, hello(max_completion_tokens=98)).headers
    told = {name: value for name, value in headers.items() if name.startswith("x-ratelimit")}
    assert told == {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "999",
        "x-ratelimit-reset-requests": "1m26.4s",
        "x-ratelimit-limit-tokens": "8000",
        "x-ratelimit-remaining-tokens": "7900",
        "x-ratelimit-reset-tokens": "750ms",
    }


def test_declared_tokens_are_reserved_and_given_back() -> None:
    with Sandbox(limits=Limits(tpm=1_000), clock=Clock()) as sandbox:
        for _ in range(3):
            assert 200 == post(sandbox, hello(max_completion_tokens=900)).status_code
        sandbox.script(Answer(text="x", output_tokens=900))
        assert 200 == post(sandbox, hello(max_completion_tokens=900)).status_code
        refused = post(sandbox, hello(max_completion_tokens=900)).json()["error"]
    used = int(re.findall(r"Used (\d+), Requested 902", refused["message"])[0])
    assert 3 * (2 + 8) + 902 == used
    assert "tokens" == refused["type"]


def test_cached_tokens_do_not_count() -> None:
    with Sandbox(limits=Limits(itpm=100), clock=Clock()) as sandbox:
        sandbox.script(*[Answer(text="x", input_tokens=90, cached_tokens=90)] * 2)
        replies = [post(sandbox, hello("a" * 360)) for _ in range(2)]
    assert [200, 200] == [reply.status_code for reply in replies]
    assert {"cached_tokens": 90} == replies[0].json()["usage"]["prompt_tokens_details"]


@pytest.mark.parametrize(
    ("limits", "status", "message"),
    [
        (
            Limits(tpm=100),
            413,
            "Request too large for .* Limit 100, Requested 202, please reduce your message size",
        ),
        (
            Limits(otpm=100),
            429,
            r"Request too large .*\(OTPM\): Limit 100, Requested 200, please reduce max_tokens",
        ),
    ],
)
def test_a_request_larger_than_a_limit_is_refused_for_good(
    limits: Limits, status: int, message: str
) -> None:
    with Sandbox(limits={GPT: limits}, clock=Clock()) as sandbox:
        reply = post(sandbox, hello(max_completion_tokens=200))
        other = post(sandbox, {**hello(), "model": "openai/gpt-oss-20b"})
    assert status == reply.status_code
    assert re.search(message, reply.json()["error"]["message"])
    assert "rate_limit_exceeded" == reply.json()["error"]["code"]
    assert "retry-after" not in reply.headers
    assert 200 == other.status_code


def test_limits_can_be_replaced_while_it_runs() -> None:
    with Sandbox(clock=Clock()) as sandbox:
        sandbox.limits = Limits(rpm=1)
        assert [200, 429] == [post(sandbox, hello()).status_code for _ in range(2)]
        sandbox.limits = Limits(rpm=2)
        assert [200, 200, 429] == [post(sandbox, hello()).status_code for _ in range(3)]
        sandbox.clear()
        assert 200 == post(sandbox, hello()).status_code
        assert Limits(rpm=2) == sandbox.limits


def test_requests_that_are_refused_use_no_quota() -> None:
    with Sandbox(limits=Limits(rpm=1), clock=Clock()) as sandbox:
        bad: list[dict[str, Any]] = [{"n": 2}, {"response_format": json_schema({"type": "nope"})}]
        assert [400, 400] == [post(sandbox, hello(**options)).status_code for options in bad]
        assert [200, 429] == [post(sandbox, hello()).status_code for _ in range(2)]


def test_errors_that_were_scripted_use_no_quota() -> None:
    with Sandbox(limits=Limits(rpm=1), clock=Clock()) as sandbox:
        sandbox.script(Fault.error(503), Fault.error(500))
        assert [503, 500, 200, 429] == [post(sandbox, hello()).status_code for _ in range(4)]


def test_every_reply_has_a_request_id_and_a_date(sandbox: Sandbox) -> None:
    replies = [post(sandbox, hello()), post(sandbox, hello(n=2))]
    assert [
        "req_01sandbox00000000000000001",
        "req_01sandbox00000000000000002",
    ] == [reply.headers["x-request-id"] for reply in replies]
    assert all(
        re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", r.headers["date"]) for r in replies
    )
    assert replies[0].json()["x_groq"]["id"] == replies[0].headers["x-request-id"]


def test_the_async_client_works_too(sandbox: Sandbox) -> None:
    async def ask() -> str:
        async with groq.AsyncGroq(api_key="k", base_url=sandbox.url, max_retries=0) as client:
            reply = await client.chat.completions.create(**hello())
            return str(reply.choices[0].message.content)

    assert "Sandbox: hello" == asyncio.run(ask())


def test_a_scripted_answer_is_sent_as_it_is(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(
        Answer(
            text="a long text",
            reasoning="",
            finish="odd",
            input_tokens=7,
            output_tokens=9,
            model="other",
        )
    )
    reply = groq_client.chat.completions.create(**hello(max_completion_tokens=1))
    assert "a long text" == reply.choices[0].message.content
    assert "odd" == reply.choices[0].finish_reason
    assert "other" == reply.model
    assert reply.usage is not None
    assert (7, 9) == (reply.usage.prompt_tokens, reply.usage.completion_tokens)
