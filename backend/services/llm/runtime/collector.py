"""Pauses the garbage collector where much is made and nothing is garbage: for a first client.

Settings and SDKs are imported then, and read their tables: hundreds of thousands of objects, all
of which stay. To look through them time and again takes up to a seventh of a process's first call.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from .fork import on_fork_in_child

P = ParamSpec("P")


class paused_collector:  # noqa: N801 - read as a part of its `with`
    """Run the block without collections, unless the host has turned them off for itself.

    What the block has made counts as old after it, as what has outlived collections does.
    """

    def __enter__(self) -> None:
        self._is_paused = gc.isenabled()
        if self._is_paused:
            on_fork_in_child(self, paused_collector._reset_in_child)
            gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._is_paused and gc.get_freeze_count() == 0:  # else a host has frozen what it needs
            # All objects become old at once; without this the next collection looks through them.
            gc.freeze()
            gc.unfreeze()
        self._resume()

    def _reset_in_child(self) -> None:
        """In a child, where the thread that paused it may not exist, let the collector run."""
        self._resume()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            gc.enable()


def pauses_collector_once(make: Callable[P, None]) -> Callable[P, None]:
    """Decorate what imports much when it is first called: that call runs without collections.

    Later calls run with them: not all that those make stays.
    """
    is_first = hasattr(gc, "freeze")  # other interpreters collect in other ways

    @wraps(make)
    def method(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal is_first
        if not is_first:
            return make(*args, **kwargs)
        is_first = False
        with paused_collector():
            return make(*args, **kwargs)

    return method
