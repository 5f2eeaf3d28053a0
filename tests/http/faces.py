"""One way to call both transports, so that a test is written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from services.llm.http.client import http_client

KINDS = ("Client", "AsyncClient")


class Face:
    """A client of one kind; `post` blocks for both, each on an event loop that stays."""

    def __init__(self, kind: str, timeout: float = 20.0, limit: float = 1.0, **more: Any) -> None:
        self.is_async = kind == "AsyncClient"
        self._runner = asyncio.new_event_loop() if self.is_async else None
        made: Any = kind
        self.client = self.run(
            lambda: http_client(made, size=8, timeout=timeout, limit=limit, **more)
        )

    def run(self, call: Callable[[], Any]) -> Any:
        """What *call* returns, awaited if it can be."""
        if self._runner is None:
            return call()

        async def awaited() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        return self._runner.run_until_complete(awaited())

    def post(self, url: str, **options: Any) -> httpx.Response:
        """Send a small request."""
        response: httpx.Response = self.run(
            lambda: self.client.post(url, content=b'{"a": 1}', **options)
        )
        return response

    def close(self) -> None:
        """Close the client, and its loop; again is no harm."""
        if self._runner is not None and self._runner.is_closed():
            return
        self.run(self.client.aclose if self.is_async else self.client.close)
        if self._runner is not None:
            self._runner.run_until_complete(self._runner.shutdown_asyncgens())
            self._runner.run_until_complete(asyncio.sleep(0))
            self._runner.close()
