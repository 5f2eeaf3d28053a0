"""The record of the newest requests that the sandbox saw."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .faults import Step
from .http_types import HttpRequest, Provider, Route

# Images make a body large: as many requests of them as of text would fill the memory.
_MOST_BYTES = 256 * 1024 * 1024
_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "cookie", "proxy-authorization", "x-amz-security-token"}
)


@dataclass(frozen=True)
class Exchange:
    """One request and what became of it; times are in the sandbox's clock, in seconds.

    `status` and `answered_at` are None while the request is held and, for good, if the
    connection ended before a status was sent. `headers` are the request's, without credentials.
    `connection` counts connections from 1. `frames_sent` are those of a stream that went out.
    """

    provider: Provider | None
    operation: str
    path: str
    model: str | None
    organisation: str | None
    headers: Mapping[str, str]
    body: Any
    connection: int
    arrived_at: float
    step: Step | None = None
    status: int | None = None
    answered_at: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    frames_sent: int = 0


class Journal:
    """The newest exchanges by number, in order of arrival; may be used from any thread."""

    def __init__(self, size: int = 10_000) -> None:
        if size < 1:
            raise ValueError(f"journal_size={size}: must be at least 1")
        self._arrived = threading.Condition()  # guards all below
        self._exchanges: dict[int, Exchange] = {}
        self._bytes: dict[int, int] = {}  # of the bodies
        self._total = 0  # of these bytes
        self._count = 0  # of all that arrived since the last clear()
        self._size = size

    def add(self, number: int, exchange: Exchange, size: int = 0) -> None:
        """Record an arrival, with the bytes of its body; the oldest make room for it."""
        with self._arrived:
            self._exchanges[number] = exchange
            self._count += 1
            self._bytes[number] = size
            self._total += size
            while len(self._exchanges) > self._size or (
                len(self._exchanges) > 1 and self._total > _MOST_BYTES
            ):
                oldest = next(iter(self._exchanges))
                del self._exchanges[oldest]
                self._total -= self._bytes.pop(oldest)
            self._arrived.notify_all()

    def amend(self, number: int, **changes: Any) -> None:
        """Fill in what became known of an exchange, unless it was cleared away meanwhile."""
        # A snapshot taken earlier keeps the exchange as it was then: it is replaced, not changed.
        with self._arrived:
            if number in self._exchanges:
                self._exchanges[number] = replace(self._exchanges[number], **changes)

    def find(self, number: int) -> Exchange | None:
        """The exchange of that number, unless it was cleared away."""
        with self._arrived:
            return self._exchanges.get(number)

    @property
    def count(self) -> int:
        """How many requests arrived since the last clear(), also those that were dropped."""
        with self._arrived:
            return self._count

    def numbered(self) -> list[tuple[int, Exchange]]:
        """The record as it is now, with the number of each request."""
        with self._arrived:
            return list(self._exchanges.items())

    def snapshot(self) -> list[Exchange]:
        """A copy of the record as it is now."""
        with self._arrived:
            return list(self._exchanges.values())

    def clear(self) -> None:
        """Forget every exchange."""
        with self._arrived:
            self._exchanges.clear()
            self._bytes.clear()
            self._total = 0
            self._count = 0

    def wait_for(self, count: int, timeout: float) -> list[Exchange]:
        """Block until `count` requests have arrived; TimeoutError after `timeout` seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._count >= count, timeout):
                raise TimeoutError(
                    f"{self._count} of {count} requests arrived within {timeout:g} s"
                )
            return list(self._exchanges.values())


def exchange_of(
    http_request: HttpRequest,
    route: Route | None,
    organisation: str | None,
    connection: int,
    now: float,
) -> Exchange:
    """The record of a request that has just arrived, without its credentials."""
    body = _json_or_text(http_request.body)
    named = body.get("model") if isinstance(body, dict) else None
    model = (route and route.model) or named
    kept = {k: text for k, text in http_request.headers.items() if k not in _SECRET_HEADERS}
    return Exchange(
        provider=route.provider if route else None,
        operation=route.operation if route else "unknown",
        path=http_request.path,
        model=model if isinstance(model, str) else None,
        organisation=organisation,
        headers=kept,
        body=body,
        connection=connection,
        arrived_at=now,
    )


def _json_or_text(body: bytes) -> Any:
    """The parsed body, its text where it is not JSON, None where it is empty."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):  # the provider's own 400 follows, as the body is no object
        return body.decode("utf-8", "replace")
