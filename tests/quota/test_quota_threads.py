"""Real threads, a clock that stands still while any of them has something to do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from random import Random

from services.llm.quota import NEVER, Quota, Reservation, SlidingWindow, TokenBucketLimit
from tests.quota.oracle import Provider, Sight, overfull

WORKERS = 24
CALLS = 8
SAFETY_NET = 60.0


class Clock:
    """Time that moves on to the next sleeper's moment when all who take part sleep."""

    def __init__(self, parties: int) -> None:
        self.now = 1_800_000_000.0
        self.parties = parties
        self._asleep: dict[object, float] = {}
        self._changed = threading.Condition()

    def sleep(self, seconds: float, wake: Future[None] | None = None) -> None:
        """Return after *seconds*, or as soon as *wake* is done."""
        me, until = object(), self.now + seconds
        if wake is not None:
            wake.add_done_callback(lambda _: self._wake(me))
        with self._changed:
            if wake is not None and wake.done():
                return
            self._asleep[me] = until
            self._move_on()
            assert self._changed.wait_for(lambda: me not in self._asleep, SAFETY_NET)

    def leave(self) -> None:
        with self._changed:
            self.parties -= 1
            self._move_on()

    def _wake(self, sleeper: object) -> None:
        with self._changed:
            self._asleep.pop(sleeper, None)
            self._changed.notify_all()

    def _move_on(self) -> None:
        while self._asleep and len(self._asleep) >= self.parties:
            self.now = max(self.now, min(self._asleep.values()))
            self._asleep = {one: at for one, at in self._asleep.items() if at > self.now}
            self._changed.notify_all()


def in_threads(work: Callable[[int], None]) -> None:
    """Run *work* in all workers; any failure of theirs is ours."""
    failures: list[BaseException] = []

    def guarded(worker: int) -> None:
        try:
            work(worker)
        except BaseException as failure:  # shown by the assertion below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(one,), daemon=True) for one in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SAFETY_NET)
    assert failures == []
    assert [thread for thread in threads if thread.is_alive()] == []


def test_no_slot_is_lost_and_none_is_given_twice() -> None:
    window, size = SlidingWindow(5, 2.0), 40.0
    quota = Quota((window,), lambda: (TokenBucketLimit(size, 4.0),))
    clock, lock = Clock(WORKERS), threading.Lock()
    arrivals: list[float] = []
    seen: dict[str, list[Sight]] = {"a": [], "b": []}
    steps = iter(range(1_000_000))
    last_error: list[Reservation] = []

    def call(random: Random, scope: str) -> None:
        tokens = float(random.randint(1, 20))
        reservation = quota.reserve(scope, {"requests": 1, "tokens": tokens}, clock.now, NEVER)
        assert isinstance(reservation, Reservation)
        while (wait := quota.try_start(reservation, clock.now)) > 0:
            if random.random() < 0.05:
                quota.cancel(reservation, clock.now)
                last_error.append(reservation)
                return
            clock.sleep(wait, reservation.wake)
        started, order = clock.now, next(steps)
        clock.sleep(random.choice([0.0, 0.1, 3.0]))
        spent, now = tokens * random.random(), clock.now
        with lock:
            arrivals.append(now)
            seen[scope].append(Sight(tokens, spent, now, now, order, next(steps)))
        quota.settle(reservation, {"tokens": spent}, now, now)
        assert started <= now

    def work(worker: int) -> None:
        random = Random(worker)
        try:
            for _ in range(CALLS):
                call(random, "ab"[worker % 2])
        finally:
            clock.leave()

    in_threads(work)
    assert len(arrivals) + len(last_error) == WORKERS * CALLS
    assert not overfull(arrivals, 5, 2.0)
    assert [Provider(size, size / 4.0, sights).overflows() for sights in seen.values()] == [[], []]
    # Everything has been given back: after a while the quota is as new.
    later = clock.now + 100.0
    for scope in "ab":
        reservation = quota.reserve(scope, {"requests": 1, "tokens": size}, later)
        assert isinstance(reservation, Reservation)
        assert quota.try_start(reservation, later) == 0.0


def test_one_window_lets_exactly_its_amount_through_to_those_who_do_not_wait() -> None:
    quota, through = Quota((SlidingWindow(50, 60.0),)), []
    barrier = threading.Barrier(WORKERS)

    def work(_: int) -> None:
        barrier.wait(SAFETY_NET)
        for _ in range(CALLS):
            reservation = quota.reserve("m", {"requests": 1}, 100.0)
            if isinstance(reservation, Reservation):
                assert quota.try_start(reservation, 100.0) == 0.0
                through.append(reservation)

    in_threads(work)
    assert len(through) == 50
