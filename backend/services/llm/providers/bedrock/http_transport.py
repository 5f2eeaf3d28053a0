"""What lies between botocore's signed request and its answer: connections of our own."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

from ...http.exchange import AWAITING, BLOCKING
from ...http.http1 import Answer
from ...http.http1_async import AsyncConnection
from ...http.http1_connections import Connection, UnconnectedError
from ...http.idle_pools import IdlePools
from ...http.origin import Origin
from ...runtime.coroutines import run_without_loop
from .connection_errors import botocore_errors
from .signing import Signed
from .tls import context_of

_PORTS = {"http": 80, "https": 443}


#: Seconds for which a connection waits: whatever stands between forgets it some day.
_KEPT_FOR = 30.0


class HttpTransport:
    """Keeps up to *size* idle connections; an answer has at most *limit* bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self._limit = limit
        self._idle = IdlePools[Connection, AsyncConnection](size, _KEPT_FOR)
        self._contexts: dict[Any, ssl.SSLContext] = {}

    def exchange(self, client: Any, signed: Signed, until: float) -> Answer:
        """Send what *client* has signed and return the answer before *until*.

        Raises botocore's errors of a connection, TimeoutError and ResponseTooLargeError.
        """
        url = signed.request.url
        with botocore_errors(url):
            origin = self.origin_of(client, url)
            idle, limit = self._idle.of_threads, self._limit
            return run_without_loop(BLOCKING.whole(idle, origin, signed, until, limit))

    async def aexchange(self, client: Any, signed: Signed, until: float) -> Answer:
        """Do as `exchange` does, on this event loop."""
        url = signed.request.url
        async with await self._idle.of_this_loop() as idle:
            with botocore_errors(url):
                origin = self.origin_of(client, url)
                return await AWAITING.whole(idle, origin, signed, until, self._limit)

    def close(self) -> None:
        """Close the idle connections of all threads."""
        self._idle.close()

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._idle.aclose()

    def origin_of(self, client: Any, url: str) -> Origin:
        """Return where *client* sends a request to *url*; raises UnconnectedError."""
        parts = urlsplit(url)
        context = None
        if parts.scheme == "https":
            verify = client._endpoint.http_session._verify
            context = self._contexts.get(verify)
            if context is None:
                # Two threads may make one each at first; it is the same.
                try:
                    made = context_of(verify)
                except OSError as error:
                    raise UnconnectedError from error
                context = self._contexts.setdefault(verify, made)
        return Origin(parts.hostname or "", parts.port or _PORTS[parts.scheme], context)
