"""Meters count calls without events: they are told plain values at each beginning and end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

from ..errors import LLMError
from ..types import Attempt, Provider, Reply

Outcome: TypeAlias = Literal["answered", "cached", "failed", "cancelled"]


class CallMeter(ABC):
    """The `meter` of a hook, told of the beginning and the end of calls and of their attempts.

    Its hook leaves the events of the same moments out of its `heard_events`: they would be counted
    twice. Many threads call a meter at once. All functions but `catch_up` only note what they are
    told, and raise nothing; `catch_up` counts it later.
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
