"""What went wrong between us and Groq, from the SDK's exceptions to ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Verdict,
)
from ..redact import redacted
from ..retry_after import seconds_in_words, seconds_until_retry
from .foreign import ancestry, described, of_network, of_words
from .reading import count, member, text

#: Codes that say more than their status, or come with several.
_BY_CODE: dict[str, type[LLMError]] = {
    "model_decommissioned": ModelNotFoundError,
    "model_not_found": ModelNotFoundError,
    "context_length_exceeded": ContextLengthError,
    "json_validate_failed": InvalidRequestError,
    "tool_use_failed": InvalidRequestError,
    "content_filter": ContentFilteredError,
    "content_policy_violation": ContentFilteredError,
    "invalid_api_key": AuthenticationError,
    "model_terms_required": AuthenticationError,
    "model_permission_blocked_org": AuthenticationError,
    "model_permission_blocked_project": AuthenticationError,
}

#: Refusals of what the model wrote; Groq may leave out what that was.
_OF_GENERATION = frozenset({"json_validate_failed", "tool_use_failed"})

_BY_STATUS: dict[int, type[LLMError]] = {
    **dict.fromkeys((400, 404, 405, 415, 422), InvalidRequestError),
    **dict.fromkeys((401, 403), AuthenticationError),
    **dict.fromkeys((408, 504), LLMTimeoutError),
    413: ContextLengthError,
    429: RateLimitError,
    498: ProviderUnavailableError,
}

#: Known to pass: a timeout, no flex capacity (498), and what a gateway says of a busy or broken
#: server. Any other 5xx may, so it is tried again only where attempts were asked for.
_TRANSIENT = frozenset({408, 498, 500, 502, 503, 504})

_STATUS_OF_CLASS = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
}

# As Groq words its 429s and 413s; bounded, since any server may write the text.
_ORGANIZATION = re.compile(r"\borg_[A-Za-z0-9]+")
_LIMIT = re.compile(r"\((RPM|RPD|TPM|TPD|ITPM|OTPM|ASH|ASD)\)")
_AMOUNTS = re.compile(r"\bLimit (\d{1,15})\b.{0,60}?\bRequested (\d{1,15})\b", re.S)


@dataclass(frozen=True)
class _Failure:
    """What the SDK's exception says, each part of its right type."""

    words: str
    status: int | None
    code: str | None
    request_id: str | None
    header: str | None
    failed_generation: str | None
    #: The response had no body, as tests build the SDK's exceptions.
    bare: bool


def classify(error: Exception, model: str, *, wall: float) -> LLMError:
    """What *error*, raised while *model* was asked, means.

    *wall* is the time in Unix seconds, for a Retry-After that is a date. Only what is known to
    pass is TRANSIENT; a bare `Exception`, as mocks raise it, is judged by its words.
    """
    if isinstance(error, LLMError):
        return error
    kinds = ancestry(error, "groq")
    if "APIConnectionError" in kinds:
        return _unconnected(error, kinds)
    if "APIError" in kinds:
        return _answered(_read(error, kinds), model, wall)
    if type(error) is Exception:
        kind, verdict = of_words(error)
        return kind(_message(kind, redacted(str(error)), model), provider="groq", verdict=verdict)
    return _prefixed(of_network(error) or LLMError(described(error)))


def organization_of(error: BaseException) -> str | None:
    """The organisation that a refusal names, as the first 16 hex digits of its id's SHA-256.

    Groq's limits belong to the organisation, so that two keys with one value here share them.
    """
    body = member(error, "body")
    found = _ORGANIZATION.search(text(_inner(body), "message") or str(error))
    return hashlib.sha256(found[0].encode()).hexdigest()[:16] if found else None


def limit_of(message: str) -> str | None:
    """Which limit a refusal is about: RPM, RPD, TPM, TPD, ITPM, OTPM, ASH or ASD (audio)."""
    found = _LIMIT.search(message)
    return found[1] if found else None


def amount_of(message: str) -> int | None:
    """The amount of the limit that a refusal is about."""
    found = _AMOUNTS.search(message)
    return int(found[1]) if found else None


def _inner(body: object) -> object:
    """The error object itself: an HTTP error's body wraps it, an error event's does not."""
    inner = member(body, "error")
    return inner if isinstance(inner, Mapping) else body


