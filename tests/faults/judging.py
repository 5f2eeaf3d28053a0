"""What of the end of a call is not as promised."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox import Exchange
from services.llm.errors import LLMError
from services.llm.types import Attempt
from tests.faults.catalogue import SHORT_TIMEOUT, TEXT, TIMEOUT, Outcome

#: What is expected is the deadline itself; a hang ends here, in seconds.
_HANG = 30.0


@dataclass
class Ended:
    """How a call has ended, and what was seen of it."""

    text: str = ""
    error: LLMError | None = None
    attempts: tuple[Attempt, ...] = ()
    naps: list[float] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def arrivals(self) -> list[float]:
        """When the sandbox had each request."""
        return [each.arrived_at for each in self.exchanges]


def judge(outcome: Outcome, ended: Ended, *, is_once: bool) -> list[str]:
    """Say what of *ended* is not as promised."""
    survives = outcome.error is None or (outcome.most > 1 and is_once)
    return [
        *_wrong_end(outcome, ended, survives),
        *_wrong_attempts(outcome, ended, survives),
        *_wrong_waits(outcome, ended),
    ]


def _wrong_end(outcome: Outcome, ended: Ended, survives: bool) -> Iterator[str]:
    if survives:
        if ended.error is not None:
            yield f"raised {ended.error!r} instead of an answer"
        elif ended.text != TEXT:
            yield f"answered {ended.text!r}"
        return
    if ended.error is None:
        yield f"answered {ended.text!r} instead of {outcome.error}"
        return
    if type(ended.error) is not outcome.error:
        yield f"raised {ended.error!r} instead of {outcome.error}"
    if ended.error.retry_after != outcome.retry_after and not outcome.late:
        yield f"says retry_after={ended.error.retry_after} instead of {outcome.retry_after}"
    partial = ended.error.partial
    if outcome.partial and (partial is None or not partial.text or not _begins(partial.text)):
        yield f"has the partial reply {partial}"
    if ended.text and (partial is None or partial.text != ended.text):
        yield f"has shown {ended.text!r}, but its error carries {partial}"


def _begins(text: str) -> bool:
    return TEXT.startswith(text)


def _wrong_attempts(outcome: Outcome, ended: Ended, survives: bool) -> Iterator[str]:
    wanted = min(2, outcome.most) if survives else outcome.most
    # A slow machine may not have sent it by the deadline.
    allowed = {0, wanted} if outcome.late else {wanted}
    if len(ended.attempts) not in allowed:
        yield f"made {len(ended.attempts)} attempts instead of {wanted}"
    if len(ended.arrivals) > wanted:
        yield f"sent {len(ended.arrivals)} requests instead of {wanted}"


def _wrong_waits(outcome: Outcome, ended: Ended) -> Iterator[str]:
    waits = [0.0] * (len(ended.attempts) - 1) if outcome.at_once else ended.naps
    if not outcome.late and len(waits) != len(ended.attempts) - 1:
        yield f"waited {waits} for {len(ended.attempts)} attempts"
    for number, wait in enumerate(waits):
        backoff = min(8.0, 0.5 * 2**number)
        least = max(0.75 * backoff, outcome.retry_after or 0.0)
        if not outcome.at_once and not least <= wait <= max(backoff, least):
            yield f"waited {wait} s before attempt {number + 2}"
    gaps = [later - one for one, later in itertools.pairwise(ended.arrivals)]
    if any(gap < wait - 1e-6 for gap, wait in zip(gaps, waits, strict=False)):
        yield f"sent requests after {gaps} s instead of {waits}"
    least, most = (SHORT_TIMEOUT, _HANG) if outcome.late else (0.0, TIMEOUT)
    if not least <= ended.seconds <= most:
        yield f"took {ended.seconds} s"
