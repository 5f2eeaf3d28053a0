"""What a worker last knew of its fleet's limits, and goes by while their shared quota is away."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple
from uuid import uuid4

from ..limit_types import LimitReport
from ..quota import Limit, Reservation, SlidingWindow
from ..quota.guessed_limit import GuessedLimit
from ..quota.memory_shared_quota import MemorySharedQuota
from ..quota.shared import (
    ACCOUNT_WIDE,
    Add,
    Decision,
    Granted,
    KnownLimit,
    Operation,
    RestoreLease,
    RestoreUse,
    Settle,
    SharedCharge,
    Take,
)
from ..quota.shared_levels import PART_WEIGHT

#: Limits that are remembered: more than an application's models have.
_MOST_LIMITS = 1_000
#: A limit of a longer window is restored as it was known, one of a shorter as if it was full: what
#: that costs is refilled soon. A log is restored as it was known, up to so many requests.
_LONG_WINDOW, _MOST_REQUESTS = 3_600.0, 10_000.0
#: Requests of a worker's share that are counted one by one; a larger share is refilled.
_MOST_LOGGED = 1_000.0
#: How the leases begin of what was known before.
_KNOWN = "known:"


class _Known(NamedTuple):
    """What was used of a limit at a time, the last charge included.

    Calls have *given_back* so much of it since: what they had declared and did not spend. Lately
    they have spent a *spent_part* of what they had declared, on the average.
    """

    charge: SharedCharge
    used: float
    at: float
    spent_part: float = 1.0
    given_back: float = 0.0

    def used_at(self, time: float) -> float:
        """Return what is left of that at *time*, if nobody has used more."""
        return max(0.0, self.used - (time - self.at) * self.charge.amount / self.charge.window)


class _Fallback(NamedTuple):
    """What a worker goes by while the shared quota is away."""

    shared_quota: MemorySharedQuota
    #: The same as if nothing had been spent meanwhile.
    unspent: MemorySharedQuota


class FleetView:
    """The use of each limit by the shared quota's last answers, and a *share* of it meanwhile.

    *now* counts seconds. Its owner guards it.
    """

    def __init__(self, share: float, now: Callable[[], float]) -> None:
        self._share = share
        self._now = now
        self._known: dict[str, _Known] = {}
        self._fallback: _Fallback | None = None
        #: Calls that are not settled, by lease: those that the shared quota granted, and the share.
        self._granted: dict[str, Take] = {}
        self._granted_of_share: dict[str, Take] = {}

    def learn(self, take: Take, decision: Decision, *, is_waited_for: bool = True) -> None:
        """Note what the shared quota has decided, also on a call that was given up meanwhile."""
        now, is_granted = self._now(), isinstance(decision, Granted)
        if is_granted and is_waited_for:
            self._granted[take.lease] = take
        for charge, used in zip(take.charges, decision.used, strict=True):
            old, new = self._known.pop(charge.key, None), used + is_granted * charge.taken
            spent_part = 1.0 if old is None else old.spent_part
            self._known[charge.key] = _Known(charge, new, now, spent_part)
        while len(self._known) > _MOST_LIMITS:
            del self._known[next(iter(self._known))]

    def used(self, scope: str, limit: Limit) -> float:
        """Return what is used of a *limit* now, by others too, or is not ours to use."""
        known = self._known.get(shared_charge(limit, scope, 0.0).key)
        if known is None:
            return 0.0
        if self._fallback is None:
            return max(0.0, known.used_at(self._now()) - known.given_back)
        share = self._share_of(known.charge)
        return limit.amount - max(0.0, share.amount - self._fallback.shared_quota.used(share))

    def begin_fallback(self) -> None:
        """Begin with a share of what was left of each limit when it was last known."""
        if self._fallback is None:
            shared_quota = MemorySharedQuota(self._now, lets_large_through=True)
            self._fallback = _Fallback(shared_quota, MemorySharedQuota(self._now))
            known = [self._known_share(*pair) for pair in enumerate(self._known.values())]
            granted = [RestoreLease(self._share_of_take(each)) for each in self._granted.values()]
            for each in self._fallback:
                each.exchange([*known, *granted])
            charges = (
                replace(self._share_of(each.charge), taken=0.0) for each in self._known.values()
            )
            spent_parts = tuple(each.spent_part for each in self._known.values())
            shared_quota.exchange([RestoreUse(tuple(charges), spent_parts)])

    def take(self, take: Take) -> Decision:
        """Decide within the worker's share."""
        assert self._fallback is not None, "the shared quota decides"
        now = self._now()
        for charge in take.charges:
            self._known.setdefault(charge.key, _Known(charge, 0.0, now))
        (decision,) = self._fallback.shared_quota.exchange([self._share_of_take(take)]).decisions
        if isinstance(decision, Granted):
            self._granted_of_share[take.lease] = take
        return decision

    def spend(self, settle: Settle) -> None:
        """Note what a call has spent: the rest is left until the shared quota is asked again."""
        for charge, spent in zip(settle.take.charges, settle.spent, strict=True):
            known = self._known.get(charge.key)
            if known is not None:
                spent_part, given_back = known.spent_part, known.given_back + charge.taken - spent
                if 0 < spent <= charge.taken:
                    spent_part += PART_WEIGHT * (spent / charge.taken - spent_part)
                self._known[charge.key] = known._replace(
                    spent_part=spent_part, given_back=given_back
                )

    def settle(self, settle: Settle) -> bool:
        """Settle what was taken of the worker's share; return whether the share granted it."""
        lease = settle.take.lease
        self._granted.pop(lease, None)
        is_of_share = self._granted_of_share.pop(lease, None) is not None
        if self._fallback is not None:
            # What the provider says is used of the whole limit says nothing of a share of it.
            take, unknown = self._share_of_take(settle.take), (None,) * len(settle.used)
            share = replace(settle, take=take, used=unknown, at_most=())
            for each in self._fallback:
                each.exchange([share])
        return is_of_share

    def end_fallback(self) -> list[Add]:
        """Return what was spent meanwhile, for the shared quota.

        The shared quota itself has let what it knew be refilled.
        """
        if self._fallback is None:
            return []
        spent = [*self._spent(self._fallback), *self._requests(self._fallback.shared_quota)]
        self._granted |= self._granted_of_share
        self._granted_of_share, self._fallback = {}, None
        return spent

    def restored_leases(self) -> list[RestoreLease]:
        """Return the leases of calls that are not settled, which a shared quota may not know."""
        return [RestoreLease(each) for each in self._granted.values()]

    def restored_use(self) -> RestoreUse:
        """Return what may be used of each limit, for a shared quota that has lost its state."""
        now = self._now()
        charges, spent_parts = [], []
        for known in self._known.values():
            charge = known.charge
            if charge.is_log:
                # How old its entries are is not known: all of them count until none can.
                most = min(known.used, _MOST_REQUESTS) if now - known.at < charge.window else 0.0
            elif charge.window <= _LONG_WINDOW:
                # What was granted ahead exceeds the limit, and is still to be sent.
                most = known._replace(used=max(charge.amount, known.used)).used_at(now)
            else:
                most = known.used_at(now)
            if most > 0:
                charges.append(replace(charge, taken=most, is_from_shared_quota=True))
                spent_parts.append(known.spent_part)
        return RestoreUse(tuple(charges), tuple(spent_parts))

    def _known_share(self, number: int, known: _Known) -> Add:
        """Return what of the worker's share counts as used when the shared quota is away."""
        share, used = self._share_of(known.charge), self._share * known.used
        taken = min(float(math.ceil(used)), share.amount) if share.is_log else used
        return Add(f"{_KNOWN}{number}", (replace(share, taken=taken),), self._now() - known.at)

    def _spent(self, fallback: _Fallback) -> Iterator[Add]:
        """Yield what was spent of limits that are refilled."""
        for known in self._known.values():
            share = self._share_of(known.charge)
            spent = fallback.shared_quota.used(share) - fallback.unspent.used(share)
            if spent > 0 and not share.is_log:
                charge = replace(known.charge, taken=spent, is_from_shared_quota=True)
                yield Add(uuid4().hex, (charge,))

    def _requests(self, shared_quota: MemorySharedQuota) -> Iterator[Add]:
        """Yield the requests of the last window that were counted one by one, by the second."""
        now = self._now()
        for charge in [known.charge for known in self._known.values()]:
            share = self._share_of(charge)
            if not share.is_log:
                continue
            since = now - charge.window
            log = shared_quota.log(share).items()
            moments = [at for name, at in log if at > since and not name.startswith(_KNOWN)]
            for _, together in groupby(sorted(moments), math.floor):
                latest = list(together)
                taken = replace(charge, taken=float(len(latest)), is_from_shared_quota=True)
                yield Add(uuid4().hex, (taken,), now - latest[-1])

    def _share_of(self, charge: SharedCharge) -> SharedCharge:
        share = self._share * charge.amount
        if not charge.is_log or share > _MOST_LOGGED:
            return replace(charge, amount=share, is_log=False)
        # Less than one request of a window is one of a longer window.
        if share < 1:
            return replace(charge, amount=1.0, window=charge.window / share)
        return replace(charge, amount=float(math.floor(share)))

    def _share_of_take(self, take: Take) -> Take:
        # Other workers may have calls in flight: none is alone.
        charges = tuple(map(self._share_of, take.charges))
        return replace(take, charges=charges, first_alone=0.0)


