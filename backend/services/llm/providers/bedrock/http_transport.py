"""What lies between botocore's signed request and its answer: connections of our own."""

from __future__ import annotations

import ssl
import weakref
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import h11

from ...http.h11_connections import AsyncConnection, Connection, Idle, Origin
from ...http.h11_exchange import Answer
from ...runtime.event_loops import PerEventLoop
from ...runtime.fork import reset_in_child
from .signing import Signed
from .tls import context_of

_PORTS = {"http": 80, "https": 443}


class OwnRoad:
    """Keeps up to *size* idle connections; an answer has at most *limit* bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self._limit = limit
        self._idle = Idle[Connection](size)
        # Hosts build a client per request and drop it without closing it.
        weakref.finalize(self, self._idle.close)
        self._idle_of_loops = PerEventLoop[Idle[AsyncConnection]](partial(Idle, size), _aclose)
        self._contexts: dict[Any, ssl.SSLContext] = {}
        self.after_fork()
        reset_in_child(self)

    def after_fork(self) -> None:
        """In a child, leave the parent's event loops alone."""
        self._idle_of_loops.forget()

    def exchange(self, client: Any, signed: Signed, until: float) -> Answer:
        """Send what *client* has signed and return the answer before *until*.

        Raises botocore's errors of a connection, TimeoutError and ResponseTooLargeError.
        """
        url = signed.request.url
        try:
            origin = self._origin(client, url)
            connection = self._idle.take(lambda each: each.origin == origin)
            if connection is None:
                connection = Connection(origin, self._limit, until)
        except OSError as error:
            raise _from_connection_error(error, url) from error
        try:
            answer = connection.exchange(signed, until)
        except (OSError, h11.ProtocolError) as error:
            raise _broken(error, url) from error
        self._keep(self._idle, connection)
        return answer

    async def aexchange(self, client: Any, signed: Signed, until: float) -> Answer:
        """Do as `exchange` does, on this event loop; its caller cancels it in time."""
        url = signed.request.url
        async with await self._idle_of_loops.get() as idle:
            try:
                origin = self._origin(client, url)
                connection = idle.take(lambda each: each.origin == origin)
                if connection is None:
                    connection = await AsyncConnection.opened(origin, self._limit, until)
            except OSError as error:
                raise _from_connection_error(error, url) from error
            try:
                answer = await connection.exchange(signed)
            except (OSError, h11.ProtocolError) as error:
                raise _broken(error, url) from error
            self._keep(idle, connection)
            return answer

    def close(self) -> None:
        """Close the idle connections of all threads."""
        self._idle.close()

    async def aclose(self) -> None:
        """Close this event loop's idle connections, once its calls have ended."""
        await self._idle_of_loops.aclose()

    def _keep(self, idle: Idle[Any], connection: Any) -> None:
        if connection.is_alive():
            idle.keep(connection)
        else:
            connection.close()

    def _origin(self, client: Any, url: str) -> Origin:
        parts = urlsplit(url)
        context = None
        if parts.scheme == "https":
            verify = client._endpoint.http_session._verify
            context = self._contexts.get(verify)
            if context is None:
                # Two threads may make one each at first; it is the same.
                context = self._contexts.setdefault(verify, context_of(verify))
        return Origin(parts.hostname or "", parts.port or _PORTS[parts.scheme], context)


async def _aclose(idle: Idle[AsyncConnection]) -> None:
    idle.close()


def _from_connection_error(error: OSError, url: str) -> Exception:
    if isinstance(error, TimeoutError):
        return error
    errors: Any = import_module("botocore.exceptions")
    kind = errors.SSLError if isinstance(error, ssl.SSLError) else errors.EndpointConnectionError
    made: Exception = kind(endpoint_url=url, error=error)
    return made


def _broken(error: Exception, url: str) -> Exception:
    if isinstance(error, TimeoutError):
        return error
    errors: Any = import_module("botocore.exceptions")
    if isinstance(error, h11.LocalProtocolError):
        unsent: Exception = errors.HTTPClientError(error=error)
        return unsent
    closed: Exception = errors.ConnectionClosedError(endpoint_url=url, error=error)
    return closed
