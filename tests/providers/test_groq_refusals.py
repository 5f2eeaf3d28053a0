from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import groq
import httpx
import pytest

from services.llm.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from services.llm.providers.groq import classify
from services.llm.providers.groq.limit_messages import limit_of

WALL = 1_800_000_000.0
ORG = "org_01j5xyzabcd0123456789"
RATE = (
    f"Rate limit reached for model `m` in organization `{ORG}` service tier `on_demand` on tokens"
    " per minute (TPM): Limit 8000, Used 5536, Requested 5599. Please try again in 23.5125s."
)


def _meant(error: Exception) -> LLMError:
    return classify(error, "m", wall=WALL)


def _refused(
    status: int,
    error: dict[str, Any] | str | None = None,
    headers: dict[str, str] | None = None,
) -> LLMError:
    """What the real SDK's exception for such a response means."""
    body = error if isinstance(error, str) else json.dumps({"error": error or {"message": "No."}})

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text=body, headers=headers)

    return _meant(_raised(answer))


def _raised(answer: Callable[[httpx.Request], httpx.Response]) -> Exception:
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = groq.Groq(api_key="none", http_client=http, max_retries=0)
        with pytest.raises(groq.APIError) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    return caught.value


BY_STATUS: list[tuple[int, type[LLMError], Retry]] = [
    (400, InvalidRequestError, Retry.NEVER),
    (401, AuthenticationError, Retry.NEVER),
    (403, AuthenticationError, Retry.NEVER),
    (404, InvalidRequestError, Retry.NEVER),
    (405, InvalidRequestError, Retry.NEVER),
    (408, LLMTimeoutError, Retry.AFTER_BACKOFF),
    (409, LLMError, Retry.NEVER),
    (413, ContextLengthError, Retry.NEVER),
    (422, InvalidRequestError, Retry.NEVER),
    (424, LLMError, Retry.NEVER),
    (429, RateLimitError, Retry.NEVER),
    (498, ProviderUnavailableError, Retry.AFTER_BACKOFF),
    (499, LLMError, Retry.NEVER),
    (500, ProviderUnavailableError, Retry.AFTER_BACKOFF),
    (501, ProviderUnavailableError, Retry.IF_REQUESTED),
    (502, ProviderUnavailableError, Retry.AFTER_BACKOFF),
    (503, ProviderUnavailableError, Retry.AFTER_BACKOFF),
    (504, LLMTimeoutError, Retry.AFTER_BACKOFF),
    (522, ProviderUnavailableError, Retry.IF_REQUESTED),
]


@pytest.mark.parametrize(("status", "kind", "retry"), BY_STATUS)
def test_a_status_without_a_code_has_one_meaning(
    status: int, kind: type[LLMError], retry: Retry
) -> None:
    error = _refused(status, headers={"x-request-id": "req_1"})

    assert type(error) is kind
    assert error.retry is retry
    assert (error.provider, error.status, error.request_id) == ("groq", status, "req_1")


BY_CODE: list[tuple[int, str, type[LLMError], str]] = [
    (400, "model_decommissioned", ModelNotFoundError, "Groq model not found: m"),
    (404, "model_not_found", ModelNotFoundError, "Groq model not found: m"),
    (400, "context_length_exceeded", ContextLengthError, "Groq API error: No."),
    (400, "json_validate_failed", InvalidRequestError, "Groq API error: No."),
    (400, "tool_use_failed", InvalidRequestError, "Groq API error: No."),
    (400, "content_filter", ContentFilteredError, "Groq API error: No."),
    (401, "invalid_api_key", AuthenticationError, "Groq authentication error: No."),
    (400, "model_terms_required", AuthenticationError, "Groq authentication error: No."),
    (403, "model_permission_blocked_org", AuthenticationError, "Groq authentication error: No."),
    (429, "rate_limit_exceeded", RateLimitError, "Groq rate limit exceeded: No."),
    (413, "rate_limit_exceeded", ContextLengthError, "Groq API error: No."),
    (498, "capacity_exceeded", ProviderUnavailableError, "Groq API error: No."),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), BY_CODE)
def test_a_code_decides_before_its_status(
    status: int, code: str, kind: type[LLMError], words: str
) -> None:
    error = _refused(status, {"message": "No.", "code": code})

    assert type(error) is kind
    assert str(error).startswith(words)
    assert error.code == code


