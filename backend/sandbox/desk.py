"""Decides the reply to each request, from quota to answer, and keeps the books; no I/O."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from email.utils import formatdate
from typing import Any, Protocol

from . import bedrock, groq, groq_errors
from .answers import Ask, Completion, compose
from .exchanges import Exchange, Log
from .limits import Demand, Level, Limiter, Limits, Refusal, Reservation
from .model_names import is_scripted
from .schema_answer import UnsatisfiableError
from .script import Script
from .steps import Answer, Fault, Step
from .wire import Inbound, Provider, RefusedError, Reply, Target

DEFAULT_ORGANISATION = "org_00000000000000000000sandbox"
_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "cookie", "proxy-authorization", "x-amz-security-token"}
)
LimitsSetting = Limits | Mapping[str, Limits] | None


class Wire(Protocol):
    """What the desk needs to know of a provider; the modules `groq` and `bedrock` are the two."""

    def credential(self, inbound: Inbound) -> str | None:
        """Who the request says it is from."""
        ...

    def unauthorised(self, key: str | None) -> Reply:
        """The reply to a missing or unknown credential."""
        ...

    def ask_of(self, target: Target, body: Any, *, today: date, scripted: bool) -> Ask:
        """What the request asks for; raises RefusedError where it is not served."""
        ...

    def completion_reply(
        self, target: Target, done: Completion, body: Any, *, number: int, now: float
    ) -> Reply:
        """The 200 of a completion."""
        ...

    def throttled(self, refusal: Refusal, model: str, organisation: str) -> Reply:
        """The reply to a request that a limit does not admit."""
        ...

    def error_reply(self, fault: Fault, model: str, organisation: str) -> Reply:
        """The error that a fault asks for."""
        ...

    def reserved_output(self, ask: Ask) -> int:
        """The output tokens that a request reserves."""
        ...

    def service_headers(self, number: int) -> dict[str, str]:
        """The headers of every reply."""
        ...

    def limit_headers(self, levels: Mapping[str, Level]) -> dict[str, str]:
        """The headers that tell of the limits."""
        ...


WIRES: dict[Provider, Wire] = {"groq": groq, "bedrock": bedrock}


@dataclass
class Visit:
    """One request on its way out: its reply, how to deliver it, what to book when it goes."""

    number: int
    reply: Reply
    fault: Fault
    reservation: Reservation | None = None
    completion: Completion | None = None


@dataclass(frozen=True)
class _Case:
    """A request to a model, by someone the provider knows."""

    wire: Wire
    target: Target
    model: str
    organisation: str
    body: Any


class Desk:
    """The provider's state; called by the server's thread, save for `limits` and `clear`."""

    def __init__(
        self,
        limits: LimitsSetting,
        keys: Mapping[str, str] | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        today: date,
    ) -> None:
        self.log = Log()
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
        self.log.clear()
        self.script.clear()
        with self._lock:
            self._limiter.clear()

    def receive(self, inbound: Inbound, connection: int) -> Visit:
        """Decide the reply to a request that has arrived in full."""
        target = groq.target_of(inbound.path) or bedrock.target_of(inbound.path)
        # Whoever calls an unknown path gets Groq's 404, whose words repeat what was called.
        wire = WIRES[target.provider if target else "groq"]
        exchange = self._exchange(inbound, target, wire, connection)
        # The reply is replaced on every path below; a 500 would betray one that forgot to.
        visit = Visit(next(self._numbers), Reply(500, b""), Fault())
        self.log.add(visit.number, exchange)
        try:
            case = self._admitted(inbound, target, wire, exchange)
            self._decide(visit, case)
        except RefusedError as refused:
            visit.reply = refused.reply
        visit.reply = self._signed(visit, wire)
        return visit

    def dispatched(self, visit: Visit, status: int | None) -> None:
        """Book what a reply used, as it goes out; `status` None means that it never did."""
        # Before the first byte is written: whoever has the answer finds the books in order.
        now = self._clock()
        done = visit.completion
        if visit.reservation is not None and done is not None:
            used = Demand(done.input_tokens - done.cached_tokens, done.output_tokens)
            with self._lock:
                self._limiter.settle(visit.reservation, used, now)
        if status is not None:
            counted = (
                {"input_tokens": done.input_tokens, "output_tokens": done.output_tokens}
                if done
                else {}
            )
            self.log.amend(visit.number, status=status, answered_at=now, **counted)

    def _exchange(
        self, inbound: Inbound, target: Target | None, wire: Wire, connection: int
    ) -> Exchange:
        body = _json_or_text(inbound.body)
        named = body.get("model") if isinstance(body, dict) else None
        model = (target and target.model) or named
        return Exchange(
            provider=target.provider if target else None,
            operation=target.operation if target else "unknown",
            path=inbound.path,
            model=model if isinstance(model, str) else None,
            organisation=self._organisation(wire.credential(inbound)),
            headers={
                name: value
                for name, value in inbound.headers.items()
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
        self, inbound: Inbound, target: Target | None, wire: Wire, exchange: Exchange
    ) -> _Case:
        """The request, if it is one to a model by a known key; else raises RefusedError."""
        # The services check in this order too: the address, the caller, then what is asked.
        if target is None or (inbound.method == "GET") != (target.operation == "models"):
            raise RefusedError(groq_errors.unknown_url(inbound.method, inbound.path))
        if exchange.organisation is None:
            raise RefusedError(wire.unauthorised(wire.credential(inbound)))
        if target.operation == "models":
            raise RefusedError(groq.models_reply(self._today, target.model))
        return _Case(wire, target, exchange.model or "", exchange.organisation, exchange.body)

    def _decide(self, visit: Visit, case: _Case) -> None:
        step = self._step(case)
        self.log.amend(visit.number, step=step)
        if isinstance(step, Fault):
            visit.fault = step
            # An error that is asked for comes from the provider's side: it is not charged, and it
            # comes whatever the request looks like.
            if step.is_error:
                visit.reply = self._error(step, case)
                return
            step = step.answer
        self._serve(visit, case, step or Answer())

    def _step(self, case: _Case) -> Step | None:
        try:
            return self.script.take(case.model)
        except ValueError as error:
            fault = Fault.error(400, str(error))
            raise RefusedError(
                case.wire.error_reply(fault, case.model, case.organisation)
            ) from error

    def _error(self, fault: Fault, case: _Case) -> Reply:
        if fault.body is not None:
            return Reply(fault.status or 200, fault.body, {"content-type": "application/json"})
        return case.wire.error_reply(fault, case.model, case.organisation)

    def _serve(self, visit: Visit, case: _Case, answer: Answer) -> None:
        """Answer, if the request is valid and fits its limits; raises RefusedError where not."""
        wire = case.wire
        ask = wire.ask_of(
            case.target, case.body, today=self._today, scripted=is_scripted(case.model)
        )
        # Composed before it is admitted, so that a request refused for its schema uses no quota.
        try:
            done = compose(ask, answer)
        except UnsatisfiableError as error:
            fault = Fault.error(400, f"invalid JSON schema: {error}")
            raise RefusedError(wire.error_reply(fault, case.model, case.organisation)) from error
        levels = self._reserve(visit, case, Demand(ask.input_tokens, wire.reserved_output(ask)))
        visit.completion = done
        now = self._wall_clock()
        reply = wire.completion_reply(case.target, done, case.body, number=visit.number, now=now)
        visit.reply = replace(reply, headers={**reply.headers, **wire.limit_headers(levels)})

    def _reserve(self, visit: Visit, case: _Case, demand: Demand) -> dict[str, Level]:
        limits = self._limits_of(case.model)
        if limits is None:
            return {}
        now, key = self._clock(), (case.organisation, case.model)
        with self._lock:
            outcome = self._limiter.reserve(key, limits, demand, now)
            # Recorded headers show the level just after admission, not the settled one.
            levels = self._limiter.levels(key, limits, now)
        if isinstance(outcome, Refusal):
            raise RefusedError(case.wire.throttled(outcome, case.model, case.organisation))
        visit.reservation = outcome
        return levels

    def _limits_of(self, model: str) -> Limits | None:
        limits = self._limits
        return limits.get(model) if isinstance(limits, Mapping) else limits

    def _signed(self, visit: Visit, wire: Wire) -> Reply:
        """The reply with the headers that every reply has and those that the fault adds."""
        now = self._wall_clock()
        headers = {
            "date": formatdate(now, usegmt=True),
            **wire.service_headers(visit.number),
            **visit.reply.headers,
        }
        told = visit.fault.retry_after
        if told is not None:
            headers["retry-after"] = told if isinstance(told, str) else told(now)
        headers |= {name.lower(): value for name, value in visit.fault.headers.items()}
        return replace(visit.reply, headers=headers)


def _json_or_text(body: bytes) -> Any:
    """The parsed body, its text where it is not JSON, None where it is empty."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):  # the provider's own 400 follows, as the body is no object
        return body.decode("utf-8", "replace")
