"""What a line of a provider's batch has cost: half of what the same call costs by itself."""

from __future__ import annotations

from .. import models
from ..providers.batch_types import BatchLine
from ..types import Attempt, Reply, Usage
from .api import BatchApi

#: Of what a call costs; both providers give half off.
DISCOUNT = 0.5


def attempt_of(line: BatchLine, api: BatchApi) -> Attempt:
    """Return the attempt that a line tells of, with its usage and its cost in US dollars."""
    outcome = line.outcome
    reply = outcome if isinstance(outcome, Reply) else outcome.partial
    usage = Usage() if reply is None else reply.usage
    model = "" if reply is None else reply.model
    full = models.cost(model, api.billed(usage)) if usage.reported else None
    cost = None if full is None else full * DISCOUNT
    error, status = (None, 200) if isinstance(outcome, Reply) else (outcome.label, outcome.status)
    return Attempt(1, model, error=error, status=status, usage=usage, cost=cost)


def priced(line: BatchLine, api: BatchApi) -> BatchLine:
    """Return *line* with its attempt, and its cost, in what it holds."""
    attempt, outcome = attempt_of(line, api), line.outcome
    if isinstance(outcome, Reply):
        return BatchLine(line.id, outcome.replace(attempts=(attempt,), cost=attempt.cost))
    outcome.attempts = (attempt,)
    if outcome.partial is not None:
        outcome.partial = outcome.partial.replace(attempts=(attempt,), cost=attempt.cost)
    return line
