"""Answers that come badly or not at all, as the real SDKs see them."""

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

from sandbox import Answer, Fault, Limits, Sandbox
from tests.sandbox.bedrock_calls import converse
from tests.sandbox.groq_calls import ask
from tests.timing import with_more_time


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
    def scene(seconds: float) -> None:
        sandbox.clear()
        sandbox.script(Fault.silent(60), Fault.silent(60))
        with (
            groq.Groq(api_key="k", base_url=sandbox.url, max_retries=0, timeout=seconds) as client,
            pytest.raises(groq.APITimeoutError),
        ):
            ask(client)
        with pytest.raises(ReadTimeoutError):
            converse(make_bedrock(sandbox.url, timeout=seconds))

    with_more_time(scene)


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


def test_a_fault_can_carry_its_own_answer(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.script(Fault(answer=Answer.truncated("cut"), silence=0.01))
    assert "length" == ask(groq_client).choices[0].finish_reason


def test_a_delivery_fault_meets_the_limits_too(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    sandbox.limits = Limits(rpm=1)
    sandbox.script(None, Fault.dripped(64, 0.001))
    ask(groq_client)
    with pytest.raises(groq.RateLimitError):
        ask(groq_client)
