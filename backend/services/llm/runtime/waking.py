"""Wakes all who wait for futures, even where an interrupt arrives meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any


def wake(futures: Sequence[Future[None]]) -> None:
    """Complete *futures*, but those that their callers have cancelled."""
    at = 0
    try:
        for at, each in enumerate(futures):  # noqa: B007  an interrupt goes on from there
            complete(each)
    except BaseException:
        for each in futures[at:]:
            complete(each)
        raise


def complete(future: Future[None]) -> None:
    """Set the result of *future*, unless it is done or cancelled; it may be repeated."""
    if set_running(future):
        future.set_result(None)


def set_running(future: Future[Any]) -> bool:
    """Return whether the result of *future* is to be set, which nobody can cancel from now on."""
    return not future.done() and (future.running() or future.set_running_or_notify_cancel())
