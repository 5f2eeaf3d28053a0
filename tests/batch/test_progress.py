"""How far a batch has come: counted, and shown where that is asked for."""

from __future__ import annotations

import io
import signal
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from services.llm.batch.progress import TerminalLine, reporter_of, words
from services.llm.batch.results import BatchProgress, BatchResult
from services.llm.types import Reply, Usage
from tests.batch.reading import BOTH, Read


def reply(cost: float | None = 0.5, *, cached: bool = False) -> BatchResult[str]:
    usage = Usage(6, 4, 10, reported=True)
    return BatchResult(0, "", Reply("a", "m", "groq", usage=usage, cost=cost, cached=cached))


FAILED = BatchResult[str](0, "", error=ValueError())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_was_given_is_added_up() -> None:
    now = BatchProgress(total=4)
    for result in (reply(), reply(None), FAILED, reply(0.0, cached=True)):
        now = now.after(result, 2.0)
    assert BatchProgress(4, 1, 1, 4, Usage(18, 12, 30, reported=True), 0.5, 1, 2.0) == now
    assert "4 of 4 answered, 1 failed, 1 from the cache, 2.0 a second" == words(now)
    assert "0 answered, 0 failed" == words(BatchProgress())


@pytest.mark.parametrize("read", BOTH)
def test_a_function_is_called_after_each_result(client: Any, read: Read) -> None:
    seen: list[BatchProgress] = []
    read(client, ["Say 1.", "Say 2."], progress=seen.append)
    assert [(1, 2), (2, 2)] == [(each.done, each.total) for each in seen]
    read(client, (f"Say {n}." for n in range(2)), progress=seen.append)
    assert (2, None) == (seen[-1].done, seen[-1].total)
    assert 0 < seen[0].elapsed <= seen[1].elapsed


@pytest.mark.parametrize("read", BOTH)
def test_what_the_function_raises_ends_the_batch(client: Any, read: Read) -> None:
    def failing(_: BatchProgress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read(client, ["Say 1.", "Say 2."], progress=failing)


def test_the_progress_of_a_batch_can_be_looked_at(client: Any) -> None:
    with client.generate_batch(["Say 1.", "Say 2."]) as batch:
        next(batch)
        assert (1, 2) == (batch.progress.done, batch.progress.total)
    assert 0 == client.agenerate_batch(["Say it."]).progress.done


def test_a_bar_is_shown_where_tqdm_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Tqdm:
        def __init__(self, **arguments: Any) -> None:
            calls.append(arguments)

        def set_postfix(self, **arguments: Any) -> None:
            calls.append(arguments)

        def update(self, by: int) -> None:
            calls.append(by)

        def close(self) -> None:
            calls.append("closed")

    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=Tqdm))
    reporter = reporter_of(True, 2)
    reporter.begin()
    reporter.add(reply())
    reporter.add(FAILED)
    reporter.close()
    expected = [{"total": 2, "unit": "prompt"}, 1, {"failed": 1, "refresh": False}, 1, "closed"]
    assert expected == calls


def test_a_line_is_shown_on_a_terminal_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    reporter = reporter_of(True, None)
    reporter.begin()
    reporter.add(reply())
    reporter.close()
    assert terminal.getvalue().startswith("\r1 answered, 0 failed")
    assert terminal.getvalue().endswith("\n")


@pytest.mark.parametrize("failure", [BrokenPipeError(32, "Broken pipe"), ValueError("closed")])
@pytest.mark.parametrize("first", ["isatty", "write"])
def test_a_terminal_that_goes_away_ends_no_batch(
    failure: Exception, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise failure

    monkeypatch.setitem(sys.modules, "tqdm", None)
    terminal = Terminal()
    monkeypatch.setattr(terminal, first, failing)
    monkeypatch.setattr(sys, "stderr", terminal)
    reporter = reporter_of(True, 2)
    reporter.begin()
    for _ in range(2):
        reporter.add(reply())
    reporter.close()
    assert (2, "") == (reporter.progress.done, terminal.getvalue())


def test_what_a_signal_handler_raises_as_progress_is_shown_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def alarm(*_: object) -> None:
        raise TimeoutError("the host's own time limit")

    def write(_: str) -> None:
        signal.raise_signal(signal.SIGALRM)

    monkeypatch.setitem(sys.modules, "tqdm", None)
    terminal = Terminal()
    monkeypatch.setattr(terminal, "write", write)
    monkeypatch.setattr(sys, "stderr", terminal)
    reporter = reporter_of(True, 2)
    reporter.begin()
    before = signal.signal(signal.SIGALRM, alarm)
    try:
        with pytest.raises(TimeoutError, match="the host's own"):
            reporter.add(reply())
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("stderr", [io.StringIO(), None])
def test_nothing_is_shown_elsewhere(
    stderr: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", stderr)
    reporter = reporter_of(True, None)
    reporter.begin()
    reporter.add(reply())
    reporter.close()
    assert "" == (stderr.getvalue() if stderr else "")


def test_the_line_is_written_ten_times_a_second_and_at_the_end() -> None:
    terminal, now = Terminal(), 0.0
    line = TerminalLine(terminal, lambda: now)
    line.close()
    assert "" == terminal.getvalue()
    for done in range(1, 5):
        line.show(BatchProgress(done))
        now += 0.06
    line.close()
    assert ["1", "3", "4"] == [part.split()[0] for part in terminal.getvalue().split("\r")[1:]]


def test_a_shorter_line_covers_a_longer_one() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal, lambda: 1.0)
    line._write(BatchProgress(10, total=1_000_000))
    line._write(BatchProgress(1))
    first, second = terminal.getvalue().split("\r")[1:]
    assert len(first) == len(second)
