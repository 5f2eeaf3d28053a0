"""Tests of what ends after a short time, on a machine that may stand still for as long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

#: Seconds: each is tried where the ones before were over before all had happened that was to.
_TIMES = (0.2, 2.0, 20.0)


def with_more_time(scene: Callable[[float], None]) -> None:
    """Play *scene* with a short time, and if it fails with a longer one: the last must not."""
    for seconds in _TIMES[:-1]:
        try:
            scene(seconds)
        except (Exception, pytest.fail.Exception):
            continue
        return
    scene(_TIMES[-1])