def _read(error: Exception, kinds: frozenset[str]) -> _Failure:
    body = member(error, "body")
    inner = _inner(body)
    headers = member(member(error, "response"), "headers")
    by_class = next((_STATUS_OF_CLASS[kind] for kind in kinds if kind in _STATUS_OF_CLASS), None)
    status = count(error, "status_code") or count(inner, "status_code") or by_class
    return _Failure(
        words=_words(error, body, inner, status),
        status=status,
        code=text(inner, "code"),
        request_id=text(headers, "x-request-id"),
        header=text(headers, "retry-after"),
        failed_generation=text(inner, "failed_generation"),
        bare=body is None,
    )


def _words(error: Exception, body: object, inner: object, status: int | None) -> str:
    page = body if isinstance(body, str) else ""
    if "<html" in page[:2000].lower() or "error code: 10" in page[:2000].lower():
        # Groq answers in JSON; Cloudflare, in front of it, with a page or `error code: 1010`.
        named = re.search(r"error code: (\d{4})", page[:2000], re.I)
        code = f" {named[1]}" if named else ""
        return f"HTTP {status} from a proxy before Groq, not from Groq itself (error page{code})"
    return redacted(text(inner, "message") or page or str(error)) or type(error).__name__


def _answered(failure: _Failure, model: str, wall: float) -> LLMError:
    kind = _kind(failure)
    words = failure.words
    if failure.status == 404 and kind is InvalidRequestError:
        words += " (HTTP 404, but not for the model: the base URL must not contain /openai/v1)"
    error = kind(
        _message(kind, words, model, failure.code),
        provider="groq",
        status=failure.status,
        code=failure.code,
        request_id=failure.request_id,
        retry_after=None if kind is ContextLengthError else _retry_after(failure, wall),
        verdict=_verdict(kind, failure.status),
    )
    if isinstance(error, InvalidRequestError):
        nothing = "" if failure.code in _OF_GENERATION else None
        error.failed_generation = failure.failed_generation or nothing
    return error


def _kind(failure: _Failure) -> type[LLMError]:
    if failure.status == 429 and _never_fits(failure.words):
        return ContextLengthError
    if failure.code in _BY_CODE:
        return _BY_CODE[failure.code]
    # Tests build the SDK's NotFoundError with no body, and mean the model.
    if failure.status == 404 and failure.bare:
        return ModelNotFoundError
    if failure.status is not None and failure.status >= 500:
        return _BY_STATUS.get(failure.status, ProviderUnavailableError)
    return _BY_STATUS.get(failure.status or 0, LLMError)


def _never_fits(words: str) -> bool:
    """Whether the request alone exceeds the limit, so that no wait can help."""
    amounts = _AMOUNTS.search(words)
    return "request too large" in words.lower() or bool(
        amounts and int(amounts[2]) > int(amounts[1])
    )


def _verdict(kind: type[LLMError], status: int | None) -> Verdict:
    if issubclass(kind, ProviderUnavailableError):
        return Verdict.TRANSIENT if status in _TRANSIENT else Verdict.UNKNOWN
    # An error event in a stream has no status of its own: nothing is known of it.
    return Verdict.UNKNOWN if status is None and kind is LLMError else Verdict.FATAL


def _retry_after(failure: _Failure, wall: float) -> float | None:
    stated = seconds_until_retry(failure.header, wall=wall)
    return stated if stated is not None else seconds_in_words(failure.words)


def _message(kind: type[LLMError], words: str, model: str, code: str | None = None) -> str:
    if kind is RateLimitError:
        return f"Groq rate limit exceeded: {words}"
    if kind is AuthenticationError:
        return f"Groq authentication error: {words}"
    if kind is ModelNotFoundError:
        return f"Groq model not found: {model}" + (f" ({code})" if code else "")
    return f"Groq API error: {words}"


def _unconnected(error: Exception, kinds: frozenset[str]) -> LLMError:
    if "APITimeoutError" in kinds:
        return _prefixed(LLMTimeoutError(redacted(str(error))))
    # The SDK calls whatever happens while it sends a connection error: the cause tells.
    cause = error.__cause__
    if isinstance(cause, LLMError):
        return cause
    if cause is None:
        return _prefixed(ProviderUnavailableError(redacted(str(error))))
    return _prefixed(of_network(cause) or LLMError(described(cause)))


def _prefixed(error: LLMError) -> LLMError:
    error.args = (f"Groq API error: {error}",)
    error.provider = "groq"
    return error
