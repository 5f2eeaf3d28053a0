"""What the provider has counted, and what the client tells of it, in one form."""

from __future__ import annotations

from sandbox import Sandbox
from services.llm_client import Attempt


def seen(sandbox: Sandbox) -> list[tuple[str | None, int | None, int, int]]:
    """What the provider has counted."""
    return [
        (one.model, one.status, one.input_tokens, one.output_tokens) for one in sandbox.exchanges
    ]


def told(attempts: tuple[Attempt, ...]) -> list[tuple[str | None, int | None, int, int]]:
    """The same, as the client tells it."""
    return [
        (one.model, one.status, one.usage.input_tokens, one.usage.output_tokens) for one in attempts
    ]
