"""What days have spent of several budgets, in a table `llm_budgets` of an SQLite database."""

from __future__ import annotations

import os
import sqlite3

from .budget import utc_day
from .sqlite_database import SqliteDatabase

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS llm_budgets"
    " (name TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (name, day))",
)
_ADD = (
    "INSERT INTO llm_budgets (name, day, used) VALUES (?, ?, MAX(0, ?))"
    " ON CONFLICT (name, day) DO UPDATE SET used = MAX(0, used + ?)"
)
_USED = "SELECT used FROM llm_budgets WHERE name = ? AND day = ?"


class SqliteBudgets(SqliteDatabase):
    """Counts that the processes of a machine share, in a database of their own or beside others."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "llm_budgets", _SCHEMA, "budgets")

    def add(self, name: str, amount: int, now: float, day: str | None = None) -> int:
        """Add to a budget, as `BudgetFile.add` does, and return what its day has used."""
        today = utc_day(now)
        changed = amount if day in (None, today) else 0

        def write(database: sqlite3.Connection) -> int:
            with database:
                database.execute(_ADD, (name, today, changed, changed))
                return int(database.execute(_USED, (name, today)).fetchone()[0])

        return self._run(write)
