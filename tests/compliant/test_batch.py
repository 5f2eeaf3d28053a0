from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.groq_compliant import batch
from services.groq_compliant.batch import BatchCounts, BatchLine, answer_all, opened, read
from services.groq_compliant.sources import UsageError
from services.llm.errors import LLMError, RateLimitError


def lines(data: bytes) -> list[BatchLine]:
    return list(read(io.BytesIO(data)))


async def echo(line: BatchLine) -> dict[str, Any]:
    return {"text": line.prompt}


def told(
    data: bytes, ask: batch.AnswerLine = echo, window: int = 4
) -> tuple[list[Any], BatchCounts]:
    records: list[Any] = []
    tally = asyncio.run(
        answer_all(
            io.BytesIO(data), ask, lambda record, _: records.append(json.loads(record)), window
        )
    )
    return records, tally


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain words\n", BatchLine(1, "plain words")),
        (b"42\n", BatchLine(1, "42")),
        (b"[INST] words", BatchLine(1, "[INST] words")),
        (b'"a\\nb"\n', BatchLine(1, "a\nb")),
        (b"\xef\xbb\xbfmarked", BatchLine(1, "marked")),
        (b'{"prompt": "a", "id": 7}', BatchLine(1, "a", 7)),
        (
            b'[{"role": "user", "content": "a"}]',
            BatchLine(1, how={"messages": [{"role": "user", "content": "a"}]}),
        ),
        (
            b'{"id": 7, "messages": [{"role": "user", "content": "a"}], "system": "s"}',
            BatchLine(1, "", 7, {"messages": [{"role": "user", "content": "a"}], "system": "s"}),
        ),
        (
            b'{"prompt": "a", "model": "m", "temperature": 1, "max_tokens": 5, "system": "s"}',
            BatchLine(
                1, "a", None, {"model": "m", "temperature": 1, "max_tokens": 5, "system": "s"}
            ),
        ),
    ],
)
def test_a_line_is_text_a_json_string_a_chat_or_an_object(data: bytes, expected: BatchLine) -> None:
    assert [expected] == lines(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{bad", "no JSON"),
        (b'{"a":' * 100_000, "no JSON"),
        (b"caf\xe9", "not valid UTF-8"),
        (b'{"prompt": " "}', "there is no prompt in it"),
        (b'{"id": 1}', "there is no prompt in it"),
        (b'{"prompt": 1}', "'prompt' is of type int: give text"),
        (
            b'{"prompt": "a", "max_tokens": true}',
            "'max_tokens' is of type bool: give a whole number",
        ),
        (b'{"prompt": "a", "tokens": 1}', "'tokens' is none of id, prompt"),
        (b"[]", "a list is a chat of objects with role and content, and"),
        (b'["a", "b"]', "messages[0] is no mapping with a role, but a str"),
        (b'{"messages": {"role": "user"}}', "'messages' is of type dict: give a list"),
        (b'{"messages": [{"role": "user", "content": "a"}], "prompt": "b"}', "give one of them"),
    ],
)
def test_a_line_that_says_nothing_to_ask_says_why(data: bytes, problem: str) -> None:
    (line,) = lines(data)
    assert problem in line.problem


def test_a_line_that_is_wrong_keeps_its_id() -> None:
    assert [7] == [line.id for line in lines(b'{"id": 7, "prompt": 1}')]


def test_blank_lines_count_and_are_not_asked() -> None:
    assert [1, 4] == [line.number for line in lines(b"one\n\n  \r\nfour\n")]


def test_a_line_without_end_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "LONGEST_LINE", 8)
    found = lines(b"1234567\n" + b"x" * 30 + b"\nafter\n" + b"y" * 8)
    assert ["", "longer than 8 bytes", "", "longer than 8 bytes"] == [
        line.problem for line in found
    ]
    assert [1, 2, 3, 4] == [line.number for line in found]


