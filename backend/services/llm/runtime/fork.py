"""Hooks around a fork: what a child must reset, and what must be at rest meanwhile."""

from __future__ import annotations

import os
from threading import RLock
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """An object with state that only its own process may use."""

    def after_fork(self) -> None:
        """Reset the state; called in the child, where no other thread runs."""


class Pausable(Forkable, Protocol):
    """An object that must be at rest while the process forks."""

    def before_fork(self) -> None:
        """Wait for work in progress, and let none begin; called in the parent."""

    def after_fork_in_parent(self) -> None:
        """Let work go on."""


# Guards the registries, and is held from before a fork until after it.
_forking = RLock()
_resettable: WeakSet[Forkable] = WeakSet()
_pausable: WeakSet[Pausable] = WeakSet()
_paused: list[Pausable] = []


def reset_in_child(target: Forkable) -> None:
    """Call *target*'s `after_fork` in every child process, as long as *target* lives."""
    with _forking:
        _resettable.add(target)


def pause_for_fork(target: Pausable) -> None:
    """Call all three of *target*'s methods around every fork, as long as *target* lives."""
    with _forking:
        _resettable.add(target)
        _pausable.add(target)


class ForkLock:
    """A lock that no thread of the parent holds in a child.

    A fork waits for a *leaf*, so that what it guards is never half changed in the child: for
    locks under which nothing is waited for, no other lock is taken and nobody forks.

    Its holder may take it again: a signal handler that closes a client runs in the very thread
    that it has interrupted, and would wait for itself.
    """

    def __init__(self, *, leaf: bool = False) -> None:
        self._lock = RLock()
        (pause_for_fork if leaf else reset_in_child)(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        """Acquire a leaf."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Release it."""
        self._lock.release()

    def after_fork(self) -> None:
        """Start with a free lock."""
        self._lock = RLock()


def _is_leaf(target: Pausable) -> bool:
    return isinstance(target, ForkLock)


def _before_fork() -> None:
    _forking.acquire()
    # Leaves come last: work that is waited for may need one of them.
    for target in sorted(_pausable, key=_is_leaf):
        target.before_fork()
        _paused.append(target)


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().after_fork_in_parent()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = RLock()
    _paused.clear()
    for target in list(_resettable):
        target.after_fork()


# Windows has neither fork nor the hook.
getattr(os, "register_at_fork", lambda **_: None)(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)


def pickling_error(target: object) -> TypeError:
    """Return the error for pickling a client, as `multiprocessing` with spawn does."""
    kind = type(target).__name__
    return TypeError(
        f"a {kind} cannot be copied or sent to another process: it holds connections, threads and"
        " locks. Make one in that process instead, of the same settings; or have it forked"
    )
