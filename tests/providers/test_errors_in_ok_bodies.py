"""An error under a status of 200 is the error that it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import groq
import httpx
import pytest

from services.llm.errors import (
    AuthenticationError,
    InvalidRequestError,
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from services.llm.providers.bedrock import RAW_BODY, from_converse, from_invoke
from services.llm.providers.bedrock.errors import error_in_ok_body as error_of_bedrock
from services.llm.providers.foreign_errors import unreadable_body
from services.llm.providers.groq import from_chat_completion
from services.llm.providers.groq.errors import error_in_ok_body as error_of_groq
from services.llm.providers.groq.stream import fold
from services.llm.types import Provider, Request

ASKED = Request("anthropic.claude-3-sonnet-20240229-v1:0", ({"role": "user", "content": "Hi"},))
LIMIT = "Rate limit reached ... (TPM): Limit 6000, Used 1, Requested 2. Please try again in 7s."

ERRORS: list[tuple[dict[str, Any], type[LLMError], Retry]] = [
    ({"message": "Upstream is sad"}, LLMError, Retry.IF_REQUESTED),
    ({"message": LIMIT, "code": "rate_limit_exceeded"}, RateLimitError, Retry.NEVER),
    ({"message": "No.", "code": "invalid_api_key"}, AuthenticationError, Retry.NEVER),
    ({"message": "No.", "code": 502}, ProviderUnavailableError, Retry.AFTER_BACKOFF),
    ({"message": "No.", "code": "503"}, ProviderUnavailableError, Retry.AFTER_BACKOFF),
    (
        {"message": "No.", "type": "internal_server_error"},
        ProviderUnavailableError,
        Retry.AFTER_BACKOFF,
    ),
    ({"message": "No.", "type": "invalid_request_error"}, InvalidRequestError, Retry.NEVER),
    ({"message": "No.", "type": [1], "code": {}}, LLMError, Retry.IF_REQUESTED),
]


def from_sdk(body: object) -> object:
    """What the real SDK makes of such a body under a status of 200."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=body)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = groq.Groq(api_key="none", http_client=http, max_retries=0)
        return client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}]
        )


@pytest.mark.parametrize(("error", "kind", "retry"), ERRORS)
def test_groqs_error_is_read_as_such(
    error: dict[str, Any], kind: type[LLMError], retry: Retry
) -> None:
    readers: list[Callable[[], object]] = [
        lambda: from_chat_completion(from_sdk({"error": error}), ASKED),
        lambda: fold([{"error": error}], ASKED),
        lambda: fold([{"x_groq": {"error": error}}], ASKED),
    ]
    for read in readers:
        with pytest.raises(LLMError) as caught:
            read()
        assert (kind, retry) == (type(caught.value), caught.value.retry)
        assert error["message"] in str(caught.value)
        assert caught.value.status


def test_groqs_limit_says_until_when_under_a_200_too() -> None:
    with pytest.raises(RateLimitError) as caught:
        from_chat_completion({"error": ERRORS[1][0]}, ASKED)
    assert 7.0 == caught.value.retry_after


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Out of order"},
        {"detail": "Out of order"},
        {"message": "Out of order"},
        {"Message": "Out of order"},
        {"errors": [{"message": "Out of order"}]},
        {"error": ["Out of order"]},
        {"error": {"error": {"msg": "Out of order"}}},
        {"detail": [{"loc": ["body"], "msg": "Out of order"}]},
        [{"error": {"message": "Out of order"}}],
        {"error": {"message": {"a": "Out of order"}}},
    ],
)
def test_words_alone_are_shown_wherever_a_gateway_keeps_them(body: Any) -> None:
    with pytest.raises(LLMError, match="Out of order"):
        from_chat_completion(from_sdk(body), ASKED)
    shown = error_of_bedrock(body, "m")
    assert shown is not None
    assert "Out of order" in str(shown)


@pytest.mark.parametrize(
    "body",
    [
        {"message": {"role": "assistant", "content": "Yes."}},
        {"error": None, "message": " "},
        {"errors": [], "error": {}},
        [[[[["deep"]]]]],
        "a page",
        None,
    ],
)
def test_what_says_nothing_of_an_error_holds_none(body: Any) -> None:
    assert (None, None) == (error_of_groq(body, "m"), error_of_bedrock(body, "m"))


