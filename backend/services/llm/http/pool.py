"""What a transport for threads and one for asyncio share: origins, and idle connections."""

from __future__ import annotations

import sys
from typing import Any, Literal

import httpx

from ..runtime.fork import on_fork_in_child
from .environment import Proxies, checked, trusted
from .idle import IdleStack
from .idle_pools import close
from .origin import Origin
from .proxies import Proxy
from .untouched import is_untouched

Mode = Literal["Client", "AsyncClient"]

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

#: asyncio speaks TLS within TLS from Python 3.11 on.
_NESTS_TLS = sys.version_info >= (3, 11)


class Pool:
    """What both transports share: no socket is touched here.

    *size* connections may be idle, *limit* is the largest body in bytes. *url* is where most
    requests go, "" for Groq's own endpoint. Raises ConfigurationError for an environment that
    cannot work.
    """

    def __init__(self, mode: Mode, size: int, limit: int, url: str = "") -> None:
        self.mode = mode
        self.limit = limit
        self._proxies: Proxies = checked(url)
        #: The connections that wait for their next exchange.
        self.idle: IdleStack[Any] = IdleStack(size)
        self._patched: Any = None
        on_fork_in_child(self, Pool._reset_in_child)

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's connections alone."""
        waiting = self.idle.drain()
        if self.mode == "Client":
            # An event loop's must not be touched: its selector is the parent's too.
            close(waiting)
        self._patched = None

    def origin_of(self, url: httpx.URL) -> Origin:
        """The origin of *url*; redirects are not followed, so that there is mostly one."""
        port = url.port or _PORTS[url.scheme]
        context = trusted() if url.scheme == "https" else None
        proxy = self._proxies.proxy_for(url)
        host = url.raw_host.decode("ascii")
        return Origin(host, port, context, None if proxy is None else _proxy(proxy))

    def is_replaced(self) -> bool:
        """Whether something was put into httpx's or httpcore's own transport."""
        prefix = "Async" if self.mode == "AsyncClient" else ""
        method = "handle_async_request" if prefix else "handle_request"
        if not is_untouched(getattr(httpx, f"{prefix}HTTPTransport"), method, httpx):
            return True
        # Nobody has put anything into what is not imported; httpx imports it when it is used.
        if (httpcore := sys.modules.get("httpcore")) is None:
            return False
        pool = getattr(httpcore, f"{prefix}ConnectionPool")
        return not is_untouched(pool, method, httpcore)

    def patched_transport(self, url: httpx.URL) -> Any:
        """httpx's own transport, where a test or an instrumentation has put something into it.

        Else None. What stands there is called, as if there were no transport of ours; so it is
        where asyncio cannot speak TLS to a proxy.
        """
        if not (self.is_replaced() or self._nests_too_deep(url)):
            return None
        if self._patched is None:
            prefix = "Async" if self.mode == "AsyncClient" else ""
            kind: Any = getattr(httpx, f"{prefix}HTTPTransport")
            self._patched = kind(verify=trusted(), proxy=self._proxies.proxy_for(url))
        return self._patched

    def drop_patched_transport(self) -> Any:
        """Return httpx's own transport where it was used, which is to be closed, or None."""
        patched, self._patched = self._patched, None
        return patched

    def _nests_too_deep(self, url: httpx.URL) -> bool:
        if _NESTS_TLS or self.mode == "Client" or url.scheme == "http":
            return False
        proxy = self._proxies.proxy_for(url)
        return proxy is not None and proxy.url.scheme == "https"

    def shut_down(self) -> None:
        """Keep no connection from now on, and close those that wait."""
        close(self.idle.shut())


def _proxy(found: httpx.Proxy) -> Proxy:
    url = found.url
    return Proxy(
        url.raw_host.decode("ascii"),
        url.port or _PORTS[url.scheme],
        trusted() if url.scheme == "https" else None,
        url.scheme.startswith("socks"),
        found.raw_auth,
    )
