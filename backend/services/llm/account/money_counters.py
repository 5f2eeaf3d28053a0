"""Where the days' spending is counted, budget by budget: beside the ledger, if there is one."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..ledger.opening import Kind, place_of
from .daily_budget import DayCounter, MemoryDayCounter

if TYPE_CHECKING:
    from ..stores.sqlite_budgets import SqliteBudgets


class SqliteCounter:
    """The count of one budget in a database."""

    is_blocking = True

    def __init__(self, budgets: SqliteBudgets, name: str) -> None:
        self._budgets = budgets
        self._name = name

    def add(self, amount: int, now: float, *, day: str | None = None) -> int:
        """Add nano-dollars, as `BudgetFile.add` does, and return what the day has used."""
        return self._budgets.add(self._name, amount, now, day)


def counters_at(url: str) -> Callable[[str], DayCounter]:
    """Return what makes the counter of a budget's name, beside the ledger at *url*.

    Without a ledger, or with one in memory, each counter is this process's alone. Raises
    ConfigurationError for a URL of no known form.
    """
    try:
        return _counters(*(place_of(url) if url else ("memory", "")))
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"LLM_LEDGER_URL: {error}") from error


def _counters(kind: Kind, place: str) -> Callable[[str], DayCounter]:
    if kind == "redis":
        from ..stores.redis_budget import RedisBudget

        server = RedisBudget(place)
        return lambda name: server.with_prefix(f"llm-usd:{_hashed(name)}:")
    if kind == "sqlite":
        from ..stores.sqlite_budgets import SqliteBudgets

        budgets = SqliteBudgets(place)
        return lambda name: SqliteCounter(budgets, name)
    if kind == "json":
        from ..stores.budget import BudgetFile

        return lambda name: BudgetFile(f"{place}.{_hashed(name)}.budget")
    return lambda name: MemoryDayCounter()


def _hashed(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:16]
