"""Whom a connection goes to, and through which proxy."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from .proxies import Proxy


class Origin(NamedTuple):
    """Whom a connection goes to; with a context it is secured."""

    host: str
    port: int
    context: ssl.SSLContext | None
    proxy: Proxy | None = None

    @property
    def is_tunnelled(self) -> bool:
        """Whether the proxy, if there is one, only passes on what is said."""
        return self.proxy is not None and (self.proxy.is_socks or self.context is not None)

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy reads the requests, and sends them itself."""
        return self.proxy is not None and not self.is_tunnelled

    @property
    def proxy_headers(self) -> list[tuple[str, str]]:
        """The headers by which the proxy knows who asks."""
        authorization = self.proxy.authorization if self.proxy is not None else None
        return [] if authorization is None else [("Proxy-Authorization", authorization)]
