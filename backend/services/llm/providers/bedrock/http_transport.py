"""What lies between botocore's signed request and its answer: connections of our own."""

from __future__ import annotations

import ssl
import weakref
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ...http.exchange import aexchange, close, exchange
from ...http.http1 import Answer
from ...http.http1_connections import AsyncConnection, Connection, Origin, UnconnectedError
from ...http.idle import IdleStack
from ...runtime.event_loops import PerEventLoop
from ...runtime.fork import on_fork_in_child
from .connection_errors import raise_as_botocore
from .signing import Signed
from .tls import context_of

_PORTS = {"http": 80, "https": 443}


#: Seconds for which a connection waits: whatever stands between forgets it some day.
_KEPT_FOR = 30.0


class OwnRoad:
    """Keeps up to *size* idle connections; an answer has at most *limit* bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self._limit = limit
        self._idle = IdleStack[Connection](size, _KEPT_FOR)
        # Hosts build a client per request and drop it without closing it.
        weakref.finalize(self, _close, self._idle)
        self._idle_of_loops = PerEventLoop[IdleStack[AsyncConnection]](
            partial(IdleStack, size, _KEPT_FOR), _aclose
        )
        self._contexts: dict[Any, ssl.SSLContext] = {}
        on_fork_in_child(self, OwnRoad._reset_in_child)

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's connections and event loops alone."""
        _close(self._idle)
        self._idle_of_loops.forget()

    def exchange(self, client: Any, signed: Signed, until: float) -> Answer:
        """Send what *client* has signed and return the answer before *until*.

        Raises botocore's errors of a connection, TimeoutError and ResponseTooLargeError.
        """
        url = signed.request.url
        try:
            origin = self._origin(client, url)
            return exchange(self._idle, origin, signed, until, self._limit)
        except Exception as error:
            raise_as_botocore(error, url)

    async def aexchange(self, client: Any, signed: Signed, until: float) -> Answer:
        """Do as `exchange` does, on this event loop."""
        url = signed.request.url
        async with await self._idle_of_loops.get() as idle:
            try:
                origin = self._origin(client, url)
                return await aexchange(idle, origin, signed, until, self._limit)
            except Exception as error:
                raise_as_botocore(error, url)

    def close(self) -> None:
        """Close the idle connections of all threads."""
        _close(self._idle)

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._idle_of_loops.aclose()

    def _origin(self, client: Any, url: str) -> Origin:
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


def _close(idle: IdleStack[Connection]) -> None:
    close(idle.drain())


async def _aclose(idle: IdleStack[AsyncConnection]) -> None:
    close(idle.drain())
