"""What one call may take: it is made of a call's arguments, before anything of a call is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from math import inf
from typing import TYPE_CHECKING

from ..frozen import FrozenDict, dataclass

if TYPE_CHECKING:
    from tenacity import Retrying


@dataclass(frozen=True)
class CallPolicy:
    """What one call may take: attempts, and seconds in all, for one attempt, and for limits."""

    #: Makes tenacity's retry policy, which only a call that has failed needs.
    make_retry_policy: Callable[[], Retrying]
    timeout: float
    max_quota_wait: float = 0.0
    attempt_timeout: float = inf
    #: The caller asked for this many attempts, and is told when they are used up.
    has_requested_attempts: bool = False
    #: What the caller names the call by, for its hooks and in reports.
    tags: FrozenDict[str, str] = field(default_factory=FrozenDict)
    #: Seconds to wait for the cache, each time that it is needed; None: as the cache says.
    cache_timeout: float | None = None
