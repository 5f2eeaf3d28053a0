"""The shared quota of a fleet on a Redis server."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from uuid import uuid4

from ..quota.shared import Operation, Outcome
from ..quota.shared_codec import decode, encode
from ..quota.shared_script import SCRIPT
from ..stores.redis_script import RedisScript
from ..stores.redis_server import RedisServer

_PREFIX = "llm-quota:"
#: Seconds to connect, and for each read; and the bytes of an answer at most.
_TIMEOUT, _MOST_BYTES = 1.0, 16 * 2**20


class RedisSharedQuota:
    """A `SharedQuota` of the account of this *identity*, on the server at *url*.

    Its keys name the account by a hash, which is one hash slot of a cluster. ImportError without
    `redis`, ValueError for a bad URL.
    """

    def __init__(self, url: str, *identity: str) -> None:
        self._server = RedisServer(url, _TIMEOUT, _MOST_BYTES)
        self._script = RedisScript(self._server, SCRIPT)
        name = sha256(repr(identity).encode()).hexdigest()[:32]
        self._prefix = f"{_PREFIX}{{{name}}}:"

    def __repr__(self) -> str:
        return f"RedisSharedQuota({self._server.where!r})"

    def __str__(self) -> str:
        return self._server.where

    def exchange(self, operations: Sequence[Operation], epoch: str = "") -> Outcome:
        """Perform *operations* in one round trip; StoreError, or ValueError, where that fails."""
        keys, encoded = encode(self._prefix, operations)
        return decode(self._script.run(keys, encoded, epoch, uuid4().hex, ""), operations)

    def close(self) -> None:
        """Close the idle connections."""
        self._server.close()
