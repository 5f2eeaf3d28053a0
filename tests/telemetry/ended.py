"""Events as a client would tell them, to try what is made of them."""

from __future__ import annotations

from typing import Any

from services.llm.errors import RateLimitError
from services.llm.events import BatchEnded, BatchUsage, CallEnded, CallInfo
from services.llm.types import Attempt, Reply, Usage

MODEL = "openai/gpt-oss-120b"
INFO = CallInfo("1f-1", "groq", MODEL, "respond", 1_800_000_000.0, {"tenant": "acme"})
USAGE = Usage(100, 40, 140, cached_input_tokens=60, reasoning_tokens=8, reported=True)
ATTEMPT = Attempt(1, MODEL, latency=0.4, status=200, usage=USAGE, cost=0.0002, request_id="r-1")
REPLY = Reply("", MODEL, "groq", "stop", USAGE, (ATTEMPT,), "r-1", 0.5, 0.0002)


def answered(**changes: Any) -> CallEnded:
    """A call that was answered at the first attempt."""
    known: dict[str, Any] = {"model": MODEL, "seconds": 0.5, "reply": REPLY, "attempts": (ATTEMPT,)}
    return CallEnded(changes.pop("call", INFO), 10.5, **{**known, **changes})


def cached(**changes: Any) -> CallEnded:
    """A call whose answer was kept."""
    return answered(reply=REPLY.replace(cached=True, attempts=(), cost=0.0), attempts=(), **changes)


def failed(**changes: Any) -> CallEnded:
    """A call that a limit has ended."""
    error = RateLimitError("slow down", provider="groq", status=429)
    attempt = Attempt(1, MODEL, latency=0.1, status=429, error="RateLimitError")
    known = {"error": error, "error_type": "RateLimitError", "attempts": (attempt,)}
    return answered(**{"reply": None, **known, **changes})


def cancelled(name: str = "CancelledError") -> CallEnded:
    """A call that nobody waits for any more."""
    return answered(reply=None, error_type=name, attempts=())


def batch_ended(*, is_new: bool = True, cost: float | None = 0.0002) -> BatchEnded:
    """A batch of a provider's, with two answers and a failure."""
    info = CallInfo("1f-2", "groq", "", "batch", 1_800_000_000.0, {"tenant": "acme"})
    usage = (BatchUsage(MODEL, 2, 0, USAGE, cost), BatchUsage("gone", 0, 1, Usage(), 0.0))
    return BatchEnded(info, 10.5, "batch_1", "completed", is_new, usage)
