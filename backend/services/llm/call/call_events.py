"""Tells the hooks of one call what happens to it; a call without hooks has none of this."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import fields
from itertools import count
from typing import Any

from ..account.account import Account
from ..errors import LLMError
from ..events import (
    AttemptEnded,
    AttemptStarted,
    CacheHit,
    CallEnded,
    CallHooks,
    CallInfo,
    CallJoined,
    CallMeter,
    CallStarted,
    Event,
    FirstPiece,
    ModelSwitched,
    Operation,
    OutageBegan,
    RegisteredHook,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitCause,
    WaitEnded,
    WaitStarted,
    call_outcome,
    limit_sources,
)
from ..frozen import FrozenDict, deep_frozen
from ..runtime.fork import on_fork_in_child
from ..types import Attempt, Reply, Request, StructuredReply
from .call import interruption_name

#: The request's options that are shown to hooks: numbers, and where the answer is to stop.
_PARAMETERS = (
    *("top_p", "top_k", "seed", "stop", "stop_sequences", "frequency_penalty", "presence_penalty"),
    *("n", "reasoning_effort", "service_tier"),
)


class CallIds:
    """Ids that no other call has, in this process or in another."""

    def __init__(self) -> None:
        self._reset_in_child()
        on_fork_in_child(self, CallIds._reset_in_child)

    def next(self) -> str:
        """Return a new id."""
        return f"{self._process}-{next(self._numbers):x}"

    def _reset_in_child(self) -> None:
        self._process = secrets.token_hex(6)
        self._numbers = count(1)


call_ids = CallIds()

_NO_WAITS: FrozenDict[WaitCause, float] = FrozenDict()


class CallEvents:
    """The hooks that a call has at its beginning, and what they are told of it."""

    __slots__ = (
        *("_tell_hooks", "_meters", "_kinds", "_has_content", "_operation", "_request", "_account"),
        *("_provider", "_tags", "_endpoint", "_model", "_waited", "_turn", "_call", "_started_at"),
        "_now",
    )

    def __init__(
        self,
        hooks: CallHooks,
        has_content: bool,
        operation: Operation,
        request: Request,
        account: Account,
        tags: FrozenDict[str, str],
        endpoint: Callable[[], str],
    ) -> None:
        self._tell_hooks, self._meters, self._kinds = hooks
        self._has_content = has_content
        self._operation: Operation = operation
        self._request = request
        self._account = account
        self._provider = account.provider
        self._now = account.now
        self._started_at = account.wall()
        self._tags = tags
        self._endpoint = endpoint
        self._model = request.model
        self._waited: dict[WaitCause, float] = {}
        #: The turn of a structured call: the first question, or the repair that follows it.
        self._turn = 1
        #: What all events share, made for the first of them.
        self._call: CallInfo | None = None

    def call_started(self) -> None:
        """The call begins."""
        self._started_at = self._account.wall()
        for meter, _ in self._meters:
            meter.call_started(self._provider)
        self._tell(CallStarted)

    def cache_hit(self) -> None:
        """The answer was kept."""
        self._tell(CacheHit)

    def call_joined(self) -> None:
        """The call waits for the answer to an identical one."""
        self._tell(CallJoined)

    def wait_started(self, cause: WaitCause, seconds: float, scope: str) -> None:
        """The call waits because of *cause*, at most *seconds*."""
        self._tell(WaitStarted, cause, seconds, scope)

    def wait_ended(self, cause: WaitCause, seconds: float, scope: str) -> None:
        """The call has waited because of *cause*."""
        self._waited[cause] = self._waited.get(cause, 0.0) + seconds
        self._tell(WaitEnded, cause, seconds, scope)

    def attempt_started(self, number: int, model: str, scope: str) -> None:
        """An attempt is sent to *model*."""
        if scope not in self._account.observed_scopes:
            limit_sources.note(self._account, scope)
        previous, self._model = self._model, model
        for meter, _ in self._meters:
            meter.attempt_started(self._provider)
        try:
            if model != previous:
                self._tell(ModelSwitched, previous, model)
        finally:
            self._tell(AttemptStarted, number, model, scope)

    def first_piece(self, seconds: float) -> None:
        """The first piece of a stream has come, *seconds* after the call's beginning."""
        self._tell(FirstPiece, seconds)

    def attempt_ended(self, attempt: Attempt, *, is_sent: bool) -> None:
        """*attempt* is over."""
        for meter, _ in self._meters:
            meter.attempt_ended(self._provider, attempt, is_sent)
        self._tell(AttemptEnded, attempt, is_sent)

    def paused(self, scope: str) -> None:
        """A provider's limit was met: tell of the pause that *scope* has from it."""
        if seconds := self._account.quota.paused_for(scope, self._now()):
            self._tell(ScopePaused, scope, seconds)

    def outage_began(self, scope: str, seconds: float) -> None:
        """The provider asked not to be called for *seconds*."""
        self._tell(OutageBegan, scope, seconds)

    def retry_planned(self, attempt: int, error: LLMError, seconds: float) -> None:
        """Another attempt follows after *seconds*."""
        self._tell(RetryPlanned, attempt, error.label, seconds)

    def repair_planned(self, violations: int) -> None:
        """The model is asked again, since the answer had so many *violations*."""
        self._turn += 1
        self._tell(RepairPlanned, self._turn, violations)

    def call_answered(self, reply: Reply, seconds: float) -> None:
        """The call ends in *reply*."""
        self._call_ended(reply.model, seconds, reply, None, None, reply.attempts)

    def call_failed(
        self, error: BaseException, attempts: tuple[Attempt, ...], seconds: float
    ) -> None:
        """The call ends in *error*, or is cancelled."""
        own = error if isinstance(error, LLMError) else None
        self._call_ended(self._model, seconds, None, own, interruption_name(error), attempts)

    def _call_ended(
        self,
        model: str,
        seconds: float,
        reply: Reply | None,
        error: LLMError | None,
        error_type: str | None,
        attempts: tuple[Attempt, ...],
    ) -> None:
        full: list[tuple[CallMeter, RegisteredHook]] = []
        if self._meters:
            outcome = call_outcome(reply, error, attempts)
            end = (self._provider, self._operation, model, outcome, error_type, seconds)
            full = [each for each in self._meters if each[0].call_ended(*end)]
        if self._kinds is None or CallEnded in self._kinds:
            has_content, waited = self._has_content, self._waited
            if reply is not None:
                reply = deep_frozen(reply) if has_content else without_content(reply)
            if error is not None:
                error = error.detached(has_content=has_content)
            waits = FrozenDict(waited) if waited else _NO_WAITS
            self._tell(CallEnded, model, seconds, reply, error, error_type, attempts, waits)
        # This comes last: it takes longer, and may be interrupted.
        for meter, hook in full:
            hook.run(meter, _catch_up)

    def _tell(self, kind: Callable[..., Event], *values: Any) -> None:
        """Tell the hooks of an event of this *kind* with these *values*, if any hears of such."""
        if self._kinds is not None and kind not in self._kinds:
            return
        self._tell_hooks(kind(self._call or self._make_call(), self._now(), *values))

    def _make_call(self) -> CallInfo:
        request = self._request
        self._call = CallInfo(
            call_ids.next(),
            self._provider,
            request.model,
            self._operation,
            self._started_at,
            self._tags,
            _parameters(request),
            self._endpoint(),
            deep_frozen(request.messages) if self._has_content else None,
        )
        return self._call


