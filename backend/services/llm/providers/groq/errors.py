"""Translates the SDK's exceptions, and errors in Groq's answers, to `LLMError`."""

from __future__ import annotations

from ...errors import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from ...frozen import dataclass
from ...limit_types import LimitReport
from ...redaction.secrets import redacted
from ...runtime.retry_after import seconds_in_text, seconds_until_retry
from ..error_words import error_words
from ..fields import member, short_name, status, text
from ..foreign_errors import (
    class_names,
    describe,
    describe_proxy_page,
    describe_redirect,
    from_bare_exception,
    from_network_error,
)
from ..refusals import option_named, refused_name
from ..statuses import kind_of_status, retry_of_status
from .error_codes import (
    BY_CODE,
    IMPLIED,
    OF_GENERATION,
    STATUS_OF_CLASS,
    TOO_LONG,
)
from .limit_messages import error_object, exceeds_limit_alone, excess_in, without_quotes
from .limit_reports import reports_in_headers, with_refusal

_TRUST = "SSL_CERT_FILE names the certificates that are trusted"


@dataclass(frozen=True)
class _Failure:
    """What the SDK's exception says, each part of its right type."""

    message: str
    status: int | None
    code: str | None
    request_id: str | None
    header: str | None
    failed_generation: str | None
    #: The parameter that it is about, in the provider's word.
    param: str | None
    #: What its headers say of limits.
    limits: tuple[LimitReport, ...]
    #: The response had no body, as tests build the SDK's exceptions.
    bare: bool
    #: A page of something before Groq, which is no word of Groq's.
    from_proxy: bool


def classify(error: Exception, model: str, *, wall: float) -> LLMError:
    """Return the meaning of *error*, which a request to *model* raised.

    *wall* is the time in Unix seconds, for a Retry-After that is a date. Only what is known to
    pass is TRANSIENT; a bare `Exception`, as mocks raise it, is read by its message.
    """
    if isinstance(error, LLMError):
        return error
    kinds = class_names(error, "groq")
    if "APIConnectionError" in kinds:
        return _from_connection_error(error, kinds)
    if "APIError" in kinds:
        return _from_failure(_failure_in(error, kinds), model, wall)
    if type(error) is Exception:
        kind, retry = from_bare_exception(error)
        return kind(_full_message(kind, redacted(str(error)), model), provider="groq", retry=retry)
    return _with_prefix(from_network_error(error, _TRUST) or LLMError(describe(error)))


def error_in_ok_body(body: object, model: str, known: int | None = None) -> LLMError | None:
    """The error that a *body* holds though its status is 200, as gateways send it, or None.

    *known* is its status where that is another one, as in a line of a batch.
    """
    message = error_words(body)
    return _error_in_ok_body(member(body, "error"), message, model, known) if message else None


def error_of_event(data: object, model: str) -> LLMError:
    """The error that an event named `error` is, whatever its *data* are."""
    body = data if member(data, "error") else {"error": data}
    message = error_words(body) or "an error without words"
    return _error_in_ok_body(member(body, "error"), message, model)


def _error_in_ok_body(
    inner: object, message: str, model: str, known: int | None = None
) -> LLMError:
    page = describe_proxy_page(message, 200, "Groq")
    failure = _Failure(
        message=page or redacted(message),
        status=known or _implied(inner),
        code=short_name(inner, "code"),
        request_id=None,
        header=None,
        failed_generation=text(inner, "failed_generation"),
        param=text(inner, "param"),
        limits=(),
        bare=False,
        from_proxy=page is not None,
    )
    error = _from_failure(failure, model, wall=0.0)
    # The provider has answered, so it has received the request.
    error.status = error.status or 200
    return error


def _implied(inner: object) -> int | None:
    named = [IMPLIED.get(text(inner, name) or "") for name in ("code", "type")]
    stated = status(inner, "status_code") or status(inner, "code")
    return stated or next((each for each in named if each), None)


def _failure_in(error: Exception, kinds: frozenset[str]) -> _Failure:
    body = member(error, "body")
    inner = error_object(body)
    headers = member(member(error, "response"), "headers")
    by_class = next(
        (STATUS_OF_CLASS[kind] for kind in kinds if kind in STATUS_OF_CLASS),
        None,
    )
    known = status(error, "status_code") or by_class or _implied(inner)
    page = describe_proxy_page(body, known, "Groq") if isinstance(body, str) else None
    return _Failure(
        message=describe_redirect(known, text(headers, "location"), "the base URL")
        or page
        or _message_in(error, body, inner),
        status=known,
        code=short_name(inner, "code"),
        request_id=short_name(headers, "x-request-id"),
        header=text(headers, "retry-after"),
        failed_generation=text(inner, "failed_generation"),
        param=text(inner, "param"),
        limits=reports_in_headers(headers),
        bare=body is None,
        from_proxy=page is not None,
    )


