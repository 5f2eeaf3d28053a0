from __future__ import annotations

from typing import Any

import botocore.exceptions as aws
import httpx
import pytest
from botocore.eventstream import ParserError
from botocore.parsers import ResponseParserError
from h11 import LocalProtocolError
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from services.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
    UnsendableError,
)
from services.llm.providers.bedrock import classify

FATAL, TRANSIENT, UNKNOWN = Retry.NEVER, Retry.AFTER_BACKOFF, Retry.IF_REQUESTED


def _meant(error: Exception, model: str = "m") -> LLMError:
    return classify(error, model, wall=0.0)


def _client_error(code: str, message: str = "No.", status: int | None = None) -> Exception:
    response: Any = {"Error": {"Code": code, "Message": message}}
    if status is not None:
        response["ResponseMetadata"] = {"HTTPStatusCode": status, "RequestId": "r-1"}
    return aws.ClientError(response, "Converse")


BY_CODE: list[tuple[str, int, type[LLMError], Retry]] = [
    ("ThrottlingException", 429, RateLimitError, TRANSIENT),
    ("ModelNotReadyException", 429, ProviderUnavailableError, TRANSIENT),
    ("ServiceUnavailableException", 503, ProviderUnavailableError, TRANSIENT),
    ("InternalServerException", 500, ProviderUnavailableError, TRANSIENT),
    ("ModelTimeoutException", 408, LLMTimeoutError, TRANSIENT),
    ("ModelErrorException", 424, LLMError, FATAL),
    ("ModelStreamErrorException", 424, LLMError, FATAL),
    ("ServiceQuotaExceededException", 400, RateLimitError, FATAL),
    ("ConflictException", 400, LLMError, FATAL),
    ("ValidationException", 400, InvalidRequestError, FATAL),
    ("AccessDeniedException", 403, AuthenticationError, FATAL),
    ("UnrecognizedClientException", 403, AuthenticationError, FATAL),
    ("InvalidSignatureException", 403, AuthenticationError, FATAL),
    ("ExpiredTokenException", 403, AuthenticationError, FATAL),
    ("ResourceNotFoundException", 404, ModelNotFoundError, FATAL),
    ("throttlingException", 429, RateLimitError, TRANSIENT),
    ("modelStreamErrorException", 424, LLMError, FATAL),
    ("SomethingNew", 400, InvalidRequestError, FATAL),
    ("SomethingNew", 418, LLMError, FATAL),
    ("SomethingNew", 520, ProviderUnavailableError, UNKNOWN),
]


@pytest.mark.parametrize(("code", "status", "kind", "retry"), BY_CODE)
def test_an_exceptions_name_has_one_meaning(
    code: str, status: int, kind: type[LLMError], retry: Retry
) -> None:
    error = _meant(_client_error(code, status=status))

    assert type(error) is kind
    assert error.retry is retry
    assert str(error) == "Bedrock API error: No."
    assert (error.provider, error.code, error.status) == ("bedrock", code, status)
    assert (error.request_id, error.retry_after) == ("r-1", None)


@pytest.mark.parametrize(
    ("code", "wait"),
    [
        ("ThrottlingException", 7.0),
        ("ServiceUnavailableException", 7.0),
        ("ValidationException", None),
        ("AccessDeniedException", None),
    ],
)
def test_a_wait_is_read_where_waiting_can_help(code: str, wait: float | None) -> None:
    about = {"HTTPStatusCode": 400, "HTTPHeaders": {"retry-after": "7"}}
    response: Any = {"Error": {"Code": code, "Message": "No."}, "ResponseMetadata": about}
    assert wait == _meant(aws.ClientError(response, "Converse")).retry_after


@pytest.mark.parametrize(
    ("status", "kind", "retry"),
    [
        (400, InvalidRequestError, FATAL),
        (401, AuthenticationError, FATAL),
        (403, AuthenticationError, FATAL),
        (404, ModelNotFoundError, FATAL),
        (408, LLMTimeoutError, TRANSIENT),
        (424, LLMError, FATAL),
        (429, RateLimitError, TRANSIENT),
        (500, ProviderUnavailableError, TRANSIENT),
        (502, ProviderUnavailableError, TRANSIENT),
        (503, ProviderUnavailableError, TRANSIENT),
        (415, InvalidRequestError, FATAL),
        (422, InvalidRequestError, FATAL),
        (498, ProviderUnavailableError, TRANSIENT),
        (504, LLMTimeoutError, TRANSIENT),
        (507, ProviderUnavailableError, UNKNOWN),
    ],
)
def test_without_a_name_the_status_decides(status: int, kind: type[LLMError], retry: Retry) -> None:
    for error in (
        _meant(_client_error(str(status), status=status)),
        _meant(_client_error("", status=status)),
        _meant(_client_error(str(status))),
    ):
        assert type(error) is kind
        assert error.retry is retry


def test_an_error_that_a_test_made_needs_no_metadata() -> None:
    error = _meant(_client_error("ValidationException", "Bad input"))

    assert (str(error), error.status) == ("Bedrock API error: Bad input", None)


