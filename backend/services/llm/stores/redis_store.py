"""The Redis store: answers shared by a fleet, each with an expiry that the server keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .entry import checked_key, seal, unseal
from .protocol import StoreError, checked_ttl
from .urls import without_secrets

_PREFIX = "llm-answers:"
_TIMEOUT = 2.0  # seconds to connect, and for each answer: a cache slower than that helps nobody


class RedisStore:
    """A `Store` on a Redis server; the package is imported when the first store is made."""

    blocking = True

    def __init__(self, url: str, *, ttl: float) -> None:
        """Prepare a client, unconnected; ImportError without `redis`, ValueError for a bad URL."""
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise ImportError(
                "a redis:// cache needs the redis package: pip install redis"
            ) from error
        self._ttl = checked_ttl(ttl)
        self._failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        try:
            self._client: Any = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # Once, for a connection that went stale.
                retry=Retry(NoBackoff(), 1),
            )
        except (ValueError, TypeError):
            # Not chained: the original's words may hold part of the password.
            raise ValueError(
                f"{without_secrets(url)} is not a Redis URL: redis://host:port/db"
            ) from None
        self._where = without_secrets(url)

    def __repr__(self) -> str:
        return f"RedisStore({self._where!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever host, or None."""
        checked_key(key)
        with self._server_errors():
            line = self._client.get(_PREFIX + key)
        # The URL may say decode_responses=true.
        if isinstance(line, str):
            line = line.encode()
        return None if line is None else unseal(line, key)

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Have the server keep *value* for the ttl; StoreError if it does not answer."""
        # The server's clock decides, so that hosts whose clocks differ agree on what has expired.
        line = seal(key, value, 0)
        with self._server_errors():
            self._client.set(_PREFIX + key, line, px=math.ceil(self._ttl * 1000))

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._client.close()

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise StoreError(f"{self._where} cannot be used: {error}") from error
