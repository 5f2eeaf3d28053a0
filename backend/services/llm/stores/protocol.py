"""The protocol of a store of answers, and its one error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class StoreError(RuntimeError):
    """A store failed; the cause is the error of the file system, the database or the server."""


#: Seconds, about a hundred years; Redis refuses what is not far above.
LONGEST_TTL = 100 * 365 * 86400.0


class Store(Protocol):
    """JSON objects under SHA-256 keys, each found for `ttl` seconds after it was put.

    Keys are 64 lowercase hexadecimal digits, anything else is a ValueError. An entry past its
    time, or damaged, is a miss. A store opens what it needs on first use, may be shared between
    threads, and works on in a forked child. A closed store opens again when it is used.
    """

    @property
    def is_blocking(self) -> bool:
        """Whether a call may wait for a disk, a lock or a network, and belongs in a thread."""
        ...

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object last put under *key*, or None; StoreError if the store fails."""

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep *value* for the store's ttl; TypeError or ValueError if JSON cannot hold it."""

    def close(self) -> None:
        """Release files, connections and memory; what was put stays."""


def checked_ttl(ttl: object) -> float:
    """Return *ttl*, in seconds; ValueError unless it is a number above 0, up to LONGEST_TTL."""
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or not 0 < ttl <= LONGEST_TTL:
        raise ValueError(
            f"ttl must be a number of seconds above 0, at most {LONGEST_TTL:.0f}, not {ttl!r}"
        )
    return float(ttl)
