"""Translates botocore's exceptions, and errors in Bedrock's answers, to `LLMError`."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import (
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
from ...limit_types import LimitReport, Unit
from ...models.capabilities import split_profile
from ...redaction.secrets import redacted
from ...runtime.retry_after import seconds_until_retry
from ..error_words import error_words
from ..fields import as_short_name, member, parse_count, short_name, status, text
from ..foreign_errors import (
    class_names,
    describe,
    describe_proxy_page,
    describe_redirect,
    from_bare_exception,
    from_network_error,
)
from ..refusals import option_named, refused_name, unquoted
from ..statuses import kind_of_status, retry_of_status

#: The exceptions of the runtime's model, then the credentials' of every AWS service.
_BY_CODE: dict[str, type[LLMError]] = {
    "ThrottlingException": RateLimitError,
    "ServiceQuotaExceededException": RateLimitError,
    "ModelNotReadyException": ProviderUnavailableError,
    "ServiceUnavailableException": ProviderUnavailableError,
    "InternalServerException": ProviderUnavailableError,
    "ModelTimeoutException": LLMTimeoutError,
    "ModelErrorException": LLMError,
    "ModelStreamErrorException": LLMError,
    "ConflictException": LLMError,
    "ValidationException": InvalidRequestError,
    "UnknownOperationException": InvalidRequestError,
    "ResourceNotFoundException": ModelNotFoundError,
    **dict.fromkeys(
        (
            *("AccessDeniedException", "AccessDenied", "UnauthorizedException", "OptInRequired"),
            *("UnrecognizedClientException", "InvalidClientTokenId", "NotAuthorized"),
            *("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"),
            *("IncompleteSignatureException", "MissingAuthenticationToken", "RequestExpired"),
            *("MissingAuthenticationTokenException", "ExpiredTokenException", "ExpiredToken"),
        ),
        AuthenticationError,
    ),
}

#: The exception of a status whose message says more, where a proxy or a recorder dropped the header
#: that names it.
_CODE_OF_STATUS = {
    400: "ValidationException",
    404: "ResourceNotFoundException",
    424: "ModelErrorException",
    429: "ThrottlingException",
}

# By its status alone, whatever name a gateway gives it.
_TOO_LARGE = 413
_TRUST = "AWS_CA_BUNDLE names the certificates that are trusted"

# A ValidationException has no finer code: only its message distinguishes these from bad parameters.
_TOO_LONG = (
    "input is too long",
    "too many total text bytes",
    "prompt is too long",
    "maximum context length",
    "too many input tokens",
    "exceed context limit",
    "input tokens exceeded",
    "input tokens exceeds",
    "context window",
    "exceeds the maximum number of tokens",
    "maximum number of input tokens",
)
# Cut before its apostrophe, which Bedrock writes both straight and curly.
_NEEDS_PROFILE = "on-demand throughput isn"
_NO_MODEL = "provided model identifier is invalid"
# Only these messages of a 404 mean that a model was shut down.
_END_OF_LIFE = ("end of its life", "marked by provider as legacy")
# Anthropic's models require that the account has described its use case.
_NO_RIGHT = "use case details have not been submitted"

# In this order, as a class is found by its ancestors too: the particular before the general.
_BY_CLASS: tuple[tuple[str, type[LLMError], Retry | None], ...] = (
    ("ReadTimeoutError", LLMTimeoutError, None),
    ("ConnectTimeoutError", LLMTimeoutError, None),
    # May be a certificate that will never verify, or a handshake that was cut off.
    ("SSLError", ProviderUnavailableError, Retry.IF_REQUESTED),
    ("ConnectionError", ProviderUnavailableError, None),
    ("HTTPClientError", ProviderUnavailableError, None),
    ("IncompleteReadError", ProviderUnavailableError, None),
    ("NoCredentialsError", AuthenticationError, None),
    ("PartialCredentialsError", AuthenticationError, None),
    ("CredentialRetrievalError", AuthenticationError, None),
    ("NoAuthTokenError", AuthenticationError, None),
    ("TokenRetrievalError", AuthenticationError, None),
    ("SSOError", AuthenticationError, None),
    ("LoginError", AuthenticationError, None),
    ("RefreshWithMFAUnsupportedError", AuthenticationError, None),
    ("ParamValidationError", InvalidRequestError, None),
    ("ValidationError", InvalidRequestError, None),
    ("BaseEndpointResolverError", ConfigurationError, None),
    ("EndpointProviderError", ConfigurationError, None),
    ("InvalidEndpointConfigurationError", ConfigurationError, None),
    ("ProfileNotFound", ConfigurationError, None),
    ("ConfigParseError", ConfigurationError, None),
    ("ConfigNotFound", ConfigurationError, None),
    ("UnknownTokenProviderError", ConfigurationError, None),
    ("MissingDependencyException", ConfigurationError, None),
    ("InvalidProxiesConfigError", ConfigurationError, None),
)

# Recorded, of a stream that broke; the same words are known as an HTTP 500.
_PASSES = "try your request again"


def classify(error: Exception, model: str, *, wall: float) -> LLMError:
    """Return the meaning of *error*, which a request to *model* raised.

    *wall* is the time in Unix seconds, for a Retry-After that is a date: Bedrock sends none, but
    a gateway before it may. Only what is known to pass is TRANSIENT. A botocore error of a kind
    not named here, and a bare `Exception`, as mocks raise them, are UNKNOWN.
    """
    if isinstance(error, LLMError):
        return error
    kinds = class_names(error, "botocore", "boto3")
    if "ClientError" in kinds:
        return _from_response(error, model, wall)
    if "BotoCoreError" in kinds:
        return _from_connection_error(error, kinds)
    if type(error) is Exception:
        kind, retry = from_bare_exception(error)
        return _error(kind, redacted(str(error)), retry)
    return _with_prefix(
        from_network_error(error, _TRUST)
        or _from_parser_error(error, kinds)
        or LLMError(describe(error))
    )


def _from_parser_error(error: Exception, kinds: frozenset[str]) -> LLMError | None:
    """A response that botocore cannot read was cut off or mangled on its way."""
    broken = kinds & {"ResponseParserError", "ParserError"}
    return ProviderUnavailableError(describe(error)) if broken else None


def _error(kind: type[LLMError], message: str, retry: Retry | None = None) -> LLMError:
    return kind(f"Bedrock API error: {message}", provider="bedrock", retry=retry)


def _with_prefix(error: LLMError) -> LLMError:
    error.args = (f"Bedrock API error: {error}",)
    error.provider = "bedrock"
    return error


def _from_response(error: Exception, model: str, wall: float) -> LLMError:
    response = member(error, "response")
    inner, about = member(response, "Error"), member(response, "ResponseMetadata")
    headers, known = member(about, "HTTPHeaders"), status(about, "HTTPStatusCode")
    translated = _from_code(
        short_name(inner, "Code") or "",
        describe_redirect(known, text(headers, "location"), "the endpoint")
        or text(inner, "Message")
        or str(error),
        model,
        known,
    )
    translated.request_id = short_name(about, "RequestId")
    if isinstance(translated, (RateLimitError, ProviderUnavailableError)):
        header = text(headers, "retry-after")
        translated.retry_after = seconds_until_retry(header, wall=wall)
    if isinstance(translated, RateLimitError):
        report = _report_of_refusal(translated)
        # A refusal that never passes is of another quota, and tells nothing of a minute.
        if translated.retry is not Retry.NEVER or not report.is_minute_refusal:
            translated.limits = (report,)
    return translated


def _report_of_refusal(error: RateLimitError) -> LimitReport:
    """Return which limit a refusal is about: Bedrock tells no more than that, in words."""
    words = unquoted(str(error)).lower()
    unit: Unit = "tokens" if "too many tokens" in words else "requests"
    window = 86_400.0 if "per day" in words else 60.0
    return LimitReport(unit, window, is_refusal=True, wait=error.retry_after)


def error_in_ok_body(body: object, model: str) -> LLMError | None:
    """The error that a *body* holds though its status is 200, or None.

    Bedrock's front end sends one so for an operation that it does not know, a gateway for any.
    """
    candidates = member(body, "error"), member(body, "Output")
    inner = next((each for each in candidates if isinstance(each, Mapping)), body)
    kind = text(inner, "__type") or ""
    message = error_words(body) or kind
    if not message:
        return None
    named = as_short_name(kind.rpartition("#")[2]) or short_name(inner, "code") or ""
    error = _from_code(named, message, model, status(inner, "code") or 200)
    if type(error) is LLMError:
        error.retry = Retry.IF_REQUESTED
    return error


def error_of_event(piece: object, model: str) -> LLMError:
    """The error that an event of the type `error` is, whatever else it says."""
    return error_in_ok_body(piece, model) or _error(
        LLMError, "an error without words", Retry.IF_REQUESTED
    )


def _from_code(named: str, raw_message: str, model: str, known: int | None) -> LLMError:
    """Return the error that an exception's name, its message and its status mean, if known."""
    from_proxy = describe_proxy_page(raw_message, known, "Bedrock")
    message = from_proxy or redacted(raw_message)
    # An event stream names its exceptions in lower camel case.
    name = named[:1].upper() + named[1:]
    number = (parse_count(named) if len(named) == 3 else None) or known
    if name not in _BY_CODE:
        # A proxy's 404, or one of an operation, is not the model's.
        is_models = not from_proxy and (not named or parse_count(named) is not None)
        name = _CODE_OF_STATUS.get(number or 0, name)
        if name == "ResourceNotFoundException" and not is_models:
            name = "ValidationException"
    own = unquoted(message).lower()
    kind, retry = _kind_and_retry(name, own, number or 0)
    has_profile = split_profile(model)[1] is not None
    if kind is InvalidRequestError and _NEEDS_PROFILE in message and not has_profile:
        message += f' (put the prefix of a profile before the id, such as "us.{model}")'
    translated = _error(kind, message, retry)
    translated.status, translated.code = known, named or None
    if isinstance(translated, ModelNotFoundError):
        translated.end_of_life = name == "ResourceNotFoundException" and any(
            sign in own for sign in _END_OF_LIFE
        )
        translated.unknown_id = _NO_MODEL in own
    if isinstance(translated, InvalidRequestError):
        translated.refused_name = refused_name(message)
        translated.refused_option = option_named(translated.refused_name)
    return translated


