"""The events of a call, in the order in which they can come.

CallStarted           the call begins
  CacheHit            its answer was kept
  CallJoined          an identical call is in flight: this one waits for its answer
  WaitStarted, ...    it waits for a limit, a permit, the end of an outage, or for a retry
  WaitEnded
  ModelSwitched       another model than the one before is asked
  AttemptStarted      the request is sent
    FirstPiece        the first piece of a stream has come
  AttemptEnded        it was answered, it has failed, or it was cancelled
  ScopePaused         the provider asked that a scope be left alone for a while
  OutageBegan         the provider asked not to be called at all for a while
  RetryPlanned        another attempt will follow
  RepairPlanned       the model will be asked to correct a structured answer
CallEnded             there is a reply, an error, or the call was cancelled

A provider's own batch has others, told by whoever submits and reads it:

BatchSubmitted        a file of prompts was taken by the provider
BatchPolled           it was looked at
BatchEnded            it has ended, and its results are downloaded

No event holds a key, nor what was asked and answered, unless `LLM_EVENTS_CONTENT` asks for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias

from ..errors import LLMError
from ..frozen import FrozenDict, dataclass
from ..types import Attempt, Message, Provider, Reply, Usage, total_cost, total_usage
from .call_meter import Outcome, call_outcome

#: `generate` and `respond` are "respond"; "structured" and "structured_stream" take a schema;
#: "batch" is a batch of the provider's own, which has events of its own.
Operation: TypeAlias = Literal["respond", "stream", "structured", "structured_stream", "batch"]

#: What a call waits for: room in a limit of this unit, the end of a pause, earlier calls of its
#: scope, a permit to be in flight, what other calls hold of a budget, the end of an outage, or the
#: backoff of a retry.
WaitCause: TypeAlias = Literal[
    "requests",
    "tokens",
    "input_tokens",
    "output_tokens",
    "pause",
    "turn",
    "concurrency",
    "budget",
    "outage",
    "backoff",
]


@dataclass(frozen=True)
class CallInfo:
    """What does not change during a call: all events of the call share it.

    `model` is the requested one. `started_at` is in Unix seconds. `parameters` are the numbers and
    the stop sequences of the request. `messages` are what was asked, None without
    `LLM_EVENTS_CONTENT`. `endpoint` is the URL that is called, "" for a test's stand-in. Nothing in
    it can be changed, since all hooks get the same object.
    """

    id: str
    provider: Provider
    model: str
    operation: Operation
    started_at: float
    tags: Mapping[str, str] = field(default_factory=FrozenDict)
    parameters: Mapping[str, Any] = field(default_factory=FrozenDict)
    endpoint: str = ""
    messages: tuple[Message, ...] | None = field(default=None, repr=False)

    @property
    def is_streamed(self) -> bool:
        """Whether its answer is read piece by piece: its reader may do anything in between."""
        return self.operation in ("stream", "structured_stream")


@dataclass(frozen=True)
class Event:
    """Something that has happened to `call`, `at` seconds of a clock that never steps."""

    call: CallInfo
    at: float


@dataclass(frozen=True)
class CallStarted(Event):
    """The call begins: its arguments are valid, and nothing was done for it yet."""


@dataclass(frozen=True)
class CacheHit(Event):
    """The answer was kept: nothing is sent."""


@dataclass(frozen=True)
class CallJoined(Event):
    """An identical call is in flight, and this one waits for its answer."""


@dataclass(frozen=True)
class WaitStarted(Event):
    """The call waits for `limit`, at most `seconds`, to be sent to `scope` ("": to any)."""

    limit: WaitCause
    seconds: float
    scope: str = ""


@dataclass(frozen=True)
class WaitEnded(Event):
    """The call has waited for `limit`, `seconds` long."""

    limit: WaitCause
    seconds: float
    scope: str = ""


@dataclass(frozen=True)
class ModelSwitched(Event):
    """Another `model` is asked than `previous`, which the provider no longer has."""

    previous: str
    model: str


@dataclass(frozen=True)
class AttemptStarted(Event):
    """Attempt `number` is sent to `model`, within the limits of `scope`: a model, or a key."""

    number: int
    model: str
    scope: str


@dataclass(frozen=True)
class FirstPiece(Event):
    """The first piece of a stream has come, `seconds` after the beginning of the call."""

    seconds: float


@dataclass(frozen=True)
class AttemptEnded(Event):
    """The attempt was answered, or its `attempt.error` names what it ended in.

    `is_sent` is false where the provider cannot have seen it. Such an attempt is none of a reply's.
    """

    attempt: Attempt
    is_sent: bool


@dataclass(frozen=True)
class ScopePaused(Event):
    """The provider's limit holds back all calls on `scope` for `seconds`."""

    scope: str
    seconds: float


