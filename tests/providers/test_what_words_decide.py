"""A provider's words count only where status and code give them a meaning."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions as aws
import groq
import httpx
import pytest

from services.llm.errors import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
)
from services.llm.providers import bedrock
from services.llm.providers.groq import amount_of, classify, limit_of

TOOL = "attempted to call tool 'please try again in 167h' which was not in request.tools"
LIMIT = "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 1, "


def from_groq(status: int, error: dict[str, Any], **headers: str) -> LLMError:
    """What the real SDK's exception for such a response means."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": error}, headers=headers)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = groq.Groq(api_key="none", http_client=http, max_retries=0)
        with pytest.raises(groq.APIError) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    return classify(caught.value, "m", wall=0.0)


def from_bedrock(code: str, words: str, status: int, **headers: str) -> LLMError:
    about = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    response: Any = {"Error": {"Code": code, "Message": words}, "ResponseMetadata": about}
    return bedrock.classify(aws.ClientError(response, "Converse"), "m", wall=0.0)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((400, None), (400, "tool_use_failed"), (401, None), (422, None), (500, None)),
        *((503, None), (429, "insufficient_quota"), (404, "rate_limit_exceeded")),
        (413, "rate_limit_exceeded"),
    ],
)
def test_a_wait_in_words_counts_where_it_is_a_limits_alone(status: int, code: str | None) -> None:
    assert from_groq(status, {"message": TOOL, "code": code}).retry_after is None


@pytest.mark.parametrize("code", [None, "rate_limit_exceeded"])
def test_a_limits_words_say_until_when(code: str | None) -> None:
    words = f"{LIMIT}Requested 700. Please try again in 7.5s."
    assert 7.5 == from_groq(429, {"message": words, "code": code}).retry_after


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_retry_after_of_what_does_not_pass_counts_for_nothing(status: int) -> None:
    headers = {"retry-after": "60"}
    assert from_groq(status, {"message": "No."}, **headers).retry_after is None
    assert from_bedrock(str(status), "No.", status, **headers).retry_after is None


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_retry_after_of_what_passes_is_a_day_at_most(status: int) -> None:
    headers = {"retry-after": "604800"}
    assert 86_400.0 == from_groq(status, {"message": "No."}, **headers).retry_after
    assert 86_400.0 == from_bedrock(str(status), "No.", status, **headers).retry_after


def test_a_request_as_large_as_the_limit_fits_it() -> None:
    fits = from_groq(429, {"message": f"{LIMIT}Requested 6000. Please try again in 1s."})
    assert (RateLimitError, 1.0) == (type(fits), fits.retry_after)
    assert ContextLengthError is type(from_groq(429, {"message": f"{LIMIT}Requested 6001."}))


def test_what_a_models_name_says_is_no_limits_word() -> None:
    named = "Rate limit reached for model `x (RPM): Limit 1, Requested 2` on tokens (TPM): "
    words = f"{named}Limit 6000, Used 1, Requested 700. Please try again in 7s."
    assert RateLimitError is type(from_groq(429, {"message": words}))
    assert ("TPM", 6_000) == (limit_of(words), amount_of(words))


def test_the_code_of_a_server_that_fails_says_nothing() -> None:
    failed = from_groq(500, {"message": "No.", "code": "model_not_found"})
    assert ProviderUnavailableError is type(failed)


@pytest.mark.parametrize(
    "words",
    [
        "Please reduce the length of the messages or completion.",
        "code=400, message=Please reduce the length of the messages or completion., type=x",
    ],
)
def test_a_prompt_that_is_too_long_for_groq_needs_no_code(words: str) -> None:
    said = {"message": words, "type": "invalid_request_error", "param": "messages"}
    assert ContextLengthError is type(from_groq(400, said))
    assert InvalidRequestError is type(from_groq(400, {**said, "param": "tools"}))
    assert InvalidRequestError is type(from_groq(400, {**said, "message": f"'{words}' is no tool"}))


