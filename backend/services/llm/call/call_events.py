"""Tells the hooks of one call what happens to it; a call without hooks has none of this."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
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
    RepairPlanned,
    RetryPlanned,
    ScopePaused,
    WaitedFor,
    WaitEnded,
    WaitStarted,
    hooks,
)
from ..runtime.fork import on_fork_in_child
from ..types import Attempt, Reply, Request

#: The request's options that are shown to hooks: numbers, and where the answer is to stop.
_PARAMETERS = (
    *("top_p", "top_k", "seed", "stop", "stop_sequences", "frequency_penalty", "presence_penalty"),
    *("n", "reasoning_effort", "service_tier"),
)


class CallIds:
    """Ids that no other call has, in this process or in another."""

    def __init__(self) -> None:
        self._reset()
        on_fork_in_child(self, CallIds._reset)

    def next(self) -> str:
        """Return a new id."""
        return f"{self._process}-{next(self._numbers):x}"

    def _reset(self) -> None:
        self._process = secrets.token_hex(6)
        self._numbers = count(1)


_ids = CallIds()


class CallEvents:
    """The hooks that a call has at its beginning, and what they are told of it."""

    _call: CallInfo

    def __init__(
        self,
        client_hooks: Hooks,
        operation: Operation,
        request: Request,
        account: Account,
        tags: Mapping[str, str],
        endpoint: Callable[[], str],
    ) -> None:
        self._hooks = hooks.registered
        if client_hooks.registered:
            # One that is in both registries is told once.
            known = [each.hook for each in self._hooks]
            own = (each for each in client_hooks.registered if each.hook not in known)
            self._hooks = (*self._hooks, *own)
        self._has_content = client_hooks.has_content
        self._operation = operation
        self._request = request
        self._account = account
        self._tags = tags
        self._endpoint = endpoint
        self._model = request.model
        self._waited: dict[WaitedFor, float] = {}
        self._turns = 1

    def call_started(self) -> None:
        """The call begins."""
        request = self._request
        self._call = CallInfo(
            _ids.next(),
            self._account.provider,
            request.model,
            self._operation,
            self._account.wall(),
            dict(self._tags),
            _parameters(request),
            self._endpoint(),
            request.messages if self._has_content else None,
        )
        self._emit(CallStarted(self._call, self._account.now()))

    def cache_hit(self) -> None:
        """The answer was kept."""
        self._emit(CacheHit(self._call, self._account.now()))

    def call_joined(self) -> None:
        """The call waits for the answer to an identical one."""
        self._emit(CallJoined(self._call, self._account.now()))

    def wait_started(self, limit: WaitedFor, seconds: float, scope: str) -> None:
        """The call waits for *limit*, at most *seconds*."""
        self._emit(WaitStarted(self._call, self._account.now(), limit, seconds, scope))

    def wait_ended(self, limit: WaitedFor, seconds: float, scope: str) -> None:
        """The call has waited for *limit*."""
        self._waited[limit] = self._waited.get(limit, 0.0) + seconds
        self._emit(WaitEnded(self._call, self._account.now(), limit, seconds, scope))

    def attempt_started(self, number: int, model: str, scope: str) -> None:
        """An attempt is sent to *model*."""
        now = self._account.now()
        previous, self._model = self._model, model
        if model != previous:
            self._emit(ModelSwitched(self._call, now, previous, model))
        self._emit(AttemptStarted(self._call, now, number, model, scope))

    def first_piece(self, seconds: float) -> None:
        """The first piece of a stream has come, *seconds* after the call's beginning."""
        self._emit(FirstPiece(self._call, self._account.now(), seconds))

    def attempt_ended(self, attempt: Attempt, *, is_sent: bool) -> None:
        """*attempt* is over."""
        self._emit(AttemptEnded(self._call, self._account.now(), attempt, is_sent))

    def paused(self, scope: str) -> None:
        """A provider's limit was met: tell of the pause that *scope* has from it."""
        now = self._account.now()
        if seconds := self._account.quota.paused_for(scope, now):
            self._emit(ScopePaused(self._call, now, scope, seconds))

    def outage_began(self, scope: str, seconds: float) -> None:
        """The provider asked not to be called for *seconds*."""
        self._emit(OutageBegan(self._call, self._account.now(), scope, seconds))

    def retry_planned(self, attempt: int, error: LLMError, seconds: float) -> None:
        """Another attempt follows after *seconds*."""
        self._emit(RetryPlanned(self._call, self._account.now(), attempt, error.label, seconds))

    def repair_planned(self, violations: int) -> None:
        """The model is asked again, since the answer had so many *violations*."""
        self._turns += 1
        self._emit(RepairPlanned(self._call, self._account.now(), self._turns, violations))

    def call_answered(self, reply: Reply, seconds: float) -> None:
        """The call ends in *reply*."""
        self._end(reply.model, seconds, reply.attempts, reply=self._shown(reply))

    def call_failed(
        self, error: BaseException, attempts: tuple[Attempt, ...], seconds: float
    ) -> None:
        """The call ends in *error*, or is cancelled."""
        shown = None
        if isinstance(error, LLMError):
            shown = error.detached(has_content=self._has_content)
        kind = "Cancelled" if isinstance(error, GeneratorExit) else type(error).__name__
        self._end(self._model, seconds, attempts, error=shown, error_type=kind)

    def _end(
        self, model: str, seconds: float, attempts: tuple[Attempt, ...], **outcome: Any
    ) -> None:
        now, waited = self._account.now(), dict(self._waited)
        self._emit(
            CallEnded(self._call, now, model, seconds, attempts=attempts, waited=waited, **outcome)
        )

    def _shown(self, reply: Reply) -> Reply:
        if self._has_content:
            return reply
        hidden: dict[str, Any] = {"text": "", "reasoning": None, "tool_calls": ()}
        if "value" in vars(reply):
            hidden["value"] = None
        return reply.having(**hidden)

    def _emit(self, event: Event) -> None:
        for each in self._hooks:
            each.call(event)


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
    if not (client_hooks.registered or hooks.registered):
        return None
    return CallEvents(client_hooks, operation, request, account, tags, endpoint)


def _parameters(request: Request) -> dict[str, Any]:
    own = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    options = request.options
    further = {name: options[name] for name in _PARAMETERS if name in options}
    return {name: value for name, value in (own | further).items() if value is not None}
