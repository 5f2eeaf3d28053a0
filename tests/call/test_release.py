"""After each step that can fail or be cancelled, everything is as it was: no step is left out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from services.llm import models
from services.llm.account.account import Account
from services.llm.account.cache import Cache
from services.llm.account.concurrency import Permit
from services.llm.account.daily_budget import DailyBudget
from services.llm.account.multi_key import MultiKeyAccount
from services.llm.account.outages import Outages
from services.llm.account.single_flight import SingleFlight
from services.llm.call import lifecycle, retry
from services.llm.call.call import Call
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Close, Effect, Effects, Emit, Overdue, RunBlocking, Send, Sleep
from services.llm.errors import LLMError, ProviderUnavailableError, RateLimitError
from services.llm.types import Reply, Request
from tests.call.scripted import Clock, account, says

MODEL = "openai/gpt-oss-120b"
REQUEST = Request(MODEL, ({"role": "user", "content": "hi"},), 0.7, 100)
HANG = 30.0
TIMEOUT = 600.0


class SoftTimeLimit(Exception):  # noqa: N818  as task queues name it
    """What a signal handler raises in the middle of anything."""


#: How a step may end otherwise than well.
ENDS: list[BaseException] = [
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    GeneratorExit(),
    SoftTimeLimit(),
    OverflowError("cannot convert float infinity to integer"),
    LLMError("none of the provider's"),
    Overdue(is_slow=True),
]


class Shelf:
    """A slow store in a dict."""

    is_blocking = True

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        return self.entries.get(key)

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        self.entries[key] = json.loads(json.dumps(dict(value)))

    def close(self) -> None:
        """Nothing is open."""


class Day:
    """A day's tokens, kept where adding may take a while."""

    is_blocking = True

    def __init__(self) -> None:
        self.tokens = 0

    def add(self, tokens: int, now: float, *, day: str | None = None) -> int:
        self.tokens += tokens
        return self.tokens


