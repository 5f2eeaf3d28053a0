"""What each model can do, is limited to and costs, and what replaced it."""

from .capabilities import (
    abilities,
    fit_to_model,
    lacking,
    modes_for,
    most_image_tokens,
    provider_of,
)
from .plans import DAY, MINUTE, Plan, plan_limits
from .prices import add_own_prices, cost, most_cost, parse_prices
from .successors import advice, is_alive, successor, successors

__all__ = [
    "DAY",
    "MINUTE",
    "Plan",
    "abilities",
    "add_own_prices",
    "advice",
    "cost",
    "fit_to_model",
    "is_alive",
    "lacking",
    "modes_for",
    "most_cost",
    "most_image_tokens",
    "parse_prices",
    "plan_limits",
    "provider_of",
    "successor",
    "successors",
]
