"""
What can go wrong, base class first:

* LLMError
  x ConfigurationError (ValueError)    a knob or an argument is wrong; nothing was sent
  x AuthenticationError (ValueError)   the provider does not accept the key or its rights
  x RateLimitError                     ours or the provider's limit; `retry_after` says until when
  x ModelNotFoundError                 no such model, or no longer; `successor` replaces it
  x InvalidRequestError                the provider refuses the request as it is
    + ContextLengthError               ... because it is too long for the model or the limit
    + UnsendableError (ConfigurationError) ... as no provider could read it; nothing was sent
  x ContentFilteredError               a guardrail stopped the answer
  x TruncatedError                     the answer ended early; `text` holds what came
  x StructuredOutputError              no answer satisfied the schema; `raw`, `errors`
  x ProviderUnavailableError           connection, 5xx, overload: worth another attempt
    + LLMTimeoutError                  no answer in time
  x ResponseTooLargeError              the answer is larger than LLM_MAX_RESPONSE_MB
  x RetriesExhaustedError              `generate_with_retry` used up its attempts
  x BatchStoppedError                  an error that meets every prompt has ended a batch early
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from .frozen import deep_frozen
from .limit_types import LimitReport
from .redaction.printable import printable
from .types import Attempt, Provider, Reply, Usage, total_usage


class Retry(Enum):
    """Whether another attempt may succeed where one has failed with an error, and when."""

    NEVER = "never"
    AFTER_BACKOFF = "after backoff"
    #: The cause is known and dealt with: another attempt needs no backoff.
    AT_ONCE = "at once"
    #: Nothing is known of it: only where the caller has asked for a number of attempts.
    IF_REQUESTED = "if requested"


class LLMError(Exception):
    """Base class of everything that the client raises on purpose.

    `status` is the HTTP status, `code` the provider's own name of the error, `retry_after` the
    seconds after which it asks to be called again, `attempts` every call made on the way here,
    `partial` the reply as far as it came. The SDK's own exception, if any, is the `__cause__`.
    """

    retry: Retry = Retry.NEVER
    #: The attributes that say nothing of what was asked or answered; numbers never do.
    _without_content = frozenset(
        ("provider", "code", "request_id", "attempts", "retry", "successor", "refused_option")
    )
    #: Every other call would meet the same error: a key is refused, a budget is used up.
    concerns_all_calls: bool = False

    def __init__(
        self,
        message: str,
        *,
        provider: Provider | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retry: Retry | None = None,
    ) -> None:
        # It may hold words of a provider, and is shown on terminals wherever errors are.
        super().__init__(printable(message))
        self.provider = provider
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts: tuple[Attempt, ...] = ()
        self.partial: Reply | None = None
        #: What the provider said of its limits with this error.
        self.limits: tuple[LimitReport, ...] = ()
        if retry is not None:
            self.retry = retry

    @property
    def usage(self) -> Usage:
        """Tokens that the attempts used all the same."""
        return total_usage(self.attempts)

    @property
    def label(self) -> str:
        """The error's class and code, fit for a log: it holds nothing that was said."""
        name = type(self).__name__
        return f"{name}({self.code})" if self.code else name

    def detached(self, *, has_content: bool) -> LLMError:
        """Return a copy without cause and traceback, which hold keys and whole frames.

        Without *has_content* it also lacks all that was answered.
        """
        state = {name: deep_frozen(value) for name, value in self.__dict__.items()}
        if not has_content:
            hidden = [name for name in state if not self._is_harmless(name)]
            for name in hidden:
                # Of most the class has a default.
                del state[name]
                if not hasattr(type(self), name):
                    state[name] = None
        return _rebuilt(type(self), self._args_shown(has_content=has_content), state)

    def _is_harmless(self, name: str) -> bool:
        value = getattr(self, name)
        return name in self._without_content or value is None or isinstance(value, (int, float))

    def _args_shown(self, *, has_content: bool) -> tuple[Any, ...]:
        return self.args

    def __reduce__(self) -> tuple[Any, ...]:
        # The default loses keyword-only arguments, and hosts send errors between processes.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[LLMError], args: tuple[Any, ...], state: dict[str, Any]) -> LLMError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(LLMError, ValueError):
    """A knob or an argument has a value that cannot work."""


class AuthenticationError(LLMError, ValueError):
    """The provider does not accept the credentials, or they lack a right."""

    concerns_all_calls = True
    #: A proxy before the provider refused the call, which says nothing of the key.
    from_proxy: bool = False


class RateLimitError(LLMError):
    """A limit is used up, the local window's or the provider's."""


class ModelNotFoundError(LLMError):
    """The provider has no such model, or has it no longer."""

    successor: str | None = None
    #: The provider says that it has shut the model down.
    end_of_life: bool = False
    #: The provider says that it knows no model of this id, which may have other reasons.
    unknown_id: bool = False


class InvalidRequestError(LLMError):
    """The provider refuses the request as it stands; sending it again cannot help."""

    #: What the model wrote where the provider refused its form (Groq's `failed_generation`).
    failed_generation: str | None = None
    #: The parameter that the model does not take, by its name in a `Request`.
    refused_option: str | None = None
    #: The same as the provider wrote it, such as maxTokens.
    refused_name: str | None = None


class ContextLengthError(InvalidRequestError):
    """The request is larger than the model's context or than a whole limit."""


class UnsendableError(InvalidRequestError, ConfigurationError):
    """An argument holds what cannot be put into JSON, UTF-8 or the provider's form; not sent."""


class ContentFilteredError(LLMError):
    """A guardrail or a content filter withheld the answer."""


class TruncatedError(LLMError):
    """The answer ended before its end; `text` is what had come."""

    text: str = ""


class StructuredOutputError(LLMError):
    """No answer satisfied the schema; `raw` is the last one, `errors` its faults by path."""

    raw: str = ""
    errors: tuple[tuple[str, str], ...] = ()

    def _args_shown(self, *, has_content: bool) -> tuple[Any, ...]:
        # Its message quotes the answer.
        count = len(self.errors)
        return self.args if has_content else (f"LLM did not return valid JSON: {count} violations",)


class ProviderUnavailableError(LLMError):
    """The provider could not be reached or could not serve; the next attempt may succeed."""

    retry = Retry.AFTER_BACKOFF


class LLMTimeoutError(ProviderUnavailableError):
    """No whole answer came in time."""


class ResponseTooLargeError(LLMError):
    """The answer is larger than it may be, and was read no further."""

    @classmethod
    def over(cls, limit: int) -> ResponseTooLargeError:
        """The error of an answer of more than *limit* bytes."""
        return cls(
            f"the answer is larger than {limit / 2**20:g} MiB, and was read no further:"
            " LLM_MAX_RESPONSE_MB says how large it may be"
        )


class RetriesExhaustedError(LLMError):
    """Every attempt that was asked for has failed; the last failure is the `__cause__`."""


class BatchStoppedError(LLMError):
    """A batch read no further prompt, as its error would meet all others too: the `__cause__`."""

    @classmethod
    def after(cls, prompts: int, cause: LLMError) -> BatchStoppedError:
        """The error of a batch that has read so many *prompts*."""
        return cls(
            f"the batch was stopped after {prompts} prompts, since the others would fail alike:"
            f" {cause}",
            provider=cause.provider,
            status=cause.status,
            code=cause.code,
            request_id=cause.request_id,
            retry_after=cause.retry_after,
        )
