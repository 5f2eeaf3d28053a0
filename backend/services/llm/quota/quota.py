"""The limits of one account: a request reserves room in all of its limits, or in none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from ..limit_types import Headroom, LimitReport, Priority
from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.waking import wake
from .answers import adopt, learn_from_reports, settle_charges
from .charges import Charge
from .headroom import headroom_of
from .limits import NEVER, Limit, NoCapacity, check_demand, seconds_until
from .queue import Demand, Reservation, ReservationHolder, ScopeQueue
from .slow_start import slow_start_amounts
from .start_times import counts_in_flight, seconds_until_due, start_time_of_new
from .state import QuotaState


class Quota:
    """The limits that a whole account shares (`shared`), and those that each scope has for itself.

    A scope is what a provider limits: a model, or a key; *make_limits_for* names its limits,
    which *make_limits* does where all have the same. The requests to one scope start in the
    order they were reserved, but that a person's overtake those of a batch (`FairScheduler`). A
    reservation is rescheduled only once its start time has come or it is the next, so that a
    caller who never starts delays others by no more than its own charges. Between scopes, the
    earlier reservation starts first where both can, and none waits for one whose own limits or
    pause hold it back.

    One request is `reserve`, `try_start` until it returns 0.0, then `settle`; or `cancel` instead
    of a start. Nothing here sleeps or reads a clock: each method is given the time *now*, in
    seconds. A time before the latest one counts as the latest. A request that has had no answer for
    `assume_received_after` seconds counts as received `max_transit` seconds after its sending;
    before that, and by default always, as received now. The first request of a scope is sent alone
    by those who can wait, until its answer or for `max_first_answer_wait` seconds, and then a few
    (`slow_start`).

    What an interrupt ends midway is done, or not begun, as the reservation says (`is_pending`,
    `is_started`). A `settle` that leaves it pending is to be called again.
    """

    #: What a fleet uses of a limit of a scope, at a time; without one, what we use is all.
    fleet_used: Callable[[str, Limit, float], float] = staticmethod(lambda scope, limit, now: 0.0)

    def __init__(
        self,
        shared: Sequence[Limit] = (),
        make_limits: Callable[[], Sequence[Limit]] = tuple,
        *,
        make_limits_for: Callable[[str], Sequence[Limit]] | None = None,
    ) -> None:
        self.assume_received_after = inf
        self.max_transit = 0.0
        self.max_first_answer_wait = 0.0
        shared = tuple(shared)

        def limits_of(scope: str) -> tuple[Limit, ...]:
            own = make_limits_for(scope) if make_limits_for else make_limits()
            return (*shared, *own)

        self._state = QuotaState(limits_of)
        self._lock = ForkLock(leaf=True)  # guards the state
        on_fork_in_child(self, Quota._reset_in_child)

    def reserve(
        self,
        scope: str,
        demand: Demand,
        now: float,
        max_wait: float = 0.0,
        priority: Priority = "interactive",
        group: str = "",
        holder: ReservationHolder | None = None,
    ) -> Reservation | NoCapacity:
        """Reserve *demand* from the first time at which every limit has room, its *group*'s too.

        Return `NoCapacity` if that is more than *max_wait* seconds away, and would be if each
        request before it went as early as it can; for who cannot wait, the wait in it is exact as
        long as nothing else happens. Requests in flight count as answered now; but a wait for a
        limit that counts them has to leave room for an answer that comes `max_transit` seconds
        later, or a tenth of the wait. The *holder*'s `reservation` is set before it counts. Raises
        ValueError for an amount that is negative or no number.
        """
        check_demand(demand)
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            queue = state.queue_for(scope)
            self._update_limits(state, queue, now)
            amounts = queue.amounts(demand, can_wait=max_wait > 0)
            if self.max_first_answer_wait:
                amounts += slow_start_amounts(queue, demand, now, max_wait)
            amounts += state.groups.amounts(group, demand, now)
            at, unit = start_time_of_new(queue, state.scheduler, amounts, now, priority, max_wait)
            if queue.learning is None and self.max_first_answer_wait:
                deadline = queue.first_answer_deadline(self.max_first_answer_wait, now)
                at = max(at, min(deadline, now + max_wait))
            wait = seconds_until(at := max(at, now), now)
            if wait > max_wait or at == NEVER:
                return NoCapacity(wait, unit)
            later = min(self.max_transit, wait / 10)  # a short wait in vain costs little
            if wait + later > max_wait > 0 and counts_in_flight(queue, unit):
                return NoCapacity(wait + later, unit)
            sequence = state.scheduler.next_sequence(priority)
            charges = [(limit, Charge(amount, at, sequence)) for limit, amount in amounts]
            reservation = Reservation(scope, demand, at, sequence, charges, priority, unit)
            state.groups.join(group, reservation)
            state.active_queues[queue] = None
            if holder is not None:
                holder.reservation = reservation
            try:
                queue.add(reservation)
            except BaseException:
                reservation.is_pending = False
                raise
            return reservation

    def try_start(self, reservation: Reservation, now: float) -> float:
        """Count the request as sent and return 0.0, or return the seconds to wait.

        While it waits, `reservation.wake` is completed when the start time has become earlier.
        `NEVER` says that a limit has been lowered below the demand. Raises RuntimeError for a
        reservation that does not wait: one that was started or cancelled, or made before a fork.
        """
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            queue = state.queues[reservation.scope]
            self._update_limits(state, queue, now)
            if seconds := seconds_until_due(queue, reservation, now):
                return seconds
            queue.start(reservation, now)
            state.scheduler.serve(reservation.sequence)
            state.begin_in_flight(now)
            futures_to_wake = state.reschedule_next(now)
        wake(futures_to_wake)
        return 0.0

    def seconds_until_due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds that `try_start` would, and count nothing as sent."""
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            self._update_limits(state, state.queues[reservation.scope], now)
            return seconds_until_due(state.queues[reservation.scope], reservation, now)

    def settle(
        self,
        reservation: Reservation,
        spent: Demand,
        latest_receipt: float,
        now: float,
        reports: Sequence[LimitReport] = (),
    ) -> None:
        """Replace the estimate of a started request by what it *spent*.

        A unit that is not named, or not as a finite amount from 0 up, keeps its estimate.
        *latest_receipt* is the latest time at which the provider can have received the request, and
        *reports* are what it said of its limits. Raises RuntimeError for a reservation that is not
        in flight; in a forked child, one of the parent's is ignored.
        """
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            queue = state.queues[reservation.scope]
            if reservation.is_from_parent_process:
                return
            if reservation not in queue.in_flight:
                raise RuntimeError(f"the reservation for {reservation.scope!r} is not in flight")
            self._update_limits(state, queue, now)
            settle_charges(queue, reservation, spent, latest_receipt, now)
            state.end_in_flight()
            state.groups.leave(reservation)
            reported_queue = state.groups.queue(reservation.group) or queue
            learn_from_reports(reported_queue, reports, reservation, spent, now)
            futures_to_wake = state.reschedule_next(now)
        wake(futures_to_wake)

    def cancel(self, reservation: Reservation, now: float) -> None:
        """Remove a reservation that was not started; RuntimeError for one that was, or is over."""
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            queue = state.queues[reservation.scope]
            if reservation.is_from_parent_process:
                return
            queue.check_is_waiting(reservation)
            queue.cancel(reservation)
            state.groups.leave(reservation)
            futures_to_wake = state.reschedule_next(now)
        wake(futures_to_wake)

    def hold(self, reservation: Reservation, until: float, now: float) -> None:
        """Start *reservation*, and all others of its scope, at the time *until* at the earliest.

        Raises RuntimeError as `try_start` does.
        """
        with self._lock, self._state as state:
            queue = state.queues[reservation.scope]
            queue.check_is_waiting(reservation)
            queue.held_until = max(queue.held_until, until)
            queue.reschedule(reservation, max(until, state.advance_clock(now)))
            reservation.renew_wake()

    def adopt(self, scope: str, report: LimitReport, now: float) -> bool:
        """Keep a limit of *scope* that others have learnt of; return whether it is new here."""
        with self._lock, self._state as state:
            return adopt(state.queue_for(scope), report, state.advance_clock(now))

    def pause(self, scope: str, until: float) -> None:
        """Start nothing more in *scope* before the time *until*; a longer pause stays."""
        with self._lock, self._state as state:
            state.queue_for(scope).pause(until, state.latest_now)

    def paused_for(self, scope: str, now: float) -> float:
        """Return the seconds that the pause of *scope* still lasts, 0.0 without one."""
        with self._lock, self._state as state:
            queue = state.queue_for(scope)
            return max(0.0, seconds_until(queue.paused_until, state.advance_clock(now)))

    def pauses(self, now: float) -> dict[str, float]:
        """Return the scopes that are paused, each with the seconds that are left."""
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            left = {scope: queue.paused_until - now for scope, queue in state.queues.items()}
        return {scope: seconds for scope, seconds in left.items() if seconds > 0}

    def headroom(self, scope: str, now: float, group: str = "") -> tuple[Headroom, ...]:
        """Return what is left of each limit of *scope*, but of those that let all through."""
        with self._lock, self._state as state:
            now = state.advance_clock(now)
            queue = state.queue_for(scope)
            self._update_limits(state, queue, now)
            limits = (*queue.limits, *state.groups.limits(group, now))
            return tuple(
                headroom_of(each, now, self.fleet_used(scope, each, now))
                for each in limits
                if each.amount != inf
            )

    def forget(self, now: float) -> tuple[str, ...]:
        """Drop what was learnt of limits, and end all pauses; return all scopes.

        Limits that are configured stay, with what is used. Who waits for a pause starts as soon as
        the limits allow.
        """
        with self._lock, self._state as state:
            for queue in (*state.queues.values(), *state.groups):
                queue.forget()
                queue.paused_until = queue.held_until = -inf
            futures_to_wake = state.reschedule_next(state.advance_clock(now))
            scopes = tuple(state.queues)
        wake(futures_to_wake)
        return scopes

    def _reset_in_child(self) -> None:
        """In a child, cancel who waits; what was in flight is settled at the next time given."""
        self._state.reset_in_child()

    def _update_limits(self, state: QuotaState, queue: ScopeQueue, now: float) -> None:
        """Count as received what waits long for its answer; drop what was learnt, once expired."""
        sent_until = now - self.assume_received_after
        if sent_until >= state.in_flight_since:
            for limit in queue.limits:
                limit.mark_received(sent_until, self.max_transit)
        if queue.learning is not None and now >= queue.learning.until:
            queue.limits = queue.learning.expire(queue.limits, now)
