"""One call's flow, and what may become of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from services.llm.account.account import Account
from services.llm.call import lifecycle, retry
from services.llm.call.call_policy import CallPolicy
from services.llm.effects import Effects
from services.llm.errors import LLMError, ProviderUnavailableError, RateLimitError
from services.llm.quota import Quota, SlidingWindow
from services.llm.types import Reply, Request
from tests.call.scripted import Clock, account

MODEL = "openai/gpt-oss-120b"
REQUEST = Request(MODEL, ({"role": "user", "content": "hi"},), 0.7, 100)


def call(to: Account, attempts: int = 3, **terms: Any) -> Effects[Reply]:
    """One call's flow."""
    told: dict[str, Any] = {"timeout": 120.0, **terms}
    policy = retry.exact_attempts if told.get("has_requested_attempts") else retry.transient_errors
    return lifecycle.run_call(
        CallPolicy(lambda: policy(attempts), **told), to, partial(lifecycle.fetch_reply, REQUEST)
    )


def unavailable(retry_after: float | None = None) -> LLMError:
    """A failure that passes."""
    return ProviderUnavailableError("Service Unavailable", status=503, retry_after=retry_after)


def limited(retry_after: float | None = None) -> LLMError:
    """A limit that is used up."""
    return RateLimitError("Too many requests", status=429, retry_after=retry_after)


def assert_all_is_free(to: Account, used: int) -> None:
    """Nothing is reserved, in flight or holds a permit, and *used* requests are logged."""
    assert (used, 0, 0) == (
        len(to.window.times),
        len(to.window.pending),
        to.window.pending.in_flight_amount,
    )
    assert to.concurrency.free == to.concurrency._size


class ManyKeys(Account):
    """An account whose models have two keys each, of which one may be given up."""

    lost: frozenset[str] = frozenset()

    def scopes(self, model: str) -> tuple[str, ...]:
        return tuple(scope for scope in ("first", "second") if scope not in self.lost)

    def api_key_of(self, scope: str) -> str:
        return f"key of the {scope}"

    def is_usable(self, scope: str, now: float) -> bool:
        return scope not in self.lost


def many_keys(clock: Clock) -> ManyKeys:
    """An account of two keys, each of which lets one request through in a minute."""
    plain = account(clock)
    quota = Quota((), lambda: [SlidingWindow(1, 60.0)])
    return ManyKeys("groq", quota, clock, clock, plain.window, plain.concurrency)
