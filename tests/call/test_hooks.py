"""Hooks: they hear in order, fail no call, and are logged when they fail."""

from __future__ import annotations

import gc
import logging
import re
import signal
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from services.llm.call import retry
from services.llm.call.call_policy import CallPolicy
from services.llm.call.lifecycle import fetch_reply, run_call
from services.llm.call.reporting import events_of
from services.llm.errors import ConfigurationError
from services.llm.events import (
    CacheHit,
    CallEnded,
    CallInfo,
    CallMeter,
    CallStarted,
    Event,
    EventHook,
    Hooks,
    call_hooks,
    hears,
    hook_registry,
)
from services.llm.events.hook_registry import hooks_to_tell
from services.llm.frozen import FrozenDict
from tests.call.calls import REQUEST
from tests.call.scripted import Clock, Drive, account, says

INFO = CallInfo("1", "groq", "m", "respond", 0.0)
STARTED = CallStarted(INFO, 1.0)
ENDED = CallEnded(INFO, 2.0, "m", 1.0)


def tell(hooks: Hooks, event: Event = STARTED) -> None:
    for each in hooks.registered:
        each.tell(event)


def broken(event: Event, /) -> None:
    raise ValueError("gsk_0123456789 is down")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "services.llm.events"):
        yield caplog


def test_a_hook_hears_until_it_is_removed() -> None:
    hooks, heard = Hooks(), list[Event]()
    hook = hooks.add(heard.append)
    tell(hooks)
    hooks.remove(hook)
    hooks.remove(hook)
    tell(hooks)
    assert [STARTED] == heard


def test_add_decorates_and_adds_a_hook_once() -> None:
    hooks, heard = Hooks(), list[Event]()

    @hooks.add
    def hook(event: Event, /) -> None:
        heard.append(event)

    hooks.add(hook)
    tell(hooks)
    assert [STARTED] == heard


def test_one_hook_that_fails_keeps_no_other_from_hearing() -> None:
    hooks, heard = Hooks(), list[Event]()
    for hook in (broken, heard.append):
        hooks.add(hook)
    tell(hooks)
    tell(hooks)
    assert [STARTED, STARTED] == heard