def _message_in(error: Exception, body: object, inner: object) -> str:
    page = body if isinstance(body, str) else ""
    return redacted(text(inner, "message") or page or str(error)) or type(error).__name__


def _from_failure(failure: _Failure, model: str, wall: float) -> LLMError:
    kind = _kind(failure)
    message = failure.message
    if kind is ContextLengthError:
        message += excess_in(message)
    if failure.status == 404 and kind is InvalidRequestError:
        message += " (HTTP 404, but not for the model: the base URL must not contain /openai/v1)"
    error = kind(
        _full_message(kind, message, model, failure.code),
        provider="groq",
        status=failure.status,
        code=failure.code,
        request_id=failure.request_id,
        retry_after=_retry_after(failure, kind, wall),
        retry=_retry_of(kind, failure.status),
    )
    error.limits = failure.limits
    if failure.status in (413, 429) and _is_limits_code(failure) and not failure.bare:
        is_full = kind is RateLimitError
        error.limits = with_refusal(failure.limits, message, error.retry_after, is_full=is_full)
    if isinstance(error, AuthenticationError):
        error.from_proxy = failure.from_proxy
        error.concerns_all_calls = not failure.from_proxy
    if isinstance(error, ModelNotFoundError):
        error.end_of_life = failure.code == "model_decommissioned"
        # What Groq says since 2026 of models that it has shut down, too.
        error.unknown_id = failure.code == "model_not_found"
    if isinstance(error, InvalidRequestError):
        if failure.code not in OF_GENERATION:
            error.refused_name = refused_name(message, failure.param)
            error.refused_option = option_named(error.refused_name)
        nothing = "" if failure.code in OF_GENERATION else None
        error.failed_generation = failure.failed_generation or nothing
    return error


def _kind(failure: _Failure) -> type[LLMError]:
    if _is_of_limit(failure) and exceeds_limit_alone(without_quotes(failure.message)):
        return ContextLengthError
    # Of a server that fails, a code says nothing.
    if failure.code in BY_CODE and (failure.status or 0) < 500:
        return BY_CODE[failure.code]
    if failure.status == 400 and failure.param == "messages" and TOO_LONG.match(failure.message):
        return ContextLengthError
    # Tests build the SDK's NotFoundError with no body, and mean the model.
    if failure.status == 404 and failure.bare:
        return ModelNotFoundError
    return kind_of_status(failure.status)


def _is_of_limit(failure: _Failure) -> bool:
    """Whether status and code are a limit's: other messages may quote what anybody wrote."""
    return failure.status == 429 and _is_limits_code(failure)


def _is_limits_code(failure: _Failure) -> bool:
    return failure.code in (None, "rate_limit_exceeded") and not failure.from_proxy


def _retry_of(kind: type[LLMError], status: int | None) -> Retry:
    if issubclass(kind, ProviderUnavailableError):
        return retry_of_status(status)
    # Of an error event in a stream, without a status of its own, nothing is known.
    return Retry.IF_REQUESTED if status is None and kind is LLMError else Retry.NEVER


def _retry_after(failure: _Failure, kind: type[LLMError], wall: float) -> float | None:
    # Of what does not pass by waiting, a wait says nothing.
    if not issubclass(kind, (RateLimitError, ProviderUnavailableError)):
        return None
    stated = seconds_until_retry(failure.header, wall=wall)
    if stated is None and _is_of_limit(failure):
        return seconds_in_text(without_quotes(failure.message))
    return stated


def _full_message(kind: type[LLMError], message: str, model: str, code: str | None = None) -> str:
    if kind is RateLimitError:
        return f"Groq rate limit exceeded: {message}"
    if kind is AuthenticationError:
        return f"Groq authentication error: {message}"
    if kind is ModelNotFoundError:
        return f"Groq model not found: {model or message}" + (f" ({code})" if code else "")
    return f"Groq API error: {message}"


def _from_connection_error(error: Exception, kinds: frozenset[str]) -> LLMError:
    if "APITimeoutError" in kinds:
        return _with_prefix(LLMTimeoutError(redacted(str(error))))
    # The SDK calls whatever happens while it sends a connection error: the cause tells.
    cause = error.__cause__
    if isinstance(cause, LLMError):
        cause.provider = "groq"
        return cause
    if cause is None:
        return _with_prefix(ProviderUnavailableError(redacted(str(error))))
    return _with_prefix(from_network_error(cause, _TRUST) or LLMError(describe(cause)))


def _with_prefix(error: LLMError) -> LLMError:
    error.args = (f"Groq API error: {error}",)
    error.provider = "groq"
    return error
