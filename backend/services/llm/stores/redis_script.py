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
        with self._server.errors():
            try:
                return self._run(keys, arguments)
            except self._server.refusal as error:
                # Its words, where a release of the package has no type for it.
                kind = type(error).__name__, words_of(error).partition(" ")[0]
                if not {"MovedError", "MOVED"} & set(kind):
                    # A replica that is none any more, or was none before: look it up anew.
                    self._server.close()
                    raise
            self._server.use_cluster()
            return self._run(keys, arguments)

    def _run(self, keys: Sequence[str], arguments: Sequence[str]) -> bytes:
        client = self._server.client
        try:
            answer = client.evalsha(self._name, len(keys), *keys, *arguments)
        except self._server.refusal as error:
            if type(error).__name__ != "NoScriptError":
                raise
            answer = client.eval(self._source, len(keys), *keys, *arguments)
        # A cluster's client decodes what it is told to decode by the URL.
        return answer if isinstance(answer, bytes) else str(answer).encode()
