"""Several API keys as one account: taken in turn, paused together, taken out when refused."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from types import MappingProxyType

from .account import AN_HOUR, Account
from .accounts import steady_now
from .crowd import Crowd
from .dialects import groq
from .errors import (
    AuthenticationError,
    LLMError,
    ProviderUnavailableError,
    RateLimitError,
    Verdict,
)
from .forks import ForkLock
from .gate import Gate
from .learned import Learned
from .quota import Bucket, Demand, Quota, Refusal, SlidingWindow, Ticket
from .ttl_map import TTLMap

log = logging.getLogger(__name__)

#: Seconds of the window that requests per minute are counted in.
MINUTE = 60.0


class KeyRing(Account):
    """Groq keys as lanes: the one that has carried least is next, and limits hold for all.

    A key may send *rpm_per_key* requests in any *window* seconds: half of them at once, the rest at
    the pace at which a bucket refills. All keys together keep to *organization_rpm* if it is given,
    which says that they belong to one organisation; else to what `Crowd` allows. A refusal that
    asks for a wait pauses every key that may belong to the organisation which it names.
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
        together = organization_rpm is not None
        self._crowd = Crowd(organization_rpm or rpm_per_key, 1 if together else len(keys), window)
        # An account has a window in any case; an infinite one binds nothing.
        whole = SlidingWindow(organization_rpm or inf, window)

        # The bucket keeps a whole minute's requests from going at once; the window keeps those of
        # a burst and those of the refill after it from adding up to more than a minute's.
        def of_one_key() -> tuple[Bucket, SlidingWindow]:
            bucket = Bucket(rpm_per_key, window, "requests", burst=max(1.0, rpm_per_key / 2))
            return bucket, SlidingWindow(rpm_per_key, window)

        quota = Quota((self._crowd, whole) if together else (self._crowd,), of_one_key)
        super().__init__("groq", quota, now, wall, whole, Gate(max_concurrency))
        self._pace = window / rpm_per_key
        self._keys = {f"key {place} of {len(keys)}": key for place, key in enumerate(keys, 1)}
        #: Hashes of the organisations, by lane ("": the one that was stated to be all keys'); those
        #: that are not known are not there.
        self._organizations: dict[str, str] = dict.fromkeys(self._keys, "") if together else {}
        self._carried: Counter[str] = Counter()
        #: Lanes that are refused, for one model or (None) for all, with the refusal.
        self._refused = TTLMap[tuple[str, str | None], str]()
        self._taken_out = 0
        self._lock = ForkLock()  # guards the four above

    @property
    def keys(self) -> Sequence[str]:
        """All keys that there are, secrets."""
        return tuple(self._keys.values())

    @property
    def taken_out(self) -> int:
        """How often a key has been taken out so far."""
        with self._lock:
            return self._taken_out

    def lanes(self, model: str) -> Sequence[str]:
        """Return the keys that are in, whose turn it is first; AuthenticationError without any."""
        with self._lock:
            usable = [lane for lane in self._keys if not self._is_out(lane, model)]
            if not usable:
                raise AuthenticationError(self._none_left(model), provider="groq")
            self._forgo(usable)
            return sorted(usable, key=self._share)

    def outage_scope(self, lane: str) -> str:
        """Return what all keys have in common: a Retry-After that is no limit's holds for all."""
        return ""

    def key_of(self, lane: str) -> str:
        """Return the lane's key."""
        return self._keys[lane]

    def lane_of(self, key: str) -> str | None:
        """Return the lane of *key*, which must not be shown; None for one that was not given."""
        return next((lane for lane, known in self._keys.items() if known == key), None)

    def book(
        self, lane: str, demand: Demand, now: float, max_wait: float = 0.0
    ) -> Ticket | Refusal:
        """Reserve every limit of *lane*, or none, and count what the lane carries."""
        booked = super().book(lane, demand, now, max_wait)
        if isinstance(booked, Ticket):
            with self._lock:
                self._carried[lane] += 1
        return booked

    def unbook(self, ticket: Ticket, now: float) -> None:
        """Give back a booking that was never sent."""
        super().unbook(ticket, now)
        with self._lock:
            self._carried[ticket.lane] -= 1

    def withdraw(self, ticket: Ticket, now: float) -> None:
        """Give back a booking of which nothing was sent: no proof that there is room for it."""
        self._crowd.fail()
        super().withdraw(ticket, now)
        with self._lock:
            self._carried[ticket.lane] -= 1

    def lose(self, ticket: Ticket, now: float) -> None:
        """Count all of a request that was cancelled on the wire, but not as answered."""
        self._crowd.fail()
        super().lose(ticket, now)

    def carries(self, lane: str, now: float) -> bool:
        """Whether the key is in, and does not pause while another goes on."""
        with self._lock:
            usable = [each for each in self._keys if not self._is_out(each, None)]
        if lane not in usable:
            return False
        paused = self.quota.paused_for
        return not paused(lane, now) or all(paused(each, now) for each in usable)

    def learn(self, error: LLMError, lane: str, model: str, patience: float) -> None:
        """Draw from a failure on *lane* what holds for every key, and whether the way is clear."""
        if isinstance(error, RateLimitError):
            self._learn_limit(error, lane)
            super().learn(error, lane, model, patience)
            return
        if error.partial is None:
            self._crowd.fail()
        if isinstance(error, AuthenticationError) and error.status in (401, 403):
            self._take_out(error, lane, model)
        super().learn(error, lane, model, patience)
        if isinstance(error, ProviderUnavailableError) and error.verdict is Verdict.UNKNOWN:
            error.verdict = Verdict.TRANSIENT

    def pause(self, error: LLMError, lane: str, until: float) -> None:
        """Let nobody send before *until* with a key of this organisation, or of an unknown one."""
        now = self.now()
        news = not self.quota.paused_for(lane, now)
        with self._lock:
            here = self._organizations.get(lane)
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
            lane if scope is None else f"{lane} for {scope}": why
            for (lane, scope), why in refused.items()
        }
        return replace(super().learned(), refused_keys=MappingProxyType(by_key))

    def forget(self) -> None:
        """Drop all that was learnt, of keys and of their organisations too."""
        with self._lock:
            self._refused.clear()
            self._organizations = {
                lane: named for lane, named in self._organizations.items() if named == ""
            }
        self._crowd.forget()
        super().forget()

    def _learn_limit(self, error: RateLimitError, lane: str) -> None:
        """Note whose limit it was, and what it is if it is one of requests per minute."""
        named = error.__cause__ and groq.organization_of(error.__cause__)
        with self._lock:
            if named and self._organizations.get(lane) != "":
                self._organizations[lane] = named
            organizations = len(set(self._organizations.values()))
            is_all = len(self._organizations) == len(self._keys)
        if groq.limit_of(str(error)) == "RPM":
            limit = groq.amount_of(str(error))
            self._crowd.refuse(limit, organizations, is_all=is_all, now=self.now())
        else:
            self._crowd.fail()
        if error.retry_after is None and error.status == 429:
            # It does not say until when: until its key's bucket has refilled by one request.
            error.verdict = Verdict.TRANSIENT
            self.pause(error, lane, self.now() + self._pace)

    def _take_out(self, error: LLMError, lane: str, model: str) -> None:
        """Use the key no more, or not for this model where just that is refused."""
        scope = model if (error.code or "").startswith("model_") else None
        with self._lock:
            news = self._refused.get((lane, scope), self.now()) is None
            self._refused.put((lane, scope), str(error), self.now(), AN_HOUR)
            self._taken_out += news
            is_last = all(self._is_out(each, model) for each in self._keys)
            none_left = self._none_left(model) if is_last else ""
        if news:
            log.warning("%s is not accepted%s: %s", lane, f" for {scope}" if scope else "", error)
        if is_last:
            error.args = (none_left,)
        else:
            error.verdict = Verdict.AGAIN

    def _is_out(self, lane: str, model: str | None) -> bool:
        now = self.now()
        return any(self._refused.get((lane, scope), now) is not None for scope in (None, model))

    def _none_left(self, model: str) -> str:
        refused = self._refused.items(self.now())
        reasons = [why for (_, scope), why in refused.items() if scope in (None, model)]
        count = (
            f"none of the {len(self._keys)} keys is" if len(self._keys) > 1 else "the key is not"
        )
        return f"Groq authentication error: {count} accepted; the last answer was: {reasons[-1]}"

    def _forgo(self, usable: Sequence[str]) -> None:
        """Let a paused key not save up turns: it would be the only one used after its pause."""
        now = self.now()
        paused = {lane for lane in usable if self.quota.paused_for(lane, now)}
        least = min((self._carried[lane] for lane in usable if lane not in paused), default=0)
        for lane in paused:
            self._carried[lane] = max(self._carried[lane], least)

    def _share(self, lane: str) -> tuple[int, int]:
        """What the lane's organisation has carried so far, and the lane itself."""
        here = self._organizations.get(lane)
        mates = [each for each in self._keys if here and self._organizations.get(each) == here]
        return sum(self._carried[each] for each in mates or [lane]), self._carried[lane]
