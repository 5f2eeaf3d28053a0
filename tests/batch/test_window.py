"""The look-ahead of a batch: how much is read, and which result comes next."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.batch.window import Window
from tests.conftest import FEWER


def test_no_more_is_read_than_the_window_holds() -> None:
    window = Window[str](2, ordered=True)
    assert [0, 1] == [window.start(), window.start()]
    assert not window.has_room
    window.finish(1, "one")
    assert (None, False) == (window.take(), window.has_room)
    window.finish(0, "zero")
    assert ["zero", "one", None] == [window.take(), window.take(), window.take()]
    assert (True, True, 2) == (window.has_room, window.is_empty, window.started)


def test_results_are_given_as_they_come_where_no_order_is_asked_for() -> None:
    window = Window[str](2, ordered=False)
    window.start(), window.start()
    assert (False, None) == (window.is_ready, window.take())
    window.finish(1, "one")
    assert (True, "one", True) == (window.is_ready, window.take(), window.has_room)


def test_a_result_that_is_kept_twice_is_given_once_and_one_that_is_put_back_again() -> None:
    for ordered in (True, False):
        window = Window[str](2, ordered=ordered)
        window.start()
        window.finish(0, "zero")
        window.finish(0, "zero")
        assert ["zero", None] == [window.take(), window.take()]
        assert window.is_empty
        window.put_back("zero")
        assert (True, False) == (window.is_ready, window.is_empty)
        assert ["zero", None] == [window.take(), window.take()]


@settings(max_examples=50 // FEWER)
@given(st.integers(1, 5), st.booleans(), st.data())
def test_every_result_is_given_once_and_the_look_ahead_is_bounded(
    size: int, ordered: bool, data: st.DataObject
) -> None:
    window = Window[int](size, ordered=ordered)
    started: list[int] = []
    out: list[int] = []
    arrived: list[int] = []
    for _ in range(15):
        if window.has_room:
            started.append(window.start())
        in_flight = [each for each in started if each not in arrived]
        assert len(started) - len(out) <= size
        if in_flight:
            index = data.draw(st.sampled_from(in_flight))
            window.finish(index, index)
            arrived.append(index)
        if data.draw(st.booleans()) and (result := window.take()) is not None:
            out.append(result)
    while (result := window.take()) is not None:
        out.append(result)
    expected = sorted(arrived) if ordered else arrived
    assert expected[: len(out)] == out
    assert ordered or len(out) == len(arrived)
