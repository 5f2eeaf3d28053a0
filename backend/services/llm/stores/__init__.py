"""Stores that keep answers, and the tokens that a day has used, between calls.

`open_store` turns a URL into a store of answers; `BudgetFile` and `RedisBudget` count one day's
tokens. They fail with `StoreError`; a store of `open_store` turns it into a miss. Each is imported
when it is first looked up: most hosts keep nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .protocol import LONGEST_TTL, Store, StoreError

if TYPE_CHECKING:
    from .budget import BudgetFile, utc_day
    from .fault_tolerant import FaultTolerantStore
    from .opening import open_store
    from .redis_budget import RedisBudget

_MODULES = {
    "BudgetFile": "budget",
    "FaultTolerantStore": "fault_tolerant",
    "RedisBudget": "redis_budget",
    "open_store": "opening",
    "utc_day": "budget",
}


def __getattr__(name: str) -> Any:
    """Import what is first looked up here."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    return globals().setdefault(name, found)


__all__ = [
    "LONGEST_TTL",
    "BudgetFile",
    "FaultTolerantStore",
    "RedisBudget",
    "Store",
    "StoreError",
    "open_store",
    "utc_day",
]
