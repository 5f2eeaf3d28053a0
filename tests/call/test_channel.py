"""An open stream, whatever its source does and whenever the answer has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.llm.errors import LLMError, LLMTimeoutError, RateLimitError
from services.llm.providers.channel import AsyncChannel, Channel, map_errors, raise_mapped
from services.llm.stream_types import StreamEvent, TextPiece
from services.llm.types import Reply
from tests.call.scripted import says

Item = str | BaseException | None


class Source:
    """A source that brings *items*, of which an exception is raised."""

    def __init__(self, *items: Item) -> None:
        self._items = list(items)
        self.closed_as_done: list[bool] = []
        self.is_aborted = False

    def read(self, _: float) -> Item:
        item = self._items.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self, *, is_done: bool = False) -> None:
        self.closed_as_done.append(is_done)

    def abort(self) -> None:
        self.is_aborted = True


class AsyncSource:
    """The same for an event loop."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def read(self, until: float) -> Item:
        return self._source.read(until)

    async def aclose(self, *, is_done: bool = False) -> None:
        self._source.close(is_done=is_done)


class Reader:
    """Adds texts up; "." ends the answer, "" says nothing, and "end" is the stream's end."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.is_done = False
        self.failure: Exception | None = None

    @property
    def answer_has_ended(self) -> bool:
        return "." in self.texts

    def add(self, text: str) -> Sequence[StreamEvent]:
        self.is_done = text == "end"
        self.texts.append(text)
        return [TextPiece(text)] if text not in ("", "end") else []

    def whole(self) -> Reply:
        return self.so_far()

    def so_far(self) -> Reply:
        return says("".join(self.texts))


def to_error(error: Exception) -> LLMError:
    if isinstance(error, LLMError):
        return error
    kind = LLMTimeoutError if isinstance(error, TimeoutError) else LLMError
    return kind("meant", provider="groq")


@pytest.fixture(params=["blocking", "awaiting"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "awaiting")


def read(
    source: Source, is_async: bool, seconds: float = 9.0, reader: Reader | None = None
) -> tuple[list[str], BaseException | None]:
    """The texts of the stream, and what ended it."""
    reader = reader or Reader()
    how = (reader, reader.add, to_error)
    channel: Any = AsyncChannel(AsyncSource(source), *how) if is_async else Channel(source, *how)
    said: list[str] = []
    loop = asyncio.new_event_loop()

    def pull() -> Any:
        pulled = channel.pull(seconds)
        return loop.run_until_complete(pulled) if is_async else pulled

    try:
        while (events := pull()) is not None:
            said += [event.text for event in events]
    except BaseException as error:
        return said, error
    finally:
        assert channel.is_closed
        closing = channel.aclose() if is_async else channel.close()
        if is_async:
            loop.run_until_complete(closing)
        loop.close()
    return said, None


@pytest.mark.parametrize(
    ("items", "is_done"), [(["a", "", ".", "end"], True), (["a", "", ".", None], False)]
)
def test_a_stream_is_closed_once_where_it_ends(
    items: list[Item], is_done: bool, is_async: bool
) -> None:
    source = Source(*items)
    assert (["a", "."], None) == read(source, is_async)
    assert [is_done] == source.closed_as_done


def test_what_was_wrong_with_the_rest_comes_after_the_events_before_it(is_async: bool) -> None:
    class Failing(Reader):
        def add(self, text: str) -> Sequence[StreamEvent]:
            self.failure = ValueError("broken")
            return super().add(text)

    source = Source("a", "b")
    said, error = read(source, is_async, reader=Failing())
    assert ["a"] == said
    assert isinstance(error, LLMError)
    assert (("a", [False]), "broken") == (
        (error.partial and error.partial.text, source.closed_as_done),
        str(error.__cause__),
    )


def test_one_that_says_nothing_for_ever_ends_at_its_time(is_async: bool) -> None:
    source = Source("a", *[""] * 3)
    said, error = read(source, is_async, seconds=-1.0)
    assert (["a"], True) == (said, isinstance(error, LLMTimeoutError))
    assert "Groq connection error: the stream has stood still for -1 seconds" == str(error)
    assert [False] == source.closed_as_done


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError("lost"), LLMError),
        (TimeoutError(), LLMTimeoutError),
        (RateLimitError("told"), RateLimitError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_ends_a_stream_before_its_answer_has_ended_is_an_error_with_the_text_so_far(
    raised: BaseException, expected: type[BaseException], is_async: bool
) -> None:
    source = Source("a", raised)
    said, error = read(source, is_async)
    assert (["a"], expected, [False]) == (said, type(error), source.closed_as_done)
    if isinstance(error, LLMError):
        assert error.partial is not None
        assert "a" == error.partial.text
        assert raised in (error, error.__cause__)


@pytest.mark.parametrize("raised", [OSError("lost"), TimeoutError(), ValueError("no JSON")])
def test_what_comes_to_grief_after_the_answer_does_it_no_harm(
    raised: Exception, is_async: bool
) -> None:
    source = Source("a", ".", raised)
    assert (["a", "."], None) == read(source, is_async)
    assert [False] == source.closed_as_done


def test_what_the_provider_says_after_the_answer_counts(is_async: bool) -> None:
    said, error = read(Source("a", ".", RateLimitError("told")), is_async)
    assert (["a", "."], RateLimitError) == (said, type(error))


def test_others_have_their_turn_while_a_stream_says_nothing() -> None:
    turns: list[str] = []

    class Telling(Source):
        def read(self, until: float) -> Item:
            item = super().read(until)
            turns.append(repr(item))
            return item

    async def scene() -> None:
        reader = Reader()
        channel: Any = AsyncChannel(AsyncSource(Telling("", "", "a")), reader, reader.add, to_error)
        asyncio.get_running_loop().call_soon(turns.append, "another")
        await channel.pull(9.0)

    asyncio.run(scene())
    assert ["''", "another", "''", "'a'"] == turns


@pytest.mark.parametrize("raised", [RateLimitError("ours"), KeyboardInterrupt()])
def test_an_error_of_ours_and_an_interruption_are_raised_as_they_are(
    raised: BaseException,
) -> None:
    with pytest.raises(type(raised)) as caught:
        raise_mapped(raised, to_error)
    assert (raised, None) == (caught.value, caught.value.__cause__)


def test_what_an_sdk_raises_in_a_block_is_raised_as_what_it_means() -> None:
    raised = OSError("lost")
    with map_errors(to_error):
        pass
    with pytest.raises(LLMError, match="meant") as caught, map_errors(to_error):
        raise raised
    assert raised is caught.value.__cause__


def test_what_was_wrong_after_the_last_events_is_raised_with_the_next_pull() -> None:
    reader = Reader()
    reader.failure = ValueError("no JSON")
    source = Source("never read")
    channel = Channel(source, reader, reader.add, to_error)
    with pytest.raises(LLMError, match="meant") as caught:
        channel.pull(9.0)
    assert (reader.failure, [False]) == (caught.value.__cause__, source.closed_as_done)


def test_a_pull_in_another_thread_is_ended_at_its_source() -> None:
    source, reader = Source(), Reader()
    Channel(source, reader, reader.add, to_error).abort()
    assert (True, []) == (source.is_aborted, source.closed_as_done)
