"""What all calls on one account share, and what each failure teaches about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf

from . import models
from .budget import DailyBudget
from .cache import Cache
from .errors import LLMError, ModelNotFoundError, RateLimitError, Verdict
from .flights import Flights
from .forks import ForkLock
from .gate import Gate
from .quota import Demand, Quota, Refusal, SlidingWindow, Ticket
from .types import Mode, Provider, Reply

log = logging.getLogger(__name__)

#: All flights of the process: identical calls meet here, whichever client makes them.
_sky: Flights[Reply] = Flights()

#: More than any application has schemas, and a bound for one that makes them up.
_MOST_FORMS = 1024


@dataclass(eq=False)
class Account:
    """One account at a provider, and the limits that its calls keep together.

    `now` counts seconds and never steps; `wall` is Unix time. A lane is what the provider limits
    apart: here a model, for a client of several keys a key.
    """

    provider: Provider
    quota: Quota
    now: Callable[[], float]
    wall: Callable[[], float]
    #: The quota's limit of requests over all models, which host tests look at and change.
    window: SlidingWindow
    gate: Gate
    #: Let the successor of a model that is gone answer; those found gone, and who answers.
    switch: bool = True
    region: str | None = None
    retired: dict[str, str] = field(default_factory=dict)
    #: Until when a lane's provider has asked not to be called, without its being a limit.
    outages: dict[str, float] = field(default_factory=dict)
    #: Where answers are kept, and where identical calls meet; None: every call is sent.
    cache: Cache | None = None
    flights: Flights[Reply] = field(default=_sky)
    budget: DailyBudget | None = None
    #: Guards what is learnt, so that nothing is learnt twice and no outage is cut short.
    _learning: ForkLock = field(default_factory=partial(ForkLock, leaf=True), repr=False)
    #: In what form a model was last asked for answers of a schema, where stronger ones failed.
    forms: dict[tuple[str, int], Mode] = field(default_factory=dict)

    def lanes(self, model: str) -> Sequence[str]:
        """Return the lanes that can carry a request for *model*, the one whose turn it is first."""
        return (model,)

    def key_of(self, lane: str) -> str:
        """Return the key that a lane's requests are sent with; "" stands for the client's own."""
        return ""

    def out_of_service(self, lanes: Sequence[str]) -> float:
        """Seconds until a Retry-After that is not a limit's has passed, 0.0 without one."""
        until = min(self.outages.get(lane, -inf) for lane in lanes)
        return max(0.0, until - self.now())

    def book(
        self, lane: str, demand: Demand, now: float, max_wait: float = 0.0
    ) -> Ticket | Refusal:
        """Reserve every limit of *lane*, or none; as `Quota.reserve`."""
        return self.quota.reserve(lane, demand, now, max_wait)

    def unbook(self, ticket: Ticket, now: float) -> None:
        """Give back a booking that was never started."""
        self.quota.refund(ticket, now)

    def withdraw(self, ticket: Ticket, now: float) -> None:
        """Give back one that was started, and of which nothing was sent after all."""
        self.quota.settle(ticket, dict.fromkeys(ticket.demand, 0.0), now, now)

    def lose(self, ticket: Ticket, now: float) -> None:
        """Count all of a request that was cancelled on the wire: the provider may have seen it."""
        self.quota.settle(ticket, {}, now, now)

    def carries(self, lane: str, now: float) -> bool:
        """Whether what is booked on *lane* stays there; else it is booked anew."""
        return True

    def living(self, model: str) -> str:
        """Return the model that answers for *model*: itself, unless it was found gone."""
        return self.retired.get(model, model)

    def learn(self, error: LLMError, lane: str, model: str, patience: float) -> None:
        """Draw from a failure on *lane* what holds for everyone, and whether the way is clear.

        *patience* is how many seconds the failed call itself would wait for a limit.
        """
        if isinstance(error, ModelNotFoundError):
            # Only a provider's own word retires a model, not that of a bare exception.
            successor = models.successor(model, self.region) if error.status else None
            if successor is not None:
                self._retire(error, model, successor)
        elif error.retry_after is None:
            pass
        elif isinstance(error, RateLimitError):
            self.pause(error, lane, self.now() + error.retry_after)
            patient = error.retry_after <= patience
            error.verdict = Verdict.AGAIN if patient else Verdict.FATAL
        else:
            with self._learning:
                until = self.now() + error.retry_after
                self.outages[lane] = max(until, self.outages.get(lane, until))

    def mourn(self, error: LLMError, asked: str, living: str) -> None:
        """Where the successor *living* is refused too, speak of the model that was *asked* for."""
        if isinstance(error, ModelNotFoundError) and asked != living:
            error.args = (str(error).replace(living, asked),)
            if error.verdict is not Verdict.AGAIN:
                self.retired.pop(asked, None)  # this account may not use its successor
            else:
                self.retired[asked] = self.retired[living]

    def pause(self, error: LLMError, lane: str, until: float) -> None:
        """Let nobody send on *lane* before *until*."""
        self.quota.pause(lane, until)

    def remember_form(self, asked: tuple[str, int], mode: Mode) -> None:
        """Ask this model for this schema in *mode* from now on."""
        if len(self.forms) >= _MOST_FORMS:
            self.forms.clear()
        self.forms[asked] = mode

    def _retire(self, error: ModelNotFoundError, model: str, successor: str) -> None:
        error.successor = successor
        if not self.switch:
            error.args = (f"{error} (replaced by {successor})",)
            return
        error.verdict = Verdict.AGAIN
        with self._learning:
            known = self.retired.get(model)
            self.retired[model] = successor
        if known != successor:
            log.warning("%s no longer has the model %s: using %s", self.provider, model, successor)
