"""Seconds that are left until a moment, where HTTP libraries know but seconds for each read."""

from __future__ import annotations

import time


class TimeLeft(float):
    """Seconds that were left when it was made, and the moment (`at`) they are left until.

    Libraries pass it on as the timeout that it is; our connections read `at` with each piece of a
    body, so that one which drips is held to the moment. Who reads a stream moves `at` on before
    each piece.
    """

    at: float

    def __new__(cls, at: float) -> TimeLeft:
        """Compute what is left until *at*, in seconds of `time.monotonic`."""
        left = super().__new__(cls, at - time.monotonic())
        left.at = at
        return left
