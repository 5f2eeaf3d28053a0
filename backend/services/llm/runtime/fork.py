"""What a child process must drop of its parent's: locks, sockets, calls in flight."""

from __future__ import annotations

import os
from threading import RLock
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something with a state that only its own process may use."""

    def after_fork(self) -> None:
        """Start anew; called in the child, where no other thread runs."""


class Pausable(Forkable, Protocol):
    """Something that must be at rest while the process forks."""

    def before_fork(self) -> None:
        """Wait for the work under way, and let no more begin; called in the parent."""

    def after_fork_in_parent(self) -> None:
        """Let work go on."""


# Guards the registries, and is held from before a fork until after it.
_forking = RLock()
_alive: WeakSet[Forkable] = WeakSet()
_pausing: WeakSet[Pausable] = WeakSet()
_paused: list[Pausable] = []


def reset_in_child(thing: Forkable) -> None:
    """Call *thing*'s `after_fork` in every child process, as long as *thing* lives."""
    with _forking:
        _alive.add(thing)


def pause_for_fork(thing: Pausable) -> None:
    """Call all three of *thing*'s methods around every fork, as long as *thing* lives."""
    with _forking:
        _alive.add(thing)
        _pausing.add(thing)


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
        """Take a leaf, once nobody else has it."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give it back."""
        self._lock.release()

    def after_fork(self) -> None:
        """Start with a lock that is free."""
        self._lock = RLock()


def _is_leaf(thing: Pausable) -> bool:
    return isinstance(thing, ForkLock)


def _before_fork() -> None:
    _forking.acquire()
    # Leaves come last: work that is waited for may need one to end.
    for thing in sorted(_pausing, key=_is_leaf):
        thing.before_fork()
        _paused.append(thing)


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().after_fork_in_parent()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = RLock()
    _paused.clear()
    for thing in list(_alive):
        thing.after_fork()


# Windows has neither fork nor the hook.
getattr(os, "register_at_fork", lambda **_: None)(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)


def pickling_error(thing: object) -> TypeError:
    """The error for a client that is pickled, as `multiprocessing` does where it spawns."""
    kind = type(thing).__name__
    return TypeError(
        f"a {kind} cannot be copied or sent to another process: it holds connections, threads and"
        " locks. Make one in that process instead, of the same settings; or have it forked"
    )
