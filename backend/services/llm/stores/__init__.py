"""Where answers, and the tokens spent on them, are kept between calls.

`open_store` turns a URL into a store of answers; `BudgetFile` holds one day's spending. What they
fail with is `StoreError`, which `open_store`'s own stores have already turned into a miss.
"""

from .budget import BudgetFile, utc_day
from .forgiving import Forgiving
from .opening import open_store
from .protocol import LONGEST_TTL, Store, StoreError

__all__ = [
    "LONGEST_TTL",
    "BudgetFile",
    "Forgiving",
    "Store",
    "StoreError",
    "open_store",
    "utc_day",
]
