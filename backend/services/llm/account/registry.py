"""The accounts of this process: made from the knobs, and shared by clients of the same key."""

from __future__ import annotations

import math
import time
import weakref
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from .. import models
from ..errors import ConfigurationError
from ..quota import LearnedLimit, Limit, Quota, SlidingWindow, Unit
from ..settings.knobs import Knobs
from ..types import Provider
from .account import Account
from .concurrency import ConcurrencyLimiter
from .shared_settings import warn_of_differences, warn_of_prices
from .transit_time import ASSUME_RECEIVED_AFTER, MAX_FIRST_ANSWER_WAIT, TransitTime

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from ..stores import Store
    from .cache import Cache
    from .money_budgets import MoneyBudgets

#: Shared accounts, by a hash of their credentials, and the settings that they were made with.
_accounts: dict[str, tuple[Account, Knobs]] = {}

#: The knobs of each model's own limits, with what they count and their windows in seconds.
_PER_MODEL: tuple[tuple[str, Unit, float], ...] = (
    ("REQUESTS_PER_DAY", "requests", models.DAY),
    ("TOKENS_PER_MINUTE", "tokens", models.MINUTE),
    ("TOKENS_PER_DAY", "tokens", models.DAY),
    ("INPUT_TOKENS_PER_MINUTE", "input_tokens", models.MINUTE),
    ("OUTPUT_TOKENS_PER_MINUTE", "output_tokens", models.MINUTE),
)
# A clock that never steps and yet reads as Unix time, as host tests expect of `_request_times`.
_EPOCH = time.time() - time.monotonic()


def steady_now() -> float:
    """Seconds of the clock that all quotas and deadlines go by."""
    return _EPOCH + time.monotonic()


def shared_account(account: Account, knobs: Knobs, *identity: str) -> Account:
    """Return the account that clients of this *identity* share: *account*, if it is the first.

    A warning names what *knobs* say of it other than the first client's did.
    No client of it closes its cache, which others may be using: that is done as the process ends.
    """
    name = sha256(repr((account.provider, *identity)).encode()).hexdigest()
    ours, first = _accounts.setdefault(name, (account, knobs))
    if ours is not account:
        warn_of_differences(account.provider, first, knobs)
    elif account.cache is not None:
        weakref.finalize(account, account.cache.store.close)
    return ours


def new_account(provider: Provider, knobs: Knobs, region: str | None) -> Account:
    """Return a new account with the limits that *knobs* set for *provider*."""
    window = SlidingWindow(_requests_per_minute(provider, knobs), models.MINUTE)
    transit_time = TransitTime()
    quota = Quota((window,), make_limits_for=partial(limits_of_model, provider, knobs))
    quota.assume_received_after, quota.max_transit = ASSUME_RECEIVED_AFTER, transit_time.seconds
    quota.max_first_answer_wait = MAX_FIRST_ANSWER_WAIT
    return Account(
        provider,
        quota,
        steady_now,
        time.time,
        window,
        ConcurrencyLimiter(knobs.LLM_MAX_CONCURRENCY),
        switch=knobs.LLM_RETIRED_MODELS == "switch",
        region=region,
        transit_time=transit_time,
    )


def limits_of_model(provider: Provider, knobs: Knobs, model: str) -> list[Limit]:
    """Return the limits that *model* has for itself: the plan's, and in their place the knobs'."""
    planned = dict(models.plan_limits(knobs.GROQ_PLAN, model) if provider == "groq" else {})
    if math.isfinite(_requests_per_minute(provider, knobs)):
        planned.pop(("requests", models.MINUTE), None)
    set_by_host: dict[tuple[Unit, float], float] = {
        (unit, window): amount
        for name, unit, window in _PER_MODEL
        if (amount := getattr(knobs, f"{provider.upper()}_{name}", None)) is not None
    }
    for each in set_by_host:
        planned.pop(each, None)
    return [
        LearnedLimit(
            amount, window, unit, configured=amount, is_ceiling=(unit, window) in set_by_host
        )
        for (unit, window), amount in (planned | set_by_host).items()
    ]


def _requests_per_minute(provider: Provider, knobs: Knobs) -> float:
    """Return the limit over all models: infinite where a plan limits each of them instead."""
    name = f"{provider.upper()}_REQUESTS_PER_MINUTE"
    is_planned = provider == "groq" and knobs.GROQ_PLAN != "custom"
    if is_planned and name not in knobs.model_fields_set:
        return math.inf
    amount: float = getattr(knobs, name)
    return amount


def open_cache(knobs: Knobs, provider: Provider, endpoint: str) -> Cache | None:
    """Return the cache of *endpoint*'s answers, or None where the knobs name no place for it.

    Raises ConfigurationError where there can be none.
    """
    url = knobs.LLM_CACHE_URL
    if not url:
        return None
    from ..stores import open_store  # most hosts keep nothing

    try:
        store = open_store(url, ttl=knobs.LLM_CACHE_TTL)
    except ValueError as error:
        raise ConfigurationError(f"LLM_CACHE_URL: {error}") from error
    return cache_on(store, provider, endpoint, knobs)


def cache_on(store: Store, provider: Provider, endpoint: str, knobs: Knobs) -> Cache:
    """Return the cache that keeps the answers of *endpoint* on *store*, as *knobs* say."""
    from .cache import Cache

    namespace, timeout = knobs.LLM_CACHE_NAMESPACE, knobs.LLM_CACHE_TIMEOUT
    return Cache(store, provider, endpoint.rstrip("/"), namespace, timeout)


def open_ledger(url: str) -> Ledger | None:
    """Return the ledger at *url*, which all clients of the process share; None for an empty one.

    Raises ConfigurationError where there can be none.
    """
    if not url:
        return None
    from ..ledger.opening import ledger_at  # most hosts have none

    return ledger_at(url)


def join_fleet(account: Account, knobs: Knobs, *identity: str) -> None:
    """Let *account* share its limits with all who have the same *identity*, where a knob asks it.

    Raises ConfigurationError where that cannot be.
    """
    if not knobs.LLM_QUOTA_URL:
        return
    from .fleet_membership import join_fleet_at  # most hosts have one worker

    join_fleet_at(account, knobs.LLM_QUOTA_URL, knobs.LLM_QUOTA_FALLBACK_SHARE, *identity)


def money_budgets(knobs: Knobs) -> MoneyBudgets | None:
    """Return the budgets in money that *knobs* set, or None; take the host's own prices.

    They are counted where the ledger is, for all who share it; without one, in this process.
    Raises ConfigurationError that names the knob.
    """
    if knobs.LLM_PRICES:
        try:
            warn_of_prices(models.add_own_prices(models.parse_prices(knobs.LLM_PRICES)))
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"LLM_PRICES: {error}") from error
    if knobs.LLM_DAILY_BUDGET_USD is None and not knobs.LLM_TAG_BUDGETS_USD:
        return None
    from .money_budgets import MoneyBudgets, nano_dollars, parse_tag_budgets
    from .money_counters import counters_at  # most hosts have no budget

    dollars = knobs.LLM_DAILY_BUDGET_USD
    amount = None if dollars is None else nano_dollars("LLM_DAILY_BUDGET_USD", dollars)
    by_tag = parse_tag_budgets(knobs.LLM_TAG_BUDGETS_USD)
    return MoneyBudgets(amount, by_tag, counters_at(knobs.LLM_LEDGER_URL))
