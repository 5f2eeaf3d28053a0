"""
Talk to a language model on Groq or AWS Bedrock.

    from services.llm_client import create_llm_client

    client = create_llm_client()  # USE_GROQ decides
    client.generate(prompt="Why is the sky blue?")

This module is the public face, and builds the SDKs' clients: `Groq`, `boto3`, `settings` and
`time.sleep` are looked up here, so that tests may patch them here. The SDKs are imported when they
are first looked up. What happens to a request stands in `llm/call/lifecycle.py`.
"""

from __future__ import annotations

import sys
import time
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from .llm.account.learned import Learned
from .llm.client.base import LLMClient
from .llm.client.bedrock import BedrockWire
from .llm.client.groq import GroqWire
from .llm.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentFilteredError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    ResponseTooLargeError,
    RetriesExhaustedError,
    StructuredOutputError,
    TruncatedError,
)
from .llm.http.client import http_client
from .llm.providers.bedrock import configuration
from .llm.providers.bedrock.transport import Transport, adopted
from .llm.runtime.fork import ForkLock
from .llm.runtime.import_names import SharedModules
from .llm.settings import host
from .llm.settings.credentials import aws_credentials, secret
from .llm.settings.endpoints import aws_endpoint, endpoint
from .llm.types import Attempt, Reply, StructuredReply, ToolCall, Usage

if TYPE_CHECKING:
    from groq import AsyncGroq, Groq

    boto3: Any  # without stubs, its import is an error to a host's type checker

#: The host's settings: what `configure` was given, else those of its `config`.
settings: Any = host.current()

#: Held while boto3 makes a client, which it cannot do in two threads at once.
_connecting = ForkLock()

# Where a test reloads this module, the SDKs are looked up anew.
for _name in ("Groq", "boto3"):
    globals().pop(_name, None)


def _has_groq() -> bool:
    # What a test puts into sys.modules, None or a stand-in, has no spec to be found by.
    known = "groq" in sys.modules
    return sys.modules["groq"] is not None if known else find_spec("groq") is not None


#: Whether the groq package is there.
GROQ_AVAILABLE: bool = _has_groq()


