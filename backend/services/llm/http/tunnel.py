"""Connect to an origin: directly or through a proxy, each secured where it is to be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio

from .dial import adial, dial, left_until
from .nested_tls import NestedTLS
from .origin import Origin
from .proxies import Handshake, Proxy, ProxyRefusedError

P = TypeVar("P", bound=asyncio.Protocol)

#: Bytes of one read: of a proxy's answer, after which the other side waits.
_READ = 4096


def connected(origin: Origin, until: float) -> Any:
    """Return a socket, or what is like one, that leads to *origin*, before *until*.

    Raises TimeoutError, and OSError where there is no way.
    """
    hop = origin.proxy or origin
    with _naming(origin.proxy):
        made: Any = dial(hop.host, hop.port, until)
    try:
        if hop.context is not None:
            with _naming(origin.proxy):
                made = _secured(made, hop.context, hop.host, until)
        if origin.proxy is not None and origin.is_tunnelled:
            _tunnel(made, origin.proxy.handshake(origin.host, origin.port), until)
            if origin.context is not None:
                made = _secured(made, origin.context, origin.host, until)
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def _naming(proxy: Proxy | None) -> Iterator[None]:
    """Name the *proxy*, if there is one, in the error where it cannot be connected to."""
    try:
        yield
    except OSError as error:
        if proxy is None or isinstance(error, TimeoutError):
            raise
        where = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
        raise ProxyRefusedError(
            f"the proxy {where}:{proxy.port} cannot be connected to: {error}"
        ) from error


def _secured(made: Any, context: ssl.SSLContext, host: str, until: float) -> Any:
    made.settimeout(left_until(until))
    if isinstance(made, ssl.SSLSocket):
        return NestedTLS(made, context, host)
    return context.wrap_socket(made, server_hostname=host)


def _tunnel(made: Any, handshake: Handshake, until: float) -> None:
    try:
        sent = next(handshake)
        while True:
            made.settimeout(left_until(until))
            made.sendall(sent)
            sent = handshake.send(made.recv(_READ))
    except StopIteration:
        return


async def aconnected(make: Callable[[], P], origin: Origin, until: float) -> P:
    """Return a protocol that is connected to *origin*, as `connected` connects a socket."""
    if origin.proxy is None:
        return await adial(make, origin.host, origin.port, until, origin.context)
    hop: Proxy = origin.proxy
    with _naming(hop):
        if not origin.is_tunnelled:
            return await adial(make, hop.host, hop.port, until, hop.context)
        talk = await adial(_Talk, hop.host, hop.port, until, hop.context)
    try:
        with anyio.fail_after(left_until(until)):
            return await talk.tunnelled(make, origin, hop.handshake(origin.host, origin.port))
    except BaseException:
        talk.transport.abort()
        raise


class _Talk(asyncio.StreamReaderProtocol):
    """What a proxy says, until its connection leads through it."""

    transport: Any

    def __init__(self) -> None:
        self._reader = asyncio.StreamReader()
        super().__init__(self._reader)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio asks."""
        super().connection_made(transport)
        self.transport = transport

    async def tunnelled(self, make: Callable[[], P], origin: Origin, handshake: Handshake) -> P:
        """Go through the *handshake*, and give the connection to another protocol."""
        try:
            sent = next(handshake)
            while True:
                self.transport.write(sent)
                sent = handshake.send(await self._reader.read(_READ))
        except StopIteration:
            pass
        protocol, transport = make(), self.transport
        if origin.context is None:
            transport.set_protocol(protocol)
        else:
            transport = await asyncio.get_running_loop().start_tls(
                transport, protocol, origin.context, server_hostname=origin.host
            )
            if transport is None:  # closed while it shook hands, which asyncio says so
                raise ProxyRefusedError("the connection was closed")
        protocol.connection_made(transport)
        return protocol
