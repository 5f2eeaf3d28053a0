"""What an HTTP status means, and whether it is known to pass: one table for both providers.

A provider's own name of an error comes first. Two statuses mean more than they say here: of a 404
and a 429 each provider has its own words.
"""

from __future__ import annotations

from ..errors import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)

BY_STATUS: dict[int, type[LLMError]] = {
    **dict.fromkeys((400, 404, 405, 415, 422), InvalidRequestError),
    **dict.fromkeys((401, 403), AuthenticationError),
    **dict.fromkeys((408, 504), LLMTimeoutError),
    413: ContextLengthError,
    429: RateLimitError,
    498: ProviderUnavailableError,
}

#: Known to pass: a timeout, no flex capacity (498), and what a busy or broken server says, or its
#: gateway. Any other 5xx may: it is retried where retries were asked for. A conflict (409) and a
#: model that failed (424, Bedrock's ModelErrorException) are not: botocore's standard mode retries
#: neither, and the groq SDK retries a 409 but not a 424.
TRANSIENT = frozenset({408, 498, 500, 502, 503, 504})


def kind_of_status(status: int | None) -> type[LLMError]:
    """Return what a *status* means; LLMError for one that says nothing."""
    if status is not None and status >= 500:
        return BY_STATUS.get(status, ProviderUnavailableError)
    return BY_STATUS.get(status or 0, LLMError)


def retry_of_status(status: int | None) -> Retry:
    """Return whether what is unavailable by this *status* is known to pass, or may."""
    return Retry.AFTER_BACKOFF if status in TRANSIENT else Retry.IF_REQUESTED
