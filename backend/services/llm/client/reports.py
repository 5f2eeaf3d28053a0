"""Reports of an account's ledger."""

from __future__ import annotations

from collections.abc import Iterable

from ..account.account import Account
from ..errors import ConfigurationError, LLMError
from ..ledger.usage_report import UsageReport, checked_groups, days_until, report
from ..stores import StoreError, utc_day


def usage_report(account: Account, days: int, by: str | Iterable[str]) -> UsageReport:
    """Return what the ledger of *account* has added up in so many *days*, grouped *by*."""
    groups, span = checked_groups(by), days_until(utc_day(account.wall()), days)
    if account.ledger is None:
        raise ConfigurationError(
            "LLM_LEDGER_URL is not set, so that no usage is kept: set it to sqlite:path, json:path,"
            " redis://host:port/db, or memory: for this process alone"
        )
    try:
        entries = account.ledger.read(*span)
    except StoreError as error:
        raise LLMError(f"The ledger cannot be read: {error}") from error
    return report(entries, groups, *span)
