"""What each model can do, is limited to and costs, and what replaced it."""

from .capabilities import (
    abilities,
    cost,
    fit_to_model,
    lacking,
    modes_for,
    most_image_tokens,
    provider_of,
)
from .successors import advice, is_alive, successor, successors

__all__ = [
    "abilities",
    "advice",
    "cost",
    "fit_to_model",
    "is_alive",
    "lacking",
    "modes_for",
    "most_image_tokens",
    "provider_of",
    "successor",
    "successors",
]