def test_a_missing_model_that_only_the_provider_names_is_named_in_its_words() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        error = {"message": "The model `gone` is no more.", "code": "model_not_found"}
        return httpx.Response(404, json={"error": error})

    error = classify(_raised(answer), "", wall=WALL)
    assert str(error).startswith("Groq model not found: The model `gone` is no more.")


def test_words_never_decide_over_a_real_error() -> None:
    assert type(_refused(400, {"message": "rate limit, invalid api key"})) is InvalidRequestError


def test_what_the_model_wrote_comes_with_its_refusal_and_not_in_the_message() -> None:
    said = {"message": "Failed.", "code": "json_validate_failed", "failed_generation": '{"a": '}
    error = _refused(400, said)

    assert isinstance(error, InvalidRequestError)
    assert error.failed_generation == '{"a": '
    assert str(error) == "Groq API error: Failed."


def test_a_rate_limit_says_until_when_and_hides_the_organisation() -> None:
    error = _refused(429, {"message": RATE, "type": "tokens", "code": "rate_limit_exceeded"})

    assert type(error) is RateLimitError
    assert error.retry_after == 23.5125
    assert "org_***" in str(error)
    assert ORG not in str(error)
    assert limit_of(str(error)) == "TPM"


def test_a_limit_that_is_not_named_is_none() -> None:
    assert limit_of("Slow down.") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("24", 24.0), ("0.5", 0.5), ("2m59.56s", 179.56), ("nonsense", 23.5125), ("-1", 23.5125)],
)
def test_the_header_comes_before_the_words(header: str, seconds: float) -> None:
    error = _refused(429, {"message": RATE}, {"retry-after": header})

    assert error.retry_after == pytest.approx(seconds)


def test_a_date_counts_from_the_wall_clock() -> None:
    error = _refused(429, {"message": "No."}, {"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"})

    assert error.retry_after == 60.0


def test_an_overloaded_server_may_say_when_to_come_back() -> None:
    assert _refused(503, headers={"retry-after": "3"}).retry_after == 3.0


@pytest.mark.parametrize(
    "words",
    [
        "Request too large for model `m`: Limit 6000, Requested 5000, reduce max_tokens",
        "... (TPM): Limit 6000, Used 0, Requested 10338. Please try again in 7s.",
    ],
)
def test_a_request_that_no_wait_can_fit_is_never_a_rate_limit(words: str) -> None:
    error = _refused(429, {"message": words, "code": "rate_limit_exceeded"})

    assert type(error) is ContextLengthError
    assert error.retry_after is None
    assert error.retry is Retry.NEVER


def test_a_wrong_address_is_not_a_missing_model() -> None:
    error = _refused(404, {"message": "Unknown request URL", "code": "unknown_url"})

    assert type(error) is InvalidRequestError
    assert "the base URL must not contain /openai/v1" in str(error)


@pytest.mark.parametrize(
    ("page", "named"),
    [("error code: 1010", " 1010"), ("<!DOCTYPE html><html>Access denied</html>", "")],
)
def test_a_proxys_page_is_told_from_groqs_own_refusal(page: str, named: str) -> None:
    error = _refused(403, page)

    assert type(error) is AuthenticationError
    assert error.from_proxy
    assert str(error) == (
        "Groq authentication error: HTTP 403 from a proxy before Groq, not from Groq itself"
        f" (error page{named})"
    )


def test_a_body_that_is_not_json_is_shown_without_its_secrets() -> None:
    assert str(_refused(502, "bad gateway for gsk_abcdef012345")) == (
        "Groq API error: bad gateway for gsk_***"
    )


def test_an_error_with_no_words_is_named_by_its_class() -> None:
    request = httpx.Request("POST", "http://loopback")

    assert str(_meant(groq.APIError("", request, body=None))) == "Groq API error: APIError"


def test_an_error_event_of_a_stream_is_read_from_its_inner_body() -> None:
    request = httpx.Request("POST", "http://loopback")
    body = {"message": "Failed.", "code": "tool_use_failed", "status_code": 400}
    error = _meant(groq.APIError("Failed.", request, body=body))

    assert type(error) is InvalidRequestError
    assert (error.status, error.code) == (400, "tool_use_failed")


def test_an_error_event_of_which_nothing_is_known_is_unknown() -> None:
    request = httpx.Request("POST", "http://loopback")
    error = _meant(groq.APIError("Lost.", request, body={"message": "Lost."}))

    assert type(error) is LLMError
    assert error.retry is Retry.IF_REQUESTED
