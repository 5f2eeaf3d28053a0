"""Puts numbers under keys of its own, over and over, and ends.

Arguments: the folder of `services`, a store's URL, the writer's name, how many keys, how many puts.
"""

from __future__ import annotations

import sys

sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/.."]

from services.llm.stores.opening import _named  # noqa: E402  the path comes first
from tests.cache.support import key_of  # noqa: E402  the path comes first


def main() -> None:
    """Write; the store is not a forgiving one, so that a failed put ends in a traceback."""
    url, name, keys, puts = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    store = _named(url, 3600, __import__("time").time)
    for n in range(puts):
        store.put(key_of(f"{name} {n % keys}"), {"n": n, "padding": "x" * 1500})
    store.close()


main()
