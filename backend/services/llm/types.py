"""The nouns: what goes in, what comes out, and the only things that take time."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

R = TypeVar("R")
T = TypeVar("T")


class _Unset:
    """What an argument is that nobody gave, where None means something else."""

    def __repr__(self) -> str:
        return "the client's default"


UNSET: Any = _Unset()

#: One chat message: a `role` and a `content` (a string, or a list of typed parts).
Message: TypeAlias = Mapping[str, Any]
Provider: TypeAlias = Literal["groq", "bedrock"]

#: What a wait is for: the quota's room, a place on the wire, the next attempt, or that the day's
#: budget is written.
WaitReason: TypeAlias = Literal["quota", "concurrency", "retry", "budget"]

#: What is asked beside the provider. Each has threads of its own: one that hangs delays no other.
Asked: TypeAlias = Literal["cache", "budget", "judgement"]

#: How an answer's form is enforced, strongest first: the provider decodes under the schema, is
#: guided by it, fills in one forced tool, promises some JSON object, or is only told so in words.
Mode: TypeAlias = Literal["strict", "schema", "tool", "object", "prompt"]


@dataclass(frozen=True)
class Output:
    """The form that an answer must take, as the provider is to enforce it."""

    mode: Mode
    schema: Mapping[str, Any] = field(default_factory=dict)
    name: str = "answer"


@dataclass(frozen=True)
class Request:
    """What is asked, in neither provider's words; None leaves a parameter to the provider."""

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    #: Parameters that nobody gave: dropped, rather than refused, where the model lacks them.
    defaulted: frozenset[str] = frozenset()
    #: Parameters that the model does not take: not even a default of the wire's is sent.
    omitted: frozenset[str] = frozenset()
    output: Output | None = None
    #: Which of several keys sends it; it says nothing about what is asked.
    key: str = field(default="", repr=False)
    #: The provider's own further options, passed on as they are.
    options: Mapping[str, Any] = field(default_factory=dict)

    def omitting(self, parameters: Iterable[str]) -> Request:
        """Leave *parameters* out, the defaults of the provider's wire for them included."""
        omitted = self.omitted | frozenset(parameters)
        return replace(
            self,
            temperature=None if "temperature" in omitted else self.temperature,
            max_tokens=None if "max_tokens" in omitted else self.max_tokens,
            omitted=omitted,
        )

    def followed_by(self, answer: str, remark: str) -> Request:
        """Continue the conversation with the model's *answer* and our *remark* on it."""
        said: tuple[Message, ...] = (
            {"role": "assistant", "content": answer},
            {"role": "user", "content": remark},
        )
        return replace(self, messages=(*self.messages, *said))


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; `reported` is false where it sent no count.

    `input_tokens` includes what was read from the provider's prompt cache (`cached_input_tokens`)
    or written to it (`cache_write_input_tokens`), and `output_tokens` includes `reasoning_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    reported: bool = False
    cache_write_input_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.reported or other.reported,
            self.cache_write_input_tokens + other.cache_write_input_tokens,
        )


@dataclass(frozen=True)
class ToolCall:
    """A function that the model asks its caller to run; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Attempt:
    """One call on the wire; times are in seconds.

    `error` names the failure (its class and the provider's code, never its message), and is
    None for the attempt that answered.
    """

    number: int
    model: str
    quota_wait: float = 0.0
    retry_wait: float = 0.0
    latency: float = 0.0
    error: str | None = None
    status: int | None = None
    usage: Usage = Usage()
    cost: float | None = None
    request_id: str | None = None

    @property
    def waited(self) -> float:
        """All the seconds that went by before this attempt was sent."""
        return self.quota_wait + self.retry_wait


@dataclass(frozen=True)
class Reply:
    """A whole answer and how it came about; times are in seconds, `cost` in US dollars.

    `usage` and `cost` are those of the answer itself, `latency` is that of the whole call with
    its waits. `finish_reason` is the provider's own word. `processing` is how long the provider
    says that it worked; `cost` is None where the price is not known.
    """

    text: str
    model: str
    provider: Provider
    finish_reason: str | None = None
    usage: Usage = Usage()
    attempts: tuple[Attempt, ...] = ()
    request_id: str | None = None
    latency: float = 0.0
    cost: float | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    processing: float | None = None
    #: It came from the cache or from an identical call in flight: nothing was sent for it.
    cached: bool = False


@dataclass(frozen=True)
class StructuredReply(Reply, Generic[T]):
    """A structured answer's `value`, and the reply that held it, whose raw text is `text`.

    `usage` and `cost` are those of all turns, each of which is one of the `attempts`; the cost is
    None where one of them has an unknown price.
    """

    value: T = field(kw_only=True)

    @classmethod
    def of(cls, value: T, reply: Reply) -> StructuredReply[T]:
        """Join a value to the reply of the last turn, and sum up what all turns took."""
        own = {each.name: getattr(reply, each.name) for each in fields(reply)}
        kept = reply.usage if reply.cached or not reply.attempts else Usage()
        usage = sum((each.usage for each in reply.attempts), kept)
        costs = [each.cost for each in reply.attempts] or [reply.cost]
        known = [cost for cost in costs if cost is not None]
        cost = math.fsum(known) if len(known) == len(costs) else None
        return cls(**{**own, "usage": usage, "cost": cost}, value=value)


@dataclass(frozen=True)
class Send:
    """Put *request* on the wire; resumes with a `Reply`, within *timeout* seconds."""

    request: Request
    timeout: float


@dataclass(frozen=True)
class Sleep:
    """Let *seconds* pass, or fewer: until *wake* is done."""

    seconds: float
    why: WaitReason
    wake: Future[None] | None = None


class Joinable(Protocol):
    """Something another call will bring about, in this thread or in another."""

    def join(self, timeout: float | None = None) -> Any:
        """Wait in this thread, at most *timeout* seconds."""

    async def ajoin(self, timeout: float | None = None) -> Any:
        """Wait in this task, at most *timeout* seconds."""


@dataclass(frozen=True)
class Join:
    """Wait, at most *timeout* seconds, for a twin request that is already in flight."""

    follower: Joinable
    timeout: float | None = None


class Overdue(Exception):  # noqa: N818  a verdict on the waiting, not on what was asked
    """What was asked has not ended in time; `had_its_time` unless it had just begun, or not at all.

    It may go on in its thread all the same.
    """

    def __init__(self, had_its_time: bool) -> None:
        super().__init__("not ended in time")
        self.had_its_time = had_its_time


@dataclass(frozen=True)
class RunBlocking:
    """Call something slow that is not a provider, such as a store on disk.

    Raises `Overdue` where it has not ended after *timeout* seconds.
    """

    call: Callable[[], Any]
    timeout: float
    what: Asked = "cache"


Effect: TypeAlias = Send | Sleep | Join | RunBlocking
Flow: TypeAlias = Generator[Effect, Any, R]


def send(request: Request, timeout: float) -> Flow[Reply]:
    """Yield a `Send` and resume with its reply."""
    return cast("Reply", (yield Send(request, timeout)))


def sleep(seconds: float, why: WaitReason, wake: Future[None] | None = None) -> Flow[None]:
    """Yield a `Sleep`, unless there is nothing to wait for."""
    if seconds > 0 and not (wake and wake.done()):
        yield Sleep(seconds, why, wake)


def join(follower: Joinable, timeout: float | None = None) -> Flow[Any]:
    """Yield a `Join` and resume with what the twin's flight ended in."""
    return (yield Join(follower, timeout))


def ask(
    call: Callable[[], R], timeout: float, what: Asked = "cache", *, blocking: bool = True
) -> Flow[R]:
    """Yield a `RunBlocking` and resume with what the call returned; a quick call runs at once."""
    return cast("R", (yield RunBlocking(call, timeout, what))) if blocking else call()
