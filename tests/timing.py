"""How tests wait for what comes about, and try what ends after a short time, on any machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

#: Seconds: each is tried where the ones before were over before all had happened that was to.
_TIMES = (0.2, 2.0, 20.0)


def wait_until(holds: Callable[[], object]) -> None:
    """Let other threads and processes go on until this *holds*; fail if it does not within 30 s."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it has not come about in 30 s"
        time.sleep(0.001)


async def await_until(holds: Callable[[], object]) -> None:
    """Let other tasks go on until this *holds*; fail as `wait_until`."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it has not come about in 30 s"
        await asyncio.sleep(0.001)


def with_more_time(scene: Callable[[float], None]) -> None:
    """Play *scene* with a short time, and if it fails with a longer one: the last must not.

    A machine may stand still for as long as the short one.
    """
    for seconds in _TIMES[:-1]:
        try:
            scene(seconds)
        except (Exception, pytest.fail.Exception):
            continue
        return
    scene(_TIMES[-1])
