"""A `SharedQuota` in memory: for simulations, and for a worker whose shared quota is away.

Each limit is a token bucket by the generic cell rate algorithm, as `TokenBucketLimit`, but that
what is taken counts from the moment at which the provider can have seen it at latest. A limit that
is counted request by request has a log of those moments, as `SlidingWindow`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import cast

from .limits import NEVER, Unit
from .longest_waits import LongestWaits
from .shared import (
    FIRST_CALL,
    PAUSED,
    Add,
    Decision,
    ForgetScope,
    Granted,
    KnownLimit,
    Operation,
    Outcome,
    Pause,
    Refused,
    RestoreLease,
    RestoreUse,
    SetCounting,
    Settle,
    SharedCharge,
    Take,
)
from .shared_levels import (
    ADD_KNOWN_FOR,
    AGREED_FOR,
    CREDIBLE_AHEAD,
    EMPTY,
    FIRST_AGAIN,
    LONGEST_AHEAD,
    RECEIVED_AFTER,
    Lease,
    Level,
    Room,
    scopes_of,
)

_FEW_LEASES = 1_024


class MemorySharedQuota:
    """A `SharedQuota` for those who share this object; *clock* counts seconds.

    With *lets_large_through* a call that exceeds a whole limit goes once nothing of that is used.
    It is not thread-safe: whoever has it guards it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        epoch: str = "memory",
        *,
        lets_large_through: bool = False,
    ) -> None:
        self._clock = clock
        self._epoch = epoch
        self._lets_large_through = lets_large_through
        self._levels: dict[str, Level] = {}
        #: The moments of requests by lease, for limits that are logs.
        self._logs: dict[str, dict[str, float]] = {}
        #: By scope and limit: the lowest amount that was named, and until when it holds.
        self._agreed: dict[str, dict[str, tuple[float, float]]] = {}
        self._paused: dict[str, float] = {}
        self._retired: dict[str, float] = {}
        #: By scope: when the first call was granted; None once it is answered.
        self._first: dict[str, float | None] = {}
        self._counting: dict[str, dict[str, bool]] = {}
        self._leases: dict[str, Lease] = {}
        self._longest_waits = LongestWaits()
        self._sweep_at = _FEW_LEASES

    def exchange(self, operations: Sequence[Operation], epoch: str = "") -> Outcome:
        """Perform *operations* in order; nothing fails here, and nothing is lost."""
        now = self._clock()
        if epoch not in ("", self._epoch):
            return Outcome(self._epoch, is_lost=True)
        self._forget_leases(now)
        decisions = (self._perform(each, now) for each in operations)
        return Outcome(
            self._epoch,
            decisions=tuple(each for each in decisions if each is not None),
            limits=tuple(self._known_limits(operations, now)),
            retired=tuple((m, until - now) for m, until in self._retired.items() if until > now),
            counting=tuple(
                SetCounting(scope, limit, counts_declared)
                for scope in scopes_of(operations)
                for limit, counts_declared in self._counting.get(scope, {}).items()
            ),
        )

    def used(self, charge: SharedCharge) -> float:
        """Return what is used of the limit that *charge* is of."""
        now = self._clock()
        if charge.is_log:
            return float(len(self._log(charge, now)))
        return self._level(charge, now).used(now, charge.amount / charge.window)

    def log(self, charge: SharedCharge) -> dict[str, float]:
        """Return the moments of the requests that *charge* counts one by one, by their leases."""
        return dict(self._log(charge, self._clock()))

    def _perform(self, operation: Operation, now: float) -> Decision | None:
        match operation:
            case Take():
                return self._take(operation, now)
            case Settle():
                self._settle(operation, now)
            case Add():
                self._add_once(operation, now)
            case RestoreUse(charges, spent_parts):
                for charge, spent_part in zip_longest(charges, spent_parts):
                    self._restore(charge, spent_part, now)
                    self._first.setdefault(charge.scope, None)  # others are in flight
            case RestoreLease(take):
                self._leases.setdefault(
                    take.lease, Lease(0.0, now + take.ttl, self._taken_of(take))
                )
            case Pause(scope, seconds):
                self._paused[scope] = max(self._paused.get(scope, now), now + seconds)
            case ForgetScope(scope):
                self._paused.pop(scope, None)
                self._agreed.pop(scope, None)
            case SetCounting(scope, limit, counts_declared):
                self._counting.setdefault(scope, {})[limit] = counts_declared
            case _:
                self._retired[operation.model] = now + operation.seconds
        return None

    def _add_once(self, spent: Add, now: float) -> None:
        if spent.lease not in self._leases:
            self._leases[spent.lease] = Lease(now, now + ADD_KNOWN_FOR)
            for index, charge in enumerate(spent.charges):
                self._add(charge, f"{spent.lease}:{index}", now, spent.ago)

    def _take(self, take: Take, now: float) -> Decision:
        rooms = [self._room(charge, now) for charge in take.charges]
        used = tuple(room.used for room in rooms)
        if take.lease in self._leases:
            return Granted(max(0.0, self._leases[take.lease].at - now), used)
        paused = max(0.0, self._paused.get(take.scope, now) - now)
        if paused:
            return Refused(paused, paused, PAUSED, used)
        alone = self._alone_for(take, now)
        if 0 < alone <= take.max_wait:
            return Refused(alone, min(alone, FIRST_AGAIN), FIRST_CALL, used)
        at, last = now, 0
        for index, room in enumerate(rooms):
            if room.free_at > at:
                at, last = room.free_at, index
        wait = at - now
        if wait == NEVER:
            return Refused(NEVER, NEVER, take.charges[last].unit, used)
        if wait > 0:
            charge, amount = take.charges[last], rooms[last].amount
            spent_part = self._levels.get(charge.key, EMPTY).spent_part
            again = self._longest_waits.seconds_to_ask_again(
                take, charge, amount, spent_part, wait=wait, now=now
            )
            if again is not None:
                return Refused(wait, again, charge.unit, used)
        for charge, room in zip(take.charges, rooms, strict=True):
            self._reserve(charge, room.amount, take, at + take.max_transit, now)
        self._leases[take.lease] = Lease(at, now + take.ttl, self._taken_of(take))
        is_first = take.first_alone > 0 and take.scope not in self._first
        if is_first:
            self._first[take.scope] = at
        return Granted(wait, used, is_first)

    def _taken_of(self, take: Take) -> tuple[float, ...]:
        return tuple(self._levels.get(charge.key, EMPTY).taken for charge in take.charges)

    def _alone_for(self, take: Take, now: float) -> float:
        """Return for how many seconds the first call of the scope is still to be alone."""
        first = self._first.get(take.scope)
        return 0.0 if first is None else max(0.0, first + take.first_alone - now)

    def _settle(self, settle: Settle, now: float) -> None:
        take = settle.take
        lease = self._leases.pop(take.lease, None)
        if lease is not None and take.scope in self._first:
            self._first[take.scope] = None
        for index, charge in enumerate(take.charges):
            spent, stated = settle.spent[index], settle.used[index]
            amount = self._amount(charge, now)
            if charge.is_log:
                if lease is not None and spent <= 0:
                    self._log(charge, now).pop(take.lease, None)
                continue
            level, rate = self._level(charge, now), amount / charge.window
            if lease is not None and spent > charge.taken:
                level = level.take_late(spent - charge.taken, now, rate)
            elif lease is not None:
                level = level.give_back(charge.taken - spent, lease.taken_of(index), now, rate)
                if spent > 0:
                    level = level.spend(spent / charge.taken)
            most = settle.at_most[index] if settle.at_most else None
            ordered_from = level.lowered_at + LONGEST_AHEAD + RECEIVED_AFTER
            # From then on moments are in order: all that was granted before it has been received.
            if lease is not None and most is not None and lease.at >= ordered_from:
                level = level.lower(most, lease.taken_of(index), now, rate)
            if stated is not None:
                level = level.add(max(0.0, stated - level.used(now, rate)), now, rate)
            self._levels[charge.key] = level

    def _add(self, charge: SharedCharge, lease: str, now: float, ago: float = 0.0) -> None:
        if charge.is_log:
            log = self._log(charge, now)
            log.update((f"{lease}:{n}", now - ago) for n in range(math.ceil(charge.taken)))
        else:
            rate = self._amount(charge, now) / charge.window
            self._levels[charge.key] = self._level(charge, now).take_late(charge.taken, now, rate)

    def _restore(self, charge: SharedCharge, spent_part: float | None, now: float) -> None:
        missing = charge.taken - self._room(charge, now).used
        if missing > 0:
            self._add(replace(charge, taken=missing), f"restored:{now:.17g}", now)
        level = self._levels.get(charge.key, EMPTY)
        if spent_part is not None and not charge.is_log and level.spent_part == EMPTY.spent_part:
            self._levels[charge.key] = level._replace(spent_part=spent_part)

    def _reserve(
        self, charge: SharedCharge, amount: float, take: Take, at: float, now: float
    ) -> None:
        if charge.is_log:
            self._logs[charge.key][take.lease] = at
        else:
            level, rate = self._level(charge, now), amount / charge.window
            self._levels[charge.key] = level.take(charge.taken, at, rate)

    def _room(self, charge: SharedCharge, now: float) -> Room:
        amount = self._amount(charge, now)
        if charge.is_log:
            log = self._log(charge, now)
            whole, used = math.floor(amount), float(len(log))
            if len(log) < whole:
                return Room(amount, used, now)
            free = sorted(log.values())[-whole] + charge.window if whole > 0 else NEVER
            return Room(amount, used, free)
        rate = amount / charge.window
        used = self._level(charge, now).used(now, rate)
        capacity = max(amount, charge.taken) if self._lets_large_through else amount
        if charge.taken > capacity:
            return Room(amount, used, NEVER)
        over = used + charge.taken - capacity
        return Room(amount, used, now + over / rate if over > 0 else now)

    def _amount(self, charge: SharedCharge, now: float) -> float:
        """Return the lowest amount that was named for the limit lately, and note this one."""
        agreed = self._agreed.setdefault(charge.scope, {})
        lowest, until = agreed.get(charge.limit, (charge.amount, now))
        is_new = until - now > AGREED_FOR / 2
        if now < until and (lowest < charge.amount or (lowest == charge.amount and is_new)):
            return lowest
        if not charge.is_from_shared_quota:
            agreed[charge.limit] = (charge.amount, now + AGREED_FOR)
        return charge.amount

    def _level(self, charge: SharedCharge, now: float) -> Level:
        level = self._levels.get(charge.key, EMPTY)
        return level._replace(at=now) if level.at > now + CREDIBLE_AHEAD else level

    def _log(self, charge: SharedCharge, now: float) -> dict[str, float]:
        log = self._logs.get(charge.key, {})
        self._logs[charge.key] = kept = {
            lease: at if at <= now + CREDIBLE_AHEAD else now
            for lease, at in log.items()
            if at > now - charge.window
        }
        return kept

    def _known_limits(self, operations: Iterable[Operation], now: float) -> Iterator[KnownLimit]:
        takes = [each for each in operations if isinstance(each, Take)]
        charged = {charge.key for take in takes for charge in take.charges}
        for scope in scopes_of(operations):
            for limit, (amount, until) in self._agreed.get(scope, {}).items():
                if now < until and f"{scope}\n{limit}" not in charged:
                    unit, _, window = limit.partition("/")
                    yield KnownLimit(scope, cast("Unit", unit), float(window), amount)

    def _forget_leases(self, now: float) -> None:
        if len(self._leases) > self._sweep_at:
            known = {lease: each for lease, each in self._leases.items() if each.until > now}
            self._leases, self._sweep_at = known, max(_FEW_LEASES, 2 * len(known))
