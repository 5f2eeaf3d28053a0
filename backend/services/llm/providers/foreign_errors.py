"""Exceptions that no provider's SDK defines: of the network, of a test, of a bug."""

from __future__ import annotations

import json
import re
from typing import TypeVar

from ..errors import (
    AuthenticationError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from ..redaction.printable import words_of
from ..redaction.quotation import without_quotations
from ..redaction.secrets import redacted
from ..runtime.signals import causes
from ..types import Provider, Request

_E = TypeVar("_E", bound=BaseException)

#: No real key is shorter, in characters.
_SECRET_LENGTH = 16

# Raised before anything is sent, for a URL or a header that cannot be: no attempt is better.
_MISTAKES = frozenset({"UnsupportedProtocol", "LocalProtocolError"})

#: What is raised where no answer came in time, by the SDKs, by HTTP libraries and by us.
_TIMEOUTS = frozenset(
    {
        *("TimeoutError", "TimeoutException", "APITimeoutError", "LLMTimeoutError"),
        *("ReadTimeoutError", "ConnectTimeoutError"),
    }
)


def class_names(error: BaseException | None, *roots: str) -> frozenset[str]:
    """Return the names of an error's classes, as far as the packages *roots* define them.

    An SDK's exceptions are known by their names, so that it need not be imported, or be there.
    """
    return frozenset(
        kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in roots
    )


def from_network_error(error: BaseException, advice: str) -> LLMError | None:
    """Return the meaning of an error of the network or of the transfer; None for others.

    The message lacks its provider's prefix. Certificates that do not verify are fatal, and *advice*
    says what makes them trusted.
    """
    kind = _network_kind(error)
    if kind is None:
        return None
    if any("SSLCertVerificationError" in class_names(cause, "ssl") for cause in causes(error)):
        return ProviderUnavailableError(f"{describe(error)}: {advice}", retry=Retry.NEVER)
    # asyncio's TimeoutError has no words of its own.
    return kind(describe(error) if words_of(error) else "Request timed out.")


def _network_kind(error: BaseException) -> type[ProviderUnavailableError] | None:
    http = class_names(error, "httpx", "httpcore", "urllib3")
    if http & _MISTAKES:
        return None
    timeouts = http | class_names(error, "builtins", "asyncio", "concurrent", "socket")
    if timeouts & {"TimeoutException", "TimeoutError", "ReadTimeoutError"}:
        return LLMTimeoutError
    broken = http & {"TransportError", "DecodingError", "NetworkError", "ProtocolError"}
    # A body that stops being JSON under a 200 was cut off or mangled on its way.
    if broken or isinstance(error, (ConnectionError, json.JSONDecodeError, UnicodeDecodeError)):
        return ProviderUnavailableError
    return None


def from_bare_exception(error: Exception) -> tuple[type[LLMError], Retry]:
    """Return what a bare `Exception` of a mocked SDK means, by its message."""
    message = words_of(error).lower()
    if "rate limit" in message or "rate_limit_exceeded" in message:
        return RateLimitError, Retry.NEVER
    if "authentication" in message or "invalid api key" in message:
        return AuthenticationError, Retry.NEVER
    if "model not found" in message:
        return ModelNotFoundError, Retry.NEVER
    return LLMError, Retry.IF_REQUESTED


def describe_proxy_page(message: str, status: int | None, provider: str) -> str | None:
    """Return a description of a proxy's error page; None for a text that is no page.

    Both providers answer in JSON; a proxy before them, in HTML or with `error code: 1010`.
    """
    head = message[:2000].lower()
    if not any(sign in head for sign in ("<html", "<!doctype", "error code: 10")):
        return None
    named = re.search(r"error code: (\d{4})", head, re.ASCII)
    code = f" {named[1]}" if named else ""
    return (
        f"HTTP {status} from a proxy before {provider}, not from {provider} itself"
        f" (error page{code})"
    )


def describe_redirect(status: int | None, location: str | None, correct: str) -> str | None:
    """Return a description of an answer that sends elsewhere, and what to *correct*."""
    if status is None or not 300 <= status < 400:
        return None
    where = redacted(location or "another place")
    return f"HTTP {status}: it redirects to {where}, where no key is sent; correct {correct}"


def unreadable_body(body: bytes | str, content_type: str | None, provider: Provider) -> LLMError:
    """Return what an answer under a 200 means whose *body* is no JSON.

    Something else than the provider has sent a page or words, which may well come again; else it
    was cut off or mangled on its way.
    """
    words = body if isinstance(body, str) else body.decode("utf-8", "replace")
    name = provider.capitalize()
    page = describe_proxy_page(words, 200, name)
    if content_type and (page or not _is_to_be_json(words, content_type)):
        found = page or f"the reply is no JSON but {content_type}"
        return LLMError(
            f"{name} API error: {found}; check the endpoint and what stands between",
            provider=provider,
            status=200,
            retry=Retry.IF_REQUESTED,
        )
    detail = f": {page}" if page else "; it may have been cut off"
    return ProviderUnavailableError(
        f"{name} API error: the reply is not whole JSON{detail}", provider=provider, status=200
    )


def _is_to_be_json(words: str, content_type: str) -> bool:
    called = content_type.partition(";")[0].strip()
    return called.endswith("json") or words.lstrip()[:1] in ("{", "[")


def describe(error: BaseException) -> str:
    """Return an unexpected error's class and message, without secrets."""
    message = redacted(words_of(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def redact_error(error: _E, *secrets: str, sent: Request | None = None) -> _E:
    """Remove the secrets from the texts of *error* and its causes, and return *error*.

    Also remove what they quote of the request that was *sent*: a traceback prints these texts.
    Other data, such as a body, stays.
    """
    for each in causes(error):
        # Who waited in vain was told nothing: to look for a prompt of megabytes would take longer.
        kinds = {kind.__name__ for kind in type(each).__mro__}
        quoted = None if kinds & _TIMEOUTS else sent
        each.args = tuple(
            _redacted(part, secrets, quoted) if isinstance(part, str) else part
            for part in each.args
        )
    return error


def _redacted(text: str, secrets: tuple[str, ...], sent: Request | None) -> str:
    for secret in secrets:
        # A test's key may be any short word.
        text = text.replace(secret, "***") if len(secret) >= _SECRET_LENGTH else text
    return without_quotations(redacted(text), sent)