def test_an_error_with_nothing_in_it_still_says_what_failed() -> None:
    error = _meant(aws.ClientError({}, "Converse"))

    assert type(error) is LLMError
    assert "calling the Converse operation" in str(error)
    assert error.code is None


TOO_LONG = [
    "Input is too long for requested model.",
    "too many total text bytes: 10000002 > 9000000",
    "prompt is too long: 200001 tokens > 200000 maximum",
    "This model's maximum context length is 8192 tokens.",
    "400 Bad Request: Too many input tokens. Max input tokens: 8192",
    "input length and `max_tokens` exceed context limit: 200000",
]


@pytest.mark.parametrize("words", TOO_LONG)
def test_what_is_too_long_is_told_from_other_mistakes(words: str) -> None:
    assert type(_meant(_client_error("ValidationException", words, 400))) is ContextLengthError


def test_a_days_quota_is_not_waited_for() -> None:
    words = "Too many tokens per day, please wait before trying again."
    error = _meant(_client_error("ThrottlingException", words, 429))

    assert type(error) is RateLimitError
    assert error.retry is FATAL


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ValidationException", "The provided model identifier is invalid."),
        ("ResourceNotFoundException", "This model version has reached the end of its life."),
        (
            "ResourceNotFoundException",
            "Access denied. This Model is marked by provider as Legacy",
        ),
    ],
)
def test_a_model_that_is_not_there_is_told_from_other_mistakes(code: str, words: str) -> None:
    assert type(_meant(_client_error(code, words))) is ModelNotFoundError


def test_a_guardrail_that_is_not_there_is_no_missing_model() -> None:
    words = "The guardrail identifier or version provided in the request does not exist."

    assert type(_meant(_client_error("ResourceNotFoundException", words))) is InvalidRequestError


def test_a_model_that_needs_a_profile_is_shown_one() -> None:
    words = "Invocation of model ID x with on-demand throughput isn’t supported."
    error = _meant(_client_error("ValidationException", words), "anthropic.claude-sonnet-4-6")

    assert type(error) is InvalidRequestError
    assert 'such as "us.anthropic.claude-sonnet-4-6"' in str(error)
    with_one = _meant(_client_error("ValidationException", words), "eu.anthropic.claude-sonnet-4-6")
    assert "such as" not in str(with_one)


def test_a_redirect_says_where_to() -> None:
    about: Any = {"HTTPStatusCode": 307, "HTTPHeaders": {"location": "https://b.example/?key=k"}}
    response: Any = {"Error": {"Code": "307", "Message": ""}, "ResponseMetadata": about}
    error = _meant(aws.ClientError(response, "Converse"))
    assert "HTTP 307: it redirects to https://b.example/?***" in str(error)
    assert "correct the endpoint" in str(error)


def test_a_header_that_cannot_be_sent_is_a_mistake_of_the_request() -> None:
    failure = aws.HTTPClientError(error="the request has a header that cannot be sent")
    failure.__cause__ = LocalProtocolError("no")
    error = _meant(failure)
    assert (UnsendableError, FATAL) == (type(error), error.retry)
    assert "extra_headers" in str(error)


BOTO: list[tuple[Exception, type[LLMError], Retry]] = [
    (aws.EndpointConnectionError(endpoint_url="http://x"), ProviderUnavailableError, TRANSIENT),
    (aws.ConnectionClosedError(endpoint_url="http://x"), ProviderUnavailableError, TRANSIENT),
    (aws.ProxyConnectionError(proxy_url="http://x"), ProviderUnavailableError, TRANSIENT),
    (aws.HTTPClientError(error="x"), ProviderUnavailableError, TRANSIENT),
    (aws.ResponseStreamingError(error="x"), ProviderUnavailableError, TRANSIENT),
    (
        aws.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        *(ProviderUnavailableError, TRANSIENT),
    ),
    (aws.SSLError(endpoint_url="http://x", error=OSError("x")), ProviderUnavailableError, UNKNOWN),
    (aws.ReadTimeoutError(endpoint_url="http://x"), LLMTimeoutError, TRANSIENT),
    (aws.ConnectTimeoutError(endpoint_url="http://x"), LLMTimeoutError, TRANSIENT),
    (aws.NoCredentialsError(), AuthenticationError, FATAL),
    (aws.PartialCredentialsError(provider="x", cred_var="y"), AuthenticationError, FATAL),
    (aws.CredentialRetrievalError(provider="x", error_msg="y"), AuthenticationError, FATAL),
    (aws.TokenRetrievalError(provider="x", error_msg="y"), AuthenticationError, FATAL),
    (aws.NoAuthTokenError(), AuthenticationError, FATAL),
    (aws.UnauthorizedSSOTokenError(), AuthenticationError, FATAL),
    (aws.ParamValidationError(report="x"), InvalidRequestError, FATAL),
    (aws.NoRegionError(), ConfigurationError, FATAL),
    (aws.ProfileNotFound(profile="x"), ConfigurationError, FATAL),
    (aws.EndpointResolutionError(msg="x"), ConfigurationError, FATAL),
    (aws.InvalidEndpointConfigurationError(msg="x"), ConfigurationError, FATAL),
    (aws.BotoCoreError(), LLMError, UNKNOWN),
    (aws.UnknownServiceError(service_name="x", known_service_names="y"), LLMError, UNKNOWN),
]


