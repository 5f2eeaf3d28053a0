"""A thousand workers on one limit, in virtual time: what is used, refused, and how fairly.

    PYTHONPATH=backend python -m bench.fleet_sim [--workers 1000] [--seconds 420] [--seed 1]
                                                 [--picture docs/fleet.svg]

The product's own `Quota` and `Fleet` run on a clock of the simulation, against a provider's bucket
and the shared quota in memory (`quota/memory_shared_quota.py`), with which that on Redis agrees.
Clocks are skewed, workers are killed, the shared quota is away for a while, and another that knows
nothing takes its place. Beside it: each worker keeps to its share, and each takes the whole limit.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .fleet_chart import Curve, chart
from .fleet_worker import SharedQuotaServer, Worker
from .fleet_world import STEP, Plan, Provider, World, jain

#: Each way, and whether its workers share a quota.
WAYS = {"shared quota": True, "own share each": False, "whole limit each": False}


@dataclass(frozen=True)
class Found:
    """What a simulation has found: of each step the part of the limit that was used, and of the
    requests that were refused; and of all steps together.
    """

    used: tuple[float, ...]
    refused: tuple[float, ...]
    answered: int
    refusals: int
    fairness: float
    round_trips: float

    @property
    def utilisation(self) -> float:
        """The part of the limit that was used after the first minute, whose bucket was full."""
        steady = self.used[int(60 / STEP) :]
        return sum(steady) / len(steady)

    @property
    def part_refused(self) -> float:
        """The part of all requests that was refused."""
        return self.refusals / max(1, self.refusals + self.answered)


def simulate(plan: Plan, way: str) -> Found:
    """Run *plan* in one of `WAYS`."""
    world, provider = World(plan.seed), Provider(plan.limit)
    server = SharedQuotaServer(world, plan) if WAYS[way] else None
    share = 1.0 if way == "whole limit each" else 1.0 / plan.workers
    workers = [Worker(world, plan, provider, server, share) for _ in range(plan.workers)]
    for worker in workers[::5]:
        worker.callers = plan.callers[1]
    for worker in workers:
        worker.start()
    for time in plan.killed_at:
        world.at(time, lambda: _kill_some(world, plan, workers))
    world.run(plan.seconds)
    for worker in workers:
        worker.kill()
    steps = range(int(plan.seconds / STEP))
    answered = sum(provider.answered.values())
    return Found(
        used=tuple(provider.spent.get(step, 0.0) / (plan.rate * STEP) for step in steps),
        refused=tuple(provider.part_refused(step) for step in steps),
        answered=answered,
        refusals=sum(provider.refused.values()),
        fairness=jain([worker.answered / worker.callers for worker in workers]),
        round_trips=server.exchanges / max(1, answered) if server else 0.0,
    )


def _kill_some(world: World, plan: Plan, workers: Sequence[Worker]) -> None:
    for worker in world.luck.sample(workers, int(plan.killed * len(workers))):
        worker.kill()
        world.after(plan.restart, worker.start)


def main() -> None:
    """Simulate each way, print a table, and draw the picture."""
    parser = argparse.ArgumentParser(prog="bench.fleet_sim", description=__doc__)
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    logging.getLogger("services").setLevel(logging.ERROR)  # a thousand workers warn of an outage
    size = asked.workers / Plan.workers
    plan = replace(
        Plan(),
        workers=asked.workers,
        limit=Plan.limit * size,
        seconds=asked.seconds,
        seed=asked.seed,
    )
    print("| | used | 429s | fairness (Jain) | round trips a call |\n|---|---|---|---|---|")
    curves = []
    for way, is_shared in WAYS.items():
        # Who shares nothing needs no large fleet to show it, and storms of refusals take long.
        part = 1 if is_shared else max(1, plan.workers // 20)
        small = replace(plan, workers=plan.workers // part, limit=plan.limit / part)
        found = simulate(small, way)
        print(
            f"| {way} | {found.utilisation:.1%} | {found.part_refused:.2%}"
            f" | {found.fairness:.3f} | {found.round_trips:.2f} |",
            flush=True,
        )
        curves.append(Curve(way, found.used, found.refused))
    if asked.picture:
        asked.picture.write_text(chart(plan, curves), encoding="utf-8")


if __name__ == "__main__":
    main()
