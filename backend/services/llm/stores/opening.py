"""Opens the store that a URL names, and imports its module only then."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from ..redaction.secrets import without_credentials
from .fault_tolerant import FaultTolerantStore
from .protocol import Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)  # not C:\, a drive
_FORMS = "a path, json:path, sqlite:path, redis://host:port/db, rediss://host:port/db or memory:"


def open_store(
    url: str | os.PathLike[str], *, ttl: float, clock: Callable[[], float] = time.time
) -> Store:
    """Return the store that *url* names, fault tolerant and not yet opened.

    Entries live for *ttl* seconds by *clock*, Unix time; on Redis, by the server's own clock.
    ValueError for a URL of no known form, or a ttl that is no finite number above zero;
    ImportError for a Redis URL without the redis package.
    """
    return FaultTolerantStore(_named(url, ttl, clock))


def _named(url: str | os.PathLike[str], ttl: float, clock: Callable[[], float]) -> Store:
    scheme, rest = _split(url)
    check_path(rest)
    if scheme == "json" and rest:
        from .json_log import JsonStore

        return JsonStore(rest, ttl=ttl, clock=clock)
    if scheme == "sqlite" and rest not in ("", ":memory:"):
        from .sqlite import SqliteStore

        return SqliteStore(rest, ttl=ttl, clock=clock)
    if scheme in ("redis", "rediss") and rest.startswith("//"):
        from .redis_store import RedisStore

        return RedisStore(f"{scheme}:{rest}", ttl=ttl)
    if scheme == "memory" and not rest:
        from .memory import MemoryStore

        return MemoryStore(ttl=ttl, clock=clock)
    raise ValueError(f"cache URL must be {_FORMS}, not {without_credentials(os.fspath(url))!r}")


def _split(url: str | os.PathLike[str]) -> tuple[str, str]:
    found = split_scheme(url) if isinstance(url, str) else None
    return found or ("json", os.fspath(url))


def check_path(path: str) -> None:
    """Raise ValueError for what no file system takes as a path, and no server as a URL."""
    if "\0" in path:
        raise ValueError("a path holds no null byte")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError("a path holds no half of a surrogate pair") from None


def split_scheme(url: str) -> tuple[str, str] | None:
    """Return the scheme of *url*, in small letters, and what follows its colon; None for a path."""
    found = _SCHEME.fullmatch(url)
    return (found[1].lower(), found[2]) if found else None
