"""What a forked child may keep of its parent's stores: nothing that a thread was amid changing."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class SurvivesFork(Protocol):
    """An object with locks, or with state that another thread may be changing at a fork."""

    def after_fork(self) -> None:
        """Replace locks and drop what belongs to the parent; runs in the child, alone."""


class PausesForFork(SurvivesFork, Protocol):
    """An object that holds what must not be there at all when the process forks."""

    def before_fork(self) -> None:
        """Wait for the work under way, then let go; runs in the parent."""

    def after_fork_in_parent(self) -> None:
        """Let work go on."""


_members: weakref.WeakSet[SurvivesFork] = weakref.WeakSet()
_pausing: weakref.WeakSet[PausesForFork] = weakref.WeakSet()
_one_fork = threading.Lock()  # guards the list below, from before a fork until after it
_paused: list[PausesForFork] = []


def renew_after_fork(member: SurvivesFork) -> None:
    """Call `after_fork` in every forked child, for as long as *member* lives."""
    _members.add(member)


def pause_for_fork(member: PausesForFork) -> None:
    """Call all three methods around every fork, for as long as *member* lives."""
    _pausing.add(member)
    renew_after_fork(member)


def _before() -> None:
    _one_fork.acquire()
    for member in list(_pausing):
        member.before_fork()
        _paused.append(member)


def _after_in_parent() -> None:
    while _paused:
        _paused.pop().after_fork_in_parent()
    _one_fork.release()


def _after_in_child() -> None:
    global _one_fork
    _one_fork = threading.Lock()
    _paused.clear()
    for member in list(_members):
        member.after_fork()


# Windows has neither fork nor the hook.
getattr(os, "register_at_fork", lambda **_: None)(
    before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
