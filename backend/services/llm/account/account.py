"""What all calls on one account share, and what each failure teaches about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .. import models
from ..errors import (
    InvalidRequestError,
    LLMError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    Retry,
)
from ..limit_types import Headroom, LimitReport, Priority
from ..quota import Demand, NoCapacity, Quota, Reservation, ReservationHolder, SlidingWindow
from ..quota.shared import forget_all
from ..runtime.retry_after import LONGEST as LONGEST_WAIT
from ..runtime.ttl_map import TTLMap
from ..types import Mode, Provider, Reply, Request
from .concurrency import ConcurrencyLimiter
from .outages import CREDIBLE_OUTAGE, LONGEST_OUTAGE, Outages
from .single_flight import SingleFlight
from .token_estimator import Estimate, TokenEstimator
from .transit_time import TransitTime

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from .cache import Cache
    from .daily_budget import DailyBudget
    from .fleet import Fleet
    from .learned import Learned
    from .money_budgets import MoneyBudgets

log = logging.getLogger(__name__)

#: All calls in flight in the process: identical calls meet here, whichever client makes them.
_single_flight: SingleFlight[Reply] = SingleFlight()

#: For how long what was learnt holds, in seconds; less where our own tables say otherwise.
A_DAY, AN_HOUR = 86_400.0, 3_600.0


@dataclass(eq=False)
class Account:
    """One account at a provider, and the limits that its calls keep together.

    `now` counts seconds and never steps; `wall` is Unix time. A scope is what the provider limits
    apart: here a model, for a client of several keys a key.
    """

    provider: Provider
    quota: Quota
    now: Callable[[], float]
    wall: Callable[[], float]
    #: The quota's limit of requests over all models, which host tests look at and change.
    window: SlidingWindow
    concurrency: ConcurrencyLimiter
    #: Let the successor of a model that is gone answer.
    switch: bool = True
    region: str | None = None
    #: Models that the provider has shut down, and parameters that a model has refused.
    ended: TTLMap[str, bool] = field(default_factory=TTLMap, repr=False)
    refused_options: TTLMap[tuple[str, str], bool] = field(default_factory=TTLMap, repr=False)
    #: Until when the provider has asked not to be called, without its being a limit.
    outages: Outages = field(default_factory=Outages, repr=False)
    #: Where answers are kept, and where identical calls meet; None: every call is sent.
    cache: Cache | None = None
    single_flight: SingleFlight[Reply] = field(default=_single_flight)
    budget: DailyBudget | None = None
    #: Scopes whose limits metrics report; see `events.limit_sources`.
    observed_scopes: set[str] = field(default_factory=set, repr=False)
    money: MoneyBudgets | None = None
    estimator: TokenEstimator = field(default_factory=TokenEstimator, repr=False)
    #: How long a request takes to the provider; None where it counts until it is answered.
    transit_time: TransitTime | None = None
    #: Where usage is added up; None: nowhere.
    ledger: Ledger | None = None
    #: Those who share its limits; None where this process has them alone.
    fleet: Fleet | None = None
    #: In what form a model was last asked for answers of a schema, where stronger ones failed.
    output_modes: TTLMap[tuple[str, int], Mode] = field(default_factory=TTLMap, repr=False)

    def scopes(self, model: str) -> Sequence[str]:
        """Return the scopes that can carry a request for *model*, the next one first."""
        return (model,)

    def api_key_of(self, scope: str) -> str:
        """Return the key that a scope's requests are sent with; "" stands for the client's own."""
        return ""

    def outage_key(self, scope: str) -> str:
        """Return what is out of service together with *scope*."""
        return scope

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
        """Reserve every limit of *scope*, or none, as `Quota.reserve`; a key's for a *model*."""
        return self.quota.reserve(scope, demand, now, max_wait, priority, holder=holder)

    def cancel(self, reservation: Reservation, now: float) -> None:
        """Give back a reservation for which nothing was sent, be it started or not."""
        if reservation.is_started:
            self.quota.settle(reservation, dict.fromkeys(reservation.demand, 0.0), now, now)
        else:
            self.quota.cancel(reservation, now)

    def settle(
        self,
        reservation: Reservation,
        spent: Demand,
        latest_receipt: float,
        now: float,
        reports: Sequence[LimitReport] = (),
    ) -> None:
        """Count what a request *spent*, and believe what was said of limits; as `Quota.settle`."""
        self.quota.settle(reservation, spent, latest_receipt, now, reports)

    def settle_as_estimated(self, reservation: Reservation, now: float) -> None:
        """Count all that a request demanded which was cancelled in flight."""
        self.quota.settle(reservation, {}, now, now)

    def is_usable(self, scope: str, now: float) -> bool:
        """Whether what is reserved on *scope* may be sent there; else another scope is reserved."""
        return True

    def resolve_model(self, request: Request) -> str:
        """Return the model that answers *request*: its own, unless that was shut down."""
        if self.ended.has_any and self.ended.get(request.model, now := self.now()):
            return self._successor(request, now) or request.model
        return request.model

    def adapt_request(self, request: Request) -> Request:
        """Return *request* as it is sent: to the model that answers, without refused defaults."""
        model = self.resolve_model(request)
        if model != request.model:
            request = replace(request, model=model)
        request = models.fit_to_model(request)
        if not self.refused_options.has_any:
            return request
        now = self.now()
        refused = [one for one in request.defaulted if self.refused_options.get((model, one), now)]
        return request.omitting(refused) if refused else request

    def learn_about_scope(
        self, error: LLMError, scope: str, model: str, quota_wait_left: float
    ) -> None:
        """Learn from a failure on *scope* what holds for all calls; set which retry it deserves.

        *quota_wait_left* is how many seconds the failed call itself would wait for a limit.
        """
        now, outage_key = self.now(), self.outage_key(scope)
        if isinstance(error, ProviderUnavailableError):
            if error.retry_after is not None:
                if error.retry_after > CREDIBLE_OUTAGE:
                    error.retry_after = LONGEST_OUTAGE
                # The call itself waits as long as it was told to, the others no longer than this.
                self.outages.begin(outage_key, now + min(error.retry_after, LONGEST_OUTAGE))
            return
        if error.status is not None:
            self.outages.end(outage_key, now)
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            error.retry_after = min(error.retry_after, LONGEST_WAIT)
            self.pause(error, scope, now + error.retry_after)
            can_wait = error.retry_after <= quota_wait_left
            error.retry = Retry.AT_ONCE if can_wait else Retry.NEVER
        elif quota_wait_left > 0 and any(each.is_minute_refusal for each in error.limits):
            error.retry = Retry.AT_ONCE  # it waits for the limit as it is known now

    def learn_from_outcome(
        self,
        estimate: Estimate,
        demand: Demand,
        took: float,
        reply: Reply | None,
        error: LLMError | None,
    ) -> None:
        """Learn from an answer that *took* so many seconds its prompt's tokens and its transit."""
        if reply is not None and reply.usage.reported:
            self.estimator.learn(estimate, reply.usage.input_tokens)
        if error is not None:
            self.estimator.learn_from_refusal(estimate, error.limits, demand["output_tokens"])
        is_answered = reply is not None or (error is not None and error.status is not None)
        if self.transit_time is not None and is_answered:
            self.transit_time.observe(took, reply.processing if reply is not None else None)
            self.quota.max_transit = self.transit_time.seconds

    def end_outage(self, scope: str) -> None:
        """End the outage of *scope*, if there is one: the provider has answered."""
        if self.outages.has_any:
            self.outages.end(self.outage_key(scope), self.now())

    def learn_about_model(self, error: LLMError, original: Request, sent: Request) -> None:
        """Learn from a refusal of *sent* what holds for its model: that it is gone, or takes less.

        If *original* can be sent in another way, the error says that another attempt may be made.
        """
        # Only a provider's own word counts, not that of a bare exception.
        if error.status is not None:
            if isinstance(error, ModelNotFoundError):
                self._learn_retired(error, original, sent)
            elif isinstance(error, InvalidRequestError):
                self._learn_refused_option(error, sent)
        if original.model != sent.model and error.retry is not Retry.AT_ONCE:
            where = f" in {self.region}" if self.region else ""
            words = str(error).replace(f"not found: {sent.model}", f"not found: {original.model}")
            error.args = (
                f"{words} ({self.provider} no longer has {original.model}, and its successor"
                f" {sent.model} was asked{where})",
            )

    def headroom(self, model: str) -> tuple[Headroom, ...]:
        """Return what is left of each limit of the scope that carries a request for *model*."""
        answering = self.resolve_model(Request(model, ()))
        return self.quota.headroom(self.scopes(answering)[0], self.now())

    def learned(self) -> Learned:
        """Return what is known now."""
        from .learned import Learned, by_model  # few look at it

        now = self.now()
        ended = {model: self._successor(Request(model, ()), now) for model in self.ended.items(now)}
        return Learned(
            ended,
            self.outages.known(now),
            self.quota.pauses(now),
            by_model(self.refused_options.items(now)),
            by_model(
                dict.fromkeys((model, m) for (model, _), m in self.output_modes.items(now).items())
            ),
        )

    def forget(self) -> None:
        """Drop all that was learnt; who waits for a pause or an outage to end may go on."""
        scopes = self.quota.forget(self.now())
        if self.fleet is not None:
            self.fleet.publish(*forget_all(scopes, self.ended.items(self.now())))
        for known in (self.ended, self.refused_options, self.output_modes):
            known.clear()
        self.outages.clear()
        self.estimator.clear()

    def pause(self, error: LLMError, scope: str, until: float) -> None:
        """Let nobody send on *scope* before *until*."""
        self.quota.pause(scope, until)

    def remember_output_mode(self, key: tuple[str, int], mode: Mode) -> None:
        """Ask this model for this schema in *mode* from now on."""
        self.output_modes.put(key, mode, self.now(), A_DAY)

    def _successor(self, request: Request, now: float) -> str | None:
        found = models.successors(request, self.provider, self.region)
        return next((model for model in found if not self.ended.get(model, now)), None)

    def _learn_retired(self, error: ModelNotFoundError, original: Request, sent: Request) -> None:
        """Let the successor of a model that was shut down answer, or say what to choose."""
        now = self.now()
        alive = models.is_alive(sent.model)
        if not (error.end_of_life or (error.unknown_id and not alive)):
            # This account may not use the successor: the model itself may be there again.
            self.ended.drop(original.model)
            error.args = (str(error) + models.advice(original, self.provider, self.region),)
            return
        # Of one that should be alive, the provider's word may have been a mistake.
        ttl = AN_HOUR if alive else A_DAY
        news = self.switch and self.ended.put(sent.model, True, now, ttl)
        candidate = error.successor = self._successor(original, now)
        if candidate in (None, sent.model):
            error.args = (str(error) + models.advice(original, self.provider, self.region),)
        elif not self.switch:
            error.args = (f"{error} (replaced by {candidate})",)
        else:
            error.args = (f"{error} (replaced by {candidate}, which later calls ask)",)
            error.retry = Retry.AT_ONCE
            if news:
                here = self.provider, sent.model, candidate
                log.warning("%s no longer has the model %s: using %s", *here)

    def _learn_refused_option(self, error: InvalidRequestError, sent: Request) -> None:
        """Ask this model without a parameter that it refuses, where nobody asked for it."""
        option = error.refused_option
        if error.refused_name in sent.option_names():
            return  # It is the caller's own: without our default the request is as wrong.
        if option in sent.defaulted and getattr(sent, option) is not None:
            news = self.refused_options.put((sent.model, option), True, self.now(), A_DAY)
            error.retry = Retry.AT_ONCE
            if news:
                log.warning("%s takes no %s: its default is left out", sent.model, option)