def test_a_prompt_that_is_too_long_for_nova_is_told_from_other_mistakes() -> None:
    words = (
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens"
        " exceeds maximum length. Please update the input to try again."
    )
    assert ContextLengthError is type(from_bedrock("ValidationException", words, 400))


@pytest.mark.parametrize("name", ["", "413", "RequestEntityTooLarge", "ValidationException"])
def test_bedrocks_413_is_too_long(name: str) -> None:
    assert ContextLengthError is type(from_bedrock(name, "Too large", 413))


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("404", "", ModelNotFoundError),
        ("404", "<html><body>404 Not Found</body></html>", InvalidRequestError),
        ("UnknownOperationException", "", InvalidRequestError),
        (
            "ResourceNotFoundException",
            "Model use case details have not been submitted for this account.",
            AuthenticationError,
        ),
        ("ResourceNotFoundException", "Could not resolve the model", ModelNotFoundError),
        ("ValidationException", "The provided model identifier is invalid.", ModelNotFoundError),
    ],
)
def test_a_404_is_seldom_the_end_of_a_model(code: str, words: str, kind: type[LLMError]) -> None:
    error = from_bedrock(code, words, 404)
    assert (kind, False) == (type(error), getattr(error, "end_of_life", False))


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "404", ""])
@pytest.mark.parametrize(
    "words",
    [
        "This model version has reached the end of its life. Please refer to the page.",
        "Access denied. This Model is marked by provider as Legacy and you have not used it.",
    ],
)
def test_the_end_of_a_model_is_said_in_words(code: str, words: str) -> None:
    error = from_bedrock(code, words, 404)
    assert isinstance(error, ModelNotFoundError)
    assert error.end_of_life


def test_the_words_of_an_end_count_in_a_404_alone() -> None:
    words = "The prompt says that this model has reached the end of its life"
    assert InvalidRequestError is type(from_bedrock("ValidationException", words, 400))


@pytest.mark.parametrize("code", ["model_decommissioned", "model_not_found", None])
def test_groq_says_the_end_of_a_model_by_a_code(code: str | None) -> None:
    error = from_groq(404, {"message": "No.", "code": code})
    ended = code == "model_decommissioned"
    assert ended == getattr(error, "end_of_life", False)
    assert (code == "model_not_found") == getattr(error, "unknown_id", False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, AuthenticationError), (404, InvalidRequestError), (503, ProviderUnavailableError)],
)
def test_a_proxys_page_is_told_from_bedrocks_own_refusal(status: int, kind: type[LLMError]) -> None:
    error = from_bedrock(str(status), "<!DOCTYPE html><html>Sorry</html>", status)
    assert kind is type(error)
    assert f"HTTP {status} from a proxy before Bedrock, not from Bedrock itself" in str(error)


@pytest.mark.parametrize("code", ["²", "²²²", "٤٠٤", "x" * 101, "a\nb"])
def test_a_code_that_is_none_breaks_nothing(code: str) -> None:
    for error in (from_groq(400, {"message": "No.", "code": code}), from_bedrock(code, "No.", 400)):
        assert InvalidRequestError is type(error)
        assert error.code in (None, code[:99])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("`temperature` is deprecated for this model.", "temperature"),
        ("The value of temperature is not supported by this model", "temperature"),
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("Unsupported value: 'temperature' does not support 0.7 with this model.", "temperature"),
        ("`temperature` and `top_p` cannot both be specified for this model.", "temperature"),
        ("#: extraneous key [temperature] is not permitted", "temperature"),
        ("This model does not support the temperature parameter", "temperature"),
        ("temperature: Extra inputs are not permitted", "temperature"),
        ("The maximum tokens you requested exceeds the model limit of 2048.", "max_tokens"),
        ("Unsupported parameter: 'max_tokens' is not supported.", "max_tokens"),
        ("The temperature of the sun", None),
        ("Tools are not supported. The temperature is fine.", None),
        ("thinking.type: Input should be 'enabled'", None),
        ("messages.1: 'my temperature must be 30' is not valid", None),
        ("tool \"a max_tokens that exceeds\" isn't known, and can't be", None),
        ("It isn't known, and temperature isn't supported: not supported", "temperature"),
    ],
)
def test_a_refusal_names_the_parameter_that_is_not_taken(words: str, option: str | None) -> None:
    error = from_bedrock("ValidationException", words, 400)
    assert isinstance(error, InvalidRequestError)
    assert option == error.refused_option


