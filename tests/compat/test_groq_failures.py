"""Groq's failures: told by type, status and code from the SDK, by their words from a mock."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import Mock

import groq
import pytest

from services.llm_client import (
    AuthenticationError,
    ContextLengthError,
    GroqClient,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
)
from tests.compat.support import completion, response

MODEL = "no-such-model"
REQUEST = response(200).request


def refusal(kind: str, status: int, code: str | None = None, words: str = "Told so.") -> Exception:
    error = {"message": words, "type": "some_error"} | ({"code": code} if code else {})
    made: Exception = getattr(groq, kind)(
        f"Error code: {status}", response=response(status), body={"error": error}
    )
    return made


# The error that the SDK raises, how our message begins, its class, and the calls made in all.
REAL: list[tuple[Exception, str, type[LLMError], int]] = [
    (
        refusal("RateLimitError", 429, "rate_limit_exceeded"),
        "Groq rate limit exceeded: Told so.",
        *(RateLimitError, 1),
    ),
    (refusal("RateLimitError", 429), "Groq rate limit exceeded: Told so.", RateLimitError, 1),
    (
        refusal("AuthenticationError", 401, "invalid_api_key", "Invalid API Key"),
        "Groq authentication error: Invalid API Key",
        *(AuthenticationError, 1),
    ),
    (
        refusal("PermissionDeniedError", 403),
        "Groq authentication error: Told so.",
        *(AuthenticationError, 1),
    ),
    (
        refusal("NotFoundError", 404, "model_not_found"),
        f"Groq model not found: {MODEL}",
        *(ModelNotFoundError, 1),
    ),
    (
        groq.NotFoundError("Error code: 404", response=response(404), body=None),
        f"Groq model not found: {MODEL}",
        *(ModelNotFoundError, 1),
    ),
    (
        refusal("BadRequestError", 400, "model_decommissioned"),
        f"Groq model not found: {MODEL}",
        *(ModelNotFoundError, 1),
    ),
    (refusal("BadRequestError", 400), "Groq API error: Told so.", InvalidRequestError, 1),
    (refusal("APIStatusError", 413), "Groq API error: Told so.", ContextLengthError, 1),
    (refusal("UnprocessableEntityError", 422), "Groq API error: Told", InvalidRequestError, 1),
    (
        refusal("InternalServerError", 503),
        "Groq API error: Told so.",
        *(ProviderUnavailableError, 3),
    ),
    (
        groq.APIConnectionError(request=REQUEST),
        "Groq API error: Connection error.",
        *(ProviderUnavailableError, 3),
    ),
    (groq.APITimeoutError(request=REQUEST), "Groq API error: ", LLMTimeoutError, 3),
]


@pytest.mark.parametrize(("raised", "told", "kind", "calls"), REAL)
def test_an_error_of_the_sdk_is_told_by_its_type_status_and_code(
    groq_client: GroqClient,
    create: Mock,
    sleep: Mock,
    raised: Exception,
    told: str,
    kind: type[LLMError],
    calls: int,
) -> None:
    create.side_effect = raised

    with pytest.raises(kind, match=f"^{re.escape(told)}") as caught:
        groq_client.generate("x", model=MODEL)

    assert type(caught.value) is kind
    assert caught.value.__cause__ is raised
    assert create.call_count == calls


BARE: list[tuple[str, str, type[LLMError]]] = [
    ("Rate limit reached", "Groq rate limit exceeded: Rate limit reached", RateLimitError),
    ("rate_limit_exceeded", "Groq rate limit exceeded: rate_limit_exceeded", RateLimitError),
    ("RATE LIMIT", "Groq rate limit exceeded: RATE LIMIT", RateLimitError),
    (
        "Authentication failed",
        "Groq authentication error: Authentication failed",
        AuthenticationError,
    ),
    ("Invalid API Key", "Groq authentication error: Invalid API Key", AuthenticationError),
    ("Model not found", f"Groq model not found: {MODEL}", ModelNotFoundError),
    ("Temporary error", "Groq API error: Temporary error", LLMError),
    ("429", "Groq API error: 429", LLMError),
]


@pytest.mark.parametrize(("words", "told", "kind"), BARE)
def test_a_bare_exception_is_told_by_its_words(
    groq_client: GroqClient, create: Mock, words: str, told: str, kind: type[LLMError]
) -> None:
    create.side_effect = Exception(words)

    with pytest.raises(kind) as caught:
        groq_client.generate("x", model=MODEL)

    assert (type(caught.value), str(caught.value)) == (kind, told)
    assert caught.value.__cause__ is create.side_effect
    assert create.call_count == 1


def test_the_words_of_a_real_error_decide_nothing(groq_client: GroqClient, create: Mock) -> None:
    words = "rate limit, authentication, invalid api key, model not found"
    create.side_effect = refusal("BadRequestError", 400, words=words)

    with pytest.raises(InvalidRequestError, match=f"^Groq API error: {words}$"):
        groq_client.generate("x")


@pytest.mark.parametrize("raised", [TypeError("a bug"), KeyError("choices"), ValueError("no")])
def test_a_bug_is_raised_at_once(groq_client: GroqClient, create: Mock, raised: Exception) -> None:
    create.side_effect = raised

    with pytest.raises(LLMError, match=r"^Groq API error: ") as caught:
        groq_client.generate_with_retry("x")

    assert caught.value.__cause__ is raised
    assert create.call_count == 1


def test_an_interrupt_passes_through(groq_client: GroqClient, create: Mock) -> None:
    create.side_effect = KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        groq_client.generate_with_retry("x")
    assert create.call_count == 1


@pytest.mark.parametrize(
    "raised", [refusal("AuthenticationError", 401), Exception("invalid api key")]
)
def test_an_authentication_error_is_a_value_error(
    groq_client: GroqClient, create: Mock, raised: Exception
) -> None:
    create.side_effect = raised

    with pytest.raises(ValueError, match="Groq authentication error: "):
        groq_client.generate("x")


def test_the_seconds_that_groq_names_are_on_the_error(
    groq_client: GroqClient, create: Mock
) -> None:
    create.side_effect = groq.RateLimitError(
        "Error code: 429", response=response(429, {"retry-after": "7"}), body=None
    )

    with pytest.raises(RateLimitError) as caught:
        groq_client.generate("x")
    assert (caught.value.retry_after, caught.value.status) == (7.0, 429)


def test_a_retired_model_is_answered_by_its_successor(
    groq_client: GroqClient, create: Mock
) -> None:
    gone = refusal("BadRequestError", 400, "model_decommissioned")

    def answer(model: str, **_: Any) -> Mock:
        if model == "llama3-70b-8192":
            raise gone
        return completion("Hello!")

    create.side_effect = answer

    assert [groq_client.generate("x"), groq_client.generate("x")] == ["Hello!"] * 2
    asked = [call.kwargs["model"] for call in create.call_args_list]
    assert asked == ["llama3-70b-8192", "openai/gpt-oss-120b", "openai/gpt-oss-120b"]
