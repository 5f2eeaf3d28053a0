"""How the groq SDK's clients are built: from one set of options, blocking and async."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ...frozen import dataclass
from ...http.client import http_client
from ...runtime.real_sdk import is_real_sdk

if TYPE_CHECKING:
    from groq import AsyncGroq


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
        return sdk(**self._options(), http_client=self._http_client("Client"))

    def connect_async(self) -> AsyncGroq:
        """Build the SDK's async client."""
        client = self._http_client("AsyncClient")
        sdk: AsyncGroq = import_module("groq").AsyncGroq(**self._options(), http_client=client)
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