@pytest.mark.parametrize("code", ["tool_use_failed", "json_validate_failed"])
def test_what_a_model_wrote_refuses_no_parameter(code: str) -> None:
    words = "attempted to call tool temperature is not supported which was not in request.tools"
    error = from_groq(400, {"message": words, "code": code})
    assert isinstance(error, InvalidRequestError)
    assert error.refused_option is None


@pytest.mark.parametrize(
    "words",
    [
        "messages.0: 'The provided model identifier is invalid.' is bad",
        'tools.0.name: "the input is too long" does not match',
    ],
)
def test_what_bedrock_quotes_is_no_word_of_its_own(words: str) -> None:
    assert InvalidRequestError is type(from_bedrock("ValidationException", words, 400))


def test_a_quoted_wait_is_no_limits_word() -> None:
    words = f"{LIMIT}Requested 7. User 'try again in 22h' said. Please try again in 7.5s."
    assert 7.5 == from_groq(429, {"message": words}).retry_after


def test_groqs_own_field_names_the_parameter_before_its_words() -> None:
    said = {"message": "`temperature` is not supported", "param": "top_p"}
    error = from_groq(400, said)
    assert isinstance(error, InvalidRequestError)
    assert error.refused_option is None
    error = from_groq(400, {"message": "not supported", "param": "temperature"})
    assert isinstance(error, InvalidRequestError)
    assert "temperature" == error.refused_option


def test_groqs_param_is_json_like_any() -> None:
    assert isinstance(from_groq(400, json.loads('{"message": "No.", "param": [1]}')), LLMError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, ModelNotFoundError), (499, ModelNotFoundError), (500, ProviderUnavailableError)],
)
def test_of_a_server_that_fails_a_code_says_nothing(status: int, kind: type[LLMError]) -> None:
    assert kind is type(from_groq(status, {"message": "No.", "code": "model_not_found"}))


@pytest.mark.parametrize(("status", "kind"), [(499, LLMError), (500, ProviderUnavailableError)])
def test_of_a_name_that_is_new_the_status_says_whose_fault_it_is(
    status: int, kind: type[LLMError]
) -> None:
    assert kind is type(from_bedrock("SomethingNew", "No.", status))


def test_an_id_that_bedrock_does_not_know_is_no_end_of_a_model() -> None:
    error = from_bedrock("ValidationException", "The provided model identifier is invalid.", 400)
    assert isinstance(error, ModelNotFoundError)
    assert (True, False) == (error.unknown_id, error.end_of_life)


@pytest.mark.parametrize("status", [300, 308, 399])
def test_a_redirect_is_shown_and_not_followed(status: int) -> None:
    request = httpx.Request("POST", "https://groq.example/chat")
    headers = {"location": "https://other.example/?key=gsk_012345678901234567890123"}
    response = httpx.Response(status, headers=headers, request=request)
    error = classify(groq.APIStatusError("No.", response=response, body=None), "m", wall=0.0)
    assert f"HTTP {status}: it redirects to https://other.example/" in str(error)
    assert "gsk_0" not in str(error)


@pytest.mark.parametrize(("page", "of_proxy"), [("<html>Sign in</html>", True), ("No.", False)])
def test_a_proxys_refusal_says_nothing_of_the_key(page: str, of_proxy: bool) -> None:
    request = httpx.Request("POST", "https://groq.example/chat")
    response = httpx.Response(401, request=request)
    error = classify(groq.AuthenticationError("No.", response=response, body=page), "m", wall=0.0)
    assert isinstance(error, AuthenticationError)
    assert (of_proxy, not of_proxy) == (error.from_proxy, error.concerns_all_calls)
