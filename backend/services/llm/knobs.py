"""Every knob: its name, default, unit, bounds and what it does; read from any settings object."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError

from .errors import ConfigurationError
from .redact import redacted
from .stores import LONGEST_TTL

_SECRET = SecretStr("")


class Knobs(BaseModel, hide_input_in_errors=True, extra="ignore"):
    """The knobs of the client; a field's description is its line of help."""

    USE_GROQ: bool = Field(False, description="Groq if true, AWS Bedrock if false.")

    GROQ_API_KEY: SecretStr = Field(_SECRET, description="Groq API key.")
    GROQ_API_KEYS: SecretStr = Field(
        _SECRET, description="Keys of the compliant client's command line, separated by commas."
    )
    GROQ_MODEL: str = Field("mixtral-8x7b-32768", description="Groq model.")
    GROQ_BASE_URL: str = Field(
        "", description="Groq endpoint, without /openai/v1; empty: Groq's own."
    )
    GROQ_REQUESTS_PER_MINUTE: int = Field(30, ge=1, description="Calls to Groq in any 60 s.")
    GROQ_REQUESTS_PER_DAY: int | None = Field(
        None, ge=1, description="Calls a day to each Groq model, refilled continuously."
    )
    GROQ_TOKENS_PER_MINUTE: int | None = Field(
        None, ge=1, description="Tokens a minute to each Groq model, refilled continuously."
    )
    GROQ_TOKENS_PER_DAY: int | None = Field(
        None, ge=1, description="Tokens a day to each Groq model, refilled continuously."
    )

    GROQ_ORG_RPM: int | None = Field(
        None, ge=1, description="Calls of the compliant client in any 60 s, over all its keys."
    )

    AWS_REGION: str = Field("us-east-1", description="AWS region of Bedrock.")
    AWS_ACCESS_KEY_ID: SecretStr = Field(
        _SECRET, description="AWS access key id; empty: boto3's own credential chain."
    )
    AWS_SECRET_ACCESS_KEY: SecretStr = Field(_SECRET, description="AWS secret access key.")
    AWS_SESSION_TOKEN: SecretStr = Field(
        _SECRET, description="AWS session token, for temporary keys."
    )
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: str = Field(
        "", description="Bedrock runtime endpoint; empty: the region's own."
    )
    BEDROCK_MODEL_ID: str = Field(
        "anthropic.claude-3-sonnet-20240229-v1:0",
        description="Bedrock model id or inference profile.",
    )
    BEDROCK_TEMPERATURE: float = Field(
        0.7, ge=0, le=1, description="Sampling temperature on Bedrock."
    )
    BEDROCK_MAX_TOKENS: int = Field(4096, ge=1, description="Longest answer on Bedrock, in tokens.")
    BEDROCK_REQUESTS_PER_MINUTE: int = Field(50, ge=1, description="Calls to Bedrock in any 60 s.")
    BEDROCK_REQUESTS_PER_DAY: int | None = Field(
        None, ge=1, description="Calls a day to each Bedrock model, refilled continuously."
    )
    BEDROCK_TOKENS_PER_MINUTE: int | None = Field(
        None, ge=1, description="Tokens a minute to each Bedrock model, refilled continuously."
    )
    BEDROCK_TOKENS_PER_DAY: int | None = Field(
        None, ge=1, description="Tokens a day to each Bedrock model, refilled continuously."
    )

    LLM_TIMEOUT: float = Field(
        120.0, gt=0, allow_inf_nan=False, description="Seconds for a whole call with its retries."
    )
    LLM_MAX_RETRIES: int = Field(
        2, ge=0, description="Further attempts of a call after a passing fault."
    )
    LLM_MAX_QUOTA_WAIT: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Seconds a call may queue for a full limit."
    )
    LLM_MAX_CONCURRENCY: int = Field(
        64,
        ge=1,
        description="Calls on the wire at once: of a client, or of all that share its account.",
    )
    LLM_MAX_REPAIRS: int = Field(
        2, ge=0, description="Turns in which a model may correct a structured answer."
    )
    LLM_COERCE: bool = Field(
        True, description='Convert what leaves no doubt in a structured answer ("36" for 36).'
    )
    LLM_CACHE_URL: str = Field(
        "",
        description="Where answers are kept: a path, `json:`, `sqlite:`, `redis://`, `memory:`;"
        " empty: nowhere.",
    )
    LLM_CACHE_TTL: float = Field(
        21600.0, gt=0, le=LONGEST_TTL, description="Seconds for which an answer is kept."
    )
    LLM_CACHE_NAMESPACE: str = Field(
        "", description="Answers are shared only by clients of the same namespace."
    )
    LLM_CACHE_TIMEOUT: float = Field(
        0.25,
        gt=0,
        allow_inf_nan=False,
        description="Seconds a call waits for the cache; then it goes on without it.",
    )
    LLM_RETIRED_MODELS: Literal["switch", "error"] = Field(
        "switch", description="When a model is gone: its successor answers, or an error names it."
    )


