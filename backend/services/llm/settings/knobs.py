"""Every knob: its name, default, unit, bounds and what it does."""

# No annotations as text here: pydantic would evaluate each of them, for each class that has them.

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    SecretStr,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from ..redaction.secrets import without_credentials
from ..stores import LONGEST_TTL
from .plain_values import plain

#: A URL that `model_dump` shows without its credentials.
Url: TypeAlias = Annotated[str, PlainSerializer(without_credentials, return_type=str)]

#: An amount of a limit. A host that wants no limit may write the largest integer of 64 bits.
Amount: TypeAlias = Annotated[int, Field(ge=1, le=2**63 - 1)]

#: Seconds, twenty days: a socket waits for 2**31 milliseconds at most.
LONGEST_WAIT = 20 * 86_400.0
_SECRET = SecretStr("")


class Knobs(BaseModel):
    """The knobs of the client; a field's description is its line of help.

    A host gets all of them into its own class with `class Settings(BaseSettings, Knobs)`. Blank
    text and a test's mock count as not set, and are not in `model_fields_set`.
    """

    # Of the type that BaseSettings has, so that a class can have both as bases. What is a base of
    # the host's settings alone need not be built.
    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, defer_build=True
    )

    # Which provider, and with what.
    USE_GROQ: Annotated[bool, Field(description="Groq if true, AWS Bedrock if false.")] = False
    GROQ_API_KEY: Annotated[SecretStr, Field(description="Groq API key.")] = _SECRET
    GROQ_MODEL: Annotated[str, Field(description="Groq model.")] = "mixtral-8x7b-32768"
    AWS_REGION: Annotated[
        str,
        Field(description="AWS region of Bedrock; empty: boto3's own look-up, then us-east-1."),
    ] = ""
    AWS_ACCESS_KEY_ID: Annotated[
        SecretStr, Field(description="AWS access key id; empty: boto3's own credential chain.")
    ] = _SECRET
    AWS_SECRET_ACCESS_KEY: Annotated[SecretStr, Field(description="AWS secret access key.")] = (
        _SECRET
    )
    AWS_SESSION_TOKEN: Annotated[
        SecretStr, Field(description="AWS session token, for temporary keys.")
    ] = _SECRET
    BEDROCK_MODEL_ID: Annotated[
        str, Field(description="Bedrock model id or inference profile.")
    ] = "anthropic.claude-3-sonnet-20240229-v1:0"
    BEDROCK_TEMPERATURE: Annotated[
        float, Field(ge=0, le=1, description="Sampling temperature on Bedrock.")
    ] = 0.7
    BEDROCK_MAX_TOKENS: Annotated[
        int, Field(ge=1, description="Longest answer on Bedrock, in tokens.")
    ] = 4096

    # How long a call may take, and how often it is tried.
    LLM_TIMEOUT: Annotated[
        float,
        Field(gt=0, le=LONGEST_WAIT, description="Seconds for a whole call with its retries."),
    ] = 120.0
    LLM_STREAM_IDLE_TIMEOUT: Annotated[
        float,
        Field(gt=0, le=LONGEST_WAIT, description="Seconds between two pieces of a stream."),
    ] = 30.0
    LLM_MAX_RETRIES: Annotated[
        int, Field(ge=0, description="Further attempts of a call after a passing fault.")
    ] = 2
    LLM_MAX_QUOTA_WAIT: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False, description="Seconds a call may queue for a full limit."),
    ] = 0.0
    LLM_MAX_CONCURRENCY: Annotated[
        int,
        Field(
            ge=1,
            description="Calls in flight at once: of a client, or of all that share its account.",
        ),
    ] = 64

    # What a plan allows.
    GROQ_PLAN: Annotated[
        Literal["free", "developer", "custom"],
        Field(
            description="Limits of each Groq model by plan; `custom`: those that are set here, and"
            " what Groq tells."
        ),
    ] = "custom"
    GROQ_REQUESTS_PER_MINUTE: Annotated[
        Amount,
        Field(description="Calls to Groq in any 60 s, to all models; with a plan: its own."),
    ] = 30
    GROQ_REQUESTS_PER_DAY: Annotated[
        Amount | None,
        Field(description="Calls a day to each Groq model, refilled continuously."),
    ] = None
    GROQ_TOKENS_PER_MINUTE: Annotated[
        Amount | None,
        Field(description="Tokens a minute to each Groq model, refilled continuously."),
    ] = None
    GROQ_TOKENS_PER_DAY: Annotated[
        Amount | None,
        Field(description="Tokens a day to each Groq model, refilled continuously."),
    ] = None
    GROQ_INPUT_TOKENS_PER_MINUTE: Annotated[
        Amount | None,
        Field(description="Tokens of prompts a minute to each Groq model."),
    ] = None
    GROQ_OUTPUT_TOKENS_PER_MINUTE: Annotated[
        Amount | None,
        Field(description="Tokens of answers a minute from each Groq model."),
    ] = None
    BEDROCK_REQUESTS_PER_MINUTE: Annotated[
        Amount, Field(description="Calls to Bedrock in any 60 s.")
    ] = 50
    BEDROCK_REQUESTS_PER_DAY: Annotated[
        Amount | None,
        Field(description="Calls a day to each Bedrock model, refilled continuously."),
    ] = None
    BEDROCK_TOKENS_PER_MINUTE: Annotated[
        Amount | None,
        Field(description="Tokens a minute to each Bedrock model, refilled continuously."),
    ] = None
    BEDROCK_TOKENS_PER_DAY: Annotated[
        Amount | None,
        Field(description="Tokens a day to each Bedrock model, refilled continuously."),
    ] = None

    LLM_QUOTA_URL: Annotated[
        Url,
        Field(
            description="Where processes share their limits: `redis://`, `rediss://`,"
            " `redis+sentinel://`; empty: each has them alone."
        ),
    ] = ""
    LLM_QUOTA_FALLBACK_SHARE: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Part of each shared limit that a process uses while that place is away.",
        ),
    ] = 0.1

    # Structured answers, and those that are kept.
    LLM_MAX_REPAIRS: Annotated[
        int, Field(ge=0, description="Turns in which a model may correct a structured answer.")
    ] = 2
    LLM_COERCE: Annotated[
        bool,
        Field(description='Convert what leaves no doubt in a structured answer ("36" for 36).'),
    ] = True
    LLM_CACHE_URL: Annotated[
        Url,
        Field(
            description="Where answers are kept: a path, `json:`, `sqlite:`, `redis://`, `memory:`;"
            " empty: nowhere."
        ),
    ] = ""
    LLM_CACHE_TTL: Annotated[
        float, Field(gt=0, le=LONGEST_TTL, description="Seconds for which an answer is kept.")
    ] = 21600.0
    LLM_CACHE_NAMESPACE: Annotated[
        str, Field(description="Answers are shared only by clients of the same namespace.")
    ] = ""
    LLM_CACHE_TIMEOUT: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_WAIT,
            description="Seconds a call waits for the cache; then it goes on without it.",
        ),
    ] = 0.25

    # What was used and may be spent, and what hooks are told.
    LLM_DAILY_BUDGET_USD: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False, description="US dollars that calls may cost a UTC day."),
    ] = None
    LLM_TAG_BUDGETS_USD: Annotated[
        str,
        Field(description="The same by tag: `tenant=acme:5, tenant=*:0.5` (`*`: any other value)."),
    ] = ""
    LLM_PRICES: Annotated[
        str,
        Field(
            description='Prices before ours: `{"model": {"input": 1.0, "output": 2.0}}`, US dollars'
            " for a million tokens."
        ),
    ] = ""
    LLM_LEDGER_URL: Annotated[
        Url,
        Field(
            description="Where usage and cost are added up: `sqlite:path`, `json:path`, `redis://`,"
            " `memory:`; empty: nowhere."
        ),
    ] = ""
    LLM_EVENTS_CONTENT: Annotated[
        bool, Field(description="Events and traces hold what was asked and answered.")
    ] = False

    LLM_LOG_CALLS: Annotated[
        bool, Field(description="One log line a call, at INFO: tokens, cost, waits, outcome.")
    ] = False

    # What few need.
    LLM_RETIRED_MODELS: Annotated[
        Literal["switch", "error"],
        Field(description="When a model is gone: its successor answers, or an error names it."),
    ] = "switch"
    LLM_MAX_RESPONSE_MB: Annotated[
        float,
        Field(
            gt=0, le=2**20, allow_inf_nan=False, description="Largest answer that is read, in MiB."
        ),
    ] = 32.0
    GROQ_BASE_URL: Annotated[
        Url, Field(description="Groq endpoint, without /openai/v1; empty: Groq's own.")
    ] = ""
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: Annotated[
        Url, Field(description="Bedrock runtime endpoint; empty: the region's own.")
    ] = ""
    AWS_ENDPOINT_URL_BEDROCK: Annotated[
        Url, Field(description="Endpoint of Bedrock's jobs, for batches; empty: the region's own.")
    ] = ""
    AWS_ENDPOINT_URL_S3: Annotated[
        Url, Field(description="Endpoint of S3, for batches; empty: the region's own.")
    ] = ""
    BEDROCK_BATCH_BUCKET: Annotated[
        str, Field(description="S3 bucket of Bedrock's batches: `bucket` or `bucket/prefix`.")
    ] = ""
    BEDROCK_BATCH_ROLE_ARN: Annotated[
        str, Field(description="ARN of the role by which Bedrock reads and writes that bucket.")
    ] = ""
    GROQ_API_KEYS: Annotated[
        SecretStr,
        Field(description="Keys of the compliant client's command line, separated by commas."),
    ] = _SECRET
    GROQ_ORG_RPM: Annotated[
        Amount | None,
        Field(description="Calls of the compliant client in any 60 s, over all its keys."),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _to_plain_values(cls, values: Any) -> Any:
        """Drop each knob that is not set, and convert the others to plain Python values."""
        if not isinstance(values, dict):
            return values
        # A host's own fields, in a class of its own, are left alone.
        knobs = {name: _to_plain(name, values[name]) for name in values.keys() & Knobs.model_fields}
        others = {name: value for name, value in values.items() if name not in knobs}
        return others | {name: value for name, value in knobs.items() if value is not None}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, without_credentials(value) if isinstance(value, str) else value


def _to_plain(name: str, value: object) -> Any:
    """Return *value* as a plain value that pydantic can convert to the type of knob *name*."""
    plain_value = plain(value)
    field = Knobs.model_fields[name]
    if field.annotation is SecretStr:
        several = name == "GROQ_API_KEYS" and isinstance(plain_value, (list, tuple))
        return ",".join(map(str, map(plain, plain_value))) if several else plain_value
    if isinstance(plain_value, str):
        return plain_value.strip()
    # To pydantic True is a 1.
    return (
        str(plain_value)
        if isinstance(plain_value, bool) and field.annotation not in (bool, str)
        else plain_value
    )
