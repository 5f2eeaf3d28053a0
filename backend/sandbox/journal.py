"""The record of every request the sandbox saw."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .faults import Step
from .http_types import Provider


@dataclass(frozen=True)
class Exchange:
    """One request and what became of it; times are in the sandbox's clock, in seconds.

    `status` and `answered_at` are None while the request is held and, for good, if the
    connection ended before a status was sent. `headers` are the request's, without credentials.
    `connection` counts connections from 1.
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


class Journal:
    """Exchanges by number, in order of arrival; may be used from any thread."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()  # guards the dict
        self._exchanges: dict[int, Exchange] = {}

    def add(self, number: int, exchange: Exchange) -> None:
        """Record an arrival."""
        with self._arrived:
            self._exchanges[number] = exchange
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

    def snapshot(self) -> list[Exchange]:
        """A copy of the record as it is now."""
        with self._arrived:
            return list(self._exchanges.values())

    def clear(self) -> None:
        """Forget every exchange."""
        with self._arrived:
            self._exchanges.clear()

    def wait_for(self, count: int, timeout: float) -> list[Exchange]:
        """Block until `count` requests have arrived; TimeoutError after `timeout` seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._exchanges) >= count, timeout):
                raise TimeoutError(
                    f"{len(self._exchanges)} of {count} requests arrived within {timeout:g} s"
                )
            return list(self._exchanges.values())