def longest_waits_first(batch: Iterable[Operation], waiting: Container[str]) -> list[Operation]:
    """Return *batch* with its takes at the end, the one that has waited longest first.

    A take that nobody is *waiting* for any more is left out: it is settled already.
    """
    operations = list(batch)
    takes = [each for each in operations if isinstance(each, Take) and each.lease in waiting]
    takes.sort(key=lambda take: -take.seconds_waited)
    return [*(each for each in operations if not isinstance(each, Take)), *takes]


def shared_charge(limit: Limit, scope: str, taken: float) -> SharedCharge:
    """Return so much *taken* of *limit*, as the shared quota names it."""
    # Requests that are logged one by one are those of the account, whatever the scope.
    is_log = isinstance(limit, SlidingWindow)
    owner = ACCOUNT_WIDE if is_log else scope
    return SharedCharge(owner, limit.unit, limit.window, limit.amount, taken, is_log)


def shared_charges(
    reservation: Reservation, known: Container[Limit], from_shared_quota: Container[str]
) -> tuple[list[Limit], tuple[SharedCharge, ...]]:
    """Return the limits that a fleet shares, and what *reservation* takes of each.

    Those that are *known* are left out.
    """
    limits, charges = [], []
    for limit, reserved in reservation.charges:
        # Each worker guesses for itself.
        is_own = isinstance(limit, GuessedLimit) or not 0 < limit.amount < math.inf
        if not is_own and limit not in known:
            charge = shared_charge(limit, reservation.scope, reserved.amount)
            limits.append(limit)
            is_from_there = charge.key in from_shared_quota
            charges.append(replace(charge, is_from_shared_quota=is_from_there))
    return limits, tuple(charges)


def key_of(scope: str, limit: KnownLimit | LimitReport) -> str:
    """Return what the shared quota names a limit of *scope*."""
    return SharedCharge(scope, limit.unit, limit.window, 0.0, 0.0).key


def nothing_spent(take: Take) -> Settle:
    """Return that the call of *take* has spent nothing."""
    nothing = (0.0,) * len(take.charges)
    return Settle(take, nothing, (None,) * len(nothing))
