"""A report of what was used: the ledger's sums, grouped as its reader asks; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from ..errors import ConfigurationError
from ..frozen import dataclass
from ..redaction.printable import shown
from .usage import UsageEntry, UsageKey, UsageSums

#: What a report can be grouped by, beside `tag:NAME`.
GROUPS = ("day", "provider", "model", "tier")
#: The most days that one report is about.
MOST_DAYS = 4_000


@dataclass(frozen=True)
class UsageRow:
    """The sums of one group: `group` holds a text for each part of the report's `by`."""

    group: tuple[str, ...]
    sums: UsageSums


@dataclass(frozen=True)
class UsageReport:
    """Sums of the days from `first_day` to `last_day`, UTC dates, grouped `by`; with their total.

    `rows` are sorted by their groups.
    """

    by: tuple[str, ...]
    first_day: str
    last_day: str
    rows: tuple[UsageRow, ...]
    total: UsageSums


def checked_groups(by: str | Iterable[str]) -> tuple[str, ...]:
    """Return what to group by; *by* may be one text with commas. ConfigurationError for others."""
    if not isinstance(by, Iterable):
        raise ConfigurationError(f"by is {shown(by)}: give a text, or several")
    groups = tuple(each.strip() for each in by.split(",")) if isinstance(by, str) else tuple(by)
    for each in groups:
        if not _is_group(each):
            raise ConfigurationError(
                f"by is {shown(each)}: give any of {', '.join(GROUPS)}, or tag:NAME for a tag"
            )
    if not groups or len(set(groups)) < len(groups):
        raise ConfigurationError(f"by is {shown(by)}: name each group once, and one at least")
    return groups


def _is_group(name: object) -> bool:
    return isinstance(name, str) and (name in GROUPS or re.fullmatch(r"tag:.+", name) is not None)


def days_until(today: str, days: int) -> tuple[str, str]:
    """Return the first and the last of so many *days*, of which *today* is the last."""
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise ConfigurationError(
            f"days is {shown(days)}: give a whole number from 1 to {MOST_DAYS}"
        )
    return (date.fromisoformat(today) - timedelta(days=days - 1)).isoformat(), today


def days_between(first_day: str, last_day: str) -> list[str]:
    """Return each day from the first to the last."""
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def report(
    entries: Iterable[UsageEntry], by: Sequence[str], first_day: str, last_day: str
) -> UsageReport:
    """Group *entries* by *by*, as `checked_groups` returned it."""
    rows: dict[tuple[str, ...], UsageSums] = {}
    total = UsageSums()
    for entry in entries:
        group = tuple(_part(entry.key, each) for each in by)
        rows[group] = rows.get(group, UsageSums()) + entry.sums
        total += entry.sums
    grouped = tuple(UsageRow(group, rows[group]) for group in sorted(rows))
    return UsageReport(tuple(by), first_day, last_day, grouped, total)


def _part(key: UsageKey, group: str) -> str:
    """The text by which *key* belongs to a group; "" for a tag that it does not have."""
    if group.startswith("tag:"):
        return dict(key.tags).get(group[4:], "")
    return str(getattr(key, group))
