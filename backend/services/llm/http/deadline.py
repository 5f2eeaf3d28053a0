"""Seconds that are left until a moment, where HTTP libraries know but seconds for each read."""

from __future__ import annotations

import math
import time


class TimeLeft(float):
    """Seconds that were left when it was made, and the moment (`at`) they are left until.

    httpcore asks once for a timeout and passes it on with each read of a body; whoever reads
    asks `seconds_left` anew, so that a body which drips is held to the moment. Who reads a stream
    moves `at` on before each piece.
    """

    at: float

    def __new__(cls, at: float) -> TimeLeft:
        """Compute what is left until *at*, in seconds of `time.monotonic`."""
        left = super().__new__(cls, at - time.monotonic())
        left.at = at
        return left


def seconds_left(timeout: float | None, late: type[Exception]) -> float | None:
    """What is left of *timeout*, in seconds; None is no limit. Raises *late* where nothing is."""
    if timeout is None or math.isinf(timeout):
        return None
    left = timeout.at - time.monotonic() if isinstance(timeout, TimeLeft) else timeout
    if left <= 0:
        raise late("the call's deadline has passed")
    return left
