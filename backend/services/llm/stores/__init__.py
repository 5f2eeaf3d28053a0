"""Where answers, and the tokens spent on them, are kept between calls.

`open_store` turns a URL into a store of answers; `BudgetFile` and `RedisBudget` hold one day's
spending. What they fail with is `StoreError`, which `open_store`'s own stores have already turned
into a miss.
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
