"""A coroutine that blocks is run like a function; one that suspends is refused."""

from __future__ import annotations

import asyncio

import pytest

from services.llm.runtime.coroutines import as_coroutine, run_without_loop


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


def test_a_function_that_blocks_is_a_step_of_one() -> None:
    assert 5 == run_without_loop(as_coroutine(divmod)(16, 3))[0]
    with pytest.raises(ZeroDivisionError):
        run_without_loop(as_coroutine(divmod)(1, 0))
