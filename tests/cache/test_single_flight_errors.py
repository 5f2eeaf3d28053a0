"""What followers are told of a leader's error."""

from __future__ import annotations

import traceback

import pytest

from services.llm.account.copied_errors import copied_error
from services.llm.account.single_flight import Leader, SingleFlight
from tests.cache.support import follow, lead


def test_a_crash_gives_every_follower_its_own_copy_of_the_error(
    single_flight: SingleFlight[str],
) -> None:
    cause = KeyError("from the SDK")
    error = ValueError("401", "bad key")
    error.__cause__ = cause
    error.attempts = [1]  # type: ignore[attr-defined]  # as an error of ours carries its story
    first = lead(single_flight)
    followers = [follow(single_flight) for _ in range(2)]
    first.set_exception(error)
    caught = []
    for follower in followers:
        with pytest.raises(ValueError, match="bad key") as info:
            follower.join(0)
        caught.append(info.value)
    assert len({id(each) for each in (error, *caught)}) == 3
    assert [(("401", "bad key"), cause, [1])] * 2 == [
        (each.args, each.__cause__, each.attempts)  # type: ignore[attr-defined]  # set above
        for each in caught
    ]
    assert error.__traceback__ is None
    frames = [len(traceback.extract_tb(each.__traceback__)) for each in caught]
    assert frames[0] == frames[1]


class OddError(Exception):
    """An exception that its args alone cannot build."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class StubbornError(Exception):
    """An exception that cannot be made without its constructor's arguments."""

    def __new__(cls, message: str, *, status: int) -> StubbornError:
        return super().__new__(cls, message)

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_copy_needs_no_constructor() -> None:
    error = raised(OddError("no", status=401))
    copy = copied_error(error)
    assert isinstance(copy, OddError)
    assert ("401: no", 401) == (str(copy), copy.status)
    assert copy is not error
    assert copy.__traceback__ is None
    assert error.__traceback__ is not None


def test_a_note_on_a_copy_is_not_on_the_original() -> None:
    error = OddError("no", status=401)
    error.__notes__ = ["one"]  # type: ignore[attr-defined]  # add_note came with Python 3.11
    copy = copied_error(error)
    copy.__notes__.append("two")  # type: ignore[attr-defined]  # as above
    assert ["one"] == error.__notes__  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize(
    "error", [UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), StubbornError("no", status=1)]
)
def test_what_refuses_to_be_copied_is_shared_without_its_traceback(error: Exception) -> None:
    assert error is copied_error(raised(error))
    assert error.__traceback__ is None


@pytest.mark.parametrize("is_set", [False, True])
def test_a_follower_leads_though_its_promotion_is_interrupted(
    single_flight: SingleFlight[str], monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    first, follower = lead(single_flight), follow(single_flight)

    def interrupted(leader: Leader[str]) -> None:
        monkeypatch.undo()
        if is_set:
            follower._outcome.set_result(leader)
        raise KeyboardInterrupt

    monkeypatch.setattr(follower._outcome, "set_result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        first.resign()
    assert isinstance(follower.join(0), Leader)
