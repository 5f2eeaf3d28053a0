"""Whether a part of the groq SDK can be called as our transport calls it; some are private to it.

Where a release has another, our transport is not used, and the SDK's typed call makes the request.
"""

from __future__ import annotations

from functools import lru_cache
from inspect import signature
from typing import Any

#: The parameters by which we call the SDK's functions.
POST_PARAMETERS = ("path", "cast_to", "body", "options")
STATUS_ERROR = ("response",)


@lru_cache(maxsize=32)
def accepts(function: Any, names: tuple[str, ...]) -> bool:
    """Whether *function* is one that has parameters of these *names*."""
    try:
        return set(names) <= signature(function).parameters.keys()
    except (TypeError, ValueError):
        return False
