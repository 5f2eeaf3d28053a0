"""A call that has nothing to wait for does not wait."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from services.llm.effects import Sleep, sleep


def woken() -> Future[None]:
    wake: Future[None] = Future()
    wake.set_result(None)
    return wake


@pytest.mark.parametrize(("seconds", "wake"), [(0.0, None), (-1.0, None), (5.0, woken())])
def test_no_sleep_is_asked_for_where_none_is_due(seconds: float, wake: Future[None] | None) -> None:
    assert [] == list(sleep(seconds, "retry", wake))


def test_a_sleep_is_asked_for_with_what_ends_it() -> None:
    wake: Future[None] = Future()
    assert [Sleep(5.0, "retry", wake)] == list(sleep(5.0, "retry", wake))
