"""Failures without the frames that hold a request's headers."""

from __future__ import annotations

from ..runtime.signals import handler_traceback


def without_traceback(error: BaseException) -> BaseException:
    """*error* itself, once it and its causes have forgotten where they were raised.

    Reporters show the variables of each frame, and in a connection's these are headers:
    the key is among them. A signal handler's own frames stay: by them its error is known.
    """
    step: BaseException | None = error
    seen: set[int] = set()
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        step.__traceback__ = handler_traceback(step)
        step = step.__cause__ or step.__context__
    return error