@dataclass(frozen=True)
class OutageBegan(Event):
    """The provider asked not to be called for `seconds`, without its being a limit."""

    scope: str
    seconds: float


@dataclass(frozen=True)
class RetryPlanned(Event):
    """Attempt `attempt` has failed with `error`, and another follows after `seconds`."""

    attempt: int
    error: str
    seconds: float


@dataclass(frozen=True)
class RepairPlanned(Event):
    """A structured answer had so many `violations`, and the model is asked again.

    `turn` counts the turns of the call: 2 is the first repair. An answer that was cut off, or was
    empty, is asked for again with more room: then `violations` may be 0.
    """

    turn: int
    violations: int


@dataclass(frozen=True)
class CallEnded(Event):
    """The call has ended in a `reply`, in an `error`, or was cancelled: then it has neither.

    `error_type` names the class of what ended it, a cancellation's too; None for a reply. Without
    `LLM_EVENTS_CONTENT` the reply has neither text, reasoning, tool calls nor value, and the error
    nothing of an answer. An error never has a cause or a traceback here. `seconds` is how long the
    call took, `waited` what it waited for, in seconds.
    """

    model: str
    seconds: float
    reply: Reply | None = None
    error: LLMError | None = None
    error_type: str | None = None
    attempts: tuple[Attempt, ...] = ()
    waited: Mapping[WaitCause, float] = field(default_factory=FrozenDict)

    @property
    def outcome(self) -> Outcome:
        """How it has ended: "answered", "cached", "failed" or "cancelled"."""
        return call_outcome(self.reply, self.error, self.attempts)

    @property
    def is_cached(self) -> bool:
        """Whether the reply came from the cache or from an identical call."""
        return self.reply is not None and self.reply.cached

    @property
    def usage(self) -> Usage:
        """The tokens of all attempts, those that failed included."""
        return total_usage(self.attempts)

    @property
    def cost(self) -> float | None:
        """What all attempts cost in US dollars; None where a price is not known."""
        return total_cost(self.attempts)


@dataclass(frozen=True)
class BatchSubmitted(Event):
    """The provider has taken a file of so many prompts as its batch `batch`."""

    batch: str
    prompts: int


@dataclass(frozen=True)
class BatchPolled(Event):
    """All parts of a batch together were looked at; `state` is that of `BatchStatus`."""

    state: str
    total: int
    completed: int
    failed: int


@dataclass(frozen=True)
class BatchUsage:
    """What the prompts of a batch that one `model` answered, or failed to answer, have used.

    `cost` is in US dollars at the batch's price, None where the price is not known.
    """

    model: str
    answered: int
    failed: int
    usage: Usage
    cost: float | None


@dataclass(frozen=True)
class BatchEnded(Event):
    """The provider's batch `batch` has ended, and its results were downloaded.

    `is_new` says that it is told for the first time: results may be read again, and by several.
    """

    batch: str
    state: str
    is_new: bool
    by_model: tuple[BatchUsage, ...] = ()
