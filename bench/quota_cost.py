"""What the quota costs by itself: time of a request, of a wait and of a refusal, and memory.

    PYTHONPATH=backend python -m bench.quota_cost

Times are of the processor, the least of some rounds; whoever waits, waits in one scope.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections import deque
from collections.abc import Callable

from services.llm.limit_types import Unit
from services.llm.quota import NEVER, Demand, LearnedLimit, NoCapacity, Quota, Reservation

MINUTE, DAY = 60.0, 86_400.0
DEMAND: Demand = {"requests": 1.0, "tokens": 300.0, "input_tokens": 100.0}
SPENT: Demand = {"tokens": 200.0, "input_tokens": 90.0}
_LIMITS: tuple[tuple[Unit, float], ...] = (
    *(("requests", MINUTE), ("requests", DAY), ("tokens", MINUTE), ("tokens", DAY)),
    ("input_tokens", MINUTE),
)


def quota(tokens_a_minute: float = 1e9) -> Quota:
    """Return a quota of five limits, of which that of tokens a minute is the one that binds."""

    def limits(_: str) -> list[LearnedLimit]:
        amounts = (1e9, 1e9, tokens_a_minute, 1e12, 1e9)
        return [
            LearnedLimit(amount, window, unit, configured=amount)
            for (unit, window), amount in zip(_LIMITS, amounts, strict=True)
        ]

    return Quota(make_limits_for=limits)


def reserved(quota: Quota, now: float) -> Reservation:
    """Reserve room for one request."""
    got = quota.reserve("m", DEMAND, now, NEVER)
    assert isinstance(got, Reservation)
    return got


def request(rounds: int = 5, requests: int = 4_000) -> float:
    """Return the µs to reserve, start and settle a request that need not wait."""

    def work() -> None:
        limits, now = quota(), 0.0
        for _ in range(requests):
            now += 0.01
            got = reserved(limits, now)
            limits.try_start(got, now)
            limits.settle(got, SPENT, now, now)

    return min(_seconds(work) for _ in range(rounds)) / requests * 1e6


def wait(waiting: int, requests: int = 500) -> tuple[float, float]:
    """Return the µs of a request among so many that wait, and those to refuse one."""
    limits, now = quota(tokens_a_minute=250_000.0), 0.0
    while (first := reserved(limits, now)).starts_at <= now:
        limits.try_start(first, now)
        limits.settle(first, DEMAND, now, now)
    queue = deque([first, *(reserved(limits, now) for _ in range(waiting - 1))])

    def pass_on() -> None:
        nonlocal now
        for _ in range(requests // 5):
            first = queue.popleft()
            now = max(now, first.starts_at)
            while seconds := limits.try_start(first, now):
                now += seconds
            limits.settle(first, DEMAND, now, now)
            queue.append(reserved(limits, now))

    def refuse() -> None:
        for _ in range(10):
            assert isinstance(limits.reserve("m", DEMAND, now, 0.001), NoCapacity)

    each = min(_seconds(pass_on) for _ in range(5)) / (requests // 5)
    return each * 1e6, min(_seconds(refuse) for _ in range(5)) / 10 * 1e6


def memory(accounts: int) -> float:
    """Return the MB that so many accounts with five limits take, each of which was used once."""
    gc.collect()
    tracemalloc.start()
    limits = quota()
    for number in range(accounts):
        got = limits.reserve(str(number), DEMAND, 0.0)
        assert isinstance(got, Reservation)
        limits.try_start(got, 0.0)
        limits.settle(got, SPENT, 0.0, 0.0)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / 1e6


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure, and print."""
    print(f"reserve, start and settle in five limits: {request():.1f} µs")
    (few, _), (many, refusal) = wait(10), wait(10_000)
    print(f"a request among 10 who wait: {few:.0f} µs; among 10,000: {many / few:.2f} times that")
    print(f"to refuse one that cannot wait long enough, among 10,000: {refusal / 1e3:.3f} ms")
    print(f"10,000 accounts with five limits each: {memory(10_000):.1f} MB")


if __name__ == "__main__":
    main()
