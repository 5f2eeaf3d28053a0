"""How much may be sent, and when: one reservation takes room in several limits at once."""

from .headroom import too_large_message
from .learned_limit import LearnedLimit
from .limits import NEVER, Limit, NoCapacity, Unit
from .queue import Demand, Reservation, ReservationHolder
from .quota import Quota
from .sliding_window import SlidingWindow
from .token_bucket import TokenBucketLimit

__all__ = [
    "NEVER",
    "Demand",
    "LearnedLimit",
    "Limit",
    "NoCapacity",
    "Quota",
    "Reservation",
    "ReservationHolder",
    "SlidingWindow",
    "TokenBucketLimit",
    "Unit",
    "too_large_message",
]
