"""What a hook wants to be told: all events, those of some kinds, or mere values to be counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .call_meter import CallMeter

if TYPE_CHECKING:
    from .event_types import Event


class SelectiveHook:
    """A *hook* that is told of events of some *kinds* alone; two of the same are equal."""

    def __init__(self, hook: Callable[[Any], object], kinds: frozenset[type[Event]]) -> None:
        update_wrapper(self, hook, updated=())
        self.hook = hook
        self.heard_events = kinds

    def __call__(self, event: Event, /) -> object:
        """Call the hook."""
        return self.hook(event)

    def __eq__(self, other: object) -> bool:
        """Whether *other* is the same hook of the same kinds."""
        if not isinstance(other, SelectiveHook):
            return NotImplemented
        return (self.hook, self.heard_events) == (other.hook, other.heard_events)

    def __hash__(self) -> int:
        """Return the hash of the hook."""
        return hash(self.hook)


def hears(*kinds: type[Event]) -> Callable[[Callable[[Any], object]], SelectiveHook]:
    """Return the decorator of a hook that is told of events of these *kinds* alone.

    An event that no hook is told of is not made. Raises ConfigurationError for what is no class of
    an event.
    """
    if not kinds:
        raise ConfigurationError("hears() has no class of an event: give at least one")
    for kind in kinds:
        _check_is_kind(kind)
    return lambda hook: SelectiveHook(hook, frozenset(kinds))


def _check_is_kind(kind: object) -> None:
    from .event_types import Event

    if not (isinstance(kind, type) and issubclass(kind, Event)) or kind is Event:
        raise ConfigurationError(f"hears() has {kind!r}: give classes of events, such as CallEnded")


def heard_kinds(hook: object) -> frozenset[type[Event]] | None:
    """Return the kinds of events that *hook* has as its `heard_events`; None for all."""
    kinds: Any = getattr(hook, "heard_events", None)
    # A mock has every attribute, and one of the right type only where it was given one.
    return kinds if isinstance(kinds, frozenset) else None


def meter_of(hook: object) -> CallMeter | None:
    """Return what *hook* counts with in place of events; None where it has no such thing."""
    meter = getattr(hook, "meter", None)
    return meter if isinstance(meter, CallMeter) else None