def read(settings: object) -> Knobs:
    """Read the knobs off *settings*, whatever object that is.

    A knob that is missing there, or not of its right type, has its default. Raises
    `ConfigurationError` for a value that is out of bounds.
    """
    values = {
        name: value
        for name, field in Knobs.model_fields.items()
        if _is_a(field.annotation, value := getattr(settings, name, None))
    }
    try:
        return Knobs(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise ConfigurationError(f"{name} is {values[name]!r}: {first['msg']}") from None


def secret(name: str, value: object) -> str:
    """Return the text of a secret, or "" where it is not set or blank.

    Raises `ConfigurationError`, which names the variable and not the value, for a placeholder
    and for what cannot be sent in a header.
    """
    # No variable here holds the text: reporters of errors show those of a traceback.
    if problem := _fault_of(_text_of(value)):
        raise ConfigurationError(f"{name} {problem}")
    return _text_of(value)


def endpoint(name: str, url: object) -> str:
    """Return *url* if the SDK can add its path to it, else raise `ConfigurationError`."""
    if not isinstance(url, str) or (url and not _is_web_address(url)):
        shown = redacted(url) if isinstance(url, str) else url
        raise ConfigurationError(f"{name} is {shown!r}: give a URL such as https://api.groq.com")
    if url.rstrip("/").endswith("/openai/v1"):
        raise ConfigurationError(
            f"{name} is {redacted(url)!r}: leave out /openai/v1, the SDK adds it"
        )
    return url


def aws_credentials(knobs: Knobs) -> dict[str, str]:
    """Return what boto3 takes of the credentials that are set; nothing leaves it its own chain.

    Raises `ConfigurationError` for half a pair of keys, and as `secret` does.
    """
    named = {
        name.lower(): secret(name, getattr(knobs, name))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    }
    if bool(named["aws_access_key_id"]) != bool(named["aws_secret_access_key"]):
        raise ConfigurationError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: one of them is not set"
        )
    return {name: value for name, value in named.items() if value}


def _text_of(value: object) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text if isinstance(text, str) and text.strip() else ""


def _fault_of(text: str) -> str | None:
    if any(not "!" <= character <= "~" for character in text):
        return (
            "has a space, a line break or a non-ASCII character in it or around it:"
            " copy the key again, without quotes or line breaks"
        )
    if _is_placeholder(text):
        return "still has the placeholder of .env.example: put the key in"
    return None


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # `port` is read for its ValueError: one above 65535 is none.
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and url.isprintable() and " " not in url


def _is_placeholder(text: str) -> bool:
    folded = text.casefold().replace("_", "-")
    return folded.startswith(("your-", "<")) and folded.endswith(
        ("key", "key-id", "here", ">", "token")
    )


def _is_a(annotation: Any, value: object) -> bool:
    """Whether *value* is of the annotated type itself: a mock is of none."""
    if get_origin(annotation) is Literal:
        return isinstance(value, str)
    kinds = get_args(annotation) or (annotation,)
    if isinstance(value, bool):
        return bool in kinds
    if SecretStr in kinds or float in kinds:
        return isinstance(value, (str, SecretStr) if SecretStr in kinds else (int, float))
    return value is not None and isinstance(value, kinds)
