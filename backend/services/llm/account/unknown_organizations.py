"""What several keys may send together, while nobody knows which of them share a limit."""

from __future__ import annotations

import math

from ..quota import TokenBucketLimit
from ..quota.charges import Charge

#: The part of what an organisation may send at once that is used where a refusal has shown it:
#: clocks and paths jitter, and there is nothing left to absorb that.
_SLACK = 0.9


class UnknownOrganizations(TokenBucketLimit):
    """Requests over all keys: as many as the organisations that there is proof of may send.

    Groq limits organisations, however many keys they have, and names one in its refusals alone. So
    the bucket holds what one organisation may send (*per_organization* requests in *window*
    seconds, at once or as they refill), and when all of that was answered one request more. If more
    is answered than one organisation can have been allowed, there is another, and the bucket
    doubles, up to *per_organization* for every key. If a request is refused, it is the one more,
    and for a window the bucket holds no more than what is proven.
    """

    #: When a request was refused last, once one was.
    _refused_at: float

    def __init__(self, per_organization: float, keys: int, window: float) -> None:
        super().__init__(per_organization, window, "requests", burst=per_organization)
        self._configured = self._per_organization = per_organization
        self._keys = keys
        self._proven = per_organization
        self._largest = per_organization * keys
        self._full_since = math.inf
        self._answered = _Answered()
        #: Of the failures that are settled next: whether the provider has refused the request.
        self._failures: list[bool] = []

    def settle(self, charge: Charge, amount: float, latest_receipt: float, now: float) -> None:
        """Count the request unless it was refused, and grow where its answer proves more room."""
        has_failed = bool(self._failures)
        is_refused = has_failed and self._failures.pop()
        super().settle(charge, 0.0 if is_refused else amount, latest_receipt, now)
        if not has_failed:
            pace = self._proven / self.window
            self._answered.add(charge.at, pace)
            if self._proven < self._largest and self._capacity < self._largest:
                self._grow(charge, self._answered.level(now, pace) > self._proven, now)

    def fail(self) -> None:
        """The request that is settled next was not answered, and proves nothing."""
        self._failures.append(False)

    def refuse(self, limit: float | None, organizations: int, *, is_all: bool, now: float) -> None:
        """The request that is settled next was one too many for its organisation.

        The provider says that it may send *limit*, if that is known. So many *organizations* have
        been named so far; *is_all* says that no key is left that may belong to yet another.
        """
        self._failures.append(True)
        self._per_organization = min(self._per_organization, limit or self._per_organization)
        self._proven = self._per_organization * max(1, organizations)
        self._largest = (
            self._proven if is_all else max(self._proven, self._per_organization * self._keys)
        )
        self._refused_at = now
        self._answered = _Answered(self._proven - 1, now)
        self._hold(self._proven, max(1.0, _SLACK * self._proven))

    def forget(self) -> None:
        """Believe again what was believed at first, and find out anew."""
        self._per_organization = self._proven = self._configured
        self._largest = self._per_organization * self._keys
        self._answered = _Answered()
        self._hold(self._per_organization, self._per_organization)

    def _grow(self, charge: Charge, proven: bool, now: float) -> None:
        """Make room: one request more to try, or double where there is proof.

        Beyond two organisations, an answer to a request that was sent when the bucket was full is
        taken for proof: to find out more exactly would cost more than a refusal.
        """
        full = self._is_full(now)
        tried = charge.at > self._full_since or (full and not self.pending.in_flight)
        if self._capacity < self._proven:
            if now - self._refused_at >= self.window:
                self._hold(self._proven, self._proven)
        elif proven or (tried and self.amount > self._proven):
            more = min(2 * self.amount, self._largest)
            self._hold(more, more)
        elif tried:
            self._hold(self.amount, self._capacity + 1)
        elif full:
            self._full_since = min(self._full_since, now)

    def _hold(self, amount: float, burst: float) -> None:
        self.amount, self.burst, self._full_since = amount, burst, math.inf

    def _is_full(self, now: float) -> bool:
        used = self._missing_after(now) + self.pending.in_flight_amount
        return used + 1 > self._capacity


class _Answered:
    """What the provider has counted at least: answered requests, seen as early as they can be."""

    def __init__(self, level: float = 0.0, since: float = -math.inf) -> None:
        self._level = level
        self._as_of = since
        #: Since when it has not been empty.
        self._since = since

    def add(self, sent: float, pace: float) -> None:
        """Count a request sent at *sent*; *pace* is the requests that drain a second."""
        if sent > self._as_of:
            self._level = self.level(sent, pace)
            self._since = self._since if self._level else sent
            self._as_of = sent
        if sent >= self._since:
            self._level += 1

    def level(self, now: float, pace: float) -> float:
        """What has not drained by *now*."""
        return max(0.0, self._level - (now - self._as_of) * pace) if self._level else 0.0
