"""Hooks: who is told of a call's events, and what becomes of a hook that fails.

A hook is called in the thread, or the task, that makes the call, and while no lock is held. It
cannot fail the call: what it raises is logged, at most once a minute for each hook, and it is
called again at the next event. What interrupts the call, such as KeyboardInterrupt or a signal
handler's time limit, goes on through it, once all other hooks were told of the event.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from ..redaction.printable import words_of
from ..redaction.secrets import redacted
from ..runtime.fork import ForkLock
from ..runtime.signals import find_signal_error, handler_traceback
from .call_meter import CallMeter
from .callbacks import callback_name, check_callback
from .selective_hooks import SelectiveHook, heard_kinds, is_same_hook, meter_of

if TYPE_CHECKING:
    from .event_types import Event

log = logging.getLogger(__name__)

#: Seconds between two log lines about one hook that fails.
_LOG_EVERY = 60.0

# Guards the registries, as they are changed, and the counts of failures.
_lock = ForkLock(leaf=True)


#: The hooks that this thread, or this task, is running just now.
_running: ContextVar[tuple[RegisteredHook, ...]] = ContextVar("running", default=())


class EventHook(Protocol):
    """What is called with each event."""

    def __call__(self, event: Event, /) -> object:
        """Take note of *event*; soon, since the call waits for it."""


H = TypeVar("H", bound=EventHook)


class RegisteredHook:
    """One hook in a registry, and how often it has failed since that was logged.

    `kinds` are those of the events that the hook is told of, None for all. A hook that counts may
    have a `meter`, which is told the rest.
    """

    def __init__(self, hook: EventHook, now: Callable[[], float]) -> None:
        self.hook = hook
        self._function = hook.hook if isinstance(hook, SelectiveHook) else hook
        self.meter = meter_of(hook)
        self.kinds = heard_kinds(hook)
        self._name = callback_name(hook)
        self._now = now
        self._failures = 0
        self._log_at = float("-inf")

    def tell(self, event: Event) -> None:
        """Call the hook, if it hears such events; raises only what interrupts the call itself."""
        if self.kinds is None or type(event) in self.kinds:
            self.run(event)

    def run(self, argument: Any, function: Callable[[Any], object] | None = None) -> None:
        """Call *function*, the hook unless it is given, with its *argument*; raises as `tell`."""
        others = _running.get()
        try:
            _running.set((*others, self) if others else (self,))
            (function or self._function)(argument)
            return
        except Exception as error:
            failure = error
        finally:
            _running.set(others)  # no token, which an interruption would lose
        try:
            self._handle_failure(argument, failure)
        finally:
            del failure  # its traceback holds this frame

    def _handle_failure(self, argument: object, error: Exception) -> None:
        # What is being handled here was so when the hook was called, and is no cause of its error.
        cause = find_signal_error(error, sys.exc_info()[1])
        if handler_traceback(cause) is not None:
            raise cause
        self._note_failure(argument, error)

    def _note_failure(self, argument: object, error: Exception) -> None:
        with _lock:
            self._failures += 1
            if self._now() < self._log_at:
                return
            failures, self._failures = self._failures, 0
            self._log_at = self._now() + _LOG_EVERY
        log.warning(
            "the hook %s has failed %d time(s), last on %s, at %s, with %s: %s",
            self._name,
            failures,
            type(argument).__name__,
            _place(error),
            type(error).__name__,
            redacted(words_of(error)),
        )


RegisteredHooks: TypeAlias = "tuple[RegisteredHook, ...]"


class CallHooks(NamedTuple):
    """What a call tells: all its hooks, by `tell`; and each meter, which gets values, no events.

    `kinds` are those of the events that any hook hears, None for all. `tell` raises only what
    interrupts the call.
    """

    tell: Callable[[Event], None]
    meters: tuple[tuple[CallMeter, RegisteredHook], ...]
    kinds: frozenset[type[Event]] | None


class Hooks:
    """A registry of hooks; a call tells those that are in it when the call starts.

    `has_content` says that events hold what was asked and answered.
    """

    def __init__(
        self, *, has_content: bool = False, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.has_content = has_content
        #: Replaced and never changed, so that it is read without the lock.
        self.registered: RegisteredHooks = ()
        self._now = now
        #: The process's hooks and this client's, and what a call has of both.
        self.cached_call_hooks: tuple[RegisteredHooks, RegisteredHooks, CallHooks | None]
        self.cached_call_hooks = ((), (), None)

    def add(self, hook: H) -> H:
        """Tell *hook* of all calls that start from now on; return it, so that this decorates.

        A hook that is there already is not added again. Raises ConfigurationError for what cannot
        be called, and for a coroutine function or a generator's, which a call alone does not run.
        """
        check_callback("hook", hook, "an event")
        added = RegisteredHook(hook, self._now)  # before the lock: it looks at the hook
        with _lock:
            if not any(is_same_hook(each.hook, hook) for each in self.registered):
                self.registered = (*self.registered, added)
        return hook

    def remove(self, hook: EventHook) -> None:
        """Tell *hook* of no call that starts from now on; one that is not there is ignored."""
        with _lock:
            self.registered = _without(self.registered, [hook])


def _without(registered: RegisteredHooks, left_out: Iterable[EventHook]) -> RegisteredHooks:
    """Return those in *registered* that are of none of the hooks *left_out*."""
    return tuple(
        each for each in registered if not any(is_same_hook(each.hook, hook) for hook in left_out)
    )


#: The hooks that are told of the calls of all clients in the process.
hooks = Hooks()


def hooks_to_tell(client_hooks: Hooks) -> RegisteredHooks:
    """Return the hooks that a call beginning now tells: the process's, then its client's.

    A hook that is in both registries is told once. One that makes the call itself is not told of
    it: else that call would make another, and so on.
    """
    first, second = hooks.registered, client_hooks.registered
    registered = (*first, *_without(second, [each.hook for each in first]))
    return _without(registered, [each.hook for each in _running.get()])


def call_hooks(client_hooks: Hooks) -> CallHooks | None:
    """Return the hooks that a client's call beginning now tells; None where there are none."""
    if _running.get():
        return _combined(hooks_to_tell(client_hooks))
    # Registries are replaced and never changed: the same objects hold the same hooks.
    first, second = hooks.registered, client_hooks.registered
    known_first, known_second, found = client_hooks.cached_call_hooks
    if known_first is not first or known_second is not second:
        found = _combined(hooks_to_tell(client_hooks))
        client_hooks.cached_call_hooks = (first, second, found)
    return found


def _combined(registered: RegisteredHooks) -> CallHooks | None:
    if not registered:
        return None
    kinds: frozenset[type[Event]] | None = frozenset()
    for each in registered:
        kinds = None if kinds is None or each.kinds is None else kinds | each.kinds
    meters = tuple((each.meter, each) for each in registered if each.meter is not None)
    functions = [each.run if each.kinds is None else each.tell for each in registered]
    tell = functions[0] if len(functions) == 1 else partial(_tell_all, functions)
    return CallHooks(tell, meters, kinds)


def _tell_all(functions: Iterable[Callable[[Event], None]], event: Event) -> None:
    left = iter(functions)
    try:
        for function in left:
            function(event)
    except BaseException:
        _tell_all(left, event)  # who has heard of a beginning hears of its end, too
        raise


def _place(error: Exception) -> str:
    """The file and line that raised *error*."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "?" if at is None else f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
