"""Makes a quota whole again after an interrupt, which may arrive in the middle of any change.

What is kept of reservations in more than one place, so that it is found fast, is derived from them
again: who waits, who is in flight, and what is pending in each limit. A reservation changes its own
state in one step that nothing interrupts (`is_pending`, `is_started`), and so does a charge
(`is_settled`, `received_at`): a signal's handler runs at a call and at a loop's next turn, not
between two assignments.
"""

from __future__ import annotations

from collections.abc import Collection

from .charges import Charge
from .limits import Limit
from .queue import Reservation, ScopeQueue


def restore(queues: Collection[ScopeQueue]) -> tuple[list[Reservation], list[Reservation]]:
    """Let *queues* and their limits hold what their reservations say.

    Return the reservations that wait, and those in flight.
    """
    reserved: dict[Limit, list[Charge]] = {}
    sent: dict[Limit, list[Charge]] = {}
    all_waiting: list[Reservation] = []
    in_flight: list[Reservation] = []
    for queue in queues:
        for limit in (*queue.limits, *(() if queue.slow_start is None else (queue.slow_start,))):
            reserved.setdefault(limit, [])
        waiting, started = queue.restore()
        all_waiting += waiting
        in_flight += started
        for reservation in waiting:
            for limit, charge in reservation.charges:
                charge.at = reservation.starts_at
                reserved.setdefault(limit, []).append(charge)
        for reservation in started:
            for limit, charge in reservation.charges:
                reserved.setdefault(limit, [])
                if not charge.is_settled:
                    sent.setdefault(limit, []).append(charge)
    for limit, charges in reserved.items():
        limit.pending.restore(charges, sent.get(limit, []))
    return all_waiting, in_flight