def __getattr__(name: str) -> Any:
    """Import an SDK when it is first looked up: who uses one provider pays for no other."""
    if name == "Groq":
        # None is not kept: it is no lasting answer where a test only pretends.
        return globals().setdefault(name, import_module("groq").Groq) if _has_groq() else None
    if name == "boto3":
        return globals().setdefault(name, import_module(name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _sdk(name: str) -> Any:
    """What this module's *name* is at this moment: a test may have patched it."""
    return globals()[name] if name in globals() else __getattr__(name)


class ModelType(str, Enum):
    """The Bedrock models that are called through InvokeModel."""

    CLAUDE_3_SONNET = "anthropic.claude-3-sonnet-20240229-v1:0"
    CLAUDE_3_HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
    CLAUDE_3_OPUS = "anthropic.claude-3-opus-20240229-v1:0"
    LLAMA_3_70B = "meta.llama3-70b-instruct-v1:0"
    LLAMA_3_8B = "meta.llama3-8b-instruct-v1:0"
    MIXTRAL_8X7B = "mistral.mixtral-8x7b-instruct-v0:1"


class GroqClient(GroqWire):
    """A client of Groq's chat completions, on the groq SDK.

    *api_key* and *model* are those of the settings by default, *base_url* too (without
    `/openai/v1`). *timeout* is in seconds for a whole call, *max_retries* the further attempts
    after a passing fault. Raises ImportError without the groq package, and ConfigurationError
    (a ValueError) without a usable key.
    """

    def __init__(
        self,
        api_key: str | None = None,
        model: str | None = None,
        temperature: float | None = 0.7,
        max_tokens: int = 4096,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        if not GROQ_AVAILABLE or _sdk("Groq") is None:
            raise ImportError("Groq library not installed. Install it with: pip install groq")
        known = host.read(settings)
        super().__init__("groq", known, timeout, max_retries)
        self.api_key = secret("api_key", api_key) or secret(
            "GROQ_API_KEY", known.GROQ_API_KEY, is_set=self._finds_the_sdk()
        )
        if not self.api_key:
            raise ConfigurationError(
                "Groq API key is required. Set GROQ_API_KEY in environment.", provider="groq"
            )
        self.default_model = model or known.GROQ_MODEL
        self.default_temperature = temperature
        self.default_max_tokens = max_tokens
        self._base_url = endpoint("GROQ_BASE_URL", base_url or known.GROQ_BASE_URL)
        self.client = self._adopted(self._connect())
        if self._is_real:
            self._keep_answers(str(self.client.base_url))

    def sleep(self, seconds: float) -> None:
        """Sleep, as this module's `time` does at this moment."""
        time.sleep(seconds)

    def _connect(self) -> Any:
        sdk = _sdk("Groq")
        if not self._finds_the_sdk():
            return sdk(**self._options())
        return sdk(**self._options(), http_client=self._http_client("Client"))

    def _finds_the_sdk(self) -> bool:
        """Whether what stands in the SDK's place here is the SDK."""
        return getattr(_sdk("Groq"), "__module__", "").partition(".")[0] == self._sdk_package

    def _connect_async(self) -> AsyncGroq:
        client = self._http_client("AsyncClient")
        sdk: AsyncGroq = import_module("groq").AsyncGroq(**self._options(), http_client=client)
        return sdk

    def _http_client(self, kind: Literal["Client", "AsyncClient"]) -> Any:
        size, limit = self._knobs.LLM_MAX_CONCURRENCY, self._knobs.LLM_MAX_RESPONSE_MB
        return http_client(kind, size, self.timeout, limit, self._base_url)

    def _options(self) -> dict[str, Any]:
        # Retries have one owner, and it is not the SDK.
        options = {"api_key": self.api_key, "timeout": self.timeout, "max_retries": 0}
        return {**options, "base_url": self._base_url} if self._base_url else options


class BedrockClient(BedrockWire):
    """A client of AWS Bedrock, on boto3.

    *region_name* and *model_id* are those of the settings by default, *endpoint_url* too; where
    these hold no credentials, boto3's own chain finds them. *timeout* is in seconds for a whole
    call, *max_retries* the further attempts after a passing fault. Raises ConfigurationError (a
    ValueError) for half a pair of keys, and for what boto3 cannot be set up with.
    """

    def __init__(
        self,
        region_name: str | None = None,
        model_id: str | None = None,
        temperature: float | None = 0.7,
        max_tokens: int = 4096,
        endpoint_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        known = host.read(settings)
        with _connecting, configuration.configured():
            self.region_name = configuration.region_of(region_name, known.AWS_REGION, _sdk("boto3"))
        super().__init__("bedrock", known, timeout, max_retries, self.region_name)
        self.default_model_id = model_id or known.BEDROCK_MODEL_ID
        configuration.check_arn(self.default_model_id, self.region_name)
        self.default_temperature = temperature
        self.default_max_tokens = max_tokens
        is_real = getattr(_sdk("boto3").client, "__module__", "") == "boto3"
        self._credentials = aws_credentials(known, is_real=is_real)
        named = endpoint_url or known.AWS_ENDPOINT_URL_BEDROCK_RUNTIME
        self._endpoint_url = aws_endpoint(named) or None
        self._transport = Transport(
            known.LLM_MAX_CONCURRENCY, int(known.LLM_MAX_RESPONSE_MB * 1024 * 1024)
        )
        self.client = self._adopted(self._connect())
        if self._is_real:
            self._keep_answers(self.client.meta.endpoint_url)

    def sleep(self, seconds: float) -> None:
        """Sleep, as this module's `time` does at this moment."""
        time.sleep(seconds)

    def _connect(self) -> Any:
        config = import_module("botocore.config").Config(
            # Retries have one owner, and it is not the SDK.
            retries={"total_max_attempts": 1},
            connect_timeout=self.timeout,
            read_timeout=self.timeout,
            max_pool_connections=self._knobs.LLM_MAX_CONCURRENCY,
            tcp_keepalive=True,
        )
        with _connecting, configuration.configured():
            made = _sdk("boto3").client(
                "bedrock-runtime",
                region_name=self.region_name,
                endpoint_url=self._endpoint_url,
                config=config,
                **self._credentials,
            )
            return adopted(made) if self._is_of_the_sdk(made) else made


def configure(settings: object) -> None:
    """Have clients made from now on read *settings* instead of those of `config`.

    An object, a module, a mapping or a function that returns one, with fields as `Knobs` has them.
    Raises ConfigurationError for settings that cannot work; then nothing has changed.
    """
    host.read(settings)
    host.configure(settings)
    globals()["settings"] = settings


def create_llm_client() -> GroqClient | BedrockClient:
    """Return the client that the settings ask for: Groq where USE_GROQ is true, else Bedrock.

    Clients of one account share its quota, however many are made. Raises as their constructors.
    """
    known = host.read(settings)
    client = (
        GroqClient()
        if known.USE_GROQ
        else BedrockClient(
            temperature=known.BEDROCK_TEMPERATURE, max_tokens=known.BEDROCK_MAX_TOKENS
        )
    )
    # A test may have put a stand-in in the class's place.
    if isinstance(client, (GroqWire, BedrockWire)):
        client.share_account()
    return client


__all__ = [
    "GROQ_AVAILABLE",
    "Attempt",
    "AuthenticationError",
    "BedrockClient",
    "ConfigurationError",
    "ContentFilteredError",
    "ContextLengthError",
    "Groq",
    "GroqClient",
    "InvalidRequestError",
    "LLMClient",
    "LLMError",
    "LLMTimeoutError",
    "Learned",
    "ModelNotFoundError",
    "ModelType",
    "ProviderUnavailableError",
    "RateLimitError",
    "Reply",
    "ResponseTooLargeError",
    "RetriesExhaustedError",
    "StructuredOutputError",
    "StructuredReply",
    "ToolCall",
    "TruncatedError",
    "Usage",
    "boto3",
    "configure",
    "create_llm_client",
    "settings",
    "time",
]

# One quota, and one set of classes to catch, however the import is spelled.
SharedModules(__package__ or "services", ("llm_client", "llm")).install()