def test_answers_come_in_the_order_of_their_lines() -> None:
    async def slow_first(line: BatchLine) -> dict[str, Any]:
        for _ in range(10 - line.number):
            await asyncio.sleep(0)
        return {"text": line.prompt}

    records, tally = told(b"a\nb\nc\n", slow_first)
    assert [{"line": n, "text": text} for n, text in ((1, "a"), (2, "b"), (3, "c"))] == records
    assert BatchCounts(3, 0) == tally


def test_a_line_that_fails_is_told_with_its_error_and_the_others_go_on() -> None:
    async def fail_at_two(line: BatchLine) -> dict[str, Any]:
        if line.number == 2:
            raise RateLimitError("no more", status=429)
        if line.number == 3:
            raise LLMError("without a status")
        return {"text": line.prompt}

    records, tally = told(b'a\n{"prompt": "b", "id": "two"}\nc\n{\nd\n', fail_at_two)
    assert [
        {"line": 1, "text": "a"},
        {
            "line": 2,
            "id": "two",
            "error": {"type": "RateLimitError", "message": "no more", "status": 429},
        },
        {"line": 3, "error": {"type": "LLMError", "message": "without a status"}},
    ] == records[:3]
    assert "InputError" == records[3]["error"]["type"]
    assert ({"line": 5, "text": "d"}, BatchCounts(5, 3)) == (records[4], tally)


def test_an_empty_file_has_no_answers() -> None:
    assert ([], BatchCounts(0, 0)) == told(b"")


def test_a_huge_file_is_read_as_it_is_answered() -> None:
    read_so_far = answered = most_ahead = 0

    class Huge(io.RawIOBase):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal read_so_far
            read_so_far += 1
            return b"" if read_so_far > 1000 else b"prompt\n"

    def tell(record: str, tally: BatchCounts) -> None:
        nonlocal answered, most_ahead
        answered += 1
        most_ahead = max(most_ahead, read_so_far - answered)

    asyncio.run(answer_all(Huge(), echo, tell, 8))  # type: ignore[arg-type]  # as much of a file as is used
    assert (1000, True) == (answered, most_ahead <= 8)


def test_when_nobody_listens_any_more_nothing_is_left_under_way() -> None:
    cancelled: list[int] = []

    async def wait_after_one(line: BatchLine) -> dict[str, Any]:
        try:
            await asyncio.sleep(0 if line.number == 1 else 60)
        except asyncio.CancelledError:
            cancelled.append(line.number)
            raise
        return {}

    def stop(record: str, tally: BatchCounts) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        asyncio.run(answer_all(io.BytesIO(b"a\nb\nc\n"), wait_after_one, stop, 3))
    assert [2, 3] == sorted(cancelled)


def test_what_is_not_expected_ends_the_batch() -> None:
    async def bug(line: BatchLine) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told(b"a\nb\n", bug)


def test_reading_is_lazy() -> None:
    lazy: Iterator[BatchLine] = read(io.BytesIO(b"a\nb\n"))
    assert 1 == next(lazy).number


def test_a_line_with_nul_bytes_is_told_and_not_sent() -> None:
    first, second = read(io.BytesIO(b"one\nt\0w\0o\0\n"))
    assert ("one", "") == (first.prompt, first.problem)
    assert ("", "not valid UTF-8 (it holds NUL bytes)") == (second.prompt, second.problem)


def test_standard_input_that_is_empty_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO())))
    with pytest.raises(UsageError, match="standard input is empty"), opened(Path("-")):
        pass


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file of one prompt."""
    place = tmp_path / "prompts.txt"
    place.write_text("one\n")
    return place


def test_a_file_that_the_answers_are_written_into_is_wrong_usage(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open("a") as output, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", output)
        with pytest.raises(UsageError, match="the answers would be written into it"), opened(place):
            pass


def test_a_closed_output_is_no_file_of_prompts(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        with opened(place) as lines:
            assert b"one\n" == lines.read()