CORAL = {
    "Output": {"__type": "com.amazon.coral.service#UnknownOperationException"},
    "Version": "1.0",
}


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (CORAL, InvalidRequestError, "UnknownOperationException"),
        (
            {"__type": "x#ThrottlingException", "message": "Too many requests"},
            *(RateLimitError, "Too many requests"),
        ),
        ({"error": {"message": "Upstream is sad"}}, LLMError, "Upstream is sad"),
        ({"error": {"message": "No.", "code": 503}}, ProviderUnavailableError, "No."),
        ({"message": "No such thing"}, LLMError, "No such thing"),
        (
            "<html><body>Sign in</body></html>",
            *(ProviderUnavailableError, "not whole JSON: HTTP 200 from a proxy before Bedrock"),
        ),
    ],
)
def test_bedrocks_error_is_read_as_such(body: Any, kind: type[LLMError], words: str) -> None:
    sent = body if isinstance(body, str) else json.dumps(body)
    response = {RAW_BODY: sent, "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "r"}}
    readers: list[Callable[[], object]] = [
        lambda: from_converse(response, ASKED),
        lambda: from_invoke(sent, ASKED, {}),
    ]
    for read in readers:
        with pytest.raises(LLMError, match=words) as caught:
            read()
        assert kind is type(caught.value)


@pytest.mark.parametrize("body", ['{"output": {"mess', "", "[1, 2", "{}", "[]", "7"])
def test_what_says_nothing_was_cut_off(body: str) -> None:
    with pytest.raises(LLMError, match="cut off"):
        from_converse({RAW_BODY: body, "ResponseMetadata": {}}, ASKED)


@pytest.mark.parametrize(
    ("body", "kind", "retry"),
    [
        ({"message": "Out of order"}, LLMError, Retry.IF_REQUESTED),
        ({"Message": "Out of order"}, LLMError, Retry.IF_REQUESTED),
        ({"error": "Out of order"}, LLMError, Retry.IF_REQUESTED),
        ({"detail": "Out of order"}, LLMError, Retry.IF_REQUESTED),
        (
            {"error": {"message": "Out of order", "code": "ThrottlingException"}},
            *(RateLimitError, Retry.AFTER_BACKOFF),
        ),
        (
            {"error": {"message": "Out of order", "__type": "x#ValidationException", "code": 503}},
            *(InvalidRequestError, Retry.NEVER),
        ),
    ],
)
def test_bedrocks_words_and_name_stand_in_any_of_several_places(
    body: dict[str, Any], kind: type[LLMError], retry: Retry
) -> None:
    error = error_of_bedrock(body, "m")
    assert error is not None
    assert (kind, retry) == (type(error), error.retry)
    assert "Out of order" in str(error)
    assert error.status in (200, 503)


def test_groqs_body_without_words_is_no_error_and_a_page_is_a_proxys() -> None:
    empty: list[Any] = [{}, {"error": {}}, {"error": {"message": ""}}, [], None]
    assert [None] * 5 == [error_of_groq(body, "m") for body in empty]
    page = error_of_groq({"error": "<html><body>Sign in</body></html>"}, "m")
    assert page is not None
    assert "HTTP 200 from a proxy before Groq" in str(page)
    assert 200 == page.status


@pytest.mark.parametrize(("code", "wrote"), [("tool_use_failed", ""), ("other", None)])
def test_what_the_model_wrote_may_be_nothing_where_its_form_is_refused(
    code: str, wrote: str | None
) -> None:
    body = {"error": {"message": "No.", "code": code, "type": "invalid_request_error"}}
    error = error_of_groq(body, "m")
    assert isinstance(error, InvalidRequestError)
    assert wrote == error.failed_generation


@pytest.mark.parametrize("provider", ["groq", "bedrock"])
@pytest.mark.parametrize(
    ("body", "content_type", "kind", "words"),
    [
        (b'{"text": "ha', "application/json", ProviderUnavailableError, "may have been cut off"),
        (b"", "application/json", ProviderUnavailableError, "may have been cut off"),
        (b"", None, ProviderUnavailableError, "may have been cut off"),
        (b"\xff\0", "application/x-amz+json", ProviderUnavailableError, "not whole JSON"),
        (' {"text": "ha', "text/html", ProviderUnavailableError, "may have been cut off"),
        (b"<html>Sign in", "application/json; charset=utf-8", LLMError, "from a proxy before"),
        (b"<html>Sign in", None, ProviderUnavailableError, "from a proxy before"),
        ("Sign in first", "text/plain", LLMError, "no JSON but text/plain"),
    ],
)
def test_what_is_no_json_was_cut_off_or_is_of_something_between(
    provider: Provider, body: bytes | str, content_type: str | None, kind: type, words: str
) -> None:
    error = unreadable_body(body, content_type, provider)
    assert (kind, provider, 200) == (type(error), error.provider, error.status)
    assert words in str(error)
    passes = kind is ProviderUnavailableError
    assert error.retry is (Retry.AFTER_BACKOFF if passes else Retry.IF_REQUESTED)
