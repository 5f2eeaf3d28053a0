"""What a worker goes by while its fleet's ledger is away."""

from __future__ import annotations

import pytest

from services.llm.account.fleet_view import FleetView
from services.llm.quota.shared import Granted, Settle, SharedCharge, Take


def test_what_is_said_of_the_whole_limit_is_not_taken_for_use_of_a_share() -> None:
    now = 100.0
    view = FleetView(0.1, lambda: now)
    charge = SharedCharge("m", "tokens", 60.0, 1_000.0, 50.0)
    take = Take("a", "m", (charge,), 0.0, 60.0, 120.0)
    view.learn(take, Granted(0.0, (0.0,), (0.0,)))
    view.begin_fallback()
    granted = view.take(take)
    assert isinstance(granted, Granted)
    assert view.settle(Settle(take, (50.0,), (990.0,), granted.marks))
    (spent,) = view.end_fallback().charges
    assert 50.0 == spent.taken


@pytest.mark.parametrize(("seconds", "restored"), [(0.0, [40.0]), (59.0, [40.0]), (60.0, [])])
def test_requests_of_a_window_count_whole_until_it_has_passed(
    seconds: float, restored: list[float]
) -> None:
    now = [100.0]
    view = FleetView(0.1, lambda: now[0])
    charge = SharedCharge("", "requests", 60.0, 40.0, 1.0, is_log=True)
    view.learn(Take("a", "m", (charge,), 0.0, 60.0, 120.0), Granted(0.0, (39.0,), (0.0,)))
    now[0] += seconds
    assert restored == [each.taken for each in view.restored().charges]
