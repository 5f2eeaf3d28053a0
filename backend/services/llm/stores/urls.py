"""What of a cache URL may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def without_secrets(url: str) -> str:
    """Return *url* without user, password and options; only its scheme if they cannot be told.

    A password with a stray "/", "?" or "#" in it is cut in two by any parser, hence the caution.
    """
    scheme, _, rest = url.partition(":")
    if not rest.startswith("//"):
        return f"{scheme}:..." if "@" in rest else url
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return f"{scheme}://..."
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{scheme}://..."
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{scheme}://{host}{port}{parts.path}"
