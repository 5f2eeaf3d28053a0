"""Whether a text can name a host, told before anything is connected to it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: The longest name that DNS has, and what its labels are: an underscore is in use, too.
_LONGEST = 253
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")


def is_host_name(name: str) -> bool:
    """Whether *name*, of a URL that was read, can be looked up; an IPv6 address counts as one."""
    if ":" in name:
        return True  # it stood in brackets, and was read as an address
    if not name.isascii():
        from idna import IDNAError, encode  # httpx brings it; hardly anybody needs it

        try:
            name = encode(name.rstrip(".")).decode("ascii")
        except IDNAError:
            return False
    labels = name.removesuffix(".").split(".")
    return len(name) <= _LONGEST and all(map(_LABEL.fullmatch, labels))


def is_port(port: int | None) -> bool:
    """Whether *port* is one that can be connected to, or none is named."""
    return port is None or 1 <= port <= 65535


def is_web_url(url: str) -> bool:
    """Whether *url* is one of http or https that names a host, with a port of 1 to 65535 if any."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and is_port(parts.port)
        return is_one and is_host_name(parts.hostname or "")
    except ValueError:
        return False
