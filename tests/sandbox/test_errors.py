"""Every error that can be asked for, as the real SDKs see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import groq
import pytest
from botocore.exceptions import ClientError

from sandbox import Answer, Fault, Sandbox, ToolCall, retry_after_date
from tests.sandbox.bedrock_calls import converse
from tests.sandbox.groq_calls import ask

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


@pytest.mark.parametrize(
    ("given", "sent"),
    [(30, "30"), (0, "0"), (2.5, "2.5"), (30.0, "30"), (86_400_000.0, "86400000")],
)
def test_a_retry_after_may_be_a_number_of_seconds(
    sandbox: Sandbox, groq_client: groq.Groq, given: float, sent: str
) -> None:
    sandbox.script(Fault.rate_limited(given), Fault.error(503, retry_after=given))
    for status in (429, 503):
        with pytest.raises(groq.APIStatusError) as caught:
            ask(groq_client)
        response = caught.value.response
        assert (status, sent) == (response.status_code, response.headers["retry-after"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retry_after", True),
        ("retry_after", [1]),
        ("retry_after", "1\r\nx: y"),
        ("status", 99),
        ("status", "503"),
        ("headers", {"x": 1}),
        ("headers", {"a b": "1"}),
        ("headers", {"x": "\u20ac"}),
        ("body", "text"),
        ("silence", -1),
        ("drip", 1.5),
        ("cut", 2),
    ],
)
def test_what_cannot_be_sent_is_refused_where_the_fault_is_made(field: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"Fault\({field}="):
        Fault(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", {"a": 1}),
        ("finish", None),
        ("model", 1),
        ("pieces", (1,)),
        ("without", frozenset({"content"})),
        ("output_tokens", "9"),
        ("cached_tokens", True),
        ("tool_input", object()),
    ],
)
def test_what_cannot_be_sent_is_refused_where_the_answer_is_made(field: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"Answer\({field}="):
        Answer(**{field: value})


def test_what_is_no_tool_call_or_no_step_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="ToolCall"):
        ToolCall("name", object())
    with pytest.raises(TypeError, match="ToolCall"):
        ToolCall(1)  # type: ignore[arg-type]  # what is refused
    for step in ("503", 503, Fault, {"status": 503}):
        with pytest.raises(TypeError, match="a step is an Answer, a Fault or None"):
            sandbox.script(step)  # type: ignore[arg-type]  # what is refused


def test_a_function_may_give_any_retry_after(sandbox: Sandbox, groq_client: groq.Groq) -> None:
    given: Any = [lambda now: 30, lambda now: "1\n2\u20ac"]
    sandbox.script(*[Fault.rate_limited(each) for each in given])
    for sent in ("30", "1?2?"):
        with pytest.raises(groq.RateLimitError) as caught:
            ask(groq_client)
        assert sent == caught.value.response.headers["retry-after"]


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
