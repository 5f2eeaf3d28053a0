"""All that takes time in a call: a generator yields these effects, and a driver performs each.

`Effect` is the closed union of them, `Effects[R]` a generator that yields some and returns an R.
The driver resumes it with what came of each effect, or throws into it what was raised, as httpx
does with an `auth_flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, cast

from .frozen import dataclass

if TYPE_CHECKING:
    from .stream_types import AnyEvent, StreamEvent
    from .types import Reply, Request

R = TypeVar("R")

#: What a call sleeps for: room in a limit, a permit, the next attempt, that the day's budget or the
#: ledger is written, or that a stream's reader lets go.
WaitReason: TypeAlias = Literal["quota", "concurrency", "retry", "budget", "ledger", "close"]

#: The threads that a blocking function runs in: one pool that hangs delays no other.
Pool: TypeAlias = Literal["cache", "budget", "validation", "batch"]


@dataclass(frozen=True)
class Send:
    """Send *request* to the provider once, within *timeout* seconds; resumes with a `Reply`."""

    request: Request
    timeout: float


@dataclass(frozen=True)
class Sleep:
    """Let *seconds* pass, or fewer: until *wake* is done."""

    seconds: float
    reason: WaitReason
    wake: Future[None] | None = None


class Joinable(Protocol):
    """Something that another call brings about, in this thread or in another."""

    def join(self, timeout: float | None = None) -> Any:
        """Wait in this thread, at most *timeout* seconds."""

    async def ajoin(self, timeout: float | None = None) -> Any:
        """Wait in this task, at most *timeout* seconds."""

    def abort(self) -> None:
        """End a wait in another thread at once."""


@dataclass(frozen=True)
class Join:
    """Wait, at most *timeout* seconds, for an identical call that is in flight."""

    follower: Joinable
    timeout: float | None = None


@dataclass(frozen=True)
class RunBlocking:
    """Run a function that may block, such as a store's, in a thread of *pool*.

    Raises `Overdue` where it has not ended after *timeout* seconds.
    """

    function: Callable[[], Any]
    timeout: float
    pool: Pool = "cache"


class Overdue(Exception):  # noqa: N818  it is about the waiting, not about what was waited for
    """A blocking function has not ended in time; its thread may go on all the same.

    `is_slow` says that the function had most of its time, rather than waited for a thread.
    """

    def __init__(self, is_slow: bool) -> None:
        super().__init__("not ended in time")
        self.is_slow = is_slow


class Channel(Protocol):
    """A stream that is open; it closes itself where a pull fails, and at its end."""

    @property
    def answer_has_ended(self) -> bool:
        """Whether the answer has come to its end, whatever may follow it."""

    def whole(self) -> Reply:
        """Return the whole answer once the stream has ended; raises LLMError for less."""

    def so_far(self) -> Reply:
        """Return what has come, whole or not."""


@dataclass(frozen=True)
class Open:
    """Send *request* once, within *timeout* seconds; resumes with the `Channel` of its stream."""

    request: Request
    timeout: float


@dataclass(frozen=True)
class Pull:
    """Wait, at most *timeout* seconds, for what comes next; resumes with None at the end."""

    channel: Channel
    timeout: float


@dataclass(frozen=True)
class Emit:
    """Hand *events* to whoever reads the stream; resumes once more is wanted."""

    events: Sequence[AnyEvent]


@dataclass(frozen=True)
class Close:
    """Close *channel*, also in a task that is being cancelled."""

    channel: Channel


Effect: TypeAlias = Send | Sleep | Join | RunBlocking | Open | Pull | Emit | Close
Effects: TypeAlias = Generator[Effect, Any, R]


def send(request: Request, timeout: float) -> Effects[Reply]:
    """Yield a `Send` and resume with its reply."""
    reply: Reply = yield Send(request, timeout)
    return reply


def open_stream(request: Request, timeout: float) -> Effects[Channel]:
    """Yield an `Open` and resume with the stream."""
    return cast("Channel", (yield Open(request, timeout)))


def pull(channel: Channel, timeout: float) -> Effects[Sequence[StreamEvent] | None]:
    """Yield a `Pull` and resume with the events that came, or None at the stream's end."""
    return cast("Sequence[StreamEvent] | None", (yield Pull(channel, timeout)))


def emit(events: Sequence[AnyEvent]) -> Effects[None]:
    """Yield an `Emit`."""
    yield Emit(events)


def sleep(seconds: float, reason: WaitReason, wake: Future[None] | None = None) -> Effects[None]:
    """Yield a `Sleep`, unless there is nothing to wait for."""
    if seconds > 0 and not (wake and wake.done()):
        yield Sleep(seconds, reason, wake)


def join(follower: Joinable, timeout: float | None = None) -> Effects[Any]:
    """Yield a `Join` and resume with what the identical call ended in."""
    return (yield Join(follower, timeout))


def run_blocking(
    function: Callable[[], R], timeout: float, pool: Pool = "cache", *, blocks: bool = True
) -> Effects[R]:
    """Yield a `RunBlocking` and resume with what it returned; run at once what never blocks."""
    return cast("R", (yield RunBlocking(function, timeout, pool))) if blocks else function()
