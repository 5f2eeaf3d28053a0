"""How much may be sent, and when: several limits reserved as one, booked in order, trued up."""

from .limits import NEVER, Limit, Unit
from .queue import Demand, Reservation
from .quota import Quota, Refusal
from .sliding_window import SlidingWindow
from .token_bucket import TokenBucketLimit

__all__ = [
    "NEVER",
    "Demand",
    "Limit",
    "Quota",
    "Refusal",
    "Reservation",
    "SlidingWindow",
    "TokenBucketLimit",
    "Unit",
]
