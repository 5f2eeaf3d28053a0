from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import Retrying

from services.llm.call.retry import CallRetryState, wait_decorrelated
from services.llm.errors import LLMError, ProviderUnavailableError, Retry


def state_after(error: LLMError) -> CallRetryState:
    state = CallRetryState(Retrying(), None, (), {})
    state.set_exception((type(error), error, None))
    return state


@given(st.floats(0.01, 5.0), st.floats(5.0, 100.0), st.randoms(use_true_random=False))
def test_each_wait_is_between_the_base_and_three_times_the_one_before(
    base: float, cap: float, chance: random.Random
) -> None:
    wait, state = wait_decorrelated(base, cap), state_after(ProviderUnavailableError("503"))
    previous = base
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "uniform", chance.uniform)
        for _ in range(20):
            pause = wait(state)
            assert min(cap, base) <= pause <= min(cap, 3 * previous)
            previous = pause


def test_waits_grow_to_the_cap_and_begin_anew_for_another_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    wait = wait_decorrelated(0.5, 30.0)
    first, other = (state_after(ProviderUnavailableError("503")) for _ in range(2))
    assert [1.5, 4.5, 13.5, 30.0, 30.0] == [wait(first) for _ in range(5)]
    assert 1.5 == wait(other)


def test_a_retry_after_is_never_undercut_and_does_not_count_as_a_wait_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    error = ProviderUnavailableError("503", retry_after=7.0)
    wait, state = wait_decorrelated(0.5, 30.0), state_after(error)
    assert [7.0, 7.0, 13.5] == [wait(state) for _ in range(3)]


def test_no_wait_is_due_where_the_way_is_clear() -> None:
    error = LLMError("a key was taken out", retry=Retry.AT_ONCE)
    assert 0.0 == wait_decorrelated(0.5, 30.0)(state_after(error))
