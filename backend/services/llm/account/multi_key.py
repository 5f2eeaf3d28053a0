"""Several API keys as one account: taken in turn, paused together, taken out when refused."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from ..errors import (
    AuthenticationError,
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from ..limit_types import MINUTE, Headroom, LimitReport, Priority
from ..providers import groq
from ..quota import Demand, NoCapacity, Quota, Reservation, SlidingWindow, TokenBucketLimit
from ..quota.queue import ReservationHolder
from ..runtime.fork import ForkLock
from ..runtime.ttl_map import TTLMap
from .account import AN_HOUR, Account
from .concurrency import ConcurrencyLimiter
from .learned import Learned
from .registry import steady_now
from .unknown_organizations import UnknownOrganizations

log = logging.getLogger(__name__)


class MultiKeyAccount(Account):
    """Groq keys as scopes: the one that has carried least is next, and limits hold for all.

    A key may send *rpm_per_key* requests in any *window* seconds: half of them at once, the rest at
    the pace at which a bucket refills. All keys together keep to *organization_rpm* if it is given,
    which says that they belong to one organisation; else to what `UnknownOrganizations` allows. A
    refusal that asks for a wait pauses every key that may belong to the organisation it names.
    """

    def __init__(
        self,
        keys: Sequence[str],
        *,
        rpm_per_key: int,
        max_concurrency: int,
        organization_rpm: int | None = None,
        window: float = MINUTE,
        now: Callable[[], float] = steady_now,
        wall: Callable[[], float] = time.time,
    ) -> None:
        is_one_organization = organization_rpm is not None
        organizations = 1 if is_one_organization else len(keys)
        one = organization_rpm or rpm_per_key
        self._unknown = UnknownOrganizations(one, organizations, window)
        # An account has a window in any case; an infinite one binds nothing.
        whole = SlidingWindow(organization_rpm or inf, window)

        # The bucket keeps a whole minute's requests from going at once; the window keeps those of
        # a burst and those of the refill after it from adding up to more than a minute's.
        def limits_of_key() -> tuple[TokenBucketLimit, SlidingWindow]:
            bucket = TokenBucketLimit(
                rpm_per_key, window, "requests", burst=max(1.0, rpm_per_key / 2)
            )
            return bucket, SlidingWindow(rpm_per_key, window)

        shared = (self._unknown, whole) if is_one_organization else (self._unknown,)
        quota = Quota(shared, limits_of_key)
        super().__init__("groq", quota, now, wall, whole, ConcurrencyLimiter(max_concurrency))
        self._pace = window / rpm_per_key
        self._keys = {f"key {place} of {len(keys)}": key for place, key in enumerate(keys, 1)}
        #: Hashes of the known organisations, by scope; "" is the one that the host states for all
        #: keys.
        known = dict.fromkeys(self._keys, "") if is_one_organization else {}
        self._organizations: dict[str, str] = known
        self._requests: Counter[str] = Counter()
        #: Scopes that are refused, for one model or (None) for all, with the refusal.
        self._refused = TTLMap[tuple[str, str | None], str]()
        self._refusals = 0
        self._lock = ForkLock()  # guards the four above

    @property
    def keys(self) -> Sequence[str]:
        """All keys that there are, secrets."""
        return tuple(self._keys.values())

    @property
    def refusals(self) -> int:
        """How many refusals have taken a key out of use so far."""
        with self._lock:
            return self._refusals

    def scopes(self, model: str) -> Sequence[str]:
        """Return the keys that are in, whose turn it is first; AuthenticationError without any."""
        with self._lock:
            usable = [scope for scope in self._keys if not self._is_refused(scope, model)]
            if not usable:
                raise AuthenticationError(self._all_refused_message(model), provider="groq")
            self._raise_paused(usable)
            return sorted(usable, key=self._load_of)

    def outage_key(self, scope: str) -> str:
        """Return what all keys have in common: a Retry-After that is no limit's holds for all."""
        return ""

    def api_key_of(self, scope: str) -> str:
        """Return the scope's key."""
        return self._keys[scope]

    def scope_of(self, key: str) -> str | None:
        """Return the scope of *key*, which must not be shown; None for one that was not given."""
        return next((scope for scope, known in self._keys.items() if known == key), None)

    def reserve(
        self,
        scope: str,
        demand: Demand,
        now: float,
        max_wait: float = 0.0,
        priority: Priority = "interactive",
        model: str = "",
        holder: ReservationHolder | None = None,
    ) -> Reservation | NoCapacity:
        """Reserve every limit of *scope*, or none, and count what the key carries."""
        group = self._group(scope, model)
        result = self.quota.reserve(scope, demand, now, max_wait, priority, group, holder)
        if isinstance(result, Reservation):
            with self._lock:
                self._requests[scope] += 1
        return result

    def cancel(self, reservation: Reservation, now: float) -> None:
        """Give back a reservation for which nothing was sent, which proves no room."""
        if reservation.is_started:
            self._unknown.fail()
        super().cancel(reservation, now)
        with self._lock:
            self._requests[reservation.scope] -= 1

    def settle(
        self,
        reservation: Reservation,
        spent: Demand,
        latest_receipt: float,
        now: float,
        reports: Sequence[LimitReport] = (),
    ) -> None:
        """Count what a request *spent*, and believe the *reports* of its organisation's model.

        What keys may send in a minute together is found out by `UnknownOrganizations`.
        """
        learnt = [each for each in reports if (each.unit, each.window) != ("requests", MINUTE)]
        super().settle(reservation, spent, latest_receipt, now, learnt)

    def settle_as_estimated(self, reservation: Reservation, now: float) -> None:
        """Count all of a request that was cancelled on the wire, but not as answered."""
        self._unknown.fail()
        super().settle_as_estimated(reservation, now)

    def is_usable(self, scope: str, now: float) -> bool:
        """Whether the key is in, and does not pause while another goes on."""
        with self._lock:
            usable = [each for each in self._keys if not self._is_refused(each, None)]
        if scope not in usable:
            return False
        paused = self.quota.paused_for
        return not paused(scope, now) or all(paused(each, now) for each in usable)

    def learn_about_scope(
        self, error: LLMError, scope: str, model: str, quota_wait_left: float
    ) -> None:
        """Learn from a failure on *scope* what holds for all keys; set which retry it deserves."""
        if isinstance(error, RateLimitError):
            self._learn_limit(error, scope)
            super().learn_about_scope(error, scope, model, quota_wait_left)
            return
        if error.partial is None:
            self._unknown.fail()
        refused = isinstance(error, AuthenticationError) and not error.from_proxy
        if refused and error.status in (401, 403):
            self._stop_using(error, scope, model)
        super().learn_about_scope(error, scope, model, quota_wait_left)
        if isinstance(error, ProviderUnavailableError) and error.retry is Retry.IF_REQUESTED:
            error.retry = Retry.AFTER_BACKOFF

    def pause(self, error: LLMError, scope: str, until: float) -> None:
        """Let nobody send before *until* with a key of this organisation, or of an unknown one."""
        now = self.now()
        news = not self.quota.paused_for(scope, now)
        with self._lock:
            here = self._organizations.get(scope)
            others = self._organizations
            pausing = [key for key in self._keys if here is None or others.get(key, here) == here]
        for each in pausing:
            self.quota.pause(each, until)
        if news:
            log.warning("Groq asks for a pause of %.1f s: %s", until - now, ", ".join(pausing))

    def learned(self) -> Learned:
        """Return what is known now, refused keys by their place included."""
        with self._lock:
            refused = self._refused.items(self.now())
        by_key = {
            scope if refused_model is None else f"{scope} for {refused_model}": why
            for (scope, refused_model), why in refused.items()
        }
        return replace(super().learned(), refused_keys=by_key)

    def forget(self) -> None:
        """Drop all that was learnt, of keys and of their organisations too."""
        with self._lock:
            self._refused.clear()
            self._organizations = {
                scope: named for scope, named in self._organizations.items() if named == ""
            }
        self._unknown.forget()
        super().forget()

    def headroom_of(self, scope: str, model: str) -> tuple[Headroom, ...]:
        """Return what is left of a key's limits, and of what is known of the model's."""
        return self.quota.headroom(scope, self.now(), self._group(scope, model))

    def _group(self, scope: str, model: str) -> str:
        """Return the name of what an answer's limits are of: the organisation and the model."""
        with self._lock:
            organization = self._organizations.get(scope, scope)
        return f"{organization}/{model}" if model else ""

    def _learn_limit(self, error: RateLimitError, scope: str) -> None:
        """Note whose limit it was, and what it is if it is one of requests per minute."""
        named = error.__cause__ and groq.organization_of(error.__cause__)
        with self._lock:
            if named and self._organizations.get(scope) != "":
                self._organizations[scope] = named
            organizations = len(set(self._organizations.values()))
            is_all = len(self._organizations) == len(self._keys)
        if groq.limit_of(str(error)) == "RPM":
            limit = groq.amount_of(str(error))
            self._unknown.refuse(limit, organizations, is_all=is_all, now=self.now())
        else:
            self._unknown.fail()
        if error.retry_after is None and error.status == 429:
            # It does not say until when: until its key's bucket has refilled by one request.
            error.retry = Retry.AFTER_BACKOFF
            self.pause(error, scope, self.now() + self._pace)

    def _stop_using(self, error: LLMError, scope: str, model: str) -> None:
        """Use the key no more, or not for this model where just that is refused."""
        refused_model = model if (error.code or "").startswith("model_") else None
        with self._lock:
            news = self._refused.get((scope, refused_model), self.now()) is None
            self._refused.put((scope, refused_model), str(error), self.now(), AN_HOUR)
            self._refusals += news
            is_last = all(self._is_refused(each, model) for each in self._keys)
            none_left = self._all_refused_message(model) if is_last else ""
        if news:
            log.warning(
                "%s is not accepted%s: %s",
                scope,
                f" for {refused_model}" if refused_model else "",
                error,
            )
        if is_last:
            error.args = (none_left,)
        else:
            error.retry = Retry.AT_ONCE

    def _is_refused(self, scope: str, model: str | None) -> bool:
        now = self.now()
        return any(
            self._refused.get((scope, refused_model), now) is not None
            for refused_model in (None, model)
        )

    def _all_refused_message(self, model: str) -> str:
        refused = self._refused.items(self.now())
        reasons = [
            why for (_, refused_model), why in refused.items() if refused_model in (None, model)
        ]
        count = (
            f"none of the {len(self._keys)} keys is" if len(self._keys) > 1 else "the key is not"
        )
        return f"Groq authentication error: {count} accepted; the last answer was: {reasons[-1]}"

    def _raise_paused(self, usable: Sequence[str]) -> None:
        """Raise the load of paused keys to the least of the others: they would be next for long."""
        now = self.now()
        paused = {scope for scope in usable if self.quota.paused_for(scope, now)}
        least = min((self._requests[scope] for scope in usable if scope not in paused), default=0)
        for scope in paused:
            self._requests[scope] = max(self._requests[scope], least)

    def _load_of(self, scope: str) -> tuple[int, int]:
        """What the scope's organisation has carried so far, and the scope itself."""
        here = self._organizations.get(scope)
        mates = [each for each in self._keys if here and self._organizations.get(each) == here]
        return sum(self._requests[each] for each in mates or [scope]), self._requests[scope]
