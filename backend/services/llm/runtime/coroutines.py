"""Code that is written once for threads and event loops: as a coroutine.

In a thread its awaits are of coroutines that block instead of suspending, so that it runs from its
beginning to its end like a function.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def run_without_loop(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run *coroutine* in this thread, and return its result; RuntimeError where it suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine that is run without an event loop must block, not suspend")