@pytest.mark.parametrize(
    ("error", "kind", "retry"), BOTO, ids=[type(one[0]).__name__ for one in BOTO]
)
def test_a_failure_of_botocores_own_has_one_meaning(
    error: Exception, kind: type[LLMError], retry: Retry
) -> None:
    meant = _meant(error)

    assert type(meant) is kind
    assert meant.retry is retry
    assert str(meant).startswith("Bedrock connection error: ")


def test_a_parameter_that_botocore_refuses_does_not_show_the_prompt() -> None:
    report = "Invalid type for parameter messages[0].content[0].text, value: my prompt, type: x"
    meant = _meant(aws.ParamValidationError(report=report))

    assert "messages[0].content[0].text" in str(meant)
    assert "my prompt" not in str(meant)


@pytest.mark.parametrize(
    ("error", "kind", "retry"),
    [
        (ResponseParserError("not JSON"), ProviderUnavailableError, TRANSIENT),
        (ParserError("checksum"), ProviderUnavailableError, TRANSIENT),
        (ProtocolError("cut"), ProviderUnavailableError, TRANSIENT),
        (httpx.ReadError("reset"), ProviderUnavailableError, TRANSIENT),
        (ConnectionResetError("reset"), ProviderUnavailableError, TRANSIENT),
        (TimeoutError("slow"), LLMTimeoutError, TRANSIENT),
        (RuntimeError("rate limit"), LLMError, FATAL),
        (Exception("rate limit"), RateLimitError, FATAL),
        (Exception("Invalid API key"), AuthenticationError, FATAL),
        (Exception("model not found"), ModelNotFoundError, FATAL),
        (Exception("Temporary error"), LLMError, UNKNOWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_is_not_botocores_has_one_meaning(
    error: Exception, kind: type[LLMError], retry: Retry
) -> None:
    meant = _meant(error)

    assert type(meant) is kind
    assert meant.retry is retry
    assert str(meant).startswith("Bedrock API error: ")
    assert meant.provider == "bedrock"


def test_an_error_of_ours_is_itself() -> None:
    ours = LLMTimeoutError("the deadline is over")

    assert _meant(ours) is ours


@settings(deadline=None)
@given(before=st.text(max_size=60), after=st.text(max_size=60), code=st.text(max_size=30))
def test_no_message_ever_shows_an_account_or_a_key(before: str, after: str, code: str) -> None:
    secret = "arn:aws:iam::123456789012:user/x AKIAIOSFODNN7EXAMPLE Bearer abc"
    meant = _meant(_client_error(code, f"{before} {secret} {after}"))

    for part in ("123456789012", "AKIAIOSFODNN7EXAMPLE", "Bearer abc"):
        assert part not in str(meant)


@pytest.mark.parametrize(
    ("words", "unit", "window"),
    [
        ("Too many tokens, please wait before trying again.", "tokens", 60.0),
        ("Too many requests, please wait before trying again.", "requests", 60.0),
        ("Too many tokens per day, please wait before trying again.", "tokens", 86_400.0),
        ("'too many tokens per day' was asked for too often", "requests", 60.0),
    ],
)
def test_a_refusals_words_tell_its_limit(words: str, unit: str, window: float) -> None:
    (report,) = _meant(_client_error("ThrottlingException", words, 429)).limits
    assert (unit, window, True, None) == (
        *(report.unit, report.window, report.is_refusal),
        report.wait,
    )


def test_a_quota_that_is_exceeded_for_good_is_no_limit_of_a_minute() -> None:
    assert () == _meant(_client_error("ServiceQuotaExceededException", "Too many.", 400)).limits


@pytest.mark.parametrize(
    ("status", "kind"),
    [(499, LLMError), (500, ProviderUnavailableError), (599, ProviderUnavailableError)],
)
def test_an_unknown_name_counts_by_its_status_from_500_on(
    status: int, kind: type[LLMError]
) -> None:
    assert kind is type(_meant(_client_error("UnheardOfException", "No.", status)))


PASSING = "The system encountered an unexpected error. Try your request again."


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("ModelStreamErrorException", PASSING, ProviderUnavailableError),
        ("modelStreamErrorException", PASSING, ProviderUnavailableError),
        ("ModelStreamErrorException", "The tool's input is no JSON.", LLMError),
        ("ModelErrorException", PASSING, LLMError),
    ],
)
def test_a_streams_own_error_passes_only_where_its_words_say_so(
    code: str, words: str, kind: type[LLMError]
) -> None:
    assert kind is type(_meant(_client_error(code, words, 424)))
