"""What an attempt takes of the limits that its account shares with other workers.

check_wait              whether a wait leaves room for what the shared quota adds to it
wait_for_grant          until the shared quota lets the attempt go, once its own quota does
  Grant.ask             ask the shared quota, in one round trip
publish_failure         tell the other workers of a pause, or of a model that is gone
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from math import inf, isfinite
from typing import TYPE_CHECKING, cast

from .. import models
from ..account.account import A_DAY, AN_HOUR, Account
from ..account.fleet import ANSWER_TIMEOUT, Fleet
from ..account.what_counts import STILL_FULL, full_limits
from ..effects import Effects, sleep
from ..errors import LLMError, ModelNotFoundError, RateLimitError, Retry
from ..limit_types import LimitReport, Unit
from ..quota import Demand, LearnedLimit, Limit, NoCapacity, Reservation
from ..quota.answers import amount_used
from ..quota.fair_scheduler import FairScheduler
from ..quota.guessed_limit import GuessedLimit
from ..quota.shared import (
    FIRST_CALL,
    PAUSED,
    Decision,
    Granted,
    Pause,
    RestoreUse,
    Retire,
    SetCounting,
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
    """What an attempt has asked of the shared quota; to be settled, or cancelled, once."""

    def __init__(self, fleet: Fleet, reservation: Reservation, call: Call) -> None:
        self._account = call.account
        self._fleet = fleet
        self._reservation = reservation
        self._limits, charges = fleet.charges(reservation)
        quota, time_left = self._account.quota, max(0.0, call.time_left())
        is_batch = reservation.priority == "batch"
        self._take = Take(
            fleet.new_lease(),
            reservation.scope,
            charges,
            quota.max_transit,
            call.quota_wait_left(),
            min(time_left, _LONGEST) + _BEYOND,
            quota.max_first_answer_wait,
            # Of a batch so many seconds count as one of a person's.
            call.quota_waited / (FairScheduler.INTERACTIVE_PER_BATCH if is_batch else 1),
        )
        #: When the call may be sent, once that is decided.
        self.at = -inf
        self._granted: Granted | None = None
        self._is_settled = False

    def ask(self, call: Call) -> Effects[Decision]:
        """Ask for what the attempt takes, and wait for the answer, a second at most.

        Half of the time that is left is for the provider.
        """
        answer = self._fleet.take(self._take)
        timeout = min(call.time_left() / 2, ANSWER_TIMEOUT)
        yield from sleep(timeout, "quota", cast("Future[None]", answer))
        decision = self._fleet.decide(self._take, answer, timeout)
        if isinstance(decision, Granted):
            self.at = self._account.now() + decision.wait
            self._granted = decision
        return decision

    def cancel(self) -> None:
        """Give all of it back: nothing was sent."""
        self.settle(dict.fromkeys(self._reservation.demand, 0.0), ())

    def settle(self, spent: Demand, reports: Sequence[LimitReport]) -> None:
        """Count what the attempt *spent*, and what the provider said to be used; once."""
        if self._is_settled:
            return
        take = self._take
        granted, counts = self._granted, self._fleet.what_counts
        full = (False,) * len(self._limits) if granted is None else full_limits(take, granted)
        amounts, at_most = [], []
        for limit, charge, was_full in zip(self._limits, take.charges, full, strict=True):
            amounts.append(counts.amount_spent(limit, charge, spent))
            most = counts.at_most(limit, charge, reports, take.max_transit) if was_full else None
            at_most.append(most)
        used = tuple(self._used(limit, reports) for limit in self._limits)
        self._fleet.note_from_provider(take.scope, reports)
        # What became known after the attempt asked, and what it took of each.
        new = list(zip(*self._fleet.charges(self._reservation, self._limits), strict=True))
        self._tell_use(new, reports)
        lowered = replace(take, charges=self._lowered(take.charges))
        self._fleet.settle(Settle(lowered, tuple(amounts), used, tuple(at_most)))
        self._is_settled = True
        if granted is not None and reports:
            known = zip(self._limits, take.charges, full, strict=True)
            limits = (*known, *((limit, charge, False) for limit, charge in new))
            self._note_what_counts(granted, limits, reports)

    def _lowered(self, charges: Sequence[SharedCharge]) -> tuple[SharedCharge, ...]:
        """Return *charges* with the amounts that were learnt to be lower since they were taken.

        All workers are to know these at once: nobody may ask in time, as after a refusal.
        """
        return tuple(
            replace(charge, amount=limit.amount) if 0 < limit.amount < charge.amount else charge
            for limit, charge in zip(self._limits, charges, strict=True)
        )

    def _tell_use(
        self, new: Sequence[tuple[Limit, SharedCharge]], reports: Sequence[LimitReport]
    ) -> None:
        """Tell all workers what is used of *new* limits, of which the call itself took nothing."""
        stated = [(charge, self._used(limit, reports)) for limit, charge in new]
        restored = tuple(replace(charge, taken=used) for charge, used in stated if used)
        if restored:
            self._fleet.publish(RestoreUse(restored))

    def _used(self, limit: Limit, reports: Sequence[LimitReport]) -> float | None:
        """Return what the provider says is used of *limit*, at least; None if it does not."""
        known = (
            amount_used(limit, report, self._reservation.demand)
            for report in reports
            if isinstance(limit, LearnedLimit) and limit.is_of(report.unit, report.window)
        )
        return next((each for each in known if each is None or isfinite(each)), None)

    def _note_what_counts(
        self,
        granted: Granted,
        limits: Sequence[tuple[Limit, SharedCharge, bool]],
        reports: Sequence[LimitReport],
    ) -> None:
        """Tell all workers what the provider counts, where the answer has shown it."""
        take, fleet, now = self._take, self._fleet, self._account.now()
        is_alone = granted.is_first and now - self.at < take.first_alone
        for limit, charge, was_full in limits:
            if isinstance(limit, LearnedLimit):
                is_full = (
                    was_full and fleet.used(take.scope, limit, now) >= STILL_FULL * limit.amount
                )
                counts_declared = fleet.what_counts.newly_shown(
                    limit, charge, reports, now, is_alone=is_alone, is_full=is_full
                )
                if counts_declared is not None:
                    counting = SetCounting(take.scope, charge.limit, counts_declared)
                    fleet.tell_what_counts(counting)


def check_wait(reservation: Reservation, patience: float, call: Call) -> None:
    """Raise for a wait for a shared limit that would turn out longer than *patience* seconds.

    The shared quota counts a call from when the provider has seen it at latest, and so has room
    later than this process alone.
    """
    unit = reservation.full_unit
    wait = reservation.starts_at - call.account.now() + call.account.quota.max_transit
    of_unit = (limit for limit, _ in reservation.charges if limit.unit == unit)
    # What this process guesses, it does not share.
    if wait > patience and not any(isinstance(limit, GuessedLimit) for limit in of_unit):
        full = NoCapacity(wait, unit)
        raise call.limit_error(full, reservation.demand, reservation.scope)


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
    # A call that was refused and asks again later goes before those that have come since.
    if seconds := account.quota.seconds_until_due(reservation, account.now()):
        return seconds
    admission.grant = grant = Grant(fleet, reservation, call)
    decision = yield from grant.ask(call)
    if isinstance(decision, Granted):
        _check_model(account, reservation.scope)
        reservation.is_granted = True
        return decision.wait
    admission.grant = None
    unit = None if decision.unit in (PAUSED, FIRST_CALL) else cast("Unit", decision.unit)
    if decision.wait > call.quota_wait_left():
        full = NoCapacity(decision.wait, unit)
        raise call.limit_error(full, reservation.demand, reservation.scope)
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
    """Tell all workers of a failure that concerns them; name an outage of their quota in it."""
    if isinstance(error, RateLimitError) and (note := fleet.outage_note()):
        error.args = (f"{error}{note}",)
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
