"""A provider on loopback: speaks Groq and Bedrock runtime, enforces limits, breaks on demand.

A fault can be asked for by the model's name, so that any client can do it, on either wire:

    sandbox/ok, sandbox/text?text=...            an answer, echoing the prompt or of this text
    sandbox/<400 to 599>                         the provider's error of this status
    sandbox/reset, sandbox/close                 TCP RST, TCP FIN before any header
    sandbox/silence?seconds=3600                 nothing, then the answer
    sandbox/slow-body?seconds=3600               headers, nothing, then the body
    sandbox/drip?size=1&every=0.05               the body in small pieces (bytes, seconds)
    sandbox/cut?after=0.5                        closed after this fraction of the body
    sandbox/malformed, sandbox/html?status=502   broken JSON with a 200, a proxy's error page
    sandbox/cloudflare                           Cloudflare's 403, error 1010
    sandbox/length, unfinished, empty, null, no-choices, filtered, guarded
                                                 answers that are not whole, or none at all
    sandbox/tool?name=...&input={...}            calls this tool, or these, separated by commas
    sandbox/no-done, no-usage                    a stream without `[DONE]`, an answer without usage
    sandbox/paced?every=0.05                     a stream whose frames come so many seconds apart
    sandbox/stream-cut?frame=3, stream-reset, stream-tear, stream-end, stream-stall?seconds=60,
    stream-damage, stream-error?code=...         a stream that breaks before this frame (from the
                                                 end if negative) or after `pieces=n`
    sandbox/decommissioned, not-found, invalid-key, context-length, capacity, too-large
    sandbox/json-validate-failed?text=..., tool-use-failed?text=...
                                                 Groq's named errors, or what Bedrock has for them

Every fault takes `times=n` (only the first n requests of that exact name fail), `silence=seconds`
and `retry-after=...` (sent as it is; `date:30` is an HTTP-date 30 s ahead), as in
`sandbox/429?retry-after=2&times=1`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .answer import Answer, ToolCall
from .durations import retry_after_date
from .faults import Fault, Step
from .journal import Exchange
from .limits import Limits

if TYPE_CHECKING:
    from .server.sandbox import Sandbox

__all__ = [
    "Answer",
    "Exchange",
    "Fault",
    "Limits",
    "Sandbox",
    "Step",
    "ToolCall",
    "retry_after_date",
]


def __getattr__(name: str) -> Any:
    # Imported by its first use: `python -m sandbox` says in one line what it needs.
    if name == "Sandbox":
        return globals().setdefault(name, import_module(".server.sandbox", __name__).Sandbox)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
