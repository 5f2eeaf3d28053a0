"""How much may be sent, and when: several limits reserved as one, booked in order, trued up."""

from .account import Quota, Refusal
from .bucket import Bucket
from .lane import Demand, Ticket
from .limits import NEVER, Limit, Unit
from .sliding import SlidingWindow

__all__ = [
    "NEVER",
    "Bucket",
    "Demand",
    "Limit",
    "Quota",
    "Refusal",
    "SlidingWindow",
    "Ticket",
    "Unit",
]
