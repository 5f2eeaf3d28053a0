"""What each model can do, is limited to and costs, and what replaced it."""

from .capabilities import (
    abilities,
    advice,
    cost,
    fit_to_model,
    is_alive,
    successor,
    successors,
)

__all__ = [
    "abilities",
    "advice",
    "cost",
    "fit_to_model",
    "is_alive",
    "successor",
    "successors",
]
