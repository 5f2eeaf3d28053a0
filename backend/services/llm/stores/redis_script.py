"""A script on a Redis server, run in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1

from ..redaction.printable import words_of
from .redis_server import RedisServer


class RedisScript:
    """A script that *server* keeps; it is sent again where the server has lost it.

    Raises StoreError where the server fails, or does not answer in time.
    """

    def __init__(self, server: RedisServer, source: str) -> None:
        self._server = server
        self._source = source
        self._name = sha1(source.encode(), usedforsecurity=False).hexdigest()

    def run(self, keys: Sequence[str], *arguments: str) -> bytes:
        """Run the script on *keys*, which have one hash slot, and return what it answers."""
        client = self._server.client
        with self._server.errors():
            try:
                answer = client.evalsha(self._name, len(keys), *keys, *arguments)
            except self._server.refusal as error:
                if not words_of(error).startswith(("NOSCRIPT", "No matching script")):
                    raise
                answer = client.eval(self._source, len(keys), *keys, *arguments)
        return bytes(answer)
