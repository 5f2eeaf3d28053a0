"""httpcore's network for threads, held to the deadline of each call."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from ssl import SSLContext
from typing import Any

import httpcore

from ..runtime.coroutines import run_without_loop
from .addresses import attempts, names
from .deadline import TimeLeft, seconds_left
from .dial import first_to_answer
from .refused import is_broken_pipe, was_reset

#: Bytes that are kept until they can be sent with what follows: a request's head with its body,
#: since every call of the system costs as much as all of the parsing.
TOGETHER = 64 * 1024


class Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the deadline, however much comes."""

    def __init__(self, stream: httpcore.NetworkStream, network: Network) -> None:
        self._stream = stream
        self._network = network
        self._is_answered = False
        self._unsent = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, once all is sent; raises ReadTimeout at the deadline."""
        if self._unsent:
            # As httpcore does it: a server that reads no further may have answered.
            with suppress(httpcore.WriteError):
                self._flush(timeout)
        data = self._stream.read(max_bytes, seconds_left(timeout, httpcore.ReadTimeout))
        if not data and not self._is_answered:
            self._network.was_refused |= was_reset(self._stream.get_extra_info("socket"))
        self._is_answered = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all, at last when the answer is read; raises WriteTimeout at the deadline."""
        self._unsent += buffer
        if len(self._unsent) > TOGETHER:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        self._is_answered = False
        unsent, self._unsent = self._unsent, b""
        try:
            self._stream.write(unsent, seconds_left(timeout, httpcore.WriteTimeout))
        except httpcore.WriteError as error:
            self._network.was_refused |= is_broken_pipe(error.__cause__)
            raise

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the same connection under TLS; raises ConnectTimeout at the deadline."""
        left = seconds_left(timeout, httpcore.ConnectTimeout)
        return self._network.keep(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore's own stream says."""
        return self._stream.get_extra_info(info)


class Network(httpcore.NetworkBackend):
    """Connects one connection of a pool, and knows what became of it."""

    def __init__(self) -> None:
        #: The server had closed the connection before it could read the last request.
        self.was_refused = False
        self._stream: Stream | None = None

    def keep(self, stream: httpcore.NetworkStream) -> Stream:
        """Hold *stream* to the deadlines of its calls."""
        self._stream = Stream(stream, self)
        return self._stream

    def abort(self) -> None:
        """Close the connection, whatever is under way on it."""
        if self._stream is not None:
            self._stream.close()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of *host* that answers; raises ConnectTimeout."""
        left = seconds_left(timeout, httpcore.ConnectTimeout)
        try:
            addresses = names.look_up(host, port, left)
        except OSError as error:
            raise of_look_up(error) from error
        trying = attempts(addresses, timeout.at if isinstance(timeout, TimeLeft) else None)
        backend = httpcore.SyncBackend()

        async def connect(address: str, seconds: float | None) -> httpcore.NetworkStream:
            return backend.connect_tcp(address, port, seconds, local_address, socket_options or ())

        return self.keep(run_without_loop(first_to_answer(trying, connect, *CONNECT_FAILURES)))


#: What httpcore raises where an address does not answer, and what where it is silent.
CONNECT_FAILURES = (httpcore.ConnectError, httpcore.ConnectTimeout), httpcore.ConnectTimeout


def of_look_up(error: OSError) -> Exception:
    """What httpcore calls the failure of a look-up."""
    late = isinstance(error, TimeoutError)
    return (httpcore.ConnectTimeout if late else httpcore.ConnectError)(str(error))
