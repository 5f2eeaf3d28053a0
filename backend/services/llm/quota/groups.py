"""Limits that several scopes have in common, as far as the provider's answers have told of them.

A scope that is a key sends to several models, and its organisation may have other keys: what an
answer says of its limits is said of that organisation and that model.
"""

from __future__ import annotations

from collections.abc import Iterator

from .limits import Limit
from .queue import Amounts, Demand, Reservation, ScopeQueue


class Groups:
    """The learnt limits by the name of their group, each with the reservations that take of it."""

    def __init__(self) -> None:
        self._queues: dict[str, ScopeQueue] = {}

    def queue(self, name: str) -> ScopeQueue | None:
        """Return the queue whose limits are those of a group; None for the name "" of none."""
        return self._queues.setdefault(name, ScopeQueue(())) if name else None

    def limits(self, name: str, now: float) -> tuple[Limit, ...]:
        """Return what is known of a group's limits."""
        queue = self.queue(name)
        if queue is None:
            return ()
        if queue.learning is not None and now >= queue.learning.until:
            queue.limits = queue.learning.expire(queue.limits, now)
        return queue.limits

    def amounts(self, name: str, demand: Demand, now: float) -> Amounts:
        """Return each limit of a group that *demand* takes something of, and how much."""
        limits = self.limits(name, now)
        return [(each, amount) for each in limits if (amount := demand.get(each.unit, 0.0))]

    def join(self, name: str, reservation: Reservation) -> None:
        """Let a new *reservation* take of the limits that the group will learn of, too."""
        queue = self.queue(name)
        if queue is not None:
            reservation.group = name
            queue.in_flight[reservation] = None

    def leave(self, reservation: Reservation) -> None:
        """Forget a reservation that is settled or cancelled."""
        queue = self.queue(reservation.group)
        if queue is not None:
            queue.in_flight.pop(reservation, None)

    def leave_all_but_pending(self) -> None:
        """Drop reservations that are over, and that an interrupt has kept from leaving."""
        for queue in self:
            queue.in_flight = {each: None for each in queue.in_flight if each.is_pending}

    def reset_in_child(self) -> None:
        """In a forked child, forget the parent's reservations; the quota keeps their charges."""
        for queue in self:
            queue.in_flight.clear()

    def __iter__(self) -> Iterator[ScopeQueue]:
        """Yield the queue of each group."""
        return iter(self._queues.values())
