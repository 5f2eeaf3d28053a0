"""Tells the hooks of one call what happens to it; a call without hooks has none of this."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
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
    CallInfo,
    CallJoined,
    CallStarted,
    Event,
    FirstPiece,
    Hooks,
    ModelSwitched,
    Operation,
    OutageBegan,
    Registration,
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitCause,
    WaitEnded,
    WaitStarted,
    limit_sources,
    registered_hooks,
)
from ..runtime.fork import on_fork_in_child
from ..types import Attempt, Reply, Request, StructuredReply

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


class CallEvents:
    """The hooks that a call has at its beginning, and what they are told of it."""

    _call: CallInfo
    #: Turns of a structured call so far.
    _turns = 1

    def __init__(
        self,
        listening: tuple[Registration, ...],
        operation: Operation,
        request: Request,
        account: Account,
        tags: Mapping[str, str],
        endpoint: Callable[[], str],
        *,
        has_content: bool,
    ) -> None:
        self._hooks = listening
        self._has_content = has_content
        self._operation = operation
        self._request = request
        self._account = account
        self._tags = tags
        self._endpoint = endpoint
        self._model = request.model
        self._waited: dict[WaitCause, float] = {}

    def call_started(self) -> None:
        """The call begins."""
        request = self._request
        self._call = info = object.__new__(CallInfo)
        info.__dict__.update(
            id=call_ids.next(),
            provider=self._account.provider,
            model=request.model,
            operation=self._operation,
            started_at=self._account.wall(),
            tags=dict(self._tags),
            parameters=_parameters(request),
            endpoint=self._endpoint(),
            messages=request.messages if self._has_content else None,
        )
        self._tell(CallStarted)

    def cache_hit(self) -> None:
        """The answer was kept."""
        self._tell(CacheHit)

    def call_joined(self) -> None:
        """The call waits for the answer to an identical one."""
        self._tell(CallJoined)

    def wait_started(self, cause: WaitCause, seconds: float, scope: str) -> None:
        """The call waits because of *cause*, at most *seconds*."""
        self._tell(WaitStarted, limit=cause, seconds=seconds, scope=scope)

    def wait_ended(self, cause: WaitCause, seconds: float, scope: str) -> None:
        """The call has waited because of *cause*."""
        self._waited[cause] = self._waited.get(cause, 0.0) + seconds
        self._tell(WaitEnded, limit=cause, seconds=seconds, scope=scope)

    def attempt_started(self, number: int, model: str, scope: str) -> None:
        """An attempt is sent to *model*."""
        if scope not in self._account.observed_scopes:
            limit_sources.note(self._account, scope)
        previous, self._model = self._model, model
        if model != previous:
            self._tell(ModelSwitched, previous=previous, model=model)
        self._tell(AttemptStarted, number=number, model=model, scope=scope)

    def first_piece(self, seconds: float) -> None:
        """The first piece of a stream has come, *seconds* after the call's beginning."""
        self._tell(FirstPiece, seconds=seconds)

    def attempt_ended(self, attempt: Attempt, *, is_sent: bool) -> None:
        """*attempt* is over."""
        self._tell(AttemptEnded, attempt=attempt, is_sent=is_sent)

    def paused(self, scope: str) -> None:
        """A provider's limit was met: tell of the pause that *scope* has from it."""
        if seconds := self._account.quota.paused_for(scope, self._account.now()):
            self._tell(ScopePaused, scope=scope, seconds=seconds)

    def outage_began(self, scope: str, seconds: float) -> None:
        """The provider asked not to be called for *seconds*."""
        self._tell(OutageBegan, scope=scope, seconds=seconds)

    def retry_planned(self, attempt: int, error: LLMError, seconds: float) -> None:
        """Another attempt follows after *seconds*."""
        self._tell(RetryPlanned, attempt=attempt, error=error.label, seconds=seconds)

    def repair_planned(self, violations: int) -> None:
        """The model is asked again, since the answer had so many *violations*."""
        self._turns += 1
        self._tell(RepairPlanned, turn=self._turns, violations=violations)

    def call_answered(self, reply: Reply, seconds: float) -> None:
        """The call ends in *reply*."""
        self._tell(
            CallEnded,
            model=reply.model,
            seconds=seconds,
            reply=reply if self._has_content else without_content(reply),
            attempts=reply.attempts,
            waited=self._waited,
        )

    def call_failed(
        self, error: BaseException, attempts: tuple[Attempt, ...], seconds: float
    ) -> None:
        """The call ends in *error*, or is cancelled."""
        own = error if isinstance(error, LLMError) else None
        self._tell(
            CallEnded,
            model=self._model,
            seconds=seconds,
            error=own and own.detached(has_content=self._has_content),
            error_type="Cancelled" if isinstance(error, GeneratorExit) else type(error).__name__,
            attempts=attempts,
            waited=self._waited,
        )

    def _tell(self, kind: type[Event], **values: Any) -> None:
        # As the constructor does, which sets one field after another at three times the price.
        event = object.__new__(kind)
        values["call"], values["at"] = self._call, self._account.now()
        event.__dict__.update(values)
        for each in self._hooks:
            each.call(event)


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
    copy = object.__new__(type(reply))
    copy.__dict__.update(reply.__dict__, **_NO_ANSWER)
    if isinstance(reply, StructuredReply):
        copy.__dict__["value"] = None
    return copy


def events_of(
    client_hooks: Hooks,
    operation: Operation,
    request: Request,
    account: Account,
    tags: Mapping[str, str],
    endpoint: Callable[[], str] = str,
) -> CallEvents | None:
    """Return what tells the hooks of a call; None where there are none.

    *endpoint* returns the URL that is called.
    """
    if not (listening := registered_hooks(client_hooks)):
        return None
    return CallEvents(
        *(listening, operation, request, account, tags, endpoint),
        has_content=client_hooks.has_content,
    )


def _parameters(request: Request) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if request.temperature is not None:
        shown["temperature"] = request.temperature
    if request.max_tokens is not None:
        shown["max_tokens"] = request.max_tokens
    if options := request.options:
        known = (name for name in _PARAMETERS if options.get(name) is not None)
        shown |= {name: options[name] for name in known}
    return shown
