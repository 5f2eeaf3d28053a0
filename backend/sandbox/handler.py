"""Decides the response to each request, from quota to answer, and keeps the books; no I/O."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from email.utils import formatdate
from typing import Any

from .bedrock import provider as bedrock
from .completion import Completion, compose
from .faults import Answer, Fault, Step
from .groq import errors as groq_errors
from .groq import provider as groq
from .http_types import HttpRequest, HttpResponse, Provider, RefusedError, Route
from .journal import Exchange, Journal
from .limits import Demand, Level, Limiter, Limits, Refusal, Reservation
from .model_names import is_scripted
from .provider_api import ProviderApi
from .schema.example import UnsatisfiableError
from .script import Script

DEFAULT_ORGANISATION = "org_00000000000000000000sandbox"
_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "cookie", "proxy-authorization", "x-amz-security-token"}
)
LimitsSetting = Limits | Mapping[str, Limits] | None


PROVIDERS: dict[Provider, ProviderApi] = {"groq": groq, "bedrock": bedrock}


@dataclass
class Handled:
    """One request on its way out: its response, how to deliver it, what to book when it goes."""

    number: int
    response: HttpResponse
    fault: Fault
    reservation: Reservation | None = None
    completion: Completion | None = None


@dataclass(frozen=True)
class _ModelCall:
    """A request to a model, by someone the provider knows."""

    provider: ProviderApi
    route: Route
    model: str
    organisation: str
    body: Any


class Handler:
    """The provider's state; called by the server's thread, save for `limits` and `clear`."""

    def __init__(
        self,
        limits: LimitsSetting,
        keys: Mapping[str, str] | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        today: date,
    ) -> None:
        self.journal = Journal()
        self.script = Script()
        self._keys = keys
        self._clock = clock
        self._wall_clock = wall_clock
        self._today = today
        self._lock = threading.Lock()  # guards the limits and their buckets
        self._limits = limits
        self._limiter = Limiter()
        self._numbers = itertools.count(1)

    @property
    def limits(self) -> LimitsSetting:
        """The limits in force: one for all models, or by model id."""
        return self._limits

    @limits.setter
    def limits(self, limits: LimitsSetting) -> None:
        with self._lock:
            self._limits = limits
            # What was used counted against other amounts.
            self._limiter.clear()

    def clear(self) -> None:
        """Forget exchanges, scripted steps and what was used of the limits."""
        self.journal.clear()
        self.script.clear()
        with self._lock:
            self._limiter.clear()

    def receive(self, http_request: HttpRequest, connection: int) -> Handled:
        """Decide the response to a request that has arrived in full."""
        route = groq.route_of(http_request.path) or bedrock.route_of(http_request.path)
        # Whoever calls an unknown path gets Groq's 404, whose words repeat what was called.
        provider = PROVIDERS[route.provider if route else "groq"]
        exchange = self._exchange(http_request, route, provider, connection)
        # The response is replaced on every path below; a 500 would betray one that forgot to.
        handled = Handled(next(self._numbers), HttpResponse(500, b""), Fault())
        self.journal.add(handled.number, exchange)
        try:
            call = self._admitted(http_request, route, provider, exchange)
            self._decide(handled, call)
        except RefusedError as refused:
            handled.response = refused.response
        handled.response = self._signed(handled, provider)
        return handled

    def dispatched(self, handled: Handled, status: int | None) -> None:
        """Book what a response used, as it goes out; `status` None means that it never did."""
        # Before the first byte is written: whoever has the answer finds the books in order.
        now = self._clock()
        done = handled.completion
        if handled.reservation is not None and done is not None:
            used = Demand(done.input_tokens - done.cached_tokens, done.output_tokens)
            with self._lock:
                self._limiter.settle(handled.reservation, used, now)
        if status is not None:
            counted = (
                {"input_tokens": done.input_tokens, "output_tokens": done.output_tokens}
                if done
                else {}
            )
            self.journal.amend(handled.number, status=status, answered_at=now, **counted)

    def _exchange(
        self, http_request: HttpRequest, route: Route | None, provider: ProviderApi, connection: int
    ) -> Exchange:
        body = _json_or_text(http_request.body)
        named = body.get("model") if isinstance(body, dict) else None
        model = (route and route.model) or named
        return Exchange(
            provider=route.provider if route else None,
            operation=route.operation if route else "unknown",
            path=http_request.path,
            model=model if isinstance(model, str) else None,
            organisation=self._organisation(provider.credential(http_request)),
            headers={
                name: value
                for name, value in http_request.headers.items()
                if name not in _SECRET_HEADERS
            },
            body=body,
            connection=connection,
            arrived_at=self._clock(),
        )

    def _organisation(self, key: str | None) -> str | None:
        # Without a table any key will do, but for those that ask to be refused.
        if self._keys is not None:
            return self._keys.get(key or "")
        return DEFAULT_ORGANISATION if key and not key.lower().startswith("invalid") else None

    def _admitted(
        self,
        http_request: HttpRequest,
        route: Route | None,
        provider: ProviderApi,
        exchange: Exchange,
    ) -> _ModelCall:
        """The request, if it is one to a model by a known key; else raises RefusedError."""
        # The services check in this order too: the address, the caller, then what is asked.
        if route is None or (http_request.method == "GET") != (route.operation == "models"):
            raise RefusedError(groq_errors.unknown_url(http_request.method, http_request.path))
        if exchange.organisation is None:
            raise RefusedError(provider.unauthorised(provider.credential(http_request)))
        if route.operation == "models":
            raise RefusedError(groq.models_response(self._today, route.model))
        return _ModelCall(
            provider, route, exchange.model or "", exchange.organisation, exchange.body
        )

    def _decide(self, handled: Handled, call: _ModelCall) -> None:
        step = self._step(call)
        self.journal.amend(handled.number, step=step)
        if isinstance(step, Fault):
            handled.fault = step
            # An error that is asked for comes from the provider's side: it is not charged, and it
            # comes whatever the request looks like.
            if step.is_error:
                handled.response = self._error(step, call)
                return
            step = step.answer
        self._serve(handled, call, step or Answer())

    def _step(self, call: _ModelCall) -> Step | None:
        try:
            return self.script.take(call.model)
        except ValueError as error:
            fault = Fault.error(400, str(error))
            raise RefusedError(
                call.provider.error_response(fault, call.model, call.organisation)
            ) from error

    def _error(self, fault: Fault, call: _ModelCall) -> HttpResponse:
        if fault.body is not None:
            return HttpResponse(
                fault.status or 200, fault.body, {"content-type": "application/json"}
            )
        return call.provider.error_response(fault, call.model, call.organisation)

    def _serve(self, handled: Handled, call: _ModelCall, answer: Answer) -> None:
        """Answer, if the request is valid and fits its limits; raises RefusedError where not."""
        provider = call.provider
        request = provider.read_request(
            call.route, call.body, today=self._today, scripted=is_scripted(call.model)
        )
        # Composed before it is admitted, so that a request refused for its schema uses no quota.
        try:
            done = compose(request, answer)
        except UnsatisfiableError as error:
            fault = Fault.error(400, f"invalid JSON schema: {error}")
            raise RefusedError(
                provider.error_response(fault, call.model, call.organisation)
            ) from error
        levels = self._reserve(
            handled, call, Demand(request.input_tokens, provider.reserved_output(request))
        )
        handled.completion = done
        now = self._wall_clock()
        response = provider.completion_response(
            call.route, done, call.body, number=handled.number, now=now
        )
        handled.response = replace(
            response, headers={**response.headers, **provider.limit_headers(levels)}
        )

    def _reserve(self, handled: Handled, call: _ModelCall, demand: Demand) -> dict[str, Level]:
        limits = self._limits_of(call.model)
        if limits is None:
            return {}
        now, key = self._clock(), (call.organisation, call.model)
        with self._lock:
            outcome = self._limiter.reserve(key, limits, demand, now)
            # Recorded headers show the level just after admission, not the settled one.
            levels = self._limiter.levels(key, limits, now)
        if isinstance(outcome, Refusal):
            raise RefusedError(call.provider.throttled(outcome, call.model, call.organisation))
        handled.reservation = outcome
        return levels

    def _limits_of(self, model: str) -> Limits | None:
        limits = self._limits
        return limits.get(model) if isinstance(limits, Mapping) else limits

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


def _json_or_text(body: bytes) -> Any:
    """The parsed body, its text where it is not JSON, None where it is empty."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):  # the provider's own 400 follows, as the body is no object
        return body.decode("utf-8", "replace")
