"""How an account joins a fleet, and learns what the other workers have met."""

from __future__ import annotations

from functools import partial
from weakref import ref

from ..errors import ConfigurationError
from ..limit_types import LimitReport
from ..quota.shared import Outcome
from .account import A_DAY, Account
from .fleet import Fleet
from .redis_shared_quota import RedisSharedQuota


def join_fleet_at(account: Account, url: str, share: float, *identity: str) -> None:
    """Let *account* share its limits through the quota at *url*; ConfigurationError for no URL.

    While that is away, it uses so large a *share* of each.
    """
    try:
        shared_quota = RedisSharedQuota(url, *identity)
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"LLM_QUOTA_URL: {error}") from error
    # The thread that asks must not keep an account alive that nobody uses any more.
    account.fleet = Fleet(shared_quota, share, account.now, partial(_learn_if_alive, ref(account)))
    account.quota.fleet_used = account.fleet.used


def learn_from_fleet(account: Account, outcome: Outcome) -> None:
    """Learn from what the shared quota tells of other workers: models that are gone, limits."""
    now = account.now()
    for model, seconds in outcome.retired if account.switch else ():
        account.ended.put(model, True, now, min(seconds, A_DAY))
    for limit in outcome.limits:
        report = LimitReport(limit.unit, limit.window, limit.amount)
        if account.quota.adopt(limit.scope, report, now) and account.fleet is not None:
            account.fleet.note_from_shared_quota(limit)
    if account.fleet is not None:
        account.fleet.what_counts.learn(outcome.counting)


def _learn_if_alive(account: ref[Account], outcome: Outcome) -> None:
    here = account()
    if here is not None:
        learn_from_fleet(here, outcome)
