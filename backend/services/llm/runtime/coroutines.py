"""Code that is written once for threads and event loops: as a coroutine.

What waits is given to it as steps to await. A thread gives steps that block instead of suspending
(`as_coroutine`), so that the coroutine runs from its beginning to its end like a function.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
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


def as_coroutine(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return *function*, which blocks, as a step that a coroutine without a loop awaits."""

    async def step(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return step
