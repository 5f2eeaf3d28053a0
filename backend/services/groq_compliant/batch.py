"""Many prompts, one a line: read as they are needed, answered side by side, reported in order."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..llm.client.arguments import chat
from ..llm.errors import LLMError
from .sources import STDIN, InputError, UsageError, other_than_utf_8, unreadable

#: Bytes of the longest line that is read: more is no prompt that any model could take.
LONGEST_LINE = 16 * 2**20
#: Bytes of a file's start that tell its encoding.
_LOOK = 4096

#: What each member of a line may hold: its types, and the words for them.
_MAY_HOLD: dict[str, tuple[type | tuple[type, ...], str]] = {
    "id": (object, "anything"),
    "prompt": (str, "text"),
    "messages": (list, "a list"),
    "system": (str, "text"),
    "model": (str, "text"),
    "temperature": ((int, float, type(None)), "a number, or null"),
    "max_tokens": (int, "a whole number"),
}


@dataclass(frozen=True)
class BatchLine:
    """One line that is to be answered; `problem` says why it cannot be."""

    number: int
    prompt: str = ""
    id: Any = None
    #: What it says itself of how it is to be asked.
    how: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def record(self, **outcome: Any) -> str:
        """One JSON line: the line's number, its id if it has one, and its outcome."""
        named = {} if self.id is None else {"id": self.id}
        return json.dumps({"line": self.number, **named, **outcome}, ensure_ascii=False)

    def failure(self, error: Exception) -> str:
        """One JSON line: what kept the line from being answered."""
        return self.record(error=error_fields(error))

    def refusal(self) -> str:
        """One JSON line: what is wrong with the line itself."""
        return self.record(error={"type": "InputError", "message": self.problem})


def error_fields(error: Exception) -> dict[str, Any]:
    """Return what a record says of an error."""
    fields: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, LLMError) and error.status is not None:
        fields["status"] = error.status
    return fields


#: Asks what a line says, and returns the fields of its record; raises LLMError.
AnswerLine = Callable[[BatchLine], Awaitable[dict[str, Any]]]


@dataclass
class BatchCounts:
    """Counts the lines of a batch."""

    done: int = 0
    failed: int = 0


async def answer_all(
    file: BinaryIO, ask: AnswerLine, tell: Callable[[str, BatchCounts], None], window: int
) -> BatchCounts:
    """Answer every line of *file*, at most *window* of them under way, and *tell* in order.

    A line that fails is reported with its error, and the others go on.
    """
    tally, under_way = BatchCounts(), deque[asyncio.Task[tuple[str, bool]]]()
    lines = read(file)
    try:
        while True:
            while len(under_way) < window and (line := next(lines, None)) is not None:
                under_way.append(asyncio.create_task(_outcome(line, ask)))
            if not under_way:
                return tally
            record, failed = await under_way[0]
            under_way.popleft()
            tally.done += 1
            tally.failed += failed
            tell(record, tally)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


@contextmanager
def opened(file: Path) -> Iterator[BufferedReader]:
    """Open *file*, `-` for standard input, which stays open afterwards.

    Raises UsageError where it cannot be read, is where the answers go, or standard input is empty,
    and InputError where it is no UTF-8 as a whole.
    """
    with _binary(file) as lines:
        if _is_output(lines):
            # Each answer would be read as a further prompt, without end.
            raise UsageError(f"{file}: the answers would be written into it: name another file")
        head = lines.peek(1)[:_LOOK]
        if file == STDIN and not head:
            # What a failed producer pipes, which must not look like success.
            raise UsageError("there is nothing to ask: standard input is empty")
        if problem := other_than_utf_8(head):
            raise InputError(f"{file}: {problem}")
        yield lines


def _is_output(lines: BufferedReader) -> bool:
    """Whether standard output is the file of *lines*."""
    try:
        read, written = os.fstat(lines.fileno()), os.fstat(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        return False  # one of them is closed, or no file
    return stat.S_ISREG(read.st_mode) and os.path.samestat(read, written)


def _binary(file: Path) -> AbstractContextManager[BufferedReader]:
    if file == STDIN:
        if sys.stdin is None:
            raise UsageError("standard input is closed")
        return nullcontext(cast("BufferedReader", sys.stdin.buffer))
    try:
        return file.open("rb")
    except OSError as error:
        raise unreadable(file, error) from error


def read(file: BinaryIO) -> Iterator[BatchLine]:
    """Yield the lines of *file* that are not blank, without ever holding more than one."""
    number = 0
    while data := file.readline(LONGEST_LINE):
        number += 1
        if len(data) == LONGEST_LINE and not data.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield BatchLine(number, problem=f"longer than {LONGEST_LINE} bytes")
        elif data.strip():
            yield _line(number, data)


def _line(number: int, data: bytes) -> BatchLine:
    if b"\0" in data:
        return BatchLine(number, problem="not valid UTF-8 (it holds NUL bytes)")
    try:
        text = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        record = _record(text)
    except UnicodeDecodeError as error:
        return BatchLine(number, problem=f"not valid UTF-8 ({error.reason})")
    except (ValueError, RecursionError) as error:
        return BatchLine(number, problem=f"no JSON ({error})")
    problem = _problem(record)
    if problem:
        return BatchLine(number, id=record.get("id"), problem=problem)
    how = {name: value for name, value in record.items() if name not in ("prompt", "id")}
    return BatchLine(number, record.get("prompt", ""), record.get("id"), how)


def _record(text: str) -> dict[str, Any]:
    """What a line asks: an object, a chat in a list, a JSON string, or text as it is.

    Raises ValueError for what is no JSON, but for text in brackets such as "[INST] Hello".
    """
    try:
        record = json.loads(text) if text.startswith(("{", '"', "[")) else text
    except ValueError:
        if not text.startswith("["):
            raise
        record = text
    if isinstance(record, str):
        return {"prompt": record}
    return {"messages": record} if isinstance(record, list) else record


def _problem(record: Mapping[str, Any]) -> str:
    for name, value in record.items():
        if name not in _MAY_HOLD:
            return f"{name!r} is none of {', '.join(_MAY_HOLD)}"
        types, words = _MAY_HOLD[name]
        if not isinstance(value, types) or (name != "id" and isinstance(value, bool)):
            return f"{name!r} is of type {type(value).__name__}: give {words}"
    if "messages" in record:
        return _problem_of_chat(record)
    prompt = record.get("prompt")
    return "" if isinstance(prompt, str) and prompt.strip() else "there is no prompt in it"


def _problem_of_chat(record: Mapping[str, Any]) -> str:
    if "prompt" in record:
        return "there is a prompt in it and messages: give one of them"
    try:
        chat(record["messages"])
    except LLMError as error:
        return f"a list is a chat of objects with role and content, and {error}"
    return ""


async def _outcome(line: BatchLine, ask: AnswerLine) -> tuple[str, bool]:
    if line.problem:
        return line.refusal(), True
    try:
        return line.record(**await ask(line)), False
    except LLMError as error:
        return line.failure(error), True
