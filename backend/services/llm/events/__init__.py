"""What a call tells its hooks: events, and the registries of hooks that they are handed to.

Hooks of `hooks` hear the calls of every client in the process; those of `client.hooks` hear that
client's. The events are imported with the first hook.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy_names import lazy_names
from .call_meter import CallMeter, Outcome, call_outcome
from .callbacks import check_callback
from .hook_registry import (
    CallHooks,
    EventHook,
    Hooks,
    RegisteredHook,
    call_hooks,
    hooks,
)
from .limit_sources import LimitSources, limit_sources
from .selective_hooks import hears

if TYPE_CHECKING:
    from .event_types import (
        AttemptEnded,
        AttemptStarted,
        BatchEnded,
        BatchPolled,
        BatchSubmitted,
        BatchUsage,
        CacheHit,
        CallEnded,
        CallInfo,
        CallJoined,
        CallStarted,
        Event,
        FirstPiece,
        ModelSwitched,
        Operation,
        OutageBegan,
        RepairPlanned,
        RetryPlanned,
        ScopePaused,
        WaitCause,
        WaitEnded,
        WaitStarted,
    )

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "BatchEnded",
    "BatchPolled",
    "BatchSubmitted",
    "BatchUsage",
    "CacheHit",
    "CallEnded",
    "CallHooks",
    "CallInfo",
    "CallJoined",
    "CallMeter",
    "CallStarted",
    "Event",
    "EventHook",
    "FirstPiece",
    "Hooks",
    "LimitSources",
    "ModelSwitched",
    "Operation",
    "OutageBegan",
    "Outcome",
    "RegisteredHook",
    "RepairPlanned",
    "RetryPlanned",
    "ScopePaused",
    "WaitCause",
    "WaitEnded",
    "WaitStarted",
    "call_hooks",
    "call_outcome",
    "check_callback",
    "hears",
    "hooks",
    "limit_sources",
]

# What is not imported above are the events.
__getattr__ = lazy_names(
    __name__, {name: "event_types" for name in __all__ if name not in globals()}
)