def test_a_failing_hook_is_logged_once_a_minute_with_its_place_and_count(
    logged: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    hooks = Hooks(now=clock)
    hooks.add(broken)
    for seconds in (0.0, 1.0, 58.0, 1.0, 1.0):
        clock.now += seconds
        tell(hooks)
    first, second = (record.getMessage() for record in logged.records)
    assert "the hook broken has failed 1 time(s), last on CallStarted, at " in first
    assert "test_hooks.py:" in first
    assert first.endswith("with ValueError: gsk_*** is down")
    assert "has failed 3 time(s)" in second


def test_a_hook_that_is_an_object_is_named_by_its_class(logged: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __call__(self, event: Event, /) -> None:
            raise KeyError("x")

    hooks = Hooks()
    hooks.add(Broken())
    tell(hooks)
    assert "Broken has failed" in logged.text


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_interrupts_the_call_goes_on_through_a_hook(
    interruption: type[BaseException],
) -> None:
    def interrupted(event: Event, /) -> None:
        raise interruption

    hooks = Hooks()
    hooks.add(interrupted)
    with pytest.raises(interruption):
        tell(hooks)


class _SoftTimeLimitError(Exception):
    pass


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_time_limit_of_a_signal_handler_goes_on_through_a_hook(wrapped: bool) -> None:
    def too_late(*_: object) -> None:
        raise _SoftTimeLimitError

    def slow(event: Event, /) -> None:
        try:
            signal.raise_signal(signal.SIGALRM)
        except _SoftTimeLimitError as error:
            if wrapped:
                raise OSError("the network is down") from error
            raise

    hooks = Hooks()
    hooks.add(slow)
    before = signal.signal(signal.SIGALRM, too_late)
    try:
        with pytest.raises(_SoftTimeLimitError):
            tell(hooks)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_hook_that_fails_while_such_a_limit_ends_the_call_is_still_one_that_fails(
    logged: pytest.LogCaptureFixture,
) -> None:
    def too_late(*_: object) -> None:
        raise _SoftTimeLimitError

    hooks = Hooks()
    hooks.add(broken)
    before = signal.signal(signal.SIGALRM, too_late)
    try:
        signal.raise_signal(signal.SIGALRM)
    except _SoftTimeLimitError:
        tell(hooks)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert "broken has failed" in logged.text


async def _awaited(event: Event, /) -> None:
    raise AssertionError("never called")


class _Awaited:
    async def __call__(self, event: Event, /) -> None:
        raise AssertionError("never called")


def _yielding(event: Event, /) -> Iterator[None]:
    yield


async def _awaited_and_yielding(event: Event, /) -> AsyncIterator[None]:
    yield


class _Yielding:
    def __call__(self, event: Event, /) -> Iterator[None]:
        yield


@pytest.mark.parametrize("add", [Hooks().add, hears(CallEnded)])
@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (_awaited, "hook is _awaited, a coroutine function: give a plain one, which may start a"),
        (_Awaited(), "hook is _Awaited, a coroutine function"),
        (AsyncMock(), "hook is AsyncMock, a coroutine function"),
        (partial(_awaited), "hook is _awaited, a coroutine function"),
        (_yielding, "hook is _yielding, a generator function: give a plain one, without a yield"),
        (_Yielding(), "hook is _Yielding, a generator function"),
        (_awaited_and_yielding, "hook is _awaited_and_yielding, a generator function"),
        (None, "hook is None: give a function of an event"),
        ("print", "hook is 'print': give a function of an event"),
    ],
)
def test_what_does_nothing_where_it_is_called_is_no_hook(
    add: Callable[[Any], Any], hook: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(words)}"):
        add(hook)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_goes_on_once_all_others_have_heard_of_the_event(
    interruption: type[BaseException],
) -> None:
    def interrupted(event: Event, /) -> None:
        heard.append("interrupted")
        raise interruption

    def heard_by(event: Event, /) -> None:
        heard.append("other")

    heard, hooks = list[str](), Hooks()
    hooks.add(interrupted)
    hooks.add(heard_by)
    hooks.add(partial(interrupted))
    hooks.add(partial(heard_by))
    of_call = call_hooks(hooks)
    assert of_call is not None
    with pytest.raises(interruption):
        of_call.tell(STARTED)
    assert ["interrupted", "other"] * 2 == heard


