"""What a client submits to its provider's own batches, and finds again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..batch.answer_format import AnswerFormat
from ..batch.bookkeeping import BatchBookkeeper
from ..batch.reservations import BatchReservations
from ..batch.submission import BatchService, Submission, checked_hours
from ..types import UNSET
from .batch_arguments import PromptArguments
from .configured import ConfiguredClient
from .requests import make_policy


def batch_service(
    client: ConfiguredClient, schema: Any, tags: Mapping[str, str] | None = None
) -> BatchService:
    """Return what submits batches of this client's and finds them, for answers of *schema*.

    *tags* name the batch to hooks.
    """
    transport, is_stand_in = client._transport, not client._transport.lender.is_real
    policy = make_policy(client, None)
    form = AnswerFormat(client._account, client._knobs, policy, schema, prompt_only=is_stand_in)
    bookkeeper = BatchBookkeeper(client._account, client.hooks, client._shown_endpoint, tags)
    return BatchService(transport.batch_api(client._knobs), transport, form, bookkeeper)


def submission(
    client: ConfiguredClient,
    hours: int,
    *,
    schema: Any = None,
    system_prompt: str | None = None,
    temperature: float | None = UNSET,
    model: str | None = None,
    max_tokens: int | None = None,
    tags: Mapping[str, str] | None = None,
    **options: Any,
) -> Submission:
    """Return how prompts are written and their answers read; raises `ConfigurationError`."""
    shared = PromptArguments(
        *(client, system_prompt, temperature, model, max_tokens, tags),
        is_structured=schema is not None,
    )
    _, own_tags = shared.request("-", options)  # an argument that is wrong for all is an error now
    return Submission(
        batch_service(client, schema, own_tags),
        client._account,
        lambda prompt: shared.request(prompt, options),
        checked_hours(hours),
        BatchReservations(client._account),
    )
