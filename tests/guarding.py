"""See that what a lock guards is touched by none but its holder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_held(lock: Any) -> bool:
    """Whether this thread holds *lock*; of a plain one, whether anybody does."""
    inner = getattr(lock, "_lock", lock)
    for name in ("_is_owned", "locked"):
        if known := getattr(inner, name, None):
            return bool(known())
    return False


class Touches:
    """Every touch of an object's guarded attributes: which, and whether by the lock's holder."""

    def __init__(self, *names: str) -> None:
        self.watched = set(names)
        self.seen: set[str] = set()
        self.unguarded: list[str] = []

    def note(self, name: str, lock: Any) -> None:
        self.seen.add(name)
        if not is_held(lock):
            self.unguarded.append(name)


def watch(thing: Any, lock_of: Callable[[], Any], *names: str) -> Touches:
    """Note from now on each touch of the attributes *names* of *thing*."""
    touches = Touches(*names)

    def watched(name: str) -> property:
        def look(self: Any) -> Any:
            touches.note(name, lock_of())
            return vars(self)[name]

        def change(self: Any, value: Any) -> None:
            touches.note(name, lock_of())
            vars(self)[name] = value

        return property(look, change)

    kind = type(thing)
    body = {name: watched(name) for name in names}
    thing.__class__ = type(kind.__name__, (kind,), body)
    return touches
