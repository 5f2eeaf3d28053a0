"""Every knob, and where a host's settings and keys are found."""

from __future__ import annotations

from importlib import import_module

from ..runtime.collector import paused_collector

# The largest import of ours; a host that reads its settings with it has it already.
with paused_collector():
    import_module("pydantic_settings")
