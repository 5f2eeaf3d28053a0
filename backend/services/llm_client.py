"""
Talk to a language model on Groq or AWS Bedrock.

    from services.llm_client import create_llm_client

    client = create_llm_client()  # USE_GROQ decides
    client.generate(prompt="Why is the sky blue?")

This module is the public face, and builds the SDKs' clients: `Groq`, `boto3`, `settings` and
`time.sleep` are looked up here, so that tests may patch them here. The SDKs are imported when they
are first looked up, and what speaks to a provider with the first client of it. What happens to a
request stands in `llm/call/lifecycle.py`.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .llm import public
from .llm.client.provider_client import ProviderClient
from .llm.runtime.collector import pauses_collector_once
from .llm.runtime.import_names import SharedModules
from .llm.runtime.real_sdk import is_real_sdk
from .llm.settings import host
from .llm.settings.credentials import aws_credentials, secret
from .llm.settings.endpoints import aws_endpoint, groq_endpoint

if TYPE_CHECKING:
    from groq import Groq

    from .llm.public import *  # noqa: F403 - its __all__ is part of this module's own

    boto3: Any  # without stubs, its import is an error to a host's type checker

#: The host's settings: what `configure` was given, else those of its `config`.
settings: Any = host.current()

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
    """Import what is first looked up: an SDK, or a name that a host may never use."""
    if name == "Groq":
        # None is not kept: it is no lasting answer where a test only pretends.
        return globals().setdefault(name, import_module("groq").Groq) if _has_groq() else None
    if name == "boto3":
        return globals().setdefault(name, import_module(name))
    if name in public.__all__:
        return globals().setdefault(name, getattr(public, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _sdk(name: str) -> Any:
    """What this module's *name* is at this moment: a test may have patched it."""
    return globals()[name] if name in globals() else __getattr__(name)


class GroqClient(ProviderClient):
    """A client of Groq's chat completions, on the groq SDK.

    *api_key* and *model* are those of the settings by default, *base_url* too (without
    `/openai/v1`). *timeout* is in seconds for a whole call, *max_retries* the further attempts
    after a passing fault. Raises ImportError without the groq package, and ConfigurationError
    (a ValueError) without a usable key.
    """

    @pauses_collector_once
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
        from .llm.providers.groq.client_transport import GroqTransport
        from .llm.providers.groq.connect import GroqConnection

        known = host.read(settings)
        super().__init__("groq", known, timeout, max_retries)
        self.api_key = secret("api_key", api_key) or secret(
            "GROQ_API_KEY", known.GROQ_API_KEY, is_set=is_real_sdk(_sdk("Groq"), "groq")
        )
        if not self.api_key:
            raise public.ConfigurationError(
                "Groq API key is required. Set GROQ_API_KEY in environment.", provider="groq"
            )
        self.default_model = model or known.GROQ_MODEL
        self.default_temperature = temperature
        self.default_max_tokens = max_tokens
        self._base_url = groq_endpoint(base_url, known.GROQ_BASE_URL)
        connection = GroqConnection(
            partial(_sdk, "Groq"),
            api_key=self.api_key,
            base_url=self._base_url,
            timeout=self.timeout,
            max_connections=known.LLM_MAX_CONCURRENCY,
            limit=known.LLM_MAX_RESPONSE_MB,
        )
        self._transport = GroqTransport(connection, _sleep, self._account.wall)
        self._open_stores()

    @property
    def _model(self) -> str:
        return self.default_model

    @property
    def _endpoint(self) -> str:
        return str(self.client.base_url)

    def _identity(self) -> tuple[str, ...]:
        return self.api_key, self._endpoint


class BedrockClient(ProviderClient):
    """A client of AWS Bedrock, on boto3.

    *region_name* and *model_id* are those of the settings by default, *endpoint_url* too; where
    these hold no credentials, boto3's own chain finds them. *timeout* is in seconds for a whole
    call, *max_retries* the further attempts after a passing fault. Raises ConfigurationError (a
    ValueError) for half a pair of keys, and for what boto3 cannot be set up with.
    """

    @pauses_collector_once
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
        from .llm.providers.bedrock import configuration
        from .llm.providers.bedrock.client_transport import BedrockTransport
        from .llm.providers.bedrock.connect import BedrockConnection, connecting

        known = host.read(settings)
        with connecting():
            self.region_name = configuration.region_of(region_name, known.AWS_REGION, _sdk("boto3"))
        super().__init__("bedrock", known, timeout, max_retries, self.region_name)
        self.default_model_id = model_id or known.BEDROCK_MODEL_ID
        self._check_model(self.default_model_id)
        self.default_temperature = temperature
        self.default_max_tokens = max_tokens
        is_real = is_real_sdk(_sdk("boto3").client, "boto3")
        self._credentials = aws_credentials(known, is_real=is_real)
        address = aws_endpoint(endpoint_url, known.AWS_ENDPOINT_URL_BEDROCK_RUNTIME)
        connection = BedrockConnection(
            partial(_sdk, "boto3"),
            region_name=self.region_name,
            endpoint_url=address or None,
            credentials=self._credentials,
            timeout=self.timeout,
            max_connections=known.LLM_MAX_CONCURRENCY,
            limit=known.LLM_MAX_RESPONSE_MB,
        )
        self._transport = BedrockTransport(connection, _sleep, self._account.wall)
        self._open_stores()

    @property
    def _model(self) -> str:
        return self.default_model_id

    @property
    def _endpoint(self) -> str:
        return str(self.client.meta.endpoint_url)

    def _identity(self) -> tuple[str, ...]:
        return self._credentials.get("aws_access_key_id", ""), self.region_name, self._endpoint

    def _check_model(self, model: str) -> None:
        if model.startswith("arn:"):
            from .llm.providers.bedrock.configuration import check_arn

            check_arn(model, self.region_name)

    def _format_prompt_for_model(
        self, prompt: str, system_prompt: str | None, model_id: str
    ) -> dict[str, Any]:
        """Return the InvokeModel body that asks *model_id*; raises ValueError for no family."""
        from .llm.providers.bedrock import format_prompt

        return format_prompt(
            prompt,
            system_prompt,
            model_id,
            temperature=self.default_temperature,
            max_tokens=self.default_max_tokens,
        )

    def _parse_response(self, body: Any, model_id: str) -> str:
        """Return the text in *model_id*'s answer; raises ValueError for no family."""
        from .llm.providers.bedrock import parse_response

        return parse_response(body, model_id)


def _sleep(seconds: float) -> None:
    """Sleep, as this module's `time` does at this moment."""
    time.sleep(seconds)


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
    if isinstance(client, ProviderClient):
        client.share_account()
    return client


__all__ = [
    "GROQ_AVAILABLE",
    "BedrockClient",
    "Groq",
    "GroqClient",
    "boto3",
    "configure",
    "create_llm_client",
    "settings",
    "time",
]
__all__ += public.__all__

# One quota, and one set of classes to catch, however the import is spelled.
SharedModules(__package__ or "services", ("llm_client", "llm")).install()
