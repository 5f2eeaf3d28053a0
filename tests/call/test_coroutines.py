"""A coroutine that blocks is run like a function; one that suspends is refused."""

from __future__ import annotations

import asyncio

import pytest

from services.llm.runtime.coroutines import run_without_loop


async def doubled(number: int) -> int:
    return 2 * number


async def divided(number: int) -> float:
    return await doubled(number) / 0


def test_its_result_is_returned_and_its_error_raised() -> None:
    assert 4 == run_without_loop(doubled(2))
    with pytest.raises(ZeroDivisionError):
        run_without_loop(divided(2))


def test_one_that_waits_for_an_event_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="must block, not suspend"):
        run_without_loop(asyncio.sleep(0))
