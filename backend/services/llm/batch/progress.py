"""Shows how far a batch has come: to a function, in tqdm's bar, or in a line on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, TextIO

from ..runtime.signals import handler_traceback
from .results import BatchProgress, BatchResult, OnProgress

#: Seconds between two lines on a terminal.
_EVERY = 0.1


class Display(Protocol):
    """Something that shows the progress of a batch."""

    def show(self, progress: BatchProgress) -> None:
        """Show how far it is now."""

    def close(self) -> None:
        """The batch has ended."""


class Reporter:
    """Adds up the results of a batch, and shows them on a *display*; *now* is in seconds."""

    def __init__(
        self, total: int | None, display: Display, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.progress = BatchProgress(total=total)
        self._display = display
        self._now = now
        self._started_at: float | None = None
        self._is_closed = False
        #: Held while a result is counted and shown. Reentrant: a progress function may read on.
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Count the seconds from now on."""
        self._started_at = self._now()

    def add(self, result: BatchResult[Any]) -> None:
        """Count *result*, and show that."""
        assert self._started_at is not None, "a result comes after the beginning"
        with self._lock:
            before = self.progress
            self.progress = before.after(result, self._now() - self._started_at)
            try:
                self._display.show(self.progress)
            except BaseException:
                self.progress = before  # the result is not given
                raise

    def close(self) -> None:
        """Show no more."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._display.close()


def reporter_of(progress: OnProgress | bool | None, total: int | None) -> Reporter:
    """Return what *progress* asks for: a function is called, True shows a bar or a line."""
    if callable(progress):
        return Reporter(total, _Function(progress))
    if progress:
        return Reporter(total, _OnStandardError(total))
    return Reporter(total, _Nothing())


class _Nothing:
    def show(self, progress: BatchProgress) -> None:
        """Show nothing."""

    def close(self) -> None:
        """There is nothing to close."""


class _Function(_Nothing):
    def __init__(self, function: OnProgress) -> None:
        self._function = function

    def show(self, progress: BatchProgress) -> None:
        """Call the caller's function; what it raises ends the batch."""
        self._function(progress)


class _OnStandardError:
    """A bar or a line; nothing once it cannot be written, which is no reason to end a batch."""

    def __init__(self, total: int | None) -> None:
        self._display: Display = _Nothing()
        with self._while_writable():
            self._display = _bar(total) or _line()

    def show(self, progress: BatchProgress) -> None:
        """Show it, if that is possible."""
        with self._while_writable():
            self._display.show(progress)

    def close(self) -> None:
        """End the bar or the line, if that is possible."""
        with self._while_writable():
            self._display.close()

    @contextmanager
    def _while_writable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            if handler_traceback(error) is not None:
                raise
            self._display = _Nothing()


def _bar(total: int | None) -> Display | None:
    """tqdm's bar, where it is installed."""
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        return None
    return TqdmBar(tqdm(total=total, unit="prompt"))


class TqdmBar:
    """A bar of tqdm."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def show(self, progress: BatchProgress) -> None:
        """Move it on by one, and say how many have failed."""
        if progress.failed:
            self._bar.set_postfix(failed=progress.failed, refresh=False)
        self._bar.update(1)

    def close(self) -> None:
        """Leave it as it stands."""
        self._bar.close()


def _line() -> Display:
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return TerminalLine(sys.stderr) if is_terminal else _Nothing()


class TerminalLine:
    """One line that is written anew, ten times a second at most."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._shown_at = -1.0
        self._latest: BatchProgress | None = None
        self._width = 0

    def show(self, progress: BatchProgress) -> None:
        """Write the line, unless it was written just now."""
        self._latest = progress
        if self._shown_at < 0 or self._now() - self._shown_at >= _EVERY:
            self._write(progress)

    def close(self) -> None:
        """Write the last state, and end the line."""
        if self._latest is not None:
            self._write(self._latest)
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, progress: BatchProgress) -> None:
        text = words(progress)
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width, self._shown_at = len(text), self._now()


def words(progress: BatchProgress) -> str:
    """Say how far a batch is, in one line."""
    total = "" if progress.total is None else f" of {progress.total}"
    parts = [f"{progress.done}{total} answered", f"{progress.failed} failed"]
    if progress.cached:
        parts.append(f"{progress.cached} from the cache")
    if progress.elapsed > 0:
        parts.append(f"{progress.done / progress.elapsed:.1f} a second")
    return ", ".join(parts)
