"""Groq: its chat completions, as requests, answers and errors."""

from .answer import from_chat_completion
from .errors import classify
from .limit_messages import amount_of, limit_of, organization_of
from .request import BASE_URL, to_chat_completion

__all__ = [
    "BASE_URL",
    "amount_of",
    "classify",
    "from_chat_completion",
    "limit_of",
    "organization_of",
    "to_chat_completion",
]
