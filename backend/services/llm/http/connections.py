"""The connections to one origin, directly or through a proxy: httpcore's own, one by one.

httpcore's pool walks all its connections for every request, with a poll of each: what it costs
grows with the calls in flight. Here a request takes one from a stack, and asks that one alone.
HTTP/2 is left out: httpcore's costs more processor time a call, and one lost packet stops all.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpcore
import httpx

from .async_network import AsyncNetwork
from .idle import KEEP_ALIVE
from .network import Network

Mode = Literal["Client", "AsyncClient"]


@dataclass(eq=False)
class PooledConnection:
    """A connection, and the network below it that tells what became of it."""

    connection: Any
    network: Any
    #: A proxy's is a pool of one, which looks after its connection itself.
    is_proxied: bool

    def is_reusable(self) -> bool:
        """Whether it has carried its last answer to the end, and may carry another."""
        return self.is_proxied or bool(self.connection.is_idle())

    def has_expired(self) -> bool:
        """Whether the server has closed it."""
        return not self.is_proxied and bool(self.connection.has_expired())


def connector(
    url: httpx.URL, proxy: httpx.Proxy | None, context: ssl.SSLContext | None, mode: Mode
) -> Callable[[], PooledConnection]:
    """What makes a connection to the origin of *url*; it connects with its first request."""
    if proxy is not None:
        return _proxied(proxy, context, mode)
    is_async = mode == "AsyncClient"
    kind: Any = httpcore.AsyncHTTPConnection if is_async else httpcore.HTTPConnection
    port = url.port or {b"http": 80, b"https": 443}[url.raw_scheme]
    origin = httpcore.Origin(url.raw_scheme, url.raw_host, port)

    def connect() -> PooledConnection:
        network = AsyncNetwork() if is_async else Network()
        # When it expires is the stack's to say.
        return PooledConnection(kind(origin, context, network_backend=network), network, False)

    return connect


def _proxied(
    proxy: httpx.Proxy, context: ssl.SSLContext | None, mode: Mode
) -> Callable[[], PooledConnection]:
    prefix = "Async" if mode == "AsyncClient" else ""
    is_socks = proxy.url.scheme.startswith("socks")
    kind: Any = getattr(httpcore, prefix + ("SOCKSProxy" if is_socks else "HTTPProxy"))
    url = proxy.url
    options: dict[str, Any] = {
        "proxy_url": httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        "proxy_auth": proxy.raw_auth,
        "ssl_context": context,
        "max_connections": 1,
        "keepalive_expiry": KEEP_ALIVE,
    }
    if not is_socks:
        options["proxy_headers"] = proxy.headers.raw
        options["proxy_ssl_context"] = context if url.scheme == "https" else None

    def connect() -> PooledConnection:
        network = _network_to(url, mode)
        return PooledConnection(kind(**options, network_backend=network), network, True)

    return connect


def _network_to(proxy: httpx.URL, mode: Mode) -> Any:
    if mode == "Client":
        return Network()
    # TLS within TLS is what asyncio cannot do on every Python; anyio can.
    return _AnyIO() if proxy.scheme == "https" else AsyncNetwork()


class _AnyIO(httpcore.AnyIOBackend):
    """httpcore's own network, of which nothing is known."""

    was_refused = False

    def abort(self) -> None:
        """Leave it to httpcore, which closes what it cannot use again."""
