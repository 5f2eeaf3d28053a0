"""What a worker goes by while its shared quota is away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.llm.account.fleet_view import FleetView
from services.llm.quota import SlidingWindow
from services.llm.quota.shared import Granted, Refused, Settle, SharedCharge, Take


def requests(amount: float) -> SharedCharge:
    """One of so many requests a minute that a knob allows."""
    return SharedCharge("", "requests", 60.0, amount, 1.0, is_log=True)


def ask(view: FleetView, lease: str, charge: SharedCharge) -> float:
    """Ask for a call that may wait for ever; return the seconds until it may go."""
    return view.take(Take(lease, "m", (charge,), 0.0, 1e6, 120.0)).wait


def test_what_is_said_of_the_whole_limit_is_not_taken_for_use_of_a_share() -> None:
    now = 100.0
    view = FleetView(0.1, lambda: now)
    charge = SharedCharge("m", "tokens", 60.0, 1_000.0, 50.0)
    take = Take("a", "m", (charge,), 0.0, 60.0, 120.0)
    view.learn(replace(take, lease="before"), Refused(1.0, 1.0, "tokens", (0.0,)))
    view.begin_fallback()
    granted = view.take(take)
    assert isinstance(granted, Granted)
    assert view.settle(Settle(take, (50.0,), (990.0,)))
    (added,) = view.end_fallback()
    assert [50.0] == [each.taken for each in added.charges]


@pytest.mark.parametrize(("seconds", "restored"), [(0.0, [40.0]), (59.0, [40.0]), (60.0, [])])
def test_requests_of_a_window_count_whole_until_it_has_passed(
    seconds: float, restored: list[float]
) -> None:
    now = [100.0]
    view = FleetView(0.1, lambda: now[0])
    charge = SharedCharge("", "requests", 60.0, 40.0, 1.0, is_log=True)
    view.learn(Take("a", "m", (charge,), 0.0, 60.0, 120.0), Granted(0.0, (39.0,)))
    now[0] += seconds
    assert restored == [each.taken for each in view.restored_use().charges]


@pytest.mark.parametrize(
    ("amount", "share", "used", "seconds", "free"),
    [
        (40.0, 0.25, 0.0, 0.0, 10),
        (40.0, 0.25, 20.0, 0.0, 5),
        # A part of a request counts whole: of all workers' together none is more.
        (40.0, 0.25, 21.0, 0.0, 4),
        (43.0, 0.25, 0.0, 0.0, 10),
        (40.0, 0.25, 40.0, 59.0, 0),
        (40.0, 0.25, 40.0, 60.0, 10),
        (1.0, 1.0, 0.0, 0.0, 1),
    ],
)
def test_requests_of_a_share_are_those_that_the_fleet_had_left_until_its_minute_is_over(
    amount: float, share: float, used: float, seconds: float, free: int
) -> None:
    now = [100.0]
    view, charge = FleetView(share, lambda: now[0]), requests(amount)
    view.learn(Take("a", "m", (charge,), 0.0, 60.0, 120.0), Refused(1.0, 1.0, "requests", (used,)))
    now[0] += seconds
    view.begin_fallback()
    assert free == sum(ask(view, f"{n}", charge) == 0 for n in range(20))
    assert amount == view.used("m", SlidingWindow(amount, 60.0))


def test_less_than_one_request_of_a_share_is_one_of_a_longer_window() -> None:
    now = [100.0]
    view, charge = FleetView(0.1, lambda: now[0]), requests(5.0)
    view.begin_fallback()
    assert 0.0 == ask(view, "1", charge)
    now[0] += 100.0
    assert 20.0 == pytest.approx(ask(view, "2", charge))
    assert [] == view.end_fallback()


def test_a_share_of_very_many_requests_is_refilled() -> None:
    now = [100.0]
    view, charge = FleetView(0.5, lambda: now[0]), requests(2_002.0)
    view.begin_fallback()
    assert 0.0 == ask(view, "1", charge)
    now[0] += 60.0 / 2_002
    assert 0.5 == pytest.approx(sum(a.charges[0].taken for a in view.end_fallback()), rel=0.01)


def test_requests_that_were_spent_without_asking_are_told_second_by_second() -> None:
    now = [100.0]
    view, charge = FleetView(0.5, lambda: now[0]), requests(40.0)
    view.learn(Take("a", "m", (charge,), 0.0, 60.0, 120.0), Granted(0.0, (9.0,)))
    view.begin_fallback()
    for at in (100.0, 141.0, 150.25, 150.75, 151.0):
        now[0] = at
        assert 0.0 == ask(view, f"{at}", charge)
    now[0] = 161.0
    told = [(each.ago, each.charges[0]) for each in view.end_fallback()]
    spent = replace(charge, is_from_shared_quota=True)
    # Those of a second count as the last of them; the first has left the window.
    assert [(20.0, spent), (10.25, replace(spent, taken=2.0)), (10.0, spent)] == told
