"""The ledger that a URL names: one for all clients of the process that name the same."""

from __future__ import annotations

import threading
from typing import Literal, TypeAlias

from ..errors import ConfigurationError
from ..redaction.secrets import without_credentials
from ..stores.opening import check_path, split_scheme
from .ledger import Ledger
from .store import MemoryUsageStore, UsageStore

_FORMS = "sqlite:path, json:path, redis://host:port/db, rediss://host:port/db or memory:"

Kind: TypeAlias = Literal["sqlite", "json", "redis", "memory"]

_ledgers: dict[str, Ledger] = {}
_opening = threading.Lock()  # guards the above


def ledger_at(url: str, source: str = "LLM_LEDGER_URL") -> Ledger:
    """Return the ledger at *url*, not yet opened.

    Raises ConfigurationError that names the *source* of a URL of no known form, or of one that
    needs a package that is not installed.
    """
    with _opening:
        if url not in _ledgers:
            try:
                _ledgers[url] = Ledger(_store(url))
            except (ValueError, ImportError) as error:
                raise ConfigurationError(f"{source}: {error}") from error
        return _ledgers[url]


def place_of(url: str) -> tuple[Kind, str]:
    """Return the kind of store that *url* names, and its path or URL; ValueError for others."""
    scheme, rest = split_scheme(url) or ("", "")
    check_path(url)
    if scheme == "sqlite" and rest not in ("", ":memory:"):
        return "sqlite", rest
    if scheme == "json" and rest:
        return "json", rest
    if scheme in ("redis", "rediss") and rest.startswith("//"):
        return "redis", f"{scheme}:{rest}"
    if scheme == "memory" and not rest:
        return "memory", ""
    raise ValueError(f"give {_FORMS}, not {without_credentials(url)!r}")


def _store(url: str) -> UsageStore:
    kind, place = place_of(url)
    if kind == "sqlite":
        from .sqlite_usage import SqliteUsage

        return SqliteUsage(place)
    if kind == "json":
        from .json_usage import JsonUsage

        return JsonUsage(place)
    if kind == "redis":
        from .redis_usage import RedisUsage

        return RedisUsage(place)
    return MemoryUsageStore()
