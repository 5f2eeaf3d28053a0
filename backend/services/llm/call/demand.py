"""How much of each limit a request demands: the most it can before, and what it spent after."""

from __future__ import annotations

from .. import models
from ..account.token_estimate import input_estimate, text_estimate
from ..errors import LLMError
from ..quota import Demand
from ..types import Reply, Request, Usage
from .call import was_sent

_NO_TOKENS: Demand = {"tokens": 0.0, "input_tokens": 0.0, "output_tokens": 0.0}
_NOTHING: Demand = {"requests": 0.0, **_NO_TOKENS}

#: Tokens for the names and the punctuation around a prompt, of which a server may count some.
_BESIDE_THE_TEXT = 40

#: Seconds of processing from which on a provider's own measure is used. Less is not missed in a
#: window of a minute, and a stand-in for a provider often makes it up: then a request would be let
#: through too early.
_MIN_PROCESSING = 1.0


def max_demand(request: Request, input_tokens: int) -> Demand:
    """The most that *request* can spend, as both providers reserve it when they receive it.

    *input_tokens* are an estimate, to which a few are added that a provider may count beside the
    text. Where no longest answer is declared, Bedrock reserves the longest of the model.
    """
    input_tokens += _BESIDE_THE_TEXT
    output_tokens = request.max_tokens or 0
    if request.max_tokens is None and (able := models.abilities(request.model)).max_output:
        output_tokens = able.max_output if able.provider == "bedrock" else 0
    return {"requests": 1.0, **_tokens(input_tokens, output_tokens)}


def demand_spent(model: str, reply: Reply | None, error: LLMError | None) -> Demand:
    """What an attempt spent that ended in *reply*, in *error* or in both.

    An answer spends what the provider counted, a refusal no tokens; where neither is known, a unit
    is not named and stays as reserved.
    """
    if reply is not None:
        return _counted(model, reply.usage) if reply.usage.reported else {}
    if error is not None and not was_sent(error):
        return _NOTHING
    return _NO_TOKENS if error is not None and error.status is not None else {}


def partly_spent(request: Request, so_far: Reply, error: LLMError | None = None) -> Demand:
    """An estimate of what a stream has spent that ended early, after *so_far*; {} for no idea.

    A refusal in its first event spends no tokens.
    """
    if not (so_far.text or so_far.reasoning or so_far.tool_calls):
        return _NO_TOKENS if error is not None and error.status is not None else {}
    texts = (so_far.text, so_far.reasoning or "", *(call.arguments for call in so_far.tool_calls))
    usage = Usage(input_estimate(request), sum(map(text_estimate, texts)))
    return _counted(so_far.model, usage)


def budget_spent(reserved: int, reply: Reply | None, error: LLMError | None) -> int:
    """The tokens of a daily budget that an attempt spent which had *reserved* so many.

    What the provider counted; else none for a failure or no outcome, and all for an answer.
    """
    if reply is not None and reply.usage.reported:
        return reply.usage.total_tokens
    return reserved if reply is not None and error is None else 0


def latest_receipt(reply: Reply | None, sent_at: float, now: float) -> float:
    """The latest moment at which the provider can have received a request sent at *sent_at*.

    That is *now*, less the seconds that the provider says it took to process the request.
    """
    processing = reply.processing or 0.0 if reply is not None else 0.0
    # More than the whole attempt took cannot be true.
    return now - processing if _MIN_PROCESSING <= processing <= now - sent_at else now


def _counted(model: str, usage: Usage) -> Demand:
    """What the providers' quotas count: not what they cached, and output by the model's rate."""
    input_tokens = usage.input_tokens - usage.cached_input_tokens
    output_tokens = usage.output_tokens * models.abilities(model).burndown
    return _tokens(input_tokens, output_tokens)


def _tokens(input_tokens: float, output_tokens: float) -> Demand:
    total = input_tokens + output_tokens
    return {"tokens": total, "input_tokens": input_tokens, "output_tokens": output_tokens}
