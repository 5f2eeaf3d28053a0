from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import groq
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.errors import (
    AuthenticationError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from services.llm.providers.groq import classify, organization_of

WALL = 1_800_000_000.0
ORG = "org_01j5xyzabcd0123456789"
RATE = (
    f"Rate limit reached for model `m` in organization `{ORG}` service tier `on_demand` on tokens"
    " per minute (TPM): Limit 8000, Used 5536, Requested 5599. Please try again in 23.5125s."
)


def _meant(error: Exception) -> LLMError:
    return classify(error, "m", wall=WALL)


def _raised(answer: Callable[[httpx.Request], httpx.Response]) -> Exception:
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = groq.Groq(api_key="none", http_client=http, max_retries=0)
        with pytest.raises(groq.APIError) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    return caught.value


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (groq.BadRequestError, InvalidRequestError),
        (groq.AuthenticationError, AuthenticationError),
        (groq.PermissionDeniedError, AuthenticationError),
        (groq.NotFoundError, InvalidRequestError),
        (groq.ConflictError, LLMError),
        (groq.UnprocessableEntityError, InvalidRequestError),
        (groq.RateLimitError, RateLimitError),
        (groq.InternalServerError, ProviderUnavailableError),
        (groq.APIStatusError, LLMError),
    ],
)
def test_an_error_that_a_test_made_of_mocks_is_known_by_its_class(
    kind: Any, expected: type[LLMError]
) -> None:
    error = _meant(kind("Slow down", response=Mock(), body=Mock()))

    assert type(error) is expected
    assert "Slow down" in str(error)
    assert error.retry_after is None


def test_a_missing_thing_that_a_test_made_without_a_body_is_the_model() -> None:
    error = groq.NotFoundError("No.", response=Mock(), body=None)

    assert type(_meant(error)) is ModelNotFoundError


def _transport(failure: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_: httpx.Request) -> httpx.Response:
        raise failure

    return answer


