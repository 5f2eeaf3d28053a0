"""What is kept of an answer, and under which key: what changes the answer, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any, TypeVar

from ..effects import Effects, Overdue, run_blocking
from ..errors import ConfigurationError
from ..frozen import dataclass
from ..stores import FaultTolerantStore, Store
from ..types import Reply, Request
from .cache_record import record_of, restored

R = TypeVar("R")

#: Part of every key: entries of another layout are misses.
LAYOUT = 1


class Nowhere:
    """A `Store` that keeps nothing: identical calls still meet, while they are in flight."""

    is_blocking = False

    def get(self, key: str) -> dict[str, Any] | None:
        """Return None."""
        return None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Drop *value*."""

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(frozen=True)
class Cache:
    """Answers of one provider's endpoint, kept in a store; keys of API keys share them."""

    store: Store
    provider: str
    base_url: str
    #: Set apart from others in the same store: the key does not tell whose account it is.
    namespace: str = ""
    #: Seconds for which a call waits for the store, each time that it needs it.
    timeout: float = 0.25

    def run(
        self, operation: Callable[[], R], time_left: float, timeout: float | None = None
    ) -> Effects[R | None]:
        """Run an *operation* on the store, waiting *timeout* seconds or the call's *time_left*.

        After that time it counts as a miss, and goes on in its thread; a store that has had all of
        *timeout*, by default the cache's own, is not used for a while.
        """
        timeout = self.timeout if timeout is None else timeout
        forgiving = self.store if isinstance(self.store, FaultTolerantStore) else None
        if forgiving is not None and forgiving.is_suspended:
            return None
        try:
            return (
                yield from run_blocking(
                    operation, min(timeout, time_left), blocks=self.store.is_blocking
                )
            )
        except Overdue as late:
            if forgiving is not None and late.is_slow and time_left > timeout:
                reason = f"{forgiving!r} has not answered within {timeout:g} s"
                forgiving.suspend(TimeoutError(reason))
            return None

    def key_of(self, request: Request) -> str:
        """SHA-256 of the canonical request: its model, messages, parameters and the endpoint.

        Raises `ConfigurationError` for an option that is not JSON, which could not be sent either.
        """
        canonical = {name: getattr(request, name) for name in _ANSWER_CHANGING}
        if request.output is not None:
            canonical["output"] = asdict(request.output)
        try:
            text = json.dumps(
                [LAYOUT, self.provider, self.base_url, canonical, *filter(None, [self.namespace])],
                sort_keys=True,
                ensure_ascii=True,
                allow_nan=False,
                default=_plain,
            )
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"The request is not JSON: {error}") from error
        return sha256(text.encode()).hexdigest()

    def get(self, key: str) -> Reply | None:
        """Return the reply kept under *key*, or None."""
        record = self.store.get(key)
        return None if record is None else restored(record, self.provider)

    def put(self, key: str, reply: Reply) -> None:
        """Keep *reply*, without the story of how it came about."""
        self.store.put(key, record_of(reply))

    def forget(self, request: Request) -> None:
        """Let the answer to *request* be canonical for again."""
        # Stores keep what is put for its time, and an empty record is a miss.
        self.store.put(self.key_of(request), {})


# The key that sends it and what nobody gave explicitly do not change the answer.
_ANSWER_CHANGING = ("model", "messages", "temperature", "max_tokens", "output", "options")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
