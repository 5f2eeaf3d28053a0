"""What an attempt takes of the limits that its account shares with other workers.

wait_for_grant          until the fleet's ledger lets the attempt go, once its own quota does
  Grant.ask             ask the ledger, in one round trip
publish_failure         tell the other workers of a pause, or of a model that is gone
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from math import inf, isfinite
from typing import TYPE_CHECKING, cast

from .. import models
from ..account.account import A_DAY, AN_HOUR, Account
from ..account.fleet import ASSUME_RECEIVED_AFTER, Fleet
from ..effects import Effects, sleep
from ..errors import LLMError, ModelNotFoundError, RateLimitError, Retry
from ..limit_types import LimitReport, Unit
from ..quota import Demand, LearnedLimit, Limit, NoCapacity, Reservation
from ..quota.answers import amount_spent, amount_used
from ..quota.shared import (
    FIRST,
    PAUSED,
    Decision,
    Granted,
    Note,
    Pause,
    Retire,
    Settle,
    SharedCharge,
    Take,
)
from ..types import Request
from .call import Call

if TYPE_CHECKING:
    from .admission import Admission

#: Seconds by which a call may be sent later than it was granted.
_LATE = 0.25
#: Seconds for which what a call took is known beyond its deadline, and at most.
_BEYOND, _LONGEST = 60.0, 86_400.0


class Grant:
    """What an attempt has asked of the ledger; to be settled, or cancelled, once."""

    def __init__(self, fleet: Fleet, reservation: Reservation, call: Call) -> None:
        self._account = call.account
        self._fleet = fleet
        self._demand = reservation.demand
        self._limits, charges = fleet.charges(reservation)
        quota, time_left = self._account.quota, max(0.0, call.time_left())
        self._take = Take(
            fleet.new_lease(),
            reservation.scope,
            charges,
            quota.max_transit,
            call.quota_wait_left(),
            min(time_left, _LONGEST) + _BEYOND,
            quota.max_first_answer_wait,
        )
        #: When the call may be sent, once that is decided.
        self.at = -inf
        self._marks = (0.0,) * len(charges)
        self._is_first = False

    def ask(self, call: Call) -> Effects[Decision]:
        """Ask for what the attempt takes, and wait for the answer, a second at most."""
        answer = self._fleet.take(self._take)
        timeout = min(call.time_left(), ASSUME_RECEIVED_AFTER)
        yield from sleep(timeout, "quota", cast("Future[None]", answer))
        decision = self._fleet.decision(self._take, answer)
        if isinstance(decision, Granted):
            self.at = self._account.now() + decision.wait
            self._marks, self._is_first = decision.marks, decision.is_first
        return decision

    def cancel(self) -> None:
        """Give all of it back: nothing was sent."""
        self.settle(dict.fromkeys(self._demand, 0.0), ())

    def settle(self, spent: Demand, reports: Sequence[LimitReport]) -> None:
        """Count what the attempt *spent*, and what the provider said to be used."""
        take = self._take
        amounts, used = [], []
        for limit, charge in zip(self._limits, take.charges, strict=True):
            amounts.append(self._amount_spent(limit, charge, spent))
            known = (
                amount_used(limit, report, self._demand)
                for report in reports
                if isinstance(limit, LearnedLimit) and limit.is_of(report.unit, report.window)
            )
            used.append(next((each for each in known if each is None or isfinite(each)), None))
        self._fleet.settle(Settle(take, tuple(amounts), tuple(used), self._marks))
        self._fleet.note_stated(take.scope, reports)
        quota, took = self._account.quota, self._account.now() - self.at
        if self._is_first and reports and took < quota.max_first_answer_wait:
            self._note_what_counts()

    def _amount_spent(self, limit: Limit, charge: SharedCharge, spent: Demand) -> float:
        """Return what counts; here no worker relies on what it has seen beside others' calls."""
        keeps = self._fleet.keeps_declared.get(charge.key)
        if keeps is None:
            return amount_spent(limit, charge.taken, spent)
        amount = spent.get(limit.unit, charge.taken)
        return charge.taken if keeps and 0 < amount < charge.taken else amount

    def _note_what_counts(self) -> None:
        """Tell what the provider counts, which this call has shown: it was alone in flight."""
        for limit, charge in zip(self._limits, self._take.charges, strict=True):
            if not isinstance(limit, LearnedLimit):
                continue
            # What all were told before stays: a ledger that has lost it is told again.
            keeps = self._fleet.keeps_declared.get(charge.key, limit.keeps_declared)
            if keeps is not None:
                self._fleet.publish(Note(self._take.scope, charge.limit, keeps))


def wait_for_grant(admission: Admission, fleet: Fleet, call: Call) -> Effects[float]:
    """Return the seconds after which the attempt may be sent, 0.0 for now; it has asked once.

    After a refusal its reservation, and all others of the scope, are held back for so long.
    """
    account, reservation = call.account, admission.reservation
    assert reservation is not None, "its own quota lets it go"
    grant = admission.grant
    if grant is not None:
        late = account.now() - grant.at
        if late <= _LATE:
            return max(0.0, -late)
        grant.cancel()
        reservation.is_granted = False
    admission.grant = grant = Grant(fleet, reservation, call)
    decision = yield from grant.ask(call)
    if isinstance(decision, Granted):
        _check_model(account, reservation.scope)
        reservation.is_granted = True
        return decision.wait
    admission.grant = None
    unit = None if decision.unit in (PAUSED, FIRST) else cast("Unit", decision.unit)
    if decision.wait > call.quota_wait_left():
        raise call.limit_error(NoCapacity(decision.wait, unit), reservation.demand)
    admission.full_unit = unit
    now = account.now()
    until = now + decision.again
    if decision.unit == PAUSED:
        account.quota.pause(reservation.scope, until)
    account.quota.hold(reservation, until, now)
    return decision.again


def publish_failure(
    account: Account, fleet: Fleet, scope: str, model: str, error: LLMError
) -> None:
    """Tell all workers what an attempt has met that concerns them."""
    if isinstance(error, RateLimitError) and error.retry_after is not None:
        fleet.publish(Pause(scope, error.retry_after))
    elif isinstance(error, ModelNotFoundError) and account.ended.get(model, account.now()):
        fleet.publish(Retire(model, AN_HOUR if models.is_alive(model) else A_DAY))


def _check_model(account: Account, model: str) -> None:
    """Raise for a model of which another worker has just told that it has a successor."""
    if account.resolve_model(Request(model, ())) != model:
        raise ModelNotFoundError(
            f"{account.provider} no longer has the model {model}",
            provider=account.provider,
            retry=Retry.AT_ONCE,
        )
