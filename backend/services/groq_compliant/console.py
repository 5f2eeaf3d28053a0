"""Standard error as the user sees it: log lines, colours where they are wanted, progress."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from ..llm.redaction.printable import printable

#: Seconds between two lines of progress where it is no terminal.
_EVERY = 10.0
_COLOURS = {"warning": "33", "error": "31", "critical": "31"}


class Console:
    """Lines on *stream*, and below them one line of progress where it is a terminal.

    Elsewhere progress is a line every ten seconds, where `tells_progress` is set.
    """

    tells_progress = False

    def __init__(
        self,
        stream: TextIO | None,
        environment: Mapping[str, str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._told_at = now()
        self._stream = stream
        self._is_terminal = stream is not None and stream.isatty()
        self._is_coloured = is_coloured(self._is_terminal, environment)
        self._progress = ""

    def line(self, text: str, level: str = "") -> None:
        """Write one line, whatever line breaks and control characters *text* holds."""
        start = f"{level}: " if level else ""
        if start and self._is_coloured and level in _COLOURS:
            start = f"\x1b[{_COLOURS[level]}m{start}\x1b[0m"
        self._write(f"{self._wiped()}{start}{printable(' '.join(text.split()))}\n")

    def progress(self, text: str) -> None:
        """Show *text* in place of the last progress, if this is a terminal."""
        if self._is_terminal:
            self._write(f"{self._wiped()}{text}")
            self._progress = text
        elif self.tells_progress and self._now() - self._told_at >= _EVERY:
            self._told_at = self._now()
            self.line(text)

    def wipe(self) -> None:
        """Take the progress away."""
        self._write(self._wiped())

    def _wiped(self) -> str:
        # Spaces, since a terminal without ANSI codes knows these too.
        wiping = f"\r{' ' * len(self._progress)}\r" if self._progress else ""
        self._progress = ""
        return wiping

    def _write(self, text: str) -> None:
        if self._stream is None or not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # Nobody reads it any more, and there is no other place to say so.
            self._stream = None


class ConsoleHandler(logging.Handler):
    """Puts log records on a console, one line each."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show *record*, without any traceback."""
        self._console.line(record.getMessage(), record.levelname.lower())


def is_coloured(is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Whether to use colours: NO_COLOR forbids them, FORCE_COLOR asks for them off a terminal."""
    if environment.get("NO_COLOR"):
        return False
    forced = environment.get("FORCE_COLOR", "")
    if forced:
        return forced not in ("0", "false")
    return is_terminal and environment.get("TERM") != "dumb"


def log_on(console: Console, *, verbose: bool) -> ConsoleHandler:
    """Show this package's log from warnings on, or all of it; the caller removes the handler."""
    handler = ConsoleHandler(console)
    logger = _logger()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logger.propagate = False
    return handler


def log_off(handler: ConsoleHandler) -> None:
    """Undo `log_on`."""
    logger = _logger()
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def _logger() -> logging.Logger:
    # `services`, or `backend.services` where the package is imported so.
    return logging.getLogger(__name__.rpartition(".groq_compliant")[0])


class AnswerLost(Exception):  # noqa: N818 - what happened, and not whose fault it is
    """An answer could not be written; the message is one line for the user."""


def answer(text: str) -> None:
    """Write one answer to standard output: byte for byte, but to a terminal what it shows alone.

    Raises BrokenPipeError where its reader has gone, AnswerLost where it cannot be written.
    """
    _write_answer(f"{printable(text) if is_terminal() else text}\n")


def is_terminal() -> bool:
    """Whether answers are shown on a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


class AnswerInPieces:
    """One answer, written as it comes; the same in the end as `answer` writes, and raises alike.

    At the end of its block a terminal's line is ended, so that what follows stands on its own.
    """

    def __init__(self) -> None:
        self._is_shown = is_terminal()
        #: A carriage return, which a line feed may follow.
        self._held = ""
        self._is_in_line = False

    def write(self, piece: str) -> None:
        """Write what comes next."""
        if self._is_shown:
            piece = self._held + piece
            self._held = "\r" if piece.endswith("\r") else ""
            piece = printable(piece[: len(piece) - len(self._held)])
        self._is_in_line = self._is_shown
        _write_answer(piece)

    def end(self) -> None:
        """End the answer."""
        self._is_in_line = False
        _write_answer(f"{printable(self._held)}\n")

    def __enter__(self) -> AnswerInPieces:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: object
    ) -> None:
        if self._is_in_line and not isinstance(error, (BrokenPipeError, AnswerLost)):
            self.end()


def _write_answer(text: str) -> None:
    if sys.stdout is None:
        raise AnswerLost("the answer cannot be written: standard output is closed")
    _on_stdout(lambda: sys.stdout.write(text))
    flush_answers()


def flush_answers() -> None:
    """Write out what is buffered; raises as `answer` does."""
    if sys.stdout is not None:
        _on_stdout(sys.stdout.flush)


def give_up_answers() -> None:
    """Write nothing more where nobody reads, so that the interpreter does not complain at exit."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _on_stdout(action: Callable[[], object]) -> None:
    try:
        action()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AnswerLost(f"the answer cannot be written: {error.strerror or error}") from error
