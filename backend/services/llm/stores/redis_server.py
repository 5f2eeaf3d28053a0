"""A client of a Redis server, and its URL without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..redaction.printable import words_of
from ..redaction.secrets import without_credentials
from .protocol import StoreError

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
        self.refusal: type[Exception] = redis.ResponseError
        try:
            self.client: Any = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # Once, for a connection that went stale.
                retry=retry.Retry(backoff.NoBackoff(), 1),
            )
        except (ValueError, TypeError):
            # Not chained: the original message may hold part of the password.
            raise ValueError(
                f"{without_credentials(url)} is not a Redis URL: redis://host:port/db"
            ) from None
        # Whatever the URL says: values of other programs need not be text.
        self.client.connection_pool.connection_kwargs["decode_responses"] = False
        self.where = without_credentials(url)

    def get_bytes(self, name: str) -> Any:
        """Return the bytes kept under *name*; None for no value, or one of another type."""
        try:
            return self.client.get(name)
        except self.refusal as error:
            if words_of(error).startswith("WRONGTYPE"):
                return None
            raise

    def close(self) -> None:
        """Close the connections that nobody is using now; the next use opens others."""
        self.client.connection_pool.disconnect(inuse_connections=False)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the errors of the server and the network to StoreError."""
        try:
            yield
        # What is no Redis server may answer anything, and its client fails on that in any way.
        except Exception as error:
            raise StoreError(f"{self.where} cannot be used: {words_of(error)}") from error
