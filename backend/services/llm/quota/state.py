"""What a quota knows of all scopes; made whole again where an interrupt ends a change midway."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from math import inf

from ..runtime.waking import wake
from .charges import Charge
from .fair_scheduler import FairScheduler
from .groups import Groups
from .limits import Limit
from .queue import ScopeQueue
from .restoring import restore
from .start_times import reschedule_next


class QuotaState:
    """The queues of all scopes, and what is counted over them; *limits_of* names a scope's limits.

    A `with` block is one change, under the lock of the owner: if an exception ends it midway, what
    it has left half done is restored.
    """

    def __init__(self, limits_of: Callable[[str], tuple[Limit, ...]]) -> None:
        self.scheduler = FairScheduler()
        self.groups = Groups()
        self.queues: dict[str, ScopeQueue] = {}
        self.active_queues: dict[ScopeQueue, None] = {}  # somebody waits there, or has
        self.latest_now = -inf
        #: When the first request was sent since nothing has been in flight.
        self.in_flight_since = inf
        self.in_flight_count = 0
        self._limits_of = limits_of
        self._parent_charges: list[tuple[Limit, Charge]] = []

    def __enter__(self) -> QuotaState:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: object) -> None:
        if kind is not None:
            self._restore()

    def advance_clock(self, now: float) -> float:
        """Return *now*, or the latest time given if that is later; settle inherited charges."""
        self.latest_now = now = max(self.latest_now, now)
        while self._parent_charges:
            limit, charge = self._parent_charges.pop()
            limit.settle(charge, charge.amount, now, now)
        return now

    def queue_for(self, scope: str) -> ScopeQueue:
        """Return the queue of *scope*, which may be new."""
        if scope not in self.queues:
            self.queues[scope] = ScopeQueue(self._limits_of(scope))
        return self.queues[scope]

    def begin_in_flight(self, now: float) -> None:
        """Count one request more in flight."""
        self.in_flight_since = min(self.in_flight_since, now)
        self.in_flight_count += 1

    def end_in_flight(self) -> None:
        """Count one request less in flight."""
        self.in_flight_count -= 1
        if not self.in_flight_count:
            self.in_flight_since = inf

    def reschedule_next(self, now: float) -> list[Future[None]]:
        """Let the next of each scope start earlier if it can; return whom to wake."""
        self.active_queues = {queue: None for queue in self.active_queues if queue.has_waiting}
        return reschedule_next(self.active_queues, now)

    def reset_in_child(self) -> None:
        """In a child, cancel who waits; what was in flight is settled at the next time given."""
        for queue in self.queues.values():
            self._parent_charges += queue.reset_in_child()
        self.groups.reset_in_child()
        self.in_flight_count, self.in_flight_since = 0, inf

    def _restore(self) -> None:
        """Derive from the reservations again what is kept of them; wake who was to be woken."""
        waiting, in_flight = restore(self.queues.values())
        self.in_flight_count = len(in_flight)
        self.in_flight_since = min((each.starts_at for each in in_flight), default=inf)
        self.groups.leave_all_but_pending()
        rescheduled = self.reschedule_next(self.latest_now)
        wake([*rescheduled, *(each.wake for each in waiting if each.is_waking)])
