"""Stores that keep answers, and the tokens that a day has used, between calls.

`open_store` turns a URL into a store of answers; `BudgetFile` and `RedisBudget` count one day's
tokens. They fail with `StoreError`; a store of `open_store` turns it into a miss.
"""

from .budget import BudgetFile, utc_day
from .fault_tolerant import FaultTolerantStore
from .opening import open_store
from .protocol import LONGEST_TTL, Store, StoreError
from .redis_budget import RedisBudget

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
