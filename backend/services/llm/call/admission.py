"""What an attempt holds from its reservation to its end, and the waits before it may be sent.

admit                   reserve the day's tokens, then all that follows
  _reserve_limits       the limits of the model, or of the key that has room first
    _wait_for_outage    until the provider may be called again
  _wait_for_start       until the reserved moment has come, then for a permit
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ..account.account import Account
from ..account.concurrency import Permit
from ..account.token_estimator import Estimate
from ..effects import Effects
from ..errors import LLMError
from ..limit_types import LimitReport
from ..quota import Demand, NoCapacity, Reservation, Unit
from ..types import Reply, Request
from .call import Call
from .demand import demand_spent, latest_receipt

if TYPE_CHECKING:
    from ..events import WaitCause
    from .budget_reservations import BudgetReservations
    from .fleet_grant import Grant

#: Seconds by which one scope must be free before another to be preferred out of turn.
_TIE = 1e-3


class Admission:
    """What one attempt holds: tokens of the day's budget, a reservation of limits, and a permit.

    `close` gives back, or settles by the outcome, whatever is held; it is called in a `finally`.
    """

    def __init__(self, account: Account, demand: Demand, estimate: Estimate) -> None:
        self.demand = demand
        self.estimate = estimate
        self.reservation: Reservation | None = None
        self.permit: Permit | None = None
        #: What is held of the day's budgets; None where there are none.
        self.budget_reservations: BudgetReservations | None = None
        #: What is held of the limits that other workers share; None where nothing is.
        self.grant: Grant | None = None
        self._account = account
        #: What the attempt has spent as far as that can be estimated, where nobody counted.
        self.partly_spent: Demand = {}
        #: The latest moment at which the provider can have received the request, where it is known.
        self.received_at: float | None = None
        #: The unit of the limit that has no room yet; None where it is not known.
        self.full_unit: Unit | None = None
        #: The model that it was sent to, and when.
        self._sent: tuple[str, float] | None = None
        self._reply: Reply | None = None
        self._error: LLMError | None = None
        #: What the reservation and its grant are settled by: estimates, while it is empty.
        self._settlement: tuple[Demand, Sequence[LimitReport]] = ({}, ())

    @property
    def scope(self) -> str:
        """The scope that is reserved: a model, or one of several keys."""
        assert self.reservation is not None, "nothing is reserved yet"
        return self.reservation.scope

    def acquire_permit(self) -> Permit:
        """Acquire a permit of the concurrency limiter: it is held once that is done."""
        return self._account.concurrency.acquire(self)

    def acquire_probe(self) -> bool:
        """Whether the attempt may be sent: after an outage the first one alone, the probe."""
        account = self._account
        if not account.outages.has_any:
            return True
        return account.outages.acquire_probe(account.outage_key(self.scope), self, account.now())

    def start(self) -> float:
        """Count the reservation as sent from now on (0.0), or return the seconds to wait before."""
        assert self.reservation is not None, "nothing is reserved yet"
        return self._account.quota.try_start(self.reservation, self._account.now())

    def mark_sent(self, model: str) -> float:
        """Note that the request goes to *model* now, and return the moment."""
        sent_at = self._account.now()
        self._sent = model, sent_at
        return sent_at

    def set_outcome(self, reply: Reply | None, error: LLMError | None = None) -> None:
        """Note what the attempt ended in, by which its reservations are settled."""
        self._reply, self._error = reply, error

    def release(self) -> None:
        """Release the permit, or the wait for it, and the probe of an outage."""
        try:
            if self.permit is not None:
                self._account.concurrency.release(self.permit, self)
        finally:
            if self._account.outages.has_any:
                self._account.outages.release_probe(self)

    def cancel(self) -> None:
        """Give back all but the tokens of the day, so that another scope can be reserved."""
        try:
            self.release()
        finally:
            self._end_reservation()

    def close(self) -> None:
        """Give back or settle what is still held; each part whatever becomes of the others.

        An interrupt may arrive in the midst of it: another call does what is left to do.
        """
        try:
            self.cancel()
        finally:
            if self.budget_reservations is not None:
                self.budget_reservations.settle(self._reply, self._error, self.partly_spent)

    def _end_reservation(self) -> None:
        # An interrupt may have come after the reservation's end, or after its grant's.
        if self.reservation is not None and self.reservation.is_pending:
            try:
                self._settle(self.reservation)
            except Exception:
                if self.grant is not None:
                    self.grant.cancel()
                raise
        if self.grant is not None:
            self.grant.settle(*self._settlement)
        self.reservation, self.grant, self._settlement = None, None, ({}, ())

    def _settle(self, reservation: Reservation) -> None:
        """Settle or cancel what was reserved, and note what was spent, and was said of limits."""
        account, now = self._account, self._account.now()
        if self._sent is None:
            self._settlement = dict.fromkeys(reservation.demand, 0.0), ()
            account.cancel(reservation, now)
            return
        if self._reply is None and self._error is None and not self.partly_spent:
            account.settle_as_estimated(reservation, now)
            return
        model, sent_at = self._sent
        received_at = self.received_at or latest_receipt(self._reply, sent_at, now)
        spent = {**self.partly_spent, **demand_spent(model, self._reply, self._error)}
        reports = self._learn(sent_at, now)
        self._settlement = spent, reports
        account.settle(reservation, spent, received_at, now, reports)

    def _learn(self, sent_at: float, now: float) -> tuple[LimitReport, ...]:
        """Learn what the outcome tells of prompt and path; return what it says of limits."""
        outcome = self._reply if self._error is None else self._error
        if outcome is None:
            return ()
        took = (self.received_at or now) - sent_at
        self._account.learn_from_outcome(self.estimate, self.demand, took, self._reply, self._error)
        return outcome.limits


def admit(admission: Admission, request: Request, call: Call) -> Effects[None]:
    """Wait until *request* may be sent, holding what that takes; or raise what forbids it."""
    if call.account.budget is not None or call.account.money is not None:
        from .budget_reservations import BudgetReservations  # most hosts have none

        tokens = admission.estimate.tokens + int(admission.demand["output_tokens"])
        admission.budget_reservations = BudgetReservations(
            call.account, request, admission.demand, tokens
        )
        yield from admission.budget_reservations.reserve(call)
    while True:
        admission.reservation = yield from _reserve_limits(request, call, admission)
        if (yield from _wait_for_start(admission, call)):
            return
        admission.cancel()


def _reserve_limits(request: Request, call: Call, admission: Admission) -> Effects[Reservation]:
    """Reserve the limits of the scope that has room first; among equals, of the one in turn."""
    account, demand = call.account, admission.demand
    admission.full_unit = None
    scopes = account.scopes(request.model)
    if account.outages.has_any:
        yield from _wait_for_outage(scopes, call)
    if call.time_left() <= 0:
        raise call.deadline_error()
    scope = scopes[0]
    if len(scopes) > 1:
        soonest = _soonest(account, scopes, request, admission)
        if isinstance(soonest, Reservation):
            return soonest
        scope = soonest
    now, patience = account.now(), call.quota_wait_left()
    result = account.reserve(
        scope, demand, now, patience, request.priority, request.model, admission
    )
    if isinstance(result, NoCapacity):
        raise call.limit_error(result, demand, scope)
    admission.full_unit = result.full_unit
    if account.fleet is not None and result.full_unit is not None:
        from .fleet_grant import check_wait  # most hosts have one worker

        check_wait(result, patience, call)
    return result


def _soonest(
    account: Account, scopes: Sequence[str], request: Request, admission: Admission
) -> Reservation | str:
    """Reserve on the first scope that has room now, or return the one that has room first."""
    now, demand = account.now(), admission.demand
    soonest: NoCapacity | None = None
    found = ""
    for scope in scopes:
        result = account.reserve(
            scope, demand, now, 0.0, request.priority, request.model, admission
        )
        if isinstance(result, Reservation):
            return result
        if soonest is None or result.wait < soonest.wait - _TIE:
            soonest, found = result, scope
    return found


def _wait_for_outage(scopes: Sequence[str], call: Call) -> Effects[None]:
    """Wait until an outage is over, whoever was told of it.

    After its Retry-After one attempt, the probe, is sent; the others wait until that has returned.
    """
    outages = call.account.outages
    outage_key = call.account.outage_key(scopes[0])
    while True:
        seconds = outages.wait(outage_key, call.account.now())
        if seconds == 0:
            probe_returned = outages.probe_returned(outage_key)
            if probe_returned is None:
                return
            if call.time_left() <= 0:
                raise call.deadline_error()
            yield from call.wait(call.time_left(), "outage", probe_returned, scopes[0])
        elif seconds >= call.time_left():
            raise call.outage_error(seconds)
        else:
            yield from call.wait(seconds, "outage", None, scopes[0])


def _wait_for_start(admission: Admission, call: Call) -> Effects[bool]:
    """Wait for the reserved moment, then for a permit, which is not held during other waits.

    Return whether the attempt may be sent; False where its scope can be used no more.
    """
    account, reservation, scope = call.account, admission.reservation, admission.scope
    assert reservation is not None, "it has a scope"
    seconds = reservation.starts_at - account.now()
    while True:
        if seconds > 0:
            if seconds > call.quota_wait_left():
                full = NoCapacity(seconds, reservation.full_unit)
                raise call.limit_error(full, reservation.demand, scope)
            # One that is granted for a moment is not woken before it.
            grant = admission.grant
            wake = reservation.wake if grant is None or grant.at <= account.now() else None
            yield from call.wait(seconds, _wait_cause(admission, call), wake, scope)
        if account.outages.has_any:
            yield from _wait_for_outage((scope,), call)
        permit = admission.acquire_permit()
        if isinstance(permit, Future) and not permit.done():
            yield from call.wait(call.time_left(), "concurrency", permit, scope)
        if not permit.done() or call.time_left() <= 0:
            raise call.deadline_error()
        if not account.is_usable(scope, account.now()):
            return False
        seconds = 0.0
        # During the waits an outage may have begun, or a pause may have moved the reservation.
        if admission.acquire_probe():
            if account.fleet is not None:
                from .fleet_grant import wait_for_grant  # most hosts have one worker

                seconds = yield from wait_for_grant(admission, account.fleet, call)
            if seconds <= 0:
                seconds = admission.start()
            if seconds <= 0:
                return True
        admission.release()


def _wait_cause(admission: Admission, call: Call) -> WaitCause:
    """What keeps the reservation from being started: a pause, a full limit, or earlier calls."""
    account, unit = call.account, admission.full_unit
    if account.quota.paused_for(admission.scope, account.now()):
        return "pause"
    return "turn" if unit is None else unit
