"""
Ask Groq with several keys, and keep every limit: a client for programs and a tool for the shell.

    from groq_client_compliant import GroqClient

    async with GroqClient(keys) as client:
        answer = await client.chat([{"role": "user", "content": "Why is the sky blue?"}])

    python groq_client_compliant.py "Why is the sky blue?"

Groq limits organisations, not keys. This client obeys those limits: another key is never a way
around a Retry-After. The SDK is built and called here; the rest is in `services/groq_compliant`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # The imports below take a while, and an interruption is no traceback there either.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

if __name__ == "__main__":
    # Of backend/requirements.txt, without which none of the imports below can be made.
    _needed = ("anyio", "dotenv", "httpx", "jsonschema_rs", "pydantic", "pydantic_settings")
    if _missing := [name for name in (*_needed, "tenacity") if find_spec(name) is None]:
        sys.exit(
            f"error: not installed: {', '.join(_missing)}"
            " (python -m pip install -r backend/requirements.txt)"
        )

if TYPE_CHECKING or not __package__:
    from services.groq_compliant.client import CompliantClient
    from services.groq_compliant.command_line import run
    from services.groq_compliant.interrupts import run_to_exit
    from services.groq_compliant.pacing import KeyManager, TokenBucket
    from services.llm.errors import ConfigurationError
    from services.llm.http.client import http_client
    from services.llm.providers.groq.connect import tell_platform
    from services.llm.redaction.secrets import redacted
else:  # backend.groq_client_compliant, from the repository's root
    from .services.groq_compliant.client import CompliantClient
    from .services.groq_compliant.command_line import run
    from .services.groq_compliant.interrupts import run_to_exit
    from .services.groq_compliant.pacing import KeyManager, TokenBucket
    from .services.llm.errors import ConfigurationError
    from .services.llm.http.client import http_client
    from .services.llm.providers.groq.connect import tell_platform
    from .services.llm.redaction.secrets import redacted

__all__ = ["GroqClient", "KeyManager", "TokenBucket", "main"]


class GroqClient(CompliantClient):
    """A client of Groq's chat completions for one or several keys, on the groq SDK."""

    def _find_sdk(self) -> Any:
        return import_module("groq").Groq

    def _connect(self) -> tuple[Any, Callable[[str], Any]]:
        """One pool of connections, and an SDK client for every key on it."""
        httpx, sdk = import_module("httpx"), import_module("groq")
        pool = http_client(
            "AsyncClient",
            size=self._max_concurrency,
            timeout=self._request_timeout,
            limit=self._knobs.LLM_MAX_RESPONSE_MB,
            url=self._base_url,
        )
        # Retries have one owner, and it is not the SDK.
        options = {"base_url": self._base_url, "max_retries": 0, "http_client": pool}
        try:
            by_key = {key: sdk.AsyncGroq(api_key=key, **options) for key in self._account.keys}
        except httpx.InvalidURL as error:
            shown = redacted(self._base_url)
            # Not chained: the SDK's frames hold a key.
            raise ConfigurationError(f"base_url is {shown!r}: {error}") from None
        for each in by_key.values():
            tell_platform(each)
        return pool, by_key.__getitem__


def main(arguments: list[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run(GroqClient, arguments)


if __name__ == "__main__":
    sys.exit(run_to_exit(main))

# Under its other spelling this is the same module.
_twin = __name__.removeprefix("backend.") if "backend." in __name__ else f"backend.{__name__}"
sys.modules.setdefault(_twin, sys.modules[__name__])
