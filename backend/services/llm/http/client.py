"""The HTTP clients under the SDKs': one origin, no cookies, no redirects, a bound for answers."""

from __future__ import annotations

from typing import Any, Literal


def check_environment(url: str) -> None:
    """Raise ConfigurationError that names the variable which keeps *url* from being asked."""
    from .environment import checked

    checked(url)


def http_client(
    kind: Literal["Client", "AsyncClient"],
    *,
    size: int,
    timeout: float,
    limit: float,
    url: str = "",
) -> Any:
    """Make an HTTP client for the SDK that keeps up to *size* idle connections open.

    *timeout* is in seconds for a whole exchange, *limit* the largest answer in MiB; *url* is the
    endpoint, "" for the SDK's own. Raises ConfigurationError that names a variable of the
    environment which cannot work.
    """
    # Imported with the SDK, which brings httpx: whoever asks no Groq does not pay for it.
    from . import cookieless
    from .bounded import ACCEPTED
    from .pool import Pool
    from .transport import AsyncTransport, Transport

    pool = Pool(kind, size, int(limit * 2**20), url)
    transport: Any = Transport(pool) if kind == "Client" else AsyncTransport(pool)
    client = getattr(cookieless, kind)(
        transport=transport,
        timeout=timeout,
        headers={"accept-encoding": ACCEPTED},
        # A key goes to the host that it was given for, and nowhere else.
        follow_redirects=False,
    )
    client.original_transport = transport
    return client
