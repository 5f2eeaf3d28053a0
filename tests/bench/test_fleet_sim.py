"""The simulated fleet: nothing is refused, whatever dies; and the parts it is made of."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import partial
from statistics import mean

import pytest

from bench.fleet_chart import Curve, chart
from bench.fleet_sim import Found, simulate
from bench.fleet_world import Plan, Provider, World, jain

PLAN = replace(
    Plan(),
    workers=8,
    limit=48_000.0,
    seconds=120.0,
    killed_at=(30.0,),
    outages=((50.0, 60.0),),
    failovers=(80.0,),
)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Each worker warns of the outage."""
    caplog.set_level(logging.ERROR)


def simulated(seed: int = 1, seconds: float = PLAN.seconds) -> Found:
    return simulate(replace(PLAN, seed=seed, seconds=seconds), "shared quota")


def test_who_share_a_shared_quota_use_the_limit_fairly_and_are_never_refused() -> None:
    # By a seed or two, a fleet of eight differs by a tenth.
    found = [simulated(seed) for seed in range(10)]
    assert 0 == sum(each.refusals for each in found)
    assert mean(each.utilisation for each in found) >= 0.85
    assert mean(each.fairness for each in found) >= 0.85


def test_who_ask_at_a_bad_moment_are_not_passed_over_for_ever() -> None:
    calm = replace(Plan(), killed_at=(), outages=(), failovers=(), seconds=80.0)
    plan = replace(calm, workers=4, callers=(4, 4), limit=10_000.0, declared=310.0, spent=120.0)
    found = simulate(replace(plan, answer=0.05, path=0.01), "shared quota")
    assert 0 == found.refusals
    assert found.fairness >= 0.9


@pytest.mark.parametrize("part", [1 / 2, 1 / 3, 1 / 10])
def test_where_few_calls_fit_one_window_each_worker_gets_its_turn(part: float) -> None:
    calm = replace(Plan(), killed_at=(), outages=(), failovers=(), seconds=600.0)
    plan = replace(calm, workers=5, callers=(1, 1), limit=6_000.0)
    found = simulate(replace(plan, declared=6_000 * part, spent=4_800 * part), "shared quota")
    assert 0 == found.refusals
    assert found.fairness >= 0.95
    assert found.utilisation >= 0.9


def test_a_call_that_was_granted_a_moment_goes_then_though_others_of_its_worker_wait() -> None:
    calm = replace(Plan(), killed_at=(), outages=(), failovers=(), seconds=150.0)
    plan = replace(calm, workers=4, callers=(60, 60), limit=30_000.0)
    found = simulate(plan, "shared quota")
    assert 0 == found.refusals
    assert found.utilisation >= 0.95


def test_a_simulation_repeats_by_its_seed() -> None:
    first, second, other = (simulated(seed, seconds=61.0) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_who_take_the_whole_limit_each_are_refused() -> None:
    plan = replace(PLAN, seconds=61.0)
    assert simulate(plan, "whole limit each").part_refused > 0.2


def test_a_provider_refills_refuses_what_does_not_fit_and_gives_back_what_is_not_spent() -> None:
    provider = Provider(60.0)
    assert 0.0 == provider.arrive(50.0, 0.0)
    assert 10.0 == provider.arrive(20.0, 0.0)
    provider.finish(50.0, 20.0, 0.0)
    assert 0.0 == provider.arrive(40.0, 0.0)
    assert 1.0 == provider.arrive(60.0, 59.0)
    assert ({0: 2}, {0: 1, 5: 1}) == (provider.answered, provider.refused)
    assert (1 / 3, 1.0, 0.0) == tuple(provider.part_refused(step) for step in (0, 5, 9))


def test_what_is_to_happen_happens_in_order_until_the_end() -> None:
    world = World(1)
    seen: list[tuple[float, str]] = []

    def happen(name: str) -> None:
        seen.append((world.now, name))

    for name, time in (("later", 5.0), ("first", 1.0), ("also later", 5.0), ("never", 9.0)):
        world.at(time, partial(happen, name))
    world.run(6.0)
    assert [(1.0, "first"), (5.0, "later"), (5.0, "also later")] == seen


def test_fairness_is_one_where_all_have_the_same_and_a_part_where_one_has_all() -> None:
    assert (1.0, 0.25, 1.0) == (jain([3.0] * 4), jain([4.0, 0.0, 0.0, 0.0]), jain([0.0]))


def test_the_picture_has_a_line_for_each_way_in_both_panels_and_names_what_happens() -> None:
    curves = [Curve(way, (1.0, 0.5), (0.0, 0.1)) for way in ("one", "another")]
    picture = chart(PLAN, curves)
    root = ET.fromstring(picture)
    lines = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert 4 == len(lines)
    for name in ("kill -9", "Redis away", "failover", "one", "another", "used", "refused"):
        assert f">{name}<" in picture
