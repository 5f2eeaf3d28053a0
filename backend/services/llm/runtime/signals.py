"""Finds the exception of a signal handler behind the error that it caused."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any


def find_signal_error(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return the exception of a signal handler that caused *error*, else *error* itself.

    *handled* is the exception that the caller was already handling; it is not the cause. A soft
    time limit (celery's, an alarm's) is an exception like any other, and an SDK that it interrupts
    takes it for a failure of the network.
    """
    found = (each for each in causes(error, handled) if handler_traceback(each) is not None)
    return next(found, error)


def handler_traceback(error: BaseException) -> TracebackType | None:
    """Return the part of an error's traceback that begins in a signal handler, if any does."""
    handlers, at = set(_handlers()), error.__traceback__
    while at is not None and at.tb_frame.f_code not in handlers:
        at = at.tb_next
    return at


def _handlers() -> Iterator[CodeType]:
    """The code of every handler that is installed at this moment."""
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # a partial's
        for each in (handler, handler.__call__ if callable(handler) else None):
            code = getattr(each, "__code__", None)
            if isinstance(code, CodeType):
                yield code


def causes(error: BaseException, handled: BaseException | None = None) -> Iterator[BaseException]:
    """Yield *error*, its cause, the cause of that, and so on, up to one that was *handled*."""
    seen = {id(handled)}
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        yield step
        seen.add(id(step))
        step = step.__cause__ or step.__context__
