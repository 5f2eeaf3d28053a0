"""What counts calls without events: it is told in plain values of what comes with every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

from ..errors import LLMError
from ..types import Attempt, Provider, Reply

Outcome: TypeAlias = Literal["answered", "cached", "failed", "cancelled"]


class CallMeter(ABC):
    """The `meter` of a hook, told of the beginning and the end of calls and of their attempts.

    Its hook hears the other events alone. These four functions note what they are told and raise
    nothing; they are called by many threads at once, and what they note is counted later.
    """

    @abstractmethod
    def call_started(self, provider: Provider) -> None:
        """A call begins."""

    @abstractmethod
    def attempt_started(self, provider: Provider) -> None:
        """A request is sent."""

    @abstractmethod
    def attempt_ended(self, provider: Provider, attempt: Attempt, is_sent: bool) -> None:
        """The attempt is over; the provider cannot have seen it where *is_sent* is false."""

    @abstractmethod
    def call_ended(
        self,
        provider: Provider,
        operation: str,
        model: str,
        outcome: Outcome,
        error_type: str | None,
        seconds: float,
    ) -> bool:
        """The call has ended; return whether `catch_up` is to be called."""

    @abstractmethod
    def catch_up(self) -> None:
        """Count what was noted."""


def call_outcome(
    reply: Reply | None, error: LLMError | None, attempts: tuple[Attempt, ...]
) -> Outcome:
    """Return how a call has ended; a kept reply that attempts were made for is an answer."""
    if reply is not None:
        return "cached" if reply.cached and not attempts else "answered"
    return "failed" if error is not None else "cancelled"