def _kind_and_retry(name: str, message: str, status: int) -> tuple[type[LLMError], Retry | None]:
    kind = _BY_CODE.get(name) or kind_of_status(status)
    if status == _TOO_LARGE:
        return ContextLengthError, None
    if name not in _BY_CODE and issubclass(kind, ProviderUnavailableError):
        return kind, retry_of_status(status)
    if kind is InvalidRequestError:
        if _NO_MODEL in message:
            return ModelNotFoundError, None
        return (ContextLengthError if any(sign in message for sign in _TOO_LONG) else kind), None
    if kind is ModelNotFoundError:
        return _missing_resource(message), None
    if name == "ThrottlingException":
        # A day's quota does not come back within any wait that is worth having.
        return kind, Retry.NEVER if "per day" in message else Retry.AFTER_BACKOFF
    if name == "ModelStreamErrorException" and _PASSES in message:
        return ProviderUnavailableError, None
    return kind, None


def _missing_resource(message: str) -> type[LLMError]:
    # The guardrail that a request names is a resource too.
    if "guardrail" in message:
        return InvalidRequestError
    return AuthenticationError if _NO_RIGHT in message else ModelNotFoundError


def _from_connection_error(error: Exception, kinds: frozenset[str]) -> LLMError:
    message = f"Bedrock connection error: {redacted(str(error))}"
    if "CERTIFICATE_VERIFY_FAILED" in message:
        message += f": {_TRUST}"
    if "LocalProtocolError" in class_names(error.__cause__, "h11"):
        return UnsendableError(f"{message}: look at extra_headers", provider="bedrock")
    for name, kind, retry in _BY_CLASS:
        if name in kinds:
            return kind(message, provider="bedrock", retry=retry)
    return LLMError(message, provider="bedrock", retry=Retry.IF_REQUESTED)
