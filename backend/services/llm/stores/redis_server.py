"""A client of a Redis server, and its URL without credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit

from ..redaction.printable import words_of
from ..redaction.secrets import without_credentials
from ..runtime.host_names import is_port
from .protocol import StoreError
from .redis_exchange import bound_connections, bounded_exchange

_TIMEOUT = 2.0  # seconds to connect, and for each read: a cache slower than that helps nobody
#: An exchange lasts so many timeouts, its connects, its second try and the look-up of sentinels
#: included; and reads so many bytes, which is the largest value that a server keeps.
_TIMEOUTS, _MOST_BYTES = 3, 512 * 2**20

_DATABASE = re.compile(r"/?|/[0-9]+/?")
_SENTINEL = re.compile(r"(rediss?)\+sentinel://(?:([^@/]*)@)?([^/?#]+)/([^/?#]+)(?:/(\d+))?\Z")


class RedisServer:
    """A client of the server at *url*, connected on first use; the package is imported here.

    *timeout* is in seconds, to connect and for each read; an exchange as a whole lasts about three
    times that at most, and reads *most_bytes*. A URL of sentinels,
    `redis+sentinel://:password@host:port,host:port/service/db`, is of the server that they name.
    """

    def __init__(self, url: str, timeout: float = _TIMEOUT, most_bytes: int = _MOST_BYTES) -> None:
        """Prepare it; ImportError without `redis`, ValueError for a bad URL."""
        try:
            # By name: a host that has no redis type-checks this file as well.
            self._redis: Any = import_module("redis")
            self._retry: Any = import_module("redis.retry").Retry
            self._at_once: Any = import_module("redis.backoff").NoBackoff
        except ImportError as error:
            raise ImportError(
                "a redis:// URL needs the redis package: pip install redis"
            ) from error
        self.refusal: type[Exception] = self._redis.ResponseError
        self._url = url
        self._timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        # Once, for a connection that went stale.
        options = {**self._timeouts, "retry": self._retry(self._at_once(), 1)}
        try:
            self.client: Any = self._client(url, options)
        except (ValueError, TypeError):
            # Not chained: the original message may hold part of the password.
            raise ValueError(
                f"{without_credentials(url)} is not a Redis URL: redis://host:port/db"
            ) from None
        pool = bound_connections(self.client.connection_pool)
        try:
            pool.connection_class(**pool.connection_kwargs)  # which opens nothing
        except Exception:  # releases of the package differ in what they raise
            raise ValueError(
                f"{without_credentials(url)} has an option that the redis package does not take"
            ) from None
        longest = max(timeout, pool.connection_kwargs.get("socket_timeout") or 0.0)  # of the URL
        self._bounds = _TIMEOUTS * longest, most_bytes
        # Whatever the URL says: values of other programs need not be text.
        pool.connection_kwargs["decode_responses"] = False
        self.where = without_credentials(url)
        self._password = str(pool.connection_kwargs.get("password") or "")

    def _client(self, url: str, options: dict[str, Any]) -> Any:
        if "+sentinel:" not in url:
            parts = urlsplit(url)
            # Of a port of 0, and of a database that is no number, the package makes its default.
            if not is_port(parts.port) or _DATABASE.fullmatch(parts.path) is None:
                raise ValueError("no port, or no database")
            return self._redis.Redis.from_url(url, **options)
        found = _SENTINEL.match(url)
        if found is None:
            raise ValueError("no service of sentinels")
        scheme, credentials, hosts, service, db = found.groups()
        names = [each.rpartition(":") for each in hosts.split(",")]
        sentinels = [(host.strip("[]"), int(port)) for host, _, port in names]
        if not all(is_port(port) for _, port in sentinels):
            raise ValueError("no port")
        user, _, password = unquote(credentials or "").rpartition(":")
        options = {**options, "username": user or None, "password": password or None}
        options |= {"db": int(db or 0), "ssl": scheme == "rediss"}
        # One that is gone is asked once: the next may know.
        lookup = {**self._timeouts, "retry": self._retry(self._at_once(), 0)}
        known = self._redis.Sentinel(sentinels, sentinel_kwargs=lookup)
        for each in known.sentinels:
            bound_connections(each.connection_pool)
        return known.master_for(service, **options)

    def use_cluster(self) -> None:
        """Ask the cluster that the server has turned out to be a part of."""
        self.client = self._redis.RedisCluster.from_url(
            self._url,
            connection_pool_class=lambda **options: bound_connections(
                self._redis.ConnectionPool(**options)
            ),
            **self._timeouts,
        )

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
        pools = [self.client, *getattr(self.client, "get_nodes", list)()]
        for each in pools:
            pool = getattr(getattr(each, "redis_connection", each), "connection_pool", None)
            if pool is not None:
                pool.disconnect(inuse_connections=False)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Bound the exchange, and translate errors of the server and the network to StoreError."""
        try:
            with bounded_exchange(*self._bounds):
                yield
        # What is no Redis server may answer anything, and its client fails on that in any way.
        except Exception as error:
            words = words_of(error)
            if self._password and self._password in words:
                # A server quotes the arguments of a command that it does not know.
                refused = f"{self.where} cannot be used: it quotes the password in its error"
                raise StoreError(refused) from None
            raise StoreError(f"{self.where} cannot be used: {words}") from error
