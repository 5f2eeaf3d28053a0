"""What a child process must drop of its parent's: locks, sockets, calls in flight."""

from __future__ import annotations

import os
from threading import Lock
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something with a state that only its own process may use."""

    def after_fork(self) -> None:
        """Start anew; called in the child, where no other thread runs."""


# Guards the registries, and is held from before a fork until after it.
_forking = Lock()
_alive: WeakSet[Forkable] = WeakSet()
_leaves: WeakSet[ForkLock] = WeakSet()
_held: list[ForkLock] = []


def reset_in_child(thing: Forkable) -> None:
    """Call *thing*'s `after_fork` in every child process, as long as *thing* lives."""
    with _forking:
        _alive.add(thing)


class ForkLock:
    """A lock that no thread of the parent holds in a child.

    A fork waits for a *leaf*, so that what it guards is never half changed in the child: for
    locks under which nothing is waited for, no other lock is taken and nobody forks.
    """

    def __init__(self, *, leaf: bool = False) -> None:
        self._lock = Lock()
        reset_in_child(self)
        if leaf:
            with _forking:
                _leaves.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def after_fork(self) -> None:
        """Start with a lock that is free."""
        self._lock = Lock()


def _before_fork() -> None:
    _forking.acquire()
    for leaf in list(_leaves):
        leaf.__enter__()
        _held.append(leaf)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().__exit__()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = Lock()
    _held.clear()
    for thing in list(_alive):
        thing.after_fork()


# Windows has neither fork nor the hook.
getattr(os, "register_at_fork", lambda **_: None)(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
