"""The accounts of this process: made from the knobs, and shared by clients of the same key."""

from __future__ import annotations

import time
import weakref
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..quota import Limit, Quota, SlidingWindow, TokenBucketLimit, Unit
from ..settings.knobs import Knobs
from ..types import Provider
from .account import Account
from .concurrency import ConcurrencyLimiter

if TYPE_CHECKING:
    from .cache import Cache

#: Shared accounts, by a hash of their credentials.
_accounts: dict[str, Account] = {}

_DAY = 86_400.0
#: The knobs of each model's own limits, with their windows in seconds and what they count.
_PER_MODEL: tuple[tuple[str, float, Unit], ...] = (
    ("REQUESTS_PER_DAY", _DAY, "requests"),
    ("TOKENS_PER_MINUTE", 60.0, "tokens"),
    ("TOKENS_PER_DAY", _DAY, "tokens"),
)
# A clock that never steps and yet reads as Unix time, as host tests expect of `_request_times`.
_EPOCH = time.time() - time.monotonic()


def steady_now() -> float:
    """Seconds of the clock that all quotas and deadlines go by."""
    return _EPOCH + time.monotonic()


def shared(account: Account, *identity: str) -> Account:
    """Return the account that clients of this *identity* share, which *account* may become.

    No client of it closes its cache, which others may be using: that is done as the process ends.
    """
    name = sha256(repr((account.provider, *identity)).encode()).hexdigest()
    ours = _accounts.setdefault(name, account)
    if ours is account and account.cache is not None:
        weakref.finalize(account, account.cache.store.close)
    return ours


def account_of(provider: Provider, knobs: Knobs, region: str | None) -> Account:
    """Return a new account with the limits that *knobs* set for *provider*."""

    def knob(name: str) -> Any:
        return getattr(knobs, f"{provider.upper()}_{name}")

    shared_window = SlidingWindow(knob("REQUESTS_PER_MINUTE"), 60.0)

    def per_scope() -> list[Limit]:
        return [
            TokenBucketLimit(amount, window, unit)
            for name, window, unit in _PER_MODEL
            if (amount := knob(name)) is not None
        ]

    return Account(
        provider,
        Quota((shared_window,), per_scope),
        steady_now,
        time.time,
        shared_window,
        ConcurrencyLimiter(knobs.LLM_MAX_CONCURRENCY),
        switch=knobs.LLM_RETIRED_MODELS == "switch",
        region=region,
    )


def open_cache(knobs: Knobs, provider: Provider, endpoint: str) -> Cache | None:
    """Return the cache of *endpoint*'s answers, or None where the knobs name no place for it.

    Raises ConfigurationError where there can be none.
    """
    url = knobs.LLM_CACHE_URL
    if not url:
        return None
    from ..stores import open_store  # most hosts keep nothing
    from .cache import Cache

    try:
        store = open_store(url, ttl=knobs.LLM_CACHE_TTL)
    except ValueError as error:
        raise ConfigurationError(f"LLM_CACHE_URL: {error}") from error
    base_url = endpoint.rstrip("/")
    return Cache(store, provider, base_url, knobs.LLM_CACHE_NAMESPACE, knobs.LLM_CACHE_TIMEOUT)
