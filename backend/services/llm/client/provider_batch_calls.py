"""The calls for a provider's own batches: the same prompts, answered in its time for less."""

from __future__ import annotations

from typing import Any

from ..batch.judging import BatchJudge
from ..batch.options import checked_prompts
from ..batch.provider_batch import ProviderBatch
from ..batch.submission import LEAST_HOURS, BatchDoor, Submission, checked_hours
from ..types import UNSET
from .batch_calls import PromptArguments
from .batch_signatures import AsyncPrompts, Prompts
from .configured import ConfiguredClient
from .requests import make_policy


class ProviderBatchCalls(ConfiguredClient):
    """Submits prompts to the provider's own batches, and finds these again."""

    def submit_batch(
        self, /, prompts: Prompts, *, hours: int = LEAST_HOURS, **arguments: Any
    ) -> ProviderBatch[Any]:
        """Submit *prompts* as a batch of the provider's, at half the price; keep its `id`.

        Prompts and *arguments* are those of `generate_batch` that say what is asked: `schema`,
        `system_prompt`, `temperature`, `model`, `max_tokens` and the provider's own options. It is
        answered within *hours*, 24 to 168, or expires. All prompts are written to disk before the
        first is submitted: one that cannot be sent is a `ConfigurationError`, and nothing is.
        """
        checked_prompts(prompts, is_async=False)
        return _submission(self, hours, **arguments).submit(prompts)

    async def asubmit_batch(
        self, /, prompts: AsyncPrompts, *, hours: int = LEAST_HOURS, **arguments: Any
    ) -> ProviderBatch[Any]:
        """Do as `submit_batch` does, without blocking the event loop while it waits."""
        checked_prompts(prompts, is_async=True)
        return await _submission(self, hours, **arguments).asubmit(prompts)

    def resume_batch(self, id: str, /, schema: Any = None) -> ProviderBatch[Any]:
        """Return the batch that was submitted as *id*; *schema* is that of its prompts, if any.

        Nothing is asked of the provider here. Raises `ConfigurationError` for what is no id.
        """
        return _door(self, schema).find(id)


def _door(client: ConfiguredClient, schema: Any) -> BatchDoor:
    is_stand_in = not client._transport.lender.is_real
    policy = make_policy(client, None)
    judge = BatchJudge(client._account, client._knobs, policy, schema, prompt_only=is_stand_in)
    return BatchDoor(client._transport.batch_api(client._knobs), client._transport, judge)


def _submission(
    client: ConfiguredClient,
    hours: int,
    *,
    schema: Any = None,
    system_prompt: str | None = None,
    temperature: float | None = UNSET,
    model: str | None = None,
    max_tokens: int | None = None,
    **options: Any,
) -> Submission:
    """Return how prompts are written and their answers read; raises `ConfigurationError`."""
    shared = PromptArguments(
        *(client, system_prompt, temperature, model, max_tokens),
        is_structured=schema is not None,
    )
    shared.request("-", options)  # an argument that is wrong for all is an error now
    return Submission(
        _door(client, schema),
        client._account,
        lambda prompt: shared.request(prompt, options)[0],
        checked_hours(hours),
    )
