"""The workers that share an account's limits: each asks their shared quota once for a call.

A thread of the library's own sends to the shared quota whatever has come together since it last
did: what calls take, with what others have spent. So a call costs one round trip at most, and an
idle worker none. What a call has spent waits a moment for the next call, which it is sent with.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from itertools import count
from threading import Event
from uuid import uuid4
from weakref import WeakSet

from ..limit_types import LimitReport
from ..quota import Limit, Reservation
from ..quota.shared import (
    Decision,
    KnownLimit,
    Operation,
    Outcome,
    SetCounting,
    Settle,
    SharedCharge,
    SharedQuota,
    Take,
)
from ..redaction.printable import words_of
from ..runtime.fork import ForkLock, on_fork_in_child
from ..runtime.workers import Threads, Workers
from .fleet_view import FleetView, key_of, longest_waits_first, nothing_spent, shared_charges
from .shared_quota_outage import SharedQuotaOutage, outage_note, warn_of_outage
from .what_counts import WhatCounts

log = logging.getLogger(__name__)

#: Seconds that what was spent waits for a call that it can be sent with.
LINGER = 0.25
#: Seconds that a call waits for the shared quota; then it goes on within the worker's share.
ANSWER_TIMEOUT = 1.0
#: Operations that are sent at once, and those that are kept while the shared quota is away.
_MOST_AT_ONCE, _MOST_KEPT = 256, 10_000
#: Failures in a row after which what was to be sent is not sent again.
_MOST_FAILURES = 8
#: Seconds for which the interpreter's exit waits until what was spent is sent.
_EXIT_TIMEOUT = 1.0


class Fleet:
    """What one account asks of the *shared_quota* that it shares with other workers.

    While the shared quota does not answer, the worker goes on within *share* of each limit; it says
    so once, asks again now and then, and then adds what it has spent. *learn* is given what each
    answer tells beside its decisions. *now* counts seconds.
    """

    def __init__(
        self,
        shared_quota: SharedQuota,
        share: float,
        now: Callable[[], float],
        learn: Callable[[Outcome], None],
        threads: Threads | None = None,
    ) -> None:
        self._shared_quota = shared_quota
        self._share = share
        self._now = now
        self._learn = learn
        self._threads = threads or Workers(1, "llm-quota")
        self._epoch = ""  # of the thread that asks alone
        self.what_counts = WhatCounts()
        self._lock = ForkLock()  # guards all that follows
        self._view = FleetView(share, now)
        self._outage = SharedQuotaOutage()
        self._begin()
        on_fork_in_child(self, Fleet._reset_in_child)
        _fleets.add(self)

    def _reset_in_child(self) -> None:
        """Leave to the parent what the parent has asked for."""
        self._begin()

    def _begin(self) -> None:
        self._pending: list[Operation] = []
        self._answers: dict[str, Future[Decision]] = {}
        self._sending: Future[None] | None = None
        self._is_urgent = Event()
        #: Limits that only the shared quota has told of.
        self._from_shared_quota: set[str] = set()
        self._name, self._numbers = uuid4().hex, count()
        self._outage.is_probing = False
        #: Why the shared quota is away, to be logged once no lock is held; "" for nothing.
        self._to_log = ""

    def new_lease(self) -> str:
        """Return a name that no other call has, of whatever worker."""
        return f"{self._name}:{next(self._numbers)}"

    def take(self, take: Take) -> Future[Decision]:
        """Ask for a call; the future is done at once while the shared quota is away."""
        answer: Future[Decision] = Future()
        with self._lock:
            if self._outage.is_away:
                answer.set_result(self._view.take(take))
                if self._outage.acquire_probe(self._now()):
                    self._send_soon()
            else:
                self._answers[take.lease] = answer
                self._enqueue(take)
        return answer

    def decide(
        self, take: Take, answer: Future[Decision], timeout: float = ANSWER_TIMEOUT
    ) -> Decision:
        """Return the answer, if it came in *timeout* s; else decide within the worker's share."""
        with self._lock:
            if answer.done():
                decision = answer.result()
            else:
                del self._answers[take.lease]
                self._pending.append(nothing_spent(take))  # it may be granted all the same, later
                if timeout >= ANSWER_TIMEOUT and self._fail():
                    self._to_log = f"it has not answered in {ANSWER_TIMEOUT:g} s"
                self._view.begin_fallback()
                decision = self._view.take(take)
            reason, self._to_log = self._to_log, ""
        if reason:
            warn_of_outage(reason)
        return decision

    def settle(self, settle: Settle) -> None:
        """Count what a call has spent of what it took, be it granted or not."""
        with self._lock:
            self._answers.pop(settle.take.lease, None)
            if not self._view.settle(settle):
                self._view.spend(settle)
                self._enqueue(settle)

    def publish(self, *operations: Operation) -> None:
        """Tell all workers, at once."""
        with self._lock:
            for each in operations:
                self._enqueue(each)

    def tell_what_counts(self, counting: SetCounting) -> None:
        """Believe what an answer has shown, and tell all workers."""
        self.what_counts.learn((counting,))
        self.publish(counting)

    def used(self, scope: str, limit: Limit, now: float) -> float:
        """Return what the fleet uses of *limit*, as far as this worker knows."""
        with self._lock:
            return self._view.used(scope, limit)

    def charges(
        self, reservation: Reservation, known: Sequence[Limit] = ()
    ) -> tuple[list[Limit], tuple[SharedCharge, ...]]:
        """Return the limits that the fleet shares, and what *reservation* takes of each.

        Those that are *known* are left out.
        """
        with self._lock:
            return shared_charges(reservation, known, self._from_shared_quota)

    def outage_note(self) -> str:
        """Return what errors are to say of a shared quota that is away; "" while it is there."""
        return outage_note(self._shared_quota, self._share) if self._outage.is_away else ""

    def note_from_shared_quota(self, limit: KnownLimit) -> None:
        """Note that only the shared quota has told of *limit*."""
        with self._lock:
            self._from_shared_quota.add(key_of(limit.scope, limit))

    def note_from_provider(self, scope: str, reports: Sequence[LimitReport]) -> None:
        """Note that the provider itself has told this worker of its limits."""
        with self._lock:
            self._from_shared_quota.difference_update(key_of(scope, each) for each in reports)

    def flush(self) -> Future[None] | None:
        """Send now what is still to be sent; the future is done then. None: there is nothing."""
        with self._lock:
            self._is_urgent.set()
            return self._sending

    def _enqueue(self, operation: Operation) -> None:
        self._pending.append(operation)
        if self._outage.is_away:
            del self._pending[:-_MOST_KEPT]
            return
        if not isinstance(operation, Settle):
            self._is_urgent.set()
        self._send_soon()

    def _send_soon(self) -> None:
        if self._sending is None or self._sending.done():
            try:
                self._sending = self._threads.submit(self._send)
            except RuntimeError as error:  # no thread can be started
                self._to_log = words_of(error) if self._fail() else ""

    def _send(self) -> None:
        """Send what there is to send, and then what has come together meanwhile."""
        while (batch := self._next_batch()) is not None:
            try:
                outcome = self._shared_quota.exchange(batch, self._epoch)
            except Exception as error:
                # Whatever is wrong with the shared quota, calls go on without it.
                with self._lock:
                    is_news = self._fail()
                    # What makes the shared quota fail again and again is not sent for ever.
                    if self._outage.failures < _MOST_FAILURES:
                        kept = [each for each in batch if not isinstance(each, Take)]
                        self._pending[:0] = kept
                    self._decide_here([each for each in batch if isinstance(each, Take)])
                if is_news:
                    warn_of_outage(words_of(error))
            else:
                with self._lock:
                    self._accept(batch, outcome)
                self._learn(outcome)

    def _next_batch(self) -> Sequence[Operation] | None:
        """Return what is to be sent now, once something is urgent or has waited long enough."""
        with self._lock:
            is_away, is_urgent = self._outage.is_away, self._is_urgent
            may_send = self._outage.is_probing if is_away else bool(self._pending)
            if not may_send:
                self._sending = None
                return None
        if not is_away:
            is_urgent.wait(LINGER)
        with self._lock:
            is_urgent.clear()
            batch = self._pending[:_MOST_AT_ONCE]
            del self._pending[:_MOST_AT_ONCE]
            if any(not isinstance(each, Settle) for each in self._pending):
                is_urgent.set()
            return longest_waits_first(batch, self._answers)

    def _accept(self, batch: Sequence[Operation], outcome: Outcome) -> None:
        self._epoch = "" if outcome.is_lost else outcome.epoch  # after a loss, any is told once
        if outcome.is_lost:
            known = [*self.what_counts.all_known(), *batch]
            self._send_first([self._view.restored_use(), *self._view.restored_leases(), *known])
            return
        if self._outage.is_away:
            self._outage.end()
            log.info("the shared quota answers again")
        if spent := self._view.end_fallback():
            self._send_first(spent)
            # After the settles of what was never granted.
            self._pending += self._view.restored_leases()
        takes = [each for each in batch if isinstance(each, Take)]
        for take, decision in zip(takes, outcome.decisions, strict=True):
            self._view.learn(take, decision, is_waited_for=take.lease in self._answers)
            self._answer(take, decision)

    def _send_first(self, operations: Sequence[Operation]) -> None:
        self._pending[:0] = operations
        self._is_urgent.set()

    def _fail(self) -> bool:
        """Go on within the worker's share; return whether to warn of it."""
        is_news = self._outage.fail(self._now())
        self._view.begin_fallback()
        self._decide_here([each for each in self._pending if isinstance(each, Take)])
        self._pending = [each for each in self._pending if not isinstance(each, Take)]
        return is_news

    def _decide_here(self, takes: Sequence[Take]) -> None:
        for take in (each for each in takes if each.lease in self._answers):
            self._answer(take, self._view.take(take))

    def _answer(self, take: Take, decision: Decision) -> None:
        answer = self._answers.pop(take.lease, None)
        if answer is not None and answer.set_running_or_notify_cancel():
            answer.set_result(decision)


#: Those that are finished as the process ends.
_fleets: WeakSet[Fleet] = WeakSet()


def _finish_all() -> None:
    """Send what is still to be sent, unless that takes too long."""
    sending = [fleet.flush() for fleet in list(_fleets)]
    wait([each for each in sending if each is not None], _EXIT_TIMEOUT)


atexit.register(_finish_all)