@dataclass
class Scene:
    """An account on which nothing happens but one call, and what the call still holds."""

    to: Account
    clock: Clock
    day: Day = field(default_factory=Day)
    begun: list[RunBlocking] = field(default_factory=list)
    #: Places on the wire that others have.
    others: list[Permit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.to.cache = Cache(Shelf(), "groq", "https://example.test")
        self.to.single_flight = SingleFlight()
        self.to.budget = DailyBudget(1000, self.day)

    def call(self) -> Effects[Reply]:
        policy = CallPolicy(lambda: retry.transient_errors(3), TIMEOUT, max_quota_wait=300.0)
        return lifecycle.run_call(policy, self.to, partial(lifecycle.fetch_reply, REQUEST))

    def perform(self, effect: Effect, outcomes: Iterator[Reply | LLMError]) -> Any:
        match effect:
            case Send():
                return next(outcomes)
            case Sleep(seconds, wake=wake):
                if effect.reason == "budget" and wake is not None:
                    return wake.result(HANG)
                self.clock.now += 1.0 if effect.reason == "concurrency" else seconds
                self.others_leave()
                return None
            case RunBlocking():
                return effect.function()
        raise AssertionError(f"one call alone joins nobody: {effect}")

    def others_leave(self) -> None:
        while self.others:
            self.to.concurrency.release(self.others.pop())

    def assert_nothing_is_held(self, spent: tuple[int, ...] = (0,)) -> None:
        """Every permit, reservation, claim and token of the day is back."""
        concurrency = self.to.concurrency
        self.others_leave()
        assert (concurrency._size, 0) == (concurrency.free, len(concurrency._waiting))
        for scope in self.to.quota._state.queues.values():
            assert (0, 0) == (len(scope.waiting), len(scope.in_flight))
            assert ([], []) == (scope._interactive_starts, scope._batch_starts)
            for limit in scope.limits:
                assert (0, 0.0) == (len(limit.pending), limit.pending.in_flight_amount)
        assert all(each.probe is None for each in self.to.outages._outages.values())
        assert 0 == len(self.to.single_flight)
        assert {None} >= {outage.probe for outage in self.to.outages._outages.values()}
        wait_for_corrections()
        assert self.to.budget is not None
        assert {} == self.to.budget.queue._held
        assert self.day.tokens in spent


def wait_for_corrections() -> None:
    """Let what a thread has yet to write be written."""
    from services.llm.account import daily_budget

    daily_budget._corrections.finish()


def plain() -> Scene:
    """The account of a client with one key, whose window is full for a while."""
    clock = Clock()
    to = account(clock, requests=1)
    to.window.times.append(clock.now - 50.0)
    return Scene(to, clock)


def many_keys() -> Scene:
    """The account of several keys, one of which is out of service for a while."""
    clock = Clock()
    keys = ["gsk_one", "gsk_two"]
    to = MultiKeyAccount(keys, rpm_per_key=1, max_concurrency=1, now=clock, wall=clock)
    to.outages.begin(to.outage_key(to.scopes(MODEL)[0]), clock.now + 5.0)
    return Scene(to, clock)


def crowded() -> Scene:
    """An account whose places on the wire are all taken, for a second."""
    clock = Clock()
    scene = Scene(account(clock), clock)
    scene.others = [scene.to.concurrency.acquire() for _ in range(scene.to.concurrency.free)]
    return scene


SCENES = pytest.mark.parametrize("scene_of", [plain, many_keys, crowded])


def outcomes() -> Iterator[Reply | LLMError]:
    """A refusal, a failure with an answer in part, then a whole answer."""
    yield RateLimitError("Too many requests", status=429, retry_after=3.0)
    broken = ProviderUnavailableError("cut off", status=503)
    broken.partial = says("Ye")
    yield broken
    while True:
        yield says("Yes.")


def drive(scene: Scene, at: int, end: BaseException | None) -> list[Effect]:
    """Drive a call, and end its effect number *at* by *end*; -1 lets it come to its end."""
    running, script = scene.call(), outcomes()
    effects: list[Effect] = []
    step: Callable[[], Effect] = partial(next, running)
    while True:
        try:
            effect = step()
        except StopIteration:
            return effects
        effects.append(effect)
        if end is not None and len(effects) - 1 == at:
            if isinstance(effect, RunBlocking):
                scene.begun.append(effect)
            if isinstance(end, GeneratorExit):
                running.close()
                return effects
            step = partial(running.throw, end)
            continue
        result = scene.perform(effect, script)
        fails = isinstance(result, LLMError)
        step = partial(running.throw, result) if fails else partial(running.send, result)


def effects_of(scene_of: Callable[[], Scene]) -> list[Effect]:
    """All that a call yields that nothing interrupts."""
    return drive(scene_of(), -1, None)


@SCENES
def test_a_call_that_nothing_interrupts_passes_every_kind_of_step(
    scene_of: Callable[[], Scene],
) -> None:
    scene = scene_of()
    effects = drive(scene, -1, None)
    sleeps = {effect.reason for effect in effects if isinstance(effect, Sleep)}
    asked = {effect.pool for effect in effects if isinstance(effect, RunBlocking)}
    expected = {
        plain: {"quota", "retry"},
        many_keys: {"quota", "retry"},
        crowded: {"concurrency", "quota"},
    }
    assert expected[scene_of] <= sleeps
    assert {"cache", "budget"} == asked
    assert 3 == sum(isinstance(effect, Send) for effect in effects)
    scene.assert_nothing_is_held(spent=(20,))  # ten for the answer, ten for the one in part


@SCENES
@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_whatever_ends_any_effect_of_a_call_everything_is_given_back(
    scene_of: Callable[[], Scene], end: BaseException
) -> None:
    steps = len(effects_of(scene_of))
    assert steps > 10
    for at in range(steps):
        scene = scene_of()
        with suppress(LLMError, *{type(each) for each in ENDS}):
            drive(scene, at, end)
        for late in scene.begun:
            # A thread that was left alone comes to its end all the same, after its call has.
            if late.pool == "budget":
                with suppress(LLMError):
                    late.function()
        scene.assert_nothing_is_held(spent=(0, 10, 20))


@SCENES
def test_every_effect_is_bounded_by_the_time_that_is_left(
    scene_of: Callable[[], Scene],
) -> None:
    scene = scene_of()
    began, running, script = scene.clock.now, scene.call(), outcomes()
    step: Callable[[], Effect] = partial(next, running)
    with suppress(StopIteration):
        while True:
            effect = step()
            left = began + TIMEOUT - scene.clock.now
            assert not isinstance(effect, (Emit, Close)), "nothing is streamed"
            bound = effect.seconds if isinstance(effect, Sleep) else effect.timeout
            assert bound is not None
            assert 0 < bound <= left
            result = scene.perform(effect, script)
            scene.clock.now += 0.25
            fails = isinstance(result, LLMError)
            step = partial(running.throw, result) if fails else partial(running.send, result)


#: Everything that a call does between its effects, by where it is looked up.
CALLS = [
    (Account, "adapt_request"),
    (Account, "resolve_model"),
    (Account, "scopes"),
    (Account, "api_key_of"),
    (Account, "outage_key"),
    (Account, "end_outage"),
    (Outages, "wait"),
    (Outages, "acquire_probe"),
    (Account, "is_usable"),
    (Account, "learn_about_scope"),
    (Account, "learn_about_model"),
    (MultiKeyAccount, "scopes"),
    (MultiKeyAccount, "api_key_of"),
    (MultiKeyAccount, "is_usable"),
    (MultiKeyAccount, "learn_about_scope"),
    (Call, "record_attempt"),
    (Call, "quota_wait_left"),
    (Call, "time_left"),
    (models, "fit_to_model"),
    (models, "cost"),
    (lifecycle, "max_demand"),
]


@SCENES
@pytest.mark.parametrize(("owner", "name"), CALLS, ids=lambda each: getattr(each, "__name__", each))
def test_whatever_raises_between_two_effects_everything_is_given_back(
    scene_of: Callable[[], Scene], owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, failed = getattr(owner, name), True
    at = 0
    while failed:
        scene, calls, failed = scene_of(), 0, False

        def breaking(*arguments: Any, **named: Any) -> Any:
            nonlocal calls, failed
            calls += 1
            if calls - 1 == at:  # noqa: B023  called within this turn of the loop
                failed = True
                raise OverflowError("not to be expected")
            return original(*arguments, **named)

        with monkeypatch.context() as patch, suppress(OverflowError):
            patch.setattr(owner, name, breaking)
            drive(scene, -1, None)
        scene.assert_nothing_is_held(spent=(0, 10, 20))
        at += 1


@pytest.mark.parametrize("part", ["concurrency", "quota", "budget"])
def test_a_part_that_cannot_be_given_back_keeps_no_other(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = plain()
    name = {"concurrency": "release", "quota": "settle", "budget": "settle"}[part]
    real = getattr(getattr(scene.to, part), name)

    def breaking(*arguments: Any) -> Any:
        real(*arguments)
        raise OverflowError("not to be expected")

    monkeypatch.setattr(getattr(scene.to, part), name, breaking)
    with pytest.raises(OverflowError):
        drive(scene, -1, None)
    scene.assert_nothing_is_held(spent=(0, 10))


def test_a_refusals_pause_is_set_before_its_place_and_its_room_are_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = plain()
    paused: list[float] = []

    def noting(give_back: Callable[..., None]) -> Callable[..., None]:
        def noted(*arguments: Any) -> None:
            paused.append(scene.to.quota.paused_for(MODEL, scene.clock.now))
            give_back(*arguments)

        return noted

    monkeypatch.setattr(scene.to.concurrency, "release", noting(scene.to.concurrency.release))
    monkeypatch.setattr(scene.to.quota, "settle", noting(scene.to.quota.settle))
    running, script = scene.call(), outcomes()
    effect = next(running)
    while not isinstance(effect, Send):
        effect = running.send(scene.perform(effect, script))
    running.throw(next(script))  # type: ignore[arg-type]  # the refusal comes first
    assert [3.0, 3.0] == paused
    running.close()


def test_a_key_that_cannot_be_looked_up_takes_no_request_of_any_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = many_keys()

    def breaking(scope: str) -> str:
        raise KeyError(scope)

    monkeypatch.setattr(scene.to, "api_key_of", breaking)
    with pytest.raises(KeyError):
        drive(scene, -1, None)
    scene.assert_nothing_is_held()
    assert [] == scene.to.window.times
    assert isinstance(scene.to, MultiKeyAccount)
    assert {0} == set(scene.to._requests.values())
