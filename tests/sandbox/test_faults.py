"""Every fault, as the real SDKs see it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import groq
import httpx
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from sandbox import Answer, Fault, Limits, Sandbox, retry_after_date

GPT = "openai/gpt-oss-120b"
SONNET = "us.anthropic.claude-sonnet-4-6"


def ask(client: groq.Groq, model: str = GPT, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": "hello"}]
    return client.chat.completions.create(model=model, messages=messages, **more)


def converse(client: Any, model: str = SONNET) -> Any:
    return client.converse(
        modelId=model, messages=[{"role": "user", "content": [{"text": "hello"}]}]
    )


GROQ_STATUSES = {
    400: groq.BadRequestError,
    401: groq.AuthenticationError,
    403: groq.PermissionDeniedError,
    404: groq.NotFoundError,
    408: groq.APIStatusError,
    409: groq.ConflictError,
    413: groq.APIStatusError,
    422: groq.UnprocessableEntityError,
    429: groq.RateLimitError,
    498: groq.APIStatusError,
    500: groq.InternalServerError,
    502: groq.InternalServerError,
    503: groq.InternalServerError,
    504: groq.InternalServerError,
}


@pytest.mark.parametrize("status", GROQ_STATUSES)
def test_a_status_is_groqs_error_of_that_status(
    sandbox: Sandbox, groq_client: groq.Groq, status: int
) -> None:
    sandbox.script(Fault.error(status), Fault.error(status, "my words"))
    for words in (None, "my words"):
        with pytest.raises(GROQ_STATUSES[status]) as caught:
            ask(groq_client)
        error = caught.value
        assert isinstance(error, groq.APIStatusError)
        assert status == error.status_code
        assert isinstance(error.body, dict)
        assert error.body["error"]["message"]
        assert words is None or error.body["error"]["message"] == words
    assert ask(groq_client).choices


BEDROCK_STATUSES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "502",
    503: "ServiceUnavailableException",
}


@pytest.mark.parametrize("status", BEDROCK_STATUSES)
def test_a_status_is_bedrocks_exception_of_that_status(
    sandbox: Sandbox, bedrock_client: Any, status: int
) -> None:
    sandbox.script(Fault.error(status, "my words"))
    with pytest.raises(ClientError) as caught:
        converse(bedrock_client)
    response = caught.value.response
    assert status == response["ResponseMetadata"]["HTTPStatusCode"]
    assert {"Code": BEDROCK_STATUSES[status], "Message": "my words"} == response["Error"]


GROQ_CODES = [
    (Fault.invalid_key(), 401, "invalid_api_key"),
    (Fault.model_not_found(), 404, "model_not_found"),
    (Fault.decommissioned(), 400, "model_decommissioned"),
    (Fault.context_length(), 400, "context_length_exceeded"),
    (Fault.capacity(), 498, "capacity_exceeded"),
    (Fault.too_large(), 413, "rate_limit_exceeded"),
    (Fault.rate_limited(), 429, "rate_limit_exceeded"),
    (Fault.named("model_terms_required"), 400, "model_terms_required"),
    (Fault.named("ThrottlingException"), 500, "ThrottlingException"),
    (Fault.error(403, code="model_permission_blocked_org"), 403, "model_permission_blocked_org"),
    (Fault.error(418, code="teapot"), 418, "teapot"),
]


@pytest.mark.parametrize(("fault", "status", "code"), GROQ_CODES)
def test_a_named_error_has_groqs_status_and_code(
    sandbox: Sandbox, groq_client: groq.Groq, fault: Fault, status: int, code: str
) -> None:
    sandbox.script(fault)
    with pytest.raises(groq.APIStatusError) as caught:
        ask(groq_client)
    assert isinstance(caught.value.body, dict)
    assert (status, code) == (caught.value.status_code, caught.value.body["error"]["code"])


BEDROCK_CODES = [
    (Fault.invalid_key(), 403, "UnrecognizedClientException"),
    (Fault.model_not_found(), 400, "ValidationException"),
    (Fault.decommissioned(), 404, "ResourceNotFoundException"),
    (Fault.context_length(), 400, "ValidationException"),
    (Fault.capacity(), 429, "ModelNotReadyException"),
    (Fault.too_large(), 400, "ValidationException"),
    (Fault.named("ModelNotReadyException"), 429, "ModelNotReadyException"),
    (Fault.named("ExpiredTokenException"), 403, "ExpiredTokenException"),
    (Fault.named("ModelErrorException"), 424, "ModelErrorException"),
    (Fault.error(529, code="OverloadedException"), 529, "OverloadedException"),
]


@pytest.mark.parametrize(("fault", "status", "code"), BEDROCK_CODES)
def test_a_named_error_is_bedrocks_exception(
    sandbox: Sandbox, bedrock_client: Any, fault: Fault, status: int, code: str
) -> None:
    sandbox.script(fault)
    with pytest.raises(ClientError) as caught:
        converse(bedrock_client)
    response = caught.value.response
    assert (
        status,
        code,
    ) == (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"])


@pytest.mark.parametrize(
    "fault", [Fault.json_validate_failed('{"a": '), Fault.tool_use_failed('{"a": ')]
)
def test_a_failed_generation_comes_with_the_error(
    sandbox: Sandbox, groq_client: groq.Groq, fault: Fault
) -> None:
    sandbox.script(fault)
    with pytest.raises(groq.BadRequestError) as caught:
        ask(groq_client)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["code"] == fault.code
    assert '{"a": ' == caught.value.body["error"]["failed_generation"]


@pytest.mark.parametrize(
    "text",
    ["2", "0.5", "1m26.4s", "soon", "-1", "NaN", "99999999999", "", "inf"],
)
def test_a_retry_after_is_sent_as_it_is(
    sandbox: Sandbox, groq_client: groq.Groq, text: str
) -> None:
    sandbox.script(Fault.rate_limited(text), Fault.error(503, retry_after=text))
    for _ in range(2):
        with pytest.raises(groq.APIStatusError) as caught:
            ask(groq_client)
        assert text == caught.value.response.headers["retry-after"]


def test_a_retry_after_date_is_computed_from_the_wall_clock(
    make_bedrock: Callable[..., Any],
) -> None:
    with Sandbox(wall_clock=lambda: 1_000_000_000) as sandbox:
        sandbox.script(Fault.rate_limited(retry_after_date(30)))
        with pytest.raises(ClientError) as caught:
            converse(make_bedrock(sandbox.url))
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert "Sun, 09 Sep 2001 01:47:10 GMT" == headers["retry-after"]
    assert "Sun, 09 Sep 2001 01:46:40 GMT" == headers["date"]


@pytest.mark.parametrize(
    ("told", "wait"),
    [("7", "7s"), ("0.25", "250ms"), ("600", "10m0s"), ("soon", "1s"), (None, "1s")],
)
def test_the_message_of_a_scripted_429_fits_its_retry_after(
    sandbox: Sandbox, groq_client: groq.Groq, told: str | None, wait: str
) -> None:
    sandbox.script(Fault.rate_limited(told))
    with pytest.raises(groq.RateLimitError, match=f"Please try again in {wait}\\."):
        ask(groq_client)


def test_extra_headers_are_added(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(
        Fault.error(500, headers={"X-Should-Retry": "false", "Content-Type": "text/odd"})
    )
    with pytest.raises(groq.InternalServerError) as caught:
        ask(groq_client)
    assert "false" == caught.value.response.headers["x-should-retry"]
    assert "text/odd" == caught.value.response.headers["content-type"]


def test_a_reset_is_a_connection_error(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault.reset(), Fault.reset())
    with pytest.raises(groq.APIConnectionError) as caught:
        ask(groq_client)
    assert "Connection reset by peer" in str(caught.value.__cause__)
    with pytest.raises(ConnectionClosedError):
        converse(bedrock_client)
    assert [None, None] == [exchange.status for exchange in sandbox.exchanges]


def test_a_close_is_a_disconnect(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault.close(), Fault.close())
    with pytest.raises(groq.APIConnectionError) as caught:
        ask(groq_client)
    assert isinstance(caught.value.__cause__, httpx.RemoteProtocolError)
    with pytest.raises(ConnectionClosedError):
        converse(bedrock_client)


def test_silence_is_a_read_timeout(sandbox: Sandbox, make_bedrock: Callable[..., Any]) -> None:
    sandbox.script(Fault.silent(60), Fault.silent(60))
    with (
        groq.Groq(api_key="k", base_url=sandbox.url, max_retries=0, timeout=0.1) as client,
        pytest.raises(groq.APITimeoutError),
    ):
        ask(client)
    with pytest.raises(ReadTimeoutError):
        converse(make_bedrock(sandbox.url, timeout=0.1))


def test_silence_ends_with_the_answer(groq_client: groq.Groq) -> None:
    started = time.monotonic()
    assert ask(groq_client, "sandbox/silence?seconds=0.05").choices
    assert time.monotonic() - started >= 0.05


def test_a_dripped_body_outlasts_any_read_timeout(sandbox: Sandbox) -> None:
    sandbox.script(Fault.dripped(100, 0.05))
    with groq.Groq(api_key="k", base_url=sandbox.url, max_retries=0, timeout=2) as client:
        started = time.monotonic()
        assert ask(client).choices
    assert time.monotonic() - started >= 0.05 * 4


def test_a_body_cut_off_breaks_the_groq_sdk(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Fault.cut_off(0.5))
    with pytest.raises(groq.APIConnectionError) as caught:
        ask(groq_client)
    assert "without sending complete message body" in str(caught.value.__cause__)


def test_boto3_takes_a_body_cut_off_or_malformed_for_an_empty_answer(
    sandbox: Sandbox, bedrock_client: Any
) -> None:
    sandbox.script(Fault.cut_off(0.5), Fault.malformed_json())
    for _ in range(2):
        reply = converse(bedrock_client)
        assert 200 == reply["ResponseMetadata"]["HTTPStatusCode"]
        assert "output" not in reply


def test_boto3_notices_that_an_invoke_model_body_was_cut_off(
    sandbox: Sandbox, bedrock_client: Any
) -> None:
    sandbox.script(Fault.cut_off(0.5))
    body = json.dumps({"prompt": "x"})
    reply = bedrock_client.invoke_model(modelId="meta.llama3-70b-instruct-v1:0", body=body)
    with pytest.raises(ResponseStreamingError):
        reply["body"].read()


def test_malformed_json_with_a_200_is_a_decode_error(
    sandbox: Sandbox, groq_client: groq.Groq
) -> None:
    sandbox.script(Fault.malformed_json())
    with pytest.raises(json.JSONDecodeError):
        ask(groq_client)


def test_an_html_page_is_an_error_without_a_json_body(
    sandbox: Sandbox, groq_client: groq.Groq, bedrock_client: Any
) -> None:
    sandbox.script(Fault.html(), Fault.cloudflare_1010(), Fault.html())
    with pytest.raises(groq.InternalServerError) as bad_gateway:
        ask(groq_client)
    assert bad_gateway.value.response.headers["content-type"].startswith("text/html")
    with pytest.raises(groq.PermissionDeniedError, match="error code: 1010"):
        ask(groq_client)
    with pytest.raises(ClientError) as caught:
        converse(bedrock_client)
    assert "502" == caught.value.response["Error"]["Code"]


def test_answers_that_are_not_whole_come_as_200s(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(
        Answer.truncated("half"),
        Answer.empty(),
        Answer.null(),
        Answer.unfinished(),
        Answer.filtered("no"),
        Answer.guarded(),
        Answer(without=frozenset({"usage"})),
    )
    seen = []
    for _ in range(7):
        reply = ask(groq_client)
        choice = reply.choices[0]
        seen.append((choice.message.content, choice.finish_reason, reply.usage is None))
    assert [
        ("half", "length", False),
        ("", "stop", False),
        (None, "stop", False),
        ("Sandbox: hello", None, False),
        ("no", "content_filter", False),
        ("Blocked by a guardrail.", "content_filter", False),
        ("Sandbox: hello", "stop", True),
    ] == seen


def test_an_answer_without_choices_has_none(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Answer.no_choices())
    assert ask(groq_client).choices is None


def test_converse_answers_that_are_not_whole_come_as_200s(
    sandbox: Sandbox, bedrock_client: Any
) -> None:
    sandbox.script(
        Answer.truncated("half"),
        Answer.empty(),
        Answer.null(),
        Answer.unfinished(),
        Answer.filtered("no"),
        Answer.guarded(),
        Answer.no_choices(),
        Answer(without=frozenset({"usage"})),
        Answer(text="x", reasoning="hmm"),
    )
    seen = []
    for _ in range(9):
        reply = converse(bedrock_client)
        content = reply.get("output", {}).get("message", {}).get("content")
        seen.append((content, reply.get("stopReason"), "usage" in reply))
    assert [
        ([{"text": "half"}], "max_tokens", True),
        ([{"text": ""}], "end_turn", True),
        ([], "end_turn", True),
        ([{"text": "Sandbox: hello"}], None, True),
        ([{"text": "no"}], "content_filtered", True),
        ([{"text": "Blocked by a guardrail."}], "guardrail_intervened", True),
        (None, "end_turn", True),
        ([{"text": "Sandbox: hello"}], "end_turn", False),
        (
            [
                {
                    "reasoningContent": {
                        "reasoningText": {"text": "hmm", "signature": "c2FuZGJveA=="}
                    }
                },
                {"text": "x"},
            ],
            "end_turn",
            True,
        ),
    ] == seen


@pytest.mark.parametrize(
    ("model", "body", "whole", "unfinished"),
    [
        (
            "anthropic.claude-3-opus-20240229-v1:0",
            {
                "anthropic_version": "v",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "x"}],
            },
            "content",
            "stop_reason",
        ),
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "x"}, "generation", "stop_reason"),
        ("mistral.mixtral-8x7b-instruct-v0:1", {"prompt": "x"}, "outputs", "stop_reason"),
    ],
)
def test_invoke_model_answers_can_lack_their_parts(
    sandbox: Sandbox, bedrock_client: Any, model: str, body: Any, whole: str, unfinished: str
) -> None:
    sandbox.script(
        Answer(), Answer.no_choices(), Answer.unfinished(), Answer(without=frozenset({"usage"}))
    )
    replies = [bedrock_client.invoke_model(modelId=model, body=json.dumps(body)) for _ in range(4)]
    good, empty, open_ended, uncounted = (json.loads(reply["body"].read()) for reply in replies)
    assert whole in good
    assert whole not in empty
    assert unfinished in json.dumps(good)
    assert unfinished not in json.dumps(open_ended)
    assert "usage" not in uncounted
    headers = [reply["ResponseMetadata"]["HTTPHeaders"] for reply in (replies[0], replies[3])]
    assert [True, False] == ["x-amzn-bedrock-input-token-count" in header for header in headers]


def test_a_null_answer_of_claude_has_no_blocks(sandbox: Sandbox, bedrock_client: Any) -> None:
    sandbox.script(Answer.null())
    body = {
        "anthropic_version": "v",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
    }
    reply = bedrock_client.invoke_model(
        modelId="anthropic.claude-3-opus-20240229-v1:0", body=json.dumps(body)
    )
    assert [] == json.loads(reply["body"].read())["content"]


def test_a_fault_can_carry_its_own_answer(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Fault(answer=Answer.truncated("cut"), silence=0.01))
    assert "length" == ask(groq_client).choices[0].finish_reason


def test_a_delivery_fault_meets_the_limits_too(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.limits = Limits(rpm=1)
    sandbox.script(None, Fault.dripped(64, 0.001))
    ask(groq_client)
    with pytest.raises(groq.RateLimitError):
        ask(groq_client)


NAMED_MODELS = ["sandbox/503", "sandbox/429?retry-after=2", "sandbox/capacity"]


@pytest.mark.parametrize("model", NAMED_MODELS)
def test_a_models_name_asks_for_a_fault_on_both_wires(
    groq_client: groq.Groq, bedrock_client: Any, model: str
) -> None:
    with pytest.raises(groq.APIStatusError):
        ask(groq_client, model)
    with pytest.raises(ClientError):
        converse(bedrock_client, model)


def test_a_name_that_fails_only_once_answers_then(
    groq_client: groq.Groq, bedrock_client: Any
) -> None:
    with pytest.raises(groq.InternalServerError):
        ask(groq_client, "sandbox/503?times=1")
    assert "Sandbox: hello" == ask(groq_client, "sandbox/503?times=1").choices[0].message.content
    assert [{"text": "hi"}] == converse(bedrock_client, "sandbox/text?text=hi")["output"][
        "message"
    ]["content"]


@pytest.mark.parametrize(
    "body",
    [
        {
            "anthropic_version": "v",
            "max_tokens": 99,
            "messages": [{"role": "user", "content": "x"}],
        },
        {"prompt": "x", "max_gen_len": 99},
        {"prompt": "x", "max_tokens": 99},
    ],
)
def test_named_models_answer_invoke_model_in_the_bodys_own_form(
    bedrock_client: Any, body: Any
) -> None:
    reply = bedrock_client.invoke_model(modelId="sandbox/text?text=hi", body=json.dumps(body))
    assert '"hi"' in reply["body"].read().decode()


def test_an_unknown_fault_is_a_400_that_lists_the_known(
    groq_client: groq.Groq, bedrock_client: Any
) -> None:
    with pytest.raises(groq.BadRequestError, match="unknown fault `what`; known: 400 to 599, ok"):
        ask(groq_client, "sandbox/what")
    with pytest.raises(ClientError, match="unknown fault `what`; known: 400 to 599, ok"):
        converse(bedrock_client, "sandbox/what")
