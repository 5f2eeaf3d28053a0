"""Whether a part of the groq SDK is called as our own road calls it; some are private to it.

Where a release has another, the road is not taken, and the SDK's typed call makes the request.
"""

from __future__ import annotations

from functools import lru_cache
from inspect import signature
from typing import Any

#: The parameters by which we call the SDK's functions.
POST = ("path", "cast_to", "body", "options")
STATUS_ERROR = ("response",)


@lru_cache(maxsize=32)
def takes(function: Any, names: tuple[str, ...]) -> bool:
    """Whether *function* is one that has parameters of these *names*."""
    try:
        return set(names) <= signature(function).parameters.keys()
    except (TypeError, ValueError):
        return False
