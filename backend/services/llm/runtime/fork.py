"""Functions to be called around a fork: what a child must reset, what must be at rest meanwhile.

An object registers the functions when it is made, and they are called with it while it lives:

    on_fork_in_child(self, Quota._reset_in_child)
    around_fork(self, pause=Store._pause, resume=Store._resume, reset=Store._reset_in_child)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ..frozen import dataclass

T = TypeVar("T")


@dataclass(frozen=True)
class _Pause:
    """How an object is brought to rest before a fork, and let go on after it."""

    pause: Callable[[Any], None]
    resume: Callable[[Any], None]


# Guards the registries, and is held from before a fork until after it.
_forking = RLock()
_resets: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()
_pauses: WeakKeyDictionary[Any, _Pause] = WeakKeyDictionary()
_paused: list[tuple[Any, _Pause]] = []


def on_fork_in_child(target: T, reset: Callable[[T], None]) -> None:
    """Call *reset* with *target* in every child process, where no other thread runs."""
    with _forking:
        _resets[target] = reset


def around_fork(
    target: T,
    *,
    pause: Callable[[T], None],
    resume: Callable[[T], None],
    reset: Callable[[T], None],
) -> None:
    """Call *pause* in the parent before every fork, then *resume* there and *reset* in the child.

    *pause* waits for work in progress, and lets none begin.
    """
    with _forking:
        _resets[target] = reset
        _pauses[target] = _Pause(pause, resume)


class ForkLock(type(RLock())):  # type: ignore[misc]  # final for mypy alone, under its own name
    """A lock that no thread of the parent holds in a child.

    A fork waits for a *leaf*, so that what it guards is never half changed in the child: for
    locks under which nothing is waited for, no other lock is taken and nobody forks.

    Its holder may take it again: a signal handler that closes a client runs in the very thread
    that it has interrupted, and would wait for itself.

    A `with` block acquires and releases it in C, in one step. A method in Python could be
    interrupted as it begins, by a signal handler that raises, and leave the lock held for ever.

    Nothing public frees a lock in the child that another thread of the parent holds: `release` is
    its holder's alone, and a new lock would have to be put into each object that has this one. So
    `_at_fork_reinit` does, as in the library's `logging`, `threading` and `concurrent.futures`.
    """

    def __init__(self, *, leaf: bool = False) -> None:
        if leaf:
            around_fork(
                self,
                pause=ForkLock.acquire,
                resume=ForkLock.release,
                reset=ForkLock._reset_in_child,
            )
        else:
            on_fork_in_child(self, ForkLock._reset_in_child)

    def _reset_in_child(self) -> None:
        self._at_fork_reinit()


def _is_leaf(item: tuple[Any, _Pause]) -> bool:
    return isinstance(item[0], ForkLock)


def _before_fork() -> None:
    _forking.acquire()
    # Leaves come last: work that is waited for may need one of them.
    for target, each in sorted(_pauses.items(), key=_is_leaf):
        each.pause(target)
        _paused.append((target, each))


def _after_fork_in_parent() -> None:
    while _paused:
        target, each = _paused.pop()
        each.resume(target)
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = RLock()
    _paused.clear()
    for target, reset in list(_resets.items()):
        reset(target)


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
