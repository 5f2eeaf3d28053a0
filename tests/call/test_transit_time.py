"""How late a provider may see a request, learnt from how long its answers take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.llm.account.transit_time import FIRST_GUESS, LEAST, MARGIN, MOST, TransitTime


def learnt(*answers: tuple[float, float | None]) -> float:
    transit = TransitTime()
    for took, processing in answers:
        transit.observe(took, processing)
    return transit.seconds


def test_before_anything_is_known_a_second_is_kept() -> None:
    assert FIRST_GUESS == learnt()


def test_what_the_provider_did_not_work_is_the_path() -> None:
    assert MARGIN * 0.25 == learnt((30.125, 30.0), (60.25, 60.0))


def test_without_its_word_the_path_is_what_an_answer_took_longer_than_the_fastest() -> None:
    learned = learnt((60.0, None), (60.5, None), (60.25, None))
    assert MARGIN * 0.4 < learned <= MARGIN * (0.5 + LEAST)


def test_a_quick_answer_bounds_the_path_by_itself() -> None:
    assert LEAST == learnt((0.03, None))
    assert MARGIN * 0.05 == learnt((0.05, None), (0.05, 9.0))


def test_a_slow_answer_is_forgotten_in_the_end() -> None:
    slow = [(3.0, 1.0)]
    assert MARGIN * 2.0 == learnt(*slow)
    assert MARGIN * 0.25 == learnt(*slow, *[(1.25, 1.0)] * 64)
    assert MARGIN * 1.0 < learnt(*slow, *[(1.25, 1.0)] * 10)
    assert LEAST * MARGIN < learnt((60.0, None), (1.0, None), (1.1, None)) < MOST


@given(st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(-1e6, 1e6)), max_size=99))
def test_it_stays_within_its_bounds(answers: list[tuple[float, float | None]]) -> None:
    assert LEAST <= learnt(*answers) <= MOST