def _from(cause: BaseException, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


CERTIFICATE = _from(ssl.SSLCertVerificationError("self-signed"), httpx.ConnectError("TLS"))


@pytest.mark.parametrize(
    ("failure", "kind", "retry"),
    [
        (httpx.ConnectError("refused"), ProviderUnavailableError, Retry.AFTER_BACKOFF),
        (httpx.ReadError("reset"), ProviderUnavailableError, Retry.AFTER_BACKOFF),
        (httpx.RemoteProtocolError("cut"), ProviderUnavailableError, Retry.AFTER_BACKOFF),
        (httpx.DecodingError("gzip"), ProviderUnavailableError, Retry.AFTER_BACKOFF),
        (httpx.ReadTimeout("slow"), LLMTimeoutError, Retry.AFTER_BACKOFF),
        (httpx.PoolTimeout("full"), LLMTimeoutError, Retry.AFTER_BACKOFF),
        (ConnectionResetError("reset"), ProviderUnavailableError, Retry.AFTER_BACKOFF),
        (TimeoutError("slow"), LLMTimeoutError, Retry.AFTER_BACKOFF),
        (asyncio.TimeoutError("slow"), LLMTimeoutError, Retry.AFTER_BACKOFF),
        (concurrent.futures.TimeoutError("slow"), LLMTimeoutError, Retry.AFTER_BACKOFF),
        (CERTIFICATE, ProviderUnavailableError, Retry.NEVER),
        (httpx.UnsupportedProtocol("ftp"), LLMError, Retry.NEVER),
        (httpx.LocalProtocolError("header"), LLMError, Retry.NEVER),
        (httpx.TooManyRedirects("round"), LLMError, Retry.NEVER),
        (TypeError("a bug in a hook"), LLMError, Retry.NEVER),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_failure_on_the_way_means_the_same_bare_or_wrapped(
    failure: Exception, kind: type[LLMError], retry: Retry
) -> None:
    for error in (_meant(failure), _meant(_raised(_transport(failure)))):
        assert type(error) is kind
        assert error.retry is retry
        assert str(error).startswith("Groq API error: ")
        assert error.provider == "groq"


def test_a_certificate_that_does_not_verify_names_the_variable() -> None:
    expected = (
        "Groq API error: ConnectError: TLS: SSL_CERT_FILE names the certificates that are trusted"
    )
    assert expected == str(_meant(CERTIFICATE))


def test_a_timeout_without_words_is_given_some() -> None:
    assert "Groq API error: Request timed out." == str(_meant(TimeoutError()))


def test_an_error_of_ours_passes_through_the_sdk() -> None:
    ours = LLMTimeoutError("the deadline is over")

    assert _meant(ours) is ours
    assert _meant(_raised(_transport(ours))) is ours


def test_a_connection_error_without_a_cause_is_taken_at_its_word() -> None:
    error = _meant(groq.APIConnectionError(request=httpx.Request("POST", "http://loopback")))

    assert type(error) is ProviderUnavailableError
    assert error.retry is Retry.AFTER_BACKOFF


def test_a_body_that_is_not_whole_json_was_cut_off() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads('{"choices": [')

    assert type(_meant(caught.value)) is ProviderUnavailableError


@pytest.mark.parametrize(
    ("words", "kind", "message", "retry"),
    [
        (
            *("Rate limit reached", RateLimitError),
            *("Groq rate limit exceeded: Rate limit reached", Retry.NEVER),
        ),
        (
            *("rate_limit_exceeded", RateLimitError),
            *("Groq rate limit exceeded: rate_limit_exceeded", Retry.NEVER),
        ),
        (
            *("Authentication failed", AuthenticationError),
            *("Groq authentication error: Authentication failed", Retry.NEVER),
        ),
        (
            *("Invalid API Key", AuthenticationError),
            *("Groq authentication error: Invalid API Key", Retry.NEVER),
        ),
        (
            *("Model not found", ModelNotFoundError),
            *("Groq model not found: m", Retry.NEVER),
        ),
        (
            *("Temporary error", LLMError),
            *("Groq API error: Temporary error", Retry.IF_REQUESTED),
        ),
    ],
)
def test_a_bare_exception_is_judged_by_its_words(
    words: str, kind: type[LLMError], message: str, retry: Retry
) -> None:
    error = _meant(Exception(words))

    assert type(error) is kind
    assert str(error) == message
    assert error.retry is retry


@pytest.mark.parametrize("error", [RuntimeError("rate limit"), TypeError("x"), KeyError()])
def test_any_other_exception_is_a_bug_and_is_not_retried(error: Exception) -> None:
    meant = _meant(error)

    assert type(meant) is LLMError
    assert meant.retry is Retry.NEVER
    assert str(meant).startswith(f"Groq API error: {type(error).__name__}")


def test_the_organisation_is_known_by_a_hash_alone() -> None:
    with_body = _raised(lambda _: httpx.Response(429, json={"error": {"message": RATE}}))
    expected = hashlib.sha256(ORG.encode()).hexdigest()[:16]

    assert organization_of(with_body) == expected
    assert organization_of(Exception(RATE)) == expected
    assert organization_of(Exception("no name")) is None


def _chain() -> Iterator[Exception]:
    first, second = httpx.ConnectError("a"), httpx.ConnectError("b")
    first.__cause__, second.__cause__ = second, first
    yield first


def test_causes_that_run_in_a_circle_end() -> None:
    assert type(_meant(next(_chain()))) is ProviderUnavailableError


@settings(deadline=None)
@given(
    status=st.integers(400, 599),
    message=st.text(max_size=80),
    code=st.none() | st.text(max_size=20),
    place=st.integers(0, 80),
)
def test_no_message_ever_shows_the_organisation_or_a_key(
    status: int, message: str, code: str | None, place: int
) -> None:
    secret = f" {ORG} gsk_0123456789abcdef "
    said = {"message": message[:place] + secret + message[place:], "code": code}
    request = httpx.Request("POST", "http://loopback")
    response = httpx.Response(status, request=request)
    error = _meant(groq.APIStatusError("No.", response=response, body={"error": said}))

    assert ORG not in str(error)
    assert "gsk_0" not in str(error)
    assert isinstance(error, LLMError)
