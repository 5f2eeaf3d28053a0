"""What a request takes of each limit, and when: what it can at most, and what it did in the end."""

from __future__ import annotations

from .. import models
from ..account.token_estimate import input_estimate
from ..errors import LLMError
from ..quota import Demand
from ..types import Reply, Request, Usage
from .call import was_sent

_NO_TOKENS: Demand = {"tokens": 0.0, "input_tokens": 0.0, "output_tokens": 0.0}
_NOTHING: Demand = {"requests": 0.0, **_NO_TOKENS}

#: Seconds of work that are worth knowing of. Fewer are not missed in a window of a minute, and a
#: stand-in for a provider often makes them up, so that a request would be let through too early.
_WORTH = 1.0


def most(request: Request) -> Demand:
    """The most that the request can take, as both providers reserve it at its start."""
    asked, output = input_estimate(request), request.max_tokens or 0
    return {
        "requests": 1.0,
        "tokens": asked + output,
        "input_tokens": asked,
        "output_tokens": output,
    }


def taken(model: str, reply: Reply | None, error: LLMError | None) -> Demand:
    """What a request took that ended in *reply*, in *error* or in both; the rest as reserved.

    A refusal cost no tokens, an answer what it counted, silence everything.
    """
    if reply is not None:
        return _counted(model, reply.usage) if reply.usage.reported else {}
    if error is not None and not was_sent(error):
        return _NOTHING
    return _NO_TOKENS if error is not None and error.status is not None else {}


def owed(booked: int, reply: Reply | None, error: LLMError | None) -> int:
    """The tokens of a daily budget that a call cost which had *booked* so many.

    What the provider counted; else nothing for a failure, and all for an answer.
    """
    if reply is not None and reply.usage.reported:
        return reply.usage.total_tokens
    return booked if error is None else 0


def received_by(reply: Reply | None, sent: float, now: float) -> float:
    """The latest moment at which the provider can have seen a request that was *sent* and ended.

    That is now, less the seconds that it says it worked on the answer.
    """
    worked = reply.processing or 0.0 if reply is not None else 0.0
    # More than the whole call took is nobody's time of work.
    return now - worked if _WORTH <= worked <= now - sent else now


def _counted(model: str, usage: Usage) -> Demand:
    """What the providers' quotas count: their cache is free, output may burn more than itself."""
    fresh = usage.input_tokens - usage.cached_input_tokens
    burnt = usage.output_tokens * models.abilities(model).burndown
    return {"tokens": fresh + burnt, "input_tokens": fresh, "output_tokens": burnt}
