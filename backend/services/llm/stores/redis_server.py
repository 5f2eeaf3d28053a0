"""A Redis server, as its URL names it: who talks to it, and what may be said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .protocol import StoreError
from .urls import without_secrets

_TIMEOUT = 2.0  # seconds to connect, and for each answer: a cache slower than that helps nobody


class RedisServer:
    """A client of the server at *url*, connected on first use; the package is imported here."""

    def __init__(self, url: str) -> None:
        """Prepare it; ImportError without `redis`, ValueError for a bad URL."""
        try:
            # By name: a host that has no redis type-checks this file as well.
            redis = import_module("redis")
            backoff, retry = import_module("redis.backoff"), import_module("redis.retry")
        except ImportError as error:
            raise ImportError(
                "a redis:// cache needs the redis package: pip install redis"
            ) from error
        self._refusal: type[Exception] = redis.ResponseError
        try:
            self.client: Any = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # Once, for a connection that went stale.
                retry=retry.Retry(backoff.NoBackoff(), 1),
            )
        except (ValueError, TypeError):
            # Not chained: the original's words may hold part of the password.
            raise ValueError(
                f"{without_secrets(url)} is not a Redis URL: redis://host:port/db"
            ) from None
        # Whatever the URL says: what others have put there need be no text.
        self.client.connection_pool.connection_kwargs["decode_responses"] = False
        self.where = without_secrets(url)

    def text_at(self, name: str) -> Any:
        """Return the bytes kept under *name*; None where there is nothing, or no text."""
        try:
            return self.client.get(name)
        except self._refusal as error:
            if str(error).startswith("WRONGTYPE"):
                return None
            raise

    def close(self) -> None:
        """Close the connections that nobody is using now; the next use opens others."""
        self.client.connection_pool.disconnect(inuse_connections=False)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate what the server or the way to it fails with to StoreError."""
        try:
            yield
        # What is no Redis server may answer anything, and its client fails on that in any way.
        except Exception as error:
            raise StoreError(f"{self.where} cannot be used: {error}") from error
