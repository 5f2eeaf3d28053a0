"""Stores that keep answers, and the tokens that a day has used, between calls.

`open_store` turns a URL into a store of answers; `BudgetFile` and `RedisBudget` count one day's
tokens. They fail with `StoreError`; a store of `open_store` turns it into a miss. Each is imported
when it is first looked up: most hosts keep nothing.
"""

from typing import TYPE_CHECKING

from ..runtime.lazy_names import lazy_names
from .protocol import LONGEST_TTL, Store, StoreError

if TYPE_CHECKING:
    from .budget import BudgetFile, utc_day
    from .fault_tolerant import FaultTolerantStore
    from .opening import open_store
    from .redis_budget import RedisBudget

__getattr__ = lazy_names(
    __name__,
    {
        "BudgetFile": "budget",
        "FaultTolerantStore": "fault_tolerant",
        "RedisBudget": "redis_budget",
        "open_store": "opening",
        "utc_day": "budget",
    },
)

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
