"""What a conversation says of tools: which were called, and which results are back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """One message: the (id, name) of its tool calls, the (id, text) of its tool results."""

    role: str
    asks: bool = False  # whether it holds a question of the user's, rather than results alone
    calls: tuple[tuple[str, str], ...] = ()
    results: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ToolState:
    """Since the last question: the tools that were answered, the results that just came back."""

    answered: frozenset[str] = frozenset()
    results: tuple[str, ...] = ()


def tool_state(turns: Sequence[Turn]) -> ToolState:
    """The state of a conversation after its last turn."""
    questions = [place for place, turn in enumerate(turns) if turn.asks]
    since = turns[questions[-1] :] if questions else turns
    returned = {identity for turn in since for identity, _ in turn.results}
    answered = {name for turn in since for identity, name in turn.calls if identity in returned}
    newest: list[str] = []
    # Groq has a message for each result, Bedrock one for all.
    for turn in reversed(since):
        if not turn.results:
            break
        newest = [*(text for _, text in turn.results), *newest]
    return ToolState(frozenset(answered), tuple(newest))
