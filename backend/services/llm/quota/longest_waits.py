"""Which calls have waited longest for a limit of which few fit a window: others let them go first.

Who asks again knows what was given back since, so without this the one that was answered last would
be granted the next room as well, and others never. The script on a Redis server decides alike.
"""

from __future__ import annotations

from typing import NamedTuple

from .shared import SharedCharge, Take
from .shared_levels import WINDOW_AHEAD, look_ahead, refill_seconds

#: Workers that are known to wait for a limit, and seconds by which one may come later than told.
MOST_WAITS, LATE = 4, 1.0
#: A call that is refilled in so many seconds need not let others go first: its turn comes soon.
QUICK = 3.0
#: The part of the time that a call may be granted ahead in which it asks again at the earliest.
EARLY = 0.9


class _Wait(NamedTuple):
    """Since when a call of a worker waits, and until when it will have asked again."""

    since: float
    until: float
    worker: str


class LongestWaits:
    """The longest waits by limit. Its owner guards it."""

    def __init__(self) -> None:
        self._by_limit: dict[str, tuple[_Wait, ...]] = {}

    def seconds_to_ask_again(
        self,
        take: Take,
        charge: SharedCharge,
        amount: float,
        spent_part: float,
        *,
        wait: float,
        now: float,
    ) -> float | None:
        """Return after how many seconds a call is to ask again; None where it is granted.

        *charge* holds it back for *wait* seconds. Calls spend a *spent_part* of what they declare
        of the limit's *amount*.
        """
        ahead = look_ahead(charge, amount, spent_part, take.seconds_waited)
        is_late = wait > min(ahead, take.max_wait)
        refill = refill_seconds(charge, amount)
        if refill <= QUICK:
            return max(0.0, wait - ahead / 2) if is_late else None
        # A worker asks for its calls in order, so that one of them stands for all.
        since, worker = now - take.seconds_waited, take.lease.rpartition(":")[0]
        known = self._by_limit.get(charge.key, ())
        others = [each for each in known if each.until > now and each.worker != worker]
        longer = [each for each in others if each.since < since]
        if not is_late and not longer:
            self._by_limit[charge.key] = tuple(others)
            return None
        # What those before it do not spend is given back, and makes room sooner.
        unspent = (1 - spent_part) * refill
        again = max(0.0, wait - EARLY * ahead, wait - ahead / 2 - unspent)
        if longer:
            their_turns = wait + len(longer) * refill - ahead / 2
            if not is_late:  # it could go now: not before they have asked
                their_turns = max(their_turns, max(each.until for each in longer) - now)
            again = max(again, min(their_turns, WINDOW_AHEAD * charge.window))
        if max(wait, again) <= take.max_wait:
            waits = sorted([*others, _Wait(since, now + again + LATE, worker)])
            self._by_limit[charge.key] = tuple(waits[:MOST_WAITS])
        return again
