"""The hooks that a client has from its settings."""

from __future__ import annotations

from ..events import Hooks
from ..settings.knobs import Knobs


def configured_hooks(knobs: Knobs) -> Hooks:
    """Return a client's registry of hooks, with the log of calls in it where that is wanted."""
    hooks = Hooks(has_content=knobs.LLM_EVENTS_CONTENT)
    if knobs.LLM_LOG_CALLS:
        from ..telemetry.logs import log_call

        hooks.add(log_call)
    return hooks
