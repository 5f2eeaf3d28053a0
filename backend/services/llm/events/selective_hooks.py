"""Hooks that are told of some kinds of events alone, or count values in place of events."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from types import BuiltinMethodType, MethodType, MethodWrapperType
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..redaction.printable import shown
from .call_meter import CallMeter
from .callbacks import check_callback

if TYPE_CHECKING:
    from .event_types import Event


class SelectiveHook:
    """A *hook* that is told of events of some *kinds* alone."""

    def __init__(self, hook: Callable[[Any], object], kinds: frozenset[type[Event]]) -> None:
        update_wrapper(self, hook, updated=())
        self.hook = hook
        self.heard_events = kinds

    def __call__(self, event: Event, /) -> object:
        """Call the hook."""
        return self.hook(event)


def is_same_hook(one: object, other: object) -> bool:
    """Whether both are one hook, or the same hook of the same kinds of events.

    A hook's own `__eq__` is not asked: it may say or raise anything. A method is another object
    each time that it is looked up, and is the same where its object and its function are.
    """
    if isinstance(one, SelectiveHook) and isinstance(other, SelectiveHook):
        return one.heard_events == other.heard_events and is_same_hook(one.hook, other.hook)
    return one is other or (type(one) in _METHODS and type(other) in _METHODS and one == other)


_METHODS = (MethodType, BuiltinMethodType, MethodWrapperType)


def hears(*kinds: type[Event]) -> Callable[[Callable[[Any], object]], SelectiveHook]:
    """Return the decorator of a hook that is told of events of these *kinds* alone.

    An event that no hook is told of is not made. Raises ConfigurationError for what is no class of
    an event, and for what is no hook.
    """
    if not kinds:
        raise ConfigurationError("hears() has no class of an event: give at least one")
    for kind in kinds:
        _check_is_kind(kind)

    def decorate(hook: Callable[[Any], object]) -> SelectiveHook:
        check_callback("hook", hook, "an event")
        return SelectiveHook(hook, frozenset(kinds))

    return decorate


def _check_is_kind(kind: object) -> None:
    from .event_types import Event

    if not (isinstance(kind, type) and issubclass(kind, Event)) or kind is Event:
        raise ConfigurationError(
            f"hears() has {shown(kind)}: give classes of events, such as CallEnded"
        )


def heard_kinds(hook: object) -> frozenset[type[Event]] | None:
    """Return the kinds of events that *hook* has as its `heard_events`; None for all."""
    kinds: Any = getattr(hook, "heard_events", None)
    # A mock has every attribute, and one of the right type only where it was given one.
    return kinds if isinstance(kinds, frozenset) else None


def meter_of(hook: object) -> CallMeter | None:
    """Return what *hook* counts with in place of events; None where it has no such thing."""
    meter = getattr(hook, "meter", None)
    return meter if isinstance(meter, CallMeter) else None
