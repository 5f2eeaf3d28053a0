"""How the groq SDK's clients are built: from one set of options, blocking and async."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ...errors import ConfigurationError
from ...frozen import dataclass
from ...http.client import http_client
from ...runtime.real_sdk import is_real_sdk

if TYPE_CHECKING:
    from groq import AsyncGroq

# What the SDK adds to each request, one a line; it leaves out a line without a colon.
_HEADERS = "GROQ_CUSTOM_HEADERS"
_SENDABLE = re.compile(r"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*:[\t -~]*\r?|[^:]*", re.ASCII)


@dataclass(frozen=True)
class GroqConnection:
    """Where and how Groq is called; *find_sdk* looks up what stands for the class `Groq` now.

    *timeout* is in seconds, *limit* the largest answer in MiB; "" as *base_url* is the SDK's own.
    """

    find_sdk: Callable[[], Any]
    api_key: str = field(repr=False)
    base_url: str
    timeout: float
    max_connections: int
    limit: float

    def connect(self) -> Any:
        """Build the SDK's client, or what a test has put in its place."""
        sdk = self.find_sdk()
        if not is_real_sdk(sdk, "groq"):
            return sdk(**self._options())
        check_custom_headers()
        return sdk(**self._options(), http_client=self._http_client("Client"))

    def connect_async(self) -> AsyncGroq:
        """Build the SDK's async client."""
        client = self._http_client("AsyncClient")
        sdk: AsyncGroq = import_module("groq").AsyncGroq(**self._options(), http_client=client)
        tell_platform(sdk)
        return sdk

    def _http_client(self, kind: Literal["Client", "AsyncClient"]) -> Any:
        return http_client(
            kind,
            size=self.max_connections,
            timeout=self.timeout,
            limit=self.limit,
            url=self.base_url,
        )

    def _options(self) -> dict[str, Any]:
        # Retries have one owner, and it is not the SDK.
        options = {"api_key": self.api_key, "timeout": self.timeout, "max_retries": 0}
        return {**options, "base_url": self.base_url} if self.base_url else options


def tell_platform(sdk: AsyncGroq) -> None:
    """Tell the SDK's async client its platform, as the blocking one finds it.

    Else it asks with its first request, in a thread of the host's own pool: where that is full,
    every call would wait in vain.
    """
    with suppress(AttributeError):  # a release of the SDK that has no such attribute
        sdk._platform = import_module("groq._base_client").get_platform()


def check_custom_headers() -> None:
    """Raise ConfigurationError for headers of the environment's that no request could carry."""
    lines = os.environ.get(_HEADERS, "").split("\n")
    if not all(map(_SENDABLE.fullmatch, lines)):
        # The headers are not shown: a key may be among them.
        raise ConfigurationError(
            f"{_HEADERS} has a header that cannot be sent: write `name: value` on each line, in"
            " ASCII",
            provider="groq",
        )
