"""The quota that the workers of a fleet share: what is asked of it, and what it answers.

A worker asks once for each call, at the moment at which its own `Quota` lets the call go:

    Take          all of a call's limits, or none; granted for now or for a moment soon, or refused
    Settle        what a call has spent of what it took
    Add           what was spent without asking, while the shared quota was away
    RestoreUse    what this worker last knew to be used, for a shared quota that has lost its state
    RestoreLease  a call whose lease the shared quota does not know, and that counts already
    Pause         nobody may send in a scope for some seconds
    Retire        a model is gone
    ForgetScope   end the pause of a scope, and drop the amounts named for its limits
    SetCounting   what a limit counts of an answer that was declared longer than it became

A lease is what the shared quota knows of one call that it has granted: it ends with the `Settle` of
that call, or by itself, so that a worker that dies holds nothing for ever.

`SharedQuota` is the protocol. `MemorySharedQuota` keeps one in memory, `shared_script.py` on a
Redis server, and both decide alike. All times are in seconds from now, and "now" is by the shared
quota's own clock, so that the workers' clocks need not agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ..limit_types import Unit

#: The scope of a limit that all scopes of the account have in common.
ACCOUNT_WIDE = ""
#: In place of a unit, where a call waits for the end of a pause, or for the answer to the first
#: call of its scope: that is alone in flight, so that its answer tells what the provider counts.
PAUSED, FIRST_CALL = "pause", "first"


@dataclass(frozen=True)
class SharedCharge:
    """How much is taken of one limit, which allows *amount* in *window* seconds.

    One that *is_log* counts request by request, in any window; others refill continuously. An
    amount that *is_from_shared_quota* came from there alone: to ask with it does not make it hold
    for longer.
    """

    scope: str
    unit: Unit
    window: float
    amount: float
    taken: float
    is_log: bool = False
    is_from_shared_quota: bool = False

    @property
    def limit(self) -> str:
        """The limit within its scope."""
        return f"{self.unit}/{self.window:g}"

    @property
    def key(self) -> str:
        """The limit within the account."""
        return f"{self.scope}\n{self.limit}"


@dataclass(frozen=True)
class Take:
    """Take *charges* for a call in *scope*; *lease* is the name of its lease, which is unique.

    The name is its worker's, a colon, and what tells the worker's calls apart.
    The provider sees the call at most *max_transit* seconds after it is sent. A call that would
    have to wait longer than *max_wait* takes nothing. The lease is forgotten after *ttl* seconds:
    what it took then counts as spent. The first call of a scope is alone in flight for
    *first_alone* seconds, unless it is answered before: nothing else is granted meanwhile. A call
    that has waited so far for *seconds_waited*, of which a batch's count for less, may be granted a
    later moment the longer it has.
    """

    lease: str
    scope: str
    charges: tuple[SharedCharge, ...]
    max_transit: float
    max_wait: float
    ttl: float
    first_alone: float = 0.0
    seconds_waited: float = 0.0


@dataclass(frozen=True)
class Settle:
    """Count what the call of *take* has *spent* of each charge; all 0 where nothing was sent.

    *used* is what the provider said to be used of each limit, at least; None: nothing. What others
    took since the grant is not given back with it. A lease that is unknown, or settled, changes
    nothing but by *used*. *at_most* is what the provider can have in use of each
    limit, beside what was taken since the grant; None, or no tuple, where that is not known.
    """

    take: Take
    spent: tuple[float, ...]
    used: tuple[float | None, ...]
    at_most: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Add:
    """Count *charges* as spent, whatever the limits say; once for each *lease*.

    Requests of a log count as spent so many seconds *ago*, and others as spent now.
    """

    lease: str
    charges: tuple[SharedCharge, ...]
    ago: float = 0.0


@dataclass(frozen=True)
class RestoreUse:
    """Let at least what *charges* take be used: they are what was known before a loss.

    *spent_parts* tell for each charge which part of what they declared calls have spent lately; ()
    where that is not known.
    """

    charges: tuple[SharedCharge, ...]
    spent_parts: tuple[float, ...] = ()


@dataclass(frozen=True)
class RestoreLease:
    """Know the lease of *take*, whose charges count already, so that its `Settle` can follow.

    It was granted before a loss, or while the shared quota was away.
    """

    take: Take


@dataclass(frozen=True)
class Pause:
    """Let nobody take anything in *scope* for so many *seconds*; a longer pause stays."""

    scope: str
    seconds: float


@dataclass(frozen=True)
class Retire:
    """Tell all workers that *model* is gone, for so many *seconds*; 0 s: that it is in service."""

    model: str
    seconds: float


@dataclass(frozen=True)
class ForgetScope:
    """Drop the pause of *scope*, and the amounts that workers have named for its limits."""

    scope: str


@dataclass(frozen=True)
class SetCounting:
    """Tell all workers whether a limit *counts_declared*: all that a call declared."""

    scope: str
    limit: str
    counts_declared: bool


Operation: TypeAlias = (
    Take | Settle | Add | RestoreUse | RestoreLease | Pause | Retire | ForgetScope | SetCounting
)


def forget_all(scopes: Iterable[str], models: Iterable[str]) -> list[Operation]:
    """Return what forgets *scopes* and the whole account's, and puts *models* in service again."""
    in_service = (Retire(model, 0.0) for model in models)
    return [*map(ForgetScope, (ACCOUNT_WIDE, *scopes)), *in_service]


@dataclass(frozen=True)
class Granted:
    """The call may be sent *wait* seconds from now, and no later than it takes to send it.

    *used* is what was used of each limit before it. One that *is_first* is alone in flight.
    """

    wait: float
    used: tuple[float, ...]
    is_first: bool = False


@dataclass(frozen=True)
class Refused:
    """Nothing was taken: the call could be sent *wait* seconds from now, infinity for never.

    Asked again in *again* seconds, it may be granted. *unit* is that of the limit that has room
    last, or "pause", or "first" where the first call of the scope is to be answered before.
    """

    wait: float
    again: float
    unit: str
    used: tuple[float, ...]


Decision: TypeAlias = Granted | Refused


@dataclass(frozen=True)
class KnownLimit:
    """A limit of *scope* that some worker takes from."""

    scope: str
    unit: Unit
    window: float
    amount: float


@dataclass(frozen=True)
class Outcome:
    """What came of some operations: one decision for each `Take`, in order.

    *epoch* names the shared quota's state. Where it is another than the one that was given, the
    state was lost, and nothing was done. *limits* are known of the scopes that were asked for
    beside those that were charged, and *counting* of those too. *retired* are the models that are
    gone, with the seconds left.
    """

    epoch: str
    is_lost: bool = False
    decisions: tuple[Decision, ...] = ()
    limits: tuple[KnownLimit, ...] = ()
    retired: tuple[tuple[str, float], ...] = ()
    counting: tuple[SetCounting, ...] = ()


class SharedQuota(Protocol):
    """What an account's workers share."""

    def exchange(self, operations: Sequence[Operation], epoch: str = "") -> Outcome:
        """Perform *operations* in order, as one step that no other worker comes between.

        *epoch* is that of the last outcome; "" accepts any. Raises StoreError where that fails:
        then all was done, or nothing. Whatever has a lease counts once, however often it is done.
        """
        ...
