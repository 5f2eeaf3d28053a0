"""Decides the response to each request, from quota to answer, and counts what was used; no I/O."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from email.utils import formatdate
from typing import Any

from .answer import Answer
from .bedrock import provider as bedrock
from .completion import Completion, ModelRequest, compose
from .faults import Fault, Step
from .groq import errors as groq_errors
from .groq import provider as groq
from .http_types import HttpRequest, HttpResponse, Provider, RefusedError, RequestContext, Route
from .journal import Exchange, Journal, exchange_of
from .limits import Demand, Refusal
from .model_call import ModelCall
from .model_names import is_scripted
from .offline import Moment
from .provider_api import ProviderApi
from .quota import LimitsSetting, Quota, QuotaReservation
from .schema.example import UnsatisfiableError
from .script import Script
from .services import Services

DEFAULT_ORGANISATION = "org_00000000000000000000sandbox"

PROVIDERS: dict[Provider, ProviderApi] = {"groq": groq, "bedrock": bedrock}


@dataclass
class Handled:
    """One request on its way out: its response, how to deliver it, what to settle when it goes."""

    number: int
    response: HttpResponse
    fault: Fault
    reservation: QuotaReservation | None = None
    completion: Completion | None = None


class Handler:
    """The provider's state; called by the server's thread, save for its settings and `clear`."""

    def __init__(
        self,
        limits: LimitsSetting,
        keys: Mapping[str, str] | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        today: date,
        journal_size: int = 10_000,
        batch_seconds: float = 0.0,
    ) -> None:
        self.journal = Journal(journal_size)
        self.script = Script()
        self.quota = Quota(limits)
        self.keys = keys
        self.today = today
        self._clock = clock
        self._wall_clock = wall_clock
        self._numbers = itertools.count(1)
        self._services = Services(self._answer_offline, batch_seconds)

    def clear(self) -> None:
        """Forget exchanges, scripted steps, fault counts, and what was used of the limits."""
        self.journal.clear()
        self.script.clear()
        self.quota.clear()
        self._services.clear()

    def receive(self, http_request: HttpRequest, connection: int) -> Handled:
        """Decide the response to a request that has arrived in full."""
        path = http_request.path
        route = groq.route_of(path) or bedrock.route_of(path)
        # Whoever calls an unknown path gets Groq's 404, whose words repeat what was called.
        provider = PROVIDERS[route.provider if route else self._services.provider(http_request)]
        exchange = self._arrived(http_request, route, provider, connection)
        # The response is replaced on every path below; a 500 would betray one that forgot to.
        handled = Handled(next(self._numbers), HttpResponse(500, b""), Fault())
        self.journal.add(handled.number, exchange, len(http_request.body))
        try:
            if route is None and self._services.are_for(http_request):
                handled.response = self._kept(handled.number, http_request, provider, exchange)
            else:
                call = self._admitted(http_request, route, provider, exchange)
                self._decide(handled, call, http_request)
        except RefusedError as refused:
            handled.response = refused.response
        handled.response = self._signed(handled, provider)
        return handled

    def _kept(
        self, number: int, http_request: HttpRequest, provider: ProviderApi, exchange: Exchange
    ) -> HttpResponse:
        """The response of a part that keeps something. Raises RefusedError."""
        if exchange.organisation is None:
            raise RefusedError(provider.unauthorised(provider.credential(http_request)))
        operation = self._services.operation(http_request)
        named = self._services.provider(http_request)
        self.journal.amend(number, provider=named, operation=operation)
        moment = Moment(exchange.arrived_at, self._wall_clock())
        return self._services.response(http_request, exchange.organisation, moment)

    def _answer_offline(self, path: str, body: Any, organisation: str) -> HttpResponse:
        """The answer to a line of a batch: no limit of live requests holds for it."""
        route = groq.route_of(path) or bedrock.route_of(path)
        assert route is not None, path
        model = route.model or (body.get("model") if isinstance(body, dict) else None)
        name = model if isinstance(model, str) else ""
        context = RequestContext(self.today, is_scripted(name))
        call = ModelCall(
            PROVIDERS[route.provider], route, context, name, organisation, body, self._clock()
        )
        handled = Handled(next(self._numbers), HttpResponse(500, b"{}"), Fault())
        try:
            self._decide(handled, call, HttpRequest("POST", path, {}, b""), live=False)
        except RefusedError as refused:
            return refused.response
        return call.error(Fault.error(500)) if handled.fault.hang_up else handled.response

    def dispatched(self, handled: Handled, status: int | None) -> None:
        """Settle by what a response used, as it goes out; `status` None means that it never did."""
        # Before the first byte is written: whoever has the answer finds it counted.
        now = self._clock()
        done = handled.completion
        if handled.reservation is not None and done is not None:
            used = Demand(done.input_tokens - done.cached_tokens, done.output_tokens)
            self.quota.settle(handled.reservation, used, now)
        if status is not None:
            counted = (
                {"input_tokens": done.input_tokens, "output_tokens": done.output_tokens}
                if done
                else {}
            )
            self.journal.amend(handled.number, status=status, answered_at=now, **counted)

    def ended(self, handled: Handled, frames_sent: int) -> None:
        """Note how much of a stream went out, whole or not."""
        if handled.response.frames:
            self.journal.amend(handled.number, frames_sent=frames_sent)

    def _arrived(
        self, http_request: HttpRequest, route: Route | None, provider: ProviderApi, connection: int
    ) -> Exchange:
        organisation = self._organisation(provider.credential(http_request))
        return exchange_of(http_request, route, organisation, connection, self._clock())

    def _organisation(self, key: str | None) -> str | None:
        # Without a table any key will do, but for those that ask to be refused.
        if self.keys is not None:
            return self.keys.get(key or "")
        return DEFAULT_ORGANISATION if key and not key.lower().startswith("invalid") else None

    def _admitted(
        self,
        http_request: HttpRequest,
        route: Route | None,
        provider: ProviderApi,
        exchange: Exchange,
    ) -> ModelCall:
        """The request, if it has an address and a known key; else raises RefusedError."""
        # The services check in this order too: the address, the caller, then what is asked.
        if route is None or (http_request.method == "GET") != (route.method == "GET"):
            raise RefusedError(groq_errors.unknown_url(http_request.method, http_request.path))
        if exchange.organisation is None:
            raise RefusedError(provider.unauthorised(provider.credential(http_request)))
        model = exchange.model or ""
        context = RequestContext(
            self.today, is_scripted(model), provider.region(http_request), http_request.headers
        )
        return ModelCall(
            provider,
            route,
            context,
            model,
            exchange.organisation,
            exchange.body,
            exchange.arrived_at,
        )

    def _decide(
        self, handled: Handled, call: ModelCall, http_request: HttpRequest, *, live: bool = True
    ) -> None:
        direct = call.provider.direct_response(call.route, http_request, call.body, call.context)
        if direct is not None:
            handled.response = direct
            return
        step = self._step(call)
        self.journal.amend(handled.number, step=step)
        if isinstance(step, Fault):
            handled.fault = step
            # An error that is asked for comes from the provider's side: it is not charged, and it
            # comes whatever the request looks like.
            if step.is_error:
                response = call.error(step)
                headers = {**self._error_headers(call, step), **response.headers}
                handled.response = replace(response, headers=headers)
                return
            step = step.answer
        self._serve(handled, call, step or Answer(), live=live)

    def _step(self, call: ModelCall) -> Step | None:
        try:
            return self.script.take(call.model, call.body)
        except ValueError as error:
            raise RefusedError(call.error(Fault.error(400, str(error)))) from error

    def _serve(self, handled: Handled, call: ModelCall, answer: Answer, *, live: bool) -> None:
        """Answer, if the request is valid and fits its limits; raises RefusedError where not."""
        provider, now = call.provider, self._wall_clock()
        request = provider.read_request(call.route, call.body, call.context)
        if request.context is not None and provider.context_tokens(request) > request.context:
            response, fault = call.error(Fault.context_length()), Fault.context_length()
            headers = {**self._error_headers(call, fault), **response.headers}
            raise RefusedError(replace(response, headers=headers))
        # Composed before it is admitted, so that a request refused for its schema uses no quota.
        try:
            done = provider.finished(compose(request, answer), request)
        except UnsatisfiableError as error:
            fault = Fault.error(400, f"invalid JSON schema: {error}")
            raise RefusedError(call.error(fault)) from error
        limit_headers = self._reserve(handled, call, request) if live else {}
        done = handled.completion = self._with_prompt_cache(done, call, request)
        response = provider.completion_response(
            call.route, done, request, call.body, number=handled.number, now=now
        )
        response = replace(response, headers={**response.headers, **limit_headers})
        handled.response = call.broken(response, handled.fault)

    def _reserve(self, handled: Handled, call: ModelCall, request: ModelRequest) -> dict[str, str]:
        """Reserve room for the request, and return the headers of its limits; or RefusedError."""
        now = call.arrived_at
        demand = Demand(request.input_tokens, call.provider.reserved_output(request))
        reservation = self.quota.reserve(call.organisation, call.model, demand, now)
        if isinstance(reservation, Refusal):
            raise RefusedError(call.provider.throttled(reservation, call.model, call.organisation))
        handled.reservation = reservation
        # Recorded headers show the level just after admission, not the settled one.
        return call.provider.limit_headers(self.quota.levels(reservation, now))

    def _error_headers(self, call: ModelCall, fault: Fault) -> dict[str, str]:
        """The headers of limits, where the provider sends them with an error, too."""
        if not call.provider.shows_limits_with(fault):
            return {}
        levels = self.quota.shown_levels(call.organisation, call.model, call.arrived_at)
        return call.provider.limit_headers(levels)

    def _with_prompt_cache(
        self, done: Completion, call: ModelCall, request: ModelRequest
    ) -> Completion:
        account = (call.organisation, call.model)
        use = self.quota.use_prompt_cache(account, request.cache_points, call.arrived_at)
        kept = use.read + use.written
        # What a test prescribes is the test's business.
        if done.cached_tokens or done.cache_write_tokens or done.input_tokens < kept:
            return done
        return replace(done, cached_tokens=use.read, cache_write_tokens=use.written)

    def _signed(self, handled: Handled, provider: ProviderApi) -> HttpResponse:
        """The response with the headers that every response has and those that the fault adds."""
        now = self._wall_clock()
        headers = {
            "date": formatdate(now, usegmt=True),
            **provider.service_headers(handled.number),
            **handled.response.headers,
        }
        retry_after = handled.fault.retry_after_text(now)
        if retry_after is not None:
            headers["retry-after"] = retry_after
        headers |= {name.lower(): value for name, value in handled.fault.headers.items()}
        return replace(handled.response, headers=headers)
