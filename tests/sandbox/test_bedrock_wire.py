from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import jsonschema_rs
import pytest
from botocore.exceptions import ClientError

from sandbox import Answer, Limits, Sandbox

SONNET = "us.anthropic.claude-sonnet-4-6"
OPUS_3 = "anthropic.claude-3-opus-20240229-v1:0"
LLAMA_3 = "meta.llama3-70b-instruct-v1:0"
MIXTRAL = "mistral.mixtral-8x7b-instruct-v0:1"
EOL = (
    "This model version has reached the end of its life. "
    "Please refer to the AWS documentation for more details."
)
SCHEMA = {
    "type": "object",
    "properties": {"hs_code": {"type": "string"}, "confident": {"type": "boolean"}},
    "required": ["hs_code", "confident"],
    "additionalProperties": False,
}
SPEC = {"name": "classify", "description": "d", "inputSchema": {"json": SCHEMA}}


def said(text: str = "hello", role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": [{"text": text}]}]


def text_format(schema: Any) -> dict[str, Any]:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    structure = {"jsonSchema": {"schema": text, "name": "answer"}}
    return {"textFormat": {"type": "json_schema", "structure": structure}}


def error_of(call: Callable[[], Any]) -> tuple[int, str, str]:
    """The status, code and message of the ClientError that the call raises."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def post(sandbox: Sandbox, path: str, body: Any, key: str | None = "AKIATEST") -> httpx.Response:
    """A request as another client might make it, with a signature that nobody checks."""
    credential = (
        f"AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/bedrock/aws4_request, Signature=0"
    )
    headers = {"authorization": credential} if key else {}
    return httpx.post(sandbox.url + path, json=body, headers=headers, trust_env=False)


def claude(**more: Any) -> dict[str, Any]:
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello"}],
        **more,
    }


def invoke(client: Any, model: str, body: Any) -> tuple[Any, dict[str, str]]:
    reply = client.invoke_model(modelId=model, body=json.dumps(body))
    return json.loads(reply["body"].read()), reply["ResponseMetadata"]["HTTPHeaders"]


def test_converse_echoes_the_prompt(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=said("What  is it?"), system=[{"text": "Be brief."}]
    )
    assert {
        "role": "assistant",
        "content": [{"text": "Sandbox: What is it?"}],
    } == reply["output"]["message"]
    assert "end_turn" == reply["stopReason"]
    assert {
        "inputTokens": 3 + 3,
        "outputTokens": 5,
        "totalTokens": 11,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    } == reply["usage"]


def test_converse_truncates_at_max_tokens(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=said("one two"), inferenceConfig={"maxTokens": 3}
    )
    assert [{"text": "Sandbox: one"}] == reply["output"]["message"]["content"]
    assert "max_tokens" == reply["stopReason"]


def test_converse_stops_at_a_stop_sequence(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=said("one two"), inferenceConfig={"stopSequences": [" two"]}
    )
    assert [{"text": "Sandbox: one"}] == reply["output"]["message"]["content"]
    assert "stop_sequence" == reply["stopReason"]


@pytest.mark.parametrize("choice", [{"tool": {"name": "classify"}}, {"any": {}}])
def test_a_forced_tool_is_used_with_input_that_fits(bedrock_client: Any, choice: Any) -> None:
    config = {
        "tools": [{"toolSpec": SPEC}, {"cachePoint": {"type": "default"}}],
        "toolChoice": choice,
    }
    reply = bedrock_client.converse(modelId=SONNET, messages=said(), toolConfig=config)
    use = reply["output"]["message"]["content"][0]["toolUse"]
    assert "tool_use" == reply["stopReason"]
    assert "classify" == use["name"]
    assert jsonschema_rs.is_valid(SCHEMA, use["input"])


def test_a_tool_that_is_not_forced_is_not_used(bedrock_client: Any) -> None:
    config = {"tools": [{"toolSpec": SPEC}], "toolChoice": {"auto": {}}}
    reply = bedrock_client.converse(modelId=SONNET, messages=said(), toolConfig=config)
    assert [{"text": "Sandbox: hello"}] == reply["output"]["message"]["content"]


def test_a_text_format_is_satisfied(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=said(), outputConfig=text_format(SCHEMA)
    )
    text = reply["output"]["message"]["content"][0]["text"]
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(text))


def test_a_schema_in_the_prompt_is_satisfied(bedrock_client: Any) -> None:
    reply = bedrock_client.converse(
        modelId=SONNET, messages=said(f"JSON like {json.dumps(SCHEMA)}!")
    )
    assert jsonschema_rs.is_valid(
        SCHEMA, json.loads(reply["output"]["message"]["content"][0]["text"])
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"messages": []}, "A conversation must start with a user message."),
        ({"messages": said(role="assistant")}, "A conversation must start with a user message."),
        (
            {"messages": said(role="robot")},
            "Value 'robot' at 'messages.1.member.role' failed to satisfy constraint",
        ),
        (
            {"messages": [{"role": "user", "content": []}]},
            "The content field in the Message object at messages.0 is empty.",
        ),
        (
            {"messages": said(" ")},
            "The text field in the ContentBlock object at messages.0.content.0 is blank.",
        ),
        (
            {"messages": said() + said(role="assistant")},
            "does not support assistant message prefill",
        ),
        ({"inferenceConfig": {"maxTokens": 70_000}}, "exceeds the model limit of 64000."),
        ({"inferenceConfig": {"temperature": 1.5}}, "Value '1.5' at 'inferenceConfig.temperature'"),
        (
            {"inferenceConfig": {"temperature": 0.5, "topP": 0.5}},
            "cannot both be specified for this model",
        ),
        (
            {"modelId": "us.anthropic.claude-opus-5-5", "inferenceConfig": {"temperature": 0.5}},
            "`temperature` is deprecated for this model.",
        ),
        ({"outputConfig": text_format("{")}, "is not valid JSON"),
        (
            {"outputConfig": text_format({"type": "object"})},
            "output_config.format.schema: For 'object' type",
        ),
        (
            {"modelId": "us.meta.llama3-3-70b-instruct-v1:0", "outputConfig": text_format(SCHEMA)},
            "doesn't support the outputConfig",
        ),
        (
            {"modelId": MIXTRAL, "toolConfig": {"tools": [{"toolSpec": SPEC}]}},
            "This model doesn't support tool use.",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": []}}}]}},
            "Provide a json object",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}},
            "must be one of the following: object",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": SPEC}], "toolChoice": {"tool": {"name": "g"}}}},
            "The toolChoice names g",
        ),
        (
            {
                "toolConfig": {
                    "tools": [
                        {
                            "toolSpec": {
                                "name": "f",
                                "strict": True,
                                "inputSchema": {"json": {"type": "object"}},
                            }
                        }
                    ]
                }
            },
            "tools.0.custom: For 'object' type",
        ),
    ],
)
def test_a_bad_converse_request_is_a_validation_exception(
    bedrock_client: Any, call: Any, message: str
) -> None:
    request = {"modelId": SONNET, "messages": said(), **call}
    status, code, text = error_of(lambda: bedrock_client.converse(**request))
    assert (400, "ValidationException") == (status, code)
    assert message in text


def test_wrong_types_that_boto3_would_not_send_are_validation_exceptions_too(
    sandbox: Sandbox,
) -> None:
    bodies: tuple[Any, ...] = (
        [],
        {"messages": 1},
        {"messages": [1]},
        {"messages": said(), "inferenceConfig": {"maxTokens": 0}},
    )
    for body in bodies:
        reply = post(sandbox, f"/model/{SONNET}/converse", body)
        assert 400 == reply.status_code
        assert reply.headers["x-amzn-errortype"].startswith(
            "ValidationException:http://internal.amazon.com/"
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
        ("amazon.nova-pro-v1:0", {}, "use Converse for this model"),
    ],
)
def test_a_bad_body_is_a_malformed_input_request(
    bedrock_client: Any, model: str, body: Any, message: str
) -> None:
    status, code, text = error_of(lambda: invoke(bedrock_client, model, body))
    assert (400, "ValidationException") == (status, code)
    assert message in text


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-3-sonnet-20240229-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
        "anthropic.claude-v2:1",
        "us.meta.llama3-2-3b-instruct-v1:0",
    ],
)
def test_a_model_past_its_life_is_not_found(bedrock_client: Any, model: str) -> None:
    answer = error_of(lambda: bedrock_client.converse(modelId=model, messages=said()))
    assert (404, "ResourceNotFoundException", EOL) == answer


def test_on_an_earlier_day_it_still_answers(make_bedrock: Callable[..., Any]) -> None:
    with Sandbox(today=date(2024, 6, 1)) as sandbox:
        body, _ = invoke(
            make_bedrock(sandbox.url), "anthropic.claude-3-sonnet-20240229-v1:0", claude()
        )
    assert "Sandbox: hello" == body["content"][0]["text"]


@pytest.mark.parametrize(
    "model", ["nonsense", "mixtral-8x7b-32768", "arn:aws:bedrock:us-east-1:1:custom/x"]
)
def test_an_unknown_model_is_an_invalid_identifier(bedrock_client: Any, model: str) -> None:
    answer = error_of(lambda: bedrock_client.converse(modelId=model, messages=said()))
    assert (400, "ValidationException", "The provided model identifier is invalid.") == answer


@pytest.mark.parametrize(
    "model",
    ["anthropic.claude-sonnet-4-6", "anthropic.claude-opus-5", "meta.llama3-3-70b-instruct-v1:0"],
)
def test_a_model_behind_profiles_needs_one(bedrock_client: Any, model: str) -> None:
    status, code, text = error_of(lambda: bedrock_client.converse(modelId=model, messages=said()))
    assert (400, "ValidationException") == (status, code)
    assert text == (
        f"Invocation of model ID {model} with on-demand throughput isn’t supported. "
        "Retry your request with the ID or ARN of an inference profile that contains this model."
    )


@pytest.mark.parametrize(
    "model",
    [
        "eu.anthropic.claude-opus-4-5-20251101-v1:0",
        "global.anthropic.claude-haiku-5-5",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5",
        "us.meta.llama4-scout-17b-instruct-v1:0",
        "mistral.mistral-large-3-675b-instruct",
        "amazon.nova-lite-v1:0",
        "openai.gpt-oss-120b-1:0",
    ],
)
def test_living_models_and_profiles_answer(bedrock_client: Any, model: str) -> None:
    reply = bedrock_client.converse(modelId=model, messages=said())
    assert [{"text": "Sandbox: hello"}] == reply["output"]["message"]["content"]


def test_model_ids_need_not_be_percent_encoded(sandbox: Sandbox) -> None:
    assert 200 == post(sandbox, f"/model/{OPUS_3}/invoke", claude()).status_code


def test_what_is_not_spoken_yet_says_so(bedrock_client: Any) -> None:
    status, _, text = error_of(
        lambda: bedrock_client.converse_stream(modelId=SONNET, messages=said())
    )
    assert (
        400,
        "The sandbox does not speak converse-stream yet: use converse or invoke.",
    ) == (status, text)


def test_unknown_credentials_are_unrecognised(
    make_bedrock: Callable[..., Any], sandbox: Sandbox
) -> None:
    client = make_bedrock(sandbox.url, "INVALIDKEY")
    assert (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ) == error_of(lambda: client.converse(modelId=SONNET, messages=said()))


def test_missing_credentials_are_missed(sandbox: Sandbox) -> None:
    reply = post(sandbox, f"/model/{SONNET}/converse", {"messages": said()}, key=None)
    assert 403 == reply.status_code
    assert reply.headers["x-amzn-errortype"].startswith("MissingAuthenticationTokenException:")


def test_a_bearer_token_is_a_credential_too() -> None:
    with Sandbox(keys={"token": "account"}) as sandbox:
        reply = httpx.post(
            f"{sandbox.url}/model/{SONNET}/converse",
            json={"messages": said()},
            headers={"authorization": "Bearer token"},
            trust_env=False,
        )
        assert 200 == reply.status_code
        assert "account" == sandbox.exchanges[0].organisation


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(rpm=1), "Too many requests, please wait before trying again."),
        (Limits(tpm=20), "Too many tokens, please wait before trying again."),
        (Limits(tpd=20), "Too many tokens per day, please wait before trying again."),
    ],
)
def test_limits_throttle_without_a_retry_after(
    make_bedrock: Callable[..., Any], limits: Limits, message: str
) -> None:
    request = {"modelId": SONNET, "messages": said(), "inferenceConfig": {"maxTokens": 10}}
    with Sandbox(limits=limits, clock=lambda: 0.0) as sandbox:
        client = make_bedrock(sandbox.url)
        sandbox.script(Answer(text="x", output_tokens=10))
        client.converse(**request)
        with pytest.raises(ClientError) as caught:
            client.converse(**request)
    response = caught.value.response
    assert {"Code": "ThrottlingException", "Message": message} == response["Error"]
    assert "retry-after" not in response["ResponseMetadata"]["HTTPHeaders"]


def test_unset_max_tokens_reserve_the_models_maximum(make_bedrock: Callable[..., Any]) -> None:
    with Sandbox(limits=Limits(tpm=4_097), clock=lambda: 0.0) as sandbox:
        client = make_bedrock(sandbox.url)
        assert client.converse(modelId=SONNET, messages=said("four"))
        status, code, _ = error_of(
            lambda: client.converse(modelId=SONNET, messages=said("seven 7"))
        )
    assert (429, "ThrottlingException") == (status, code)
