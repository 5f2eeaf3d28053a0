"""How long a stream's next words are waited for: not as long once its answer has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from services.llm.errors import LLMError, LLMTimeoutError
from services.llm.providers import channel
from services.llm.providers.channel import Channel

NOW = 1024.0


class Reader:
    """What is told word by word; a full stop ends the answer, and nothing ends the stream."""

    is_done = False
    failure: Exception | None = None

    def __init__(self) -> None:
        self.words: list[str] = []

    @property
    def answer_has_ended(self) -> bool:
        return "." in self.words

    def whole(self) -> Any:
        return " ".join(self.words)

    so_far = whole

    def take(self, word: str) -> list[Any]:
        self.words.append(word)
        return [word] if word != "." else []


class Source:
    """Words, each with the seconds for which it was waited; then silence."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)
        self.waits: list[float] = []

    def read(self, until: float) -> str:
        self.waits.append(until - NOW)
        if not self._words:
            raise TimeoutError("timed out")
        return self._words.pop(0)

    def close(self, *, is_done: bool = False) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """It never waits."""


def meant(error: Exception) -> LLMError:
    return LLMTimeoutError(str(error), provider="groq")


def opened(*words: str) -> tuple[Any, Source]:
    source, reader = Source(*words), Reader()
    return Channel(source, reader, reader.take, meant), source


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "time", SimpleNamespace(monotonic=lambda: NOW))


@pytest.mark.parametrize(("seconds", "rest"), [(30.0, 1.0), (1.0, 0.5)])
def test_what_may_follow_an_answer_is_waited_for_but_a_moment(seconds: float, rest: float) -> None:
    stream, source = opened("One", ".")
    assert ["One"] == stream.pull(30.0)
    assert stream.pull(seconds) is None
    assert [30.0, seconds, rest] == source.waits
    assert "One ." == stream.whole()


def test_the_moment_begins_once_with_the_end() -> None:
    stream, source = opened(".", "usage", "more")
    assert [["usage"], ["more"], None] == [stream.pull(30.0) for _ in range(3)]
    assert [30.0, 1.0, 1.0, 1.0] == source.waits


def test_an_answer_that_goes_on_has_its_whole_time() -> None:
    stream, source = opened("One")
    stream.pull(30.0)
    with pytest.raises(LLMTimeoutError, match="stood still for 30"):
        stream.pull(30.0)
    assert [30.0, 30.0] == source.waits