def _catch_up(meter: CallMeter) -> None:
    meter.catch_up()


#: What a reply says of the call: all else in it is of the answer, whatever may be added to it.
_ABOUT_THE_CALL = frozenset(
    ("model", "provider", "finish_reason", "usage", "attempts", "request_id", "latency", "cost")
) | {"processing", "cached", "time_to_first_token", "service_tier", "limits"}

#: The fields of the answer in a reply that has none.
_NO_ANSWER: dict[str, Any] = {
    each.name: each.default for each in fields(Reply) if each.name not in _ABOUT_THE_CALL
} | {"text": ""}


def without_content(reply: Reply) -> Reply:
    """Return a copy of *reply* without anything that was answered."""
    values = vars(reply).copy()
    values.update(_NO_ANSWER)
    if isinstance(reply, StructuredReply):
        values["value"] = None
    copy = object.__new__(type(reply))
    object.__setattr__(copy, "__dict__", values)
    return copy


def _parameters(request: Request) -> FrozenDict[str, Any]:
    shown: dict[str, Any] = {}
    if request.temperature is not None:
        shown["temperature"] = request.temperature
    if request.max_tokens is not None:
        shown["max_tokens"] = request.max_tokens
    if options := request.options:
        known = (name for name in _PARAMETERS if options.get(name) is not None)
        shown |= {name: deep_frozen(options[name]) for name in known}
    return FrozenDict(shown)
