"""What a transport for threads and one for asyncio share: origins, and what is sent to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpcore
import httpx

from ..runtime.fork import on_fork_in_child
from . import http1_connections
from .connections import Mode, PooledConnection, connector
from .deadline import TimeLeft
from .environment import Proxies, checked, trusted
from .failures import HTTPCORE_ERRORS
from .idle import IdleStack
from .idle_pools import close
from .untouched import is_untouched

_PHASES = ("connect", "read", "write", "pool")


class Origin:
    """How one origin is reached, and its connections that wait."""

    def __init__(self, url: httpx.URL, connect: Callable[[], PooledConnection], idle: int) -> None:
        self.url = url
        self.connect = connect
        self.idle: IdleStack[PooledConnection] = IdleStack(idle)


class Pool:
    """What both transports share: no socket is touched here.

    *size* connections may be idle at an origin, *limit* is the largest body in bytes. *url* is
    where most requests go, "" for Groq's own endpoint. Raises ConfigurationError for an
    environment that cannot work.
    """

    def __init__(self, mode: Mode, size: int, limit: int, url: str = "") -> None:
        self.mode = mode
        self.limit = limit
        self._size = size
        self._proxies: Proxies = checked(url)
        self._origins: dict[tuple[bytes, bytes, int | None], Origin] = {}
        #: The connections that carry whole exchanges.
        self.idle: IdleStack[Any] = IdleStack(size)
        self._patched: Any = None
        on_fork_in_child(self, Pool._reset_in_child)

    def _reset_in_child(self) -> None:
        """In a child, leave the parent's connections alone."""
        self._origins = {}
        waiting = self.idle.drain()
        if self.mode == "Client":
            # An event loop's must not be touched: its selector is the parent's too.
            close(waiting)
        self._patched = None

    def origin_of(self, url: httpx.URL) -> Origin:
        """The origin of *url*; redirects are not followed, so that there is mostly one."""
        key = url.raw_scheme, url.raw_host, url.port
        found = self._origins.get(key)
        if found is None:
            proxy = self._proxies.proxy_for(url)
            is_tls = "https" in (url.scheme, proxy.url.scheme if proxy else "")
            connect = connector(url, proxy, trusted() if is_tls else None, self.mode)
            found = self._origins.setdefault(key, Origin(url, connect, self._size))
        return found

    def direct_origin(self, url: httpx.URL) -> http1_connections.Origin | None:
        """The origin of *url* where no proxy lies between, else None."""
        if self._proxies.proxy_for(url) is not None:
            return None
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        context = trusted() if url.scheme == "https" else None
        return http1_connections.Origin(url.raw_host.decode("ascii"), port, context)

    def is_replaced(self) -> bool:
        """Whether something was put into httpx's or httpcore's own transport."""
        prefix = "Async" if self.mode == "AsyncClient" else ""
        method = "handle_async_request" if prefix else "handle_request"
        return not (
            is_untouched(getattr(httpx, f"{prefix}HTTPTransport"), method, httpx)
            and is_untouched(getattr(httpcore, f"{prefix}ConnectionPool"), method, httpcore)
        )

    def patched_transport(self, url: httpx.URL) -> Any:
        """httpx's own transport, where a test or an instrumentation has put something into it.

        Else None. What stands there is called, as if there were no transport of ours.
        """
        if not self.is_replaced():
            return None
        if self._patched is None:
            prefix = "Async" if self.mode == "AsyncClient" else ""
            kind: Any = getattr(httpx, f"{prefix}HTTPTransport")
            self._patched = kind(verify=trusted(), proxy=self._proxies.proxy_for(url))
        return self._patched

    def shut_down(self) -> list[PooledConnection]:
        """Keep no connection from now on, and return httpcore's that wait, to be closed."""
        self._size = 0
        close(self.idle.shut())
        return [pooled for origin in list(self._origins.values()) for pooled in origin.idle.shut()]


def to_httpcore(request: httpx.Request) -> httpcore.Request:
    """*request* as httpcore takes it, each of its timeouts a moment: that of the deadline.

    A `TimeLeft` stays the caller's, who moves it on.
    """
    seconds = request.extensions.get("timeout", {}).get("read")
    extensions = request.extensions
    if seconds is not None:
        is_moved = isinstance(seconds, TimeLeft)
        left = seconds if is_moved else TimeLeft(time.monotonic() + seconds)
        extensions = {**extensions, "timeout": dict.fromkeys(_PHASES, left)}
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=extensions,
    )


def may_repeat(error: BaseException, pooled: PooledConnection, is_fresh: bool) -> bool:
    """Whether *error* means that the server never saw the request, so that it is sent anew.

    Just a connection that was kept, and closed by the server before the request reached it: the
    network below has the proof. Else the server may have begun, and be paid for it.
    """
    return not is_fresh and isinstance(error, HTTPCORE_ERRORS) and bool(pooled.network.was_refused)
