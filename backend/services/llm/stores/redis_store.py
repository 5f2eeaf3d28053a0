"""The Redis store: answers shared by a fleet, each with an expiry that the server keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .entry import check_key, decode_entry, encode_entry
from .protocol import checked_ttl
from .redis_server import RedisServer

_PREFIX = "llm-answers:"


class RedisStore:
    """A `Store` on a Redis server; see `RedisServer`."""

    is_blocking = True

    def __init__(self, url: str, *, ttl: float) -> None:
        """Prepare a client, unconnected; ImportError without `redis`, ValueError for a bad URL."""
        self._ttl = checked_ttl(ttl)
        self._server = RedisServer(url)

    def __repr__(self) -> str:
        return f"RedisStore({self._server.where!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, by whichever host, or None."""
        check_key(key)
        with self._server.errors():
            line = self._server.get_bytes(_PREFIX + key)
        return None if line is None else decode_entry(line, key)

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value* on the server for the ttl; StoreError if it does not answer."""
        # The entry itself never expires: the server's clock decides, on which all hosts agree.
        line = encode_entry(key, value, 0)
        with self._server.errors():
            self._server.client.set(_PREFIX + key, line, px=math.ceil(self._ttl * 1000))

    def close(self) -> None:
        """Close the connections that nobody is using now; the next use opens others."""
        self._server.close()