def test_a_hook_that_is_interrupted_as_it_begins_is_told_of_later_calls(
    of_all: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        """The hooks that are running, noted just before a signal comes."""

        def get(self) -> Any:
            return running.get()

        def set(self, hooks: Any) -> None:
            running.set(hooks)
            if hooks:
                raise KeyboardInterrupt

    running = hook_registry._running
    of_all.add(one)
    with monkeypatch.context() as patched:
        patched.setattr(hook_registry, "_running", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            tell(of_all)
    assert [one] == told_of_a_call(Hooks())


class _Equal:
    """A hook that cannot be compared."""

    def __call__(self, event: Event, /) -> None:
        """Do nothing."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]  # nor can it be in a set


def test_a_hook_is_told_from_others_by_what_it_is_and_not_by_its_own_comparison(
    of_all: Hooks,
) -> None:
    hooks = Hooks()
    known: list[EventHook] = [_Equal(), _Equal(), hears(CallEnded)(_Equal())]
    for hook in (*known, *known):
        hooks.add(hook)
        of_all.add(hook)
    assert known == told_of_a_call(hooks)
    hooks.remove(known[0])
    assert known[1:] == [each.hook for each in hooks.registered]


def test_a_hook_that_adds_another_while_it_is_looked_at_is_added(of_all: Hooks) -> None:
    class Looked:
        def __call__(self, event: Event, /) -> None:
            """Do nothing."""

        @property
        def heard_events(self) -> frozenset[type[Event]]:
            of_all.add(one)
            return frozenset({CallEnded})

    of_all.add(looked := Looked())
    assert [one, looked] == told_of_a_call(Hooks())


def test_a_failure_without_a_message_that_can_be_shown_is_logged_all_the_same(
    logged: pytest.LogCaptureFixture,
) -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def silent(event: Event, /) -> None:
        raise SilentError

    hooks = Hooks()
    hooks.add(silent)
    tell(hooks)
    assert logged.text.endswith("SilentError: a message that cannot be shown (RuntimeError)\n")


@pytest.fixture
def of_all(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """The registry of the process, empty."""
    known = Hooks()
    monkeypatch.setattr(hook_registry, "hooks", known)
    return known


def one(event: Event, /) -> None:
    """Do nothing."""


def other(event: Event, /) -> None:
    """Do nothing, too."""


def told_of_a_call(client_hooks: Hooks) -> list[Any]:
    return [each.hook for each in hooks_to_tell(client_hooks)]


@pytest.mark.parametrize(
    ("of_process", "of_client", "expected"),
    [
        ([], [], []),
        ([one], [], [one]),
        ([], [one], [one]),
        ([one], [other], [one, other]),
        ([one], [one, other], [one, other]),
        ([other, one], [one], [other, one]),
    ],
)
def test_the_hooks_of_the_process_are_told_before_the_clients_and_each_once(
    of_process: list[Any], of_client: list[Any], expected: list[Any], of_all: Hooks
) -> None:
    of_a_client = Hooks()
    for hook in of_process:
        of_all.add(hook)
    for hook in of_client:
        of_a_client.add(hook)
    assert expected == told_of_a_call(of_a_client)


def test_a_hook_is_not_told_of_the_calls_that_it_makes_itself(of_all: Hooks) -> None:
    of_client, told = Hooks(), list[list[Any]]()

    def asking(event: Event, /) -> None:
        told.append(told_of_a_call(of_client))
        told.append(told_of_a_call(Hooks()))

    of_all.add(one)
    of_client.add(asking)
    of_client.add(other)
    tell(of_client)
    assert [[one, other], [one]] == told
    assert [one, asking, other] == told_of_a_call(of_client)


def kinds_heard(*hooks: Any) -> Any:
    known = Hooks()
    for hook in hooks:
        known.add(hook)
    of_call = call_hooks(known)
    return of_call and of_call.kinds


def test_a_hook_is_told_of_the_kinds_that_it_hears() -> None:
    hooks, told = Hooks(), list[Event]()

    @hooks.add
    @hears(CallEnded, CacheHit)
    def hook(event: Event, /) -> None:
        told.append(event)

    for event in (STARTED, ENDED):
        tell(hooks, event)
    assert [ENDED] == told


def test_an_event_is_wanted_that_any_hook_hears() -> None:
    first, second = hears(CallEnded)(lambda _: None), hears(CacheHit)(lambda _: None)
    assert {CallEnded} == kinds_heard(first)
    assert {CallEnded, CacheHit} == kinds_heard(first, second)
    assert [None, None] == [kinds_heard(first, one), kinds_heard(one, first)]


def test_a_method_that_hears_some_kinds_is_found_again_to_be_removed() -> None:
    class Ends:
        def note(self, event: Event, /) -> None:
            """Do nothing."""

    hooks, ends = Hooks(), Ends()
    hook = hooks.add(hears(CallEnded)(ends.note))
    hooks.add(hears(CallEnded)(ends.note))
    assert [hook] == [each.hook for each in hooks.registered]
    hooks.remove(hears(CacheHit)(ends.note))
    hooks.remove(ends.note)
    assert 1 == len(hooks.registered)
    hooks.remove(hears(CallEnded)(ends.note))
    assert not hooks.registered


def test_a_hook_that_hears_some_kinds_can_be_called_and_is_named_as_before(
    logged: pytest.LogCaptureFixture,
) -> None:
    hooks, told = Hooks(), list[Event]()
    hears(CallStarted)(told.append)(ENDED)
    assert [ENDED] == told
    hooks.add(hears(CallStarted)(broken))
    tell(hooks)
    assert "the hook broken has failed" in logged.text


def test_a_mock_hears_everything_and_has_no_meter() -> None:
    hooks = Hooks()
    hooks.add(MagicMock())
    assert [(None, None)] == [(each.kinds, each.meter) for each in hooks.registered]


@pytest.mark.parametrize("kind", [Event, CallInfo, "CallEnded", None, lambda: None])
def test_what_is_no_kind_of_event_is_not_heard(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"hears\(\) has .*: give classes of events"):
        hears(CallEnded, kind)


def test_a_hook_that_would_hear_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give at least one"):
        hears()


def test_the_hooks_of_a_call_are_those_of_the_moment(of_all: Hooks) -> None:
    of_client, told = Hooks(), list[str]()

    def one(event: Event, /) -> None:
        told.append("one")

    def other(event: Event, /) -> None:
        told.append("other")

    def number() -> int:
        told.clear()
        if (of_call := call_hooks(of_client)) is not None:
            of_call.tell(STARTED)
        return len(told)

    numbers = [number()]
    for change in (
        *(lambda: of_client.add(one), lambda: of_all.add(other), lambda: of_client.remove(one)),
        *(lambda: None, lambda: of_all.add(one), lambda: of_all.remove(other)),
        lambda: of_all.remove(one),
    ):
        change()
        numbers.append(number())
    assert [0, 1, 2, 1, 1, 2, 1, 0] == numbers


def test_a_hook_that_makes_a_call_is_not_told_of_it(of_all: Hooks) -> None:
    of_client, told = Hooks(), list[Any]()

    def asking(event: Event, /) -> None:
        told.append("asking")
        if (of_call := call_hooks(of_client)) is not None:
            of_call.tell(event)

    of_client.add(asking)
    tell(of_client)
    of_client.add(lambda _: told.append("other"))
    tell(of_client)
    assert ["asking", "asking", "other", "other"] == told


def test_a_hook_that_was_removed_is_held_by_nobody(of_all: Hooks) -> None:
    def hook(event: Event, /) -> None:
        """Do nothing."""

    of_client, held = Hooks(), weakref.ref(hook)
    of_all.add(hook)
    assert call_hooks(of_client) is not None
    of_all.remove(hook)
    assert call_hooks(of_client) is None
    del hook
    gc.collect()
    assert held() is None


class Meter(CallMeter):
    """Notes what it is told, and fails to count it."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def call_started(self, *values: Any) -> None:
        self.told.append(values)

    def attempt_started(self, *values: Any) -> None:
        self.told.append(values)

    def attempt_ended(self, *values: Any) -> None:
        self.told.append(values)

    def call_ended(self, *values: Any) -> bool:
        self.told.append(values)
        return True

    def catch_up(self) -> None:
        raise ValueError("broken")


class Counting:
    """A hook that counts by its meter, and hears of a hit besides."""

    heard_events = frozenset({CacheHit})

    def __init__(self) -> None:
        self.meter = Meter()

    def __call__(self, event: Event, /) -> None:
        self.meter.told.append(event)


def test_a_meter_is_told_in_plain_values_and_fails_no_call(
    logged: pytest.LogCaptureFixture,
) -> None:
    clock, hook = Clock(), Counting()
    of_client = Hooks()
    of_client.add(hook)
    events = events_of(of_client, "respond", REQUEST, account(clock), FrozenDict())
    policy = CallPolicy(lambda: retry.transient_errors(3), timeout=9.0)
    call = run_call(policy, account(clock), partial(fetch_reply, REQUEST), events)
    reply = Drive(clock, [says("Yes.")]).run(call)
    assert [
        ("groq",),
        ("groq",),
        ("groq", reply.attempts[0], True),
        ("groq", "respond", REQUEST.model, "answered", None, 0.0),
    ] == hook.meter.told
    assert "the hook Counting has failed 1 time(s), last on Meter" in logged.text


def test_events_hold_what_was_said_only_where_that_is_asked_for() -> None:
    assert (False, True) == (Hooks().has_content, Hooks(has_content=True).has_content)
