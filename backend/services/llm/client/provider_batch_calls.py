"""The calls for a provider's own batches: the same prompts, answered in its time for less.

What submits a batch is imported with the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .configured import ConfiguredClient

if TYPE_CHECKING:
    from ..batch.provider_batch import ProviderBatch
    from .batch_signatures import AsyncPrompts, Prompts


class ProviderBatchCalls(ConfiguredClient):
    """Submits prompts to the provider's own batches, and finds these again."""

    def submit_batch(
        self, /, prompts: Prompts, *, hours: int = 24, **arguments: Any
    ) -> ProviderBatch[Any]:
        """Submit *prompts* as a batch of the provider's, at half the price; keep its `id`.

        Prompts and *arguments* are those of `generate_batch` that say what is asked: `schema`,
        `system_prompt`, `temperature`, `model`, `max_tokens`, `tags` and the provider's own
        options. It is answered within *hours*, 24 to 168, or expires. All prompts are written to
        disk, and the most that they can cost is reserved of the day's budgets, before the first is
        submitted: one that cannot be sent is a `ConfigurationError`, and nothing is.
        """
        from ..batch.options import checked_prompts
        from .submissions import submission

        checked_prompts(prompts, is_async=False)
        return submission(self, hours, **arguments).submit(prompts)

    async def asubmit_batch(
        self, /, prompts: AsyncPrompts, *, hours: int = 24, **arguments: Any
    ) -> ProviderBatch[Any]:
        """Do as `submit_batch` does, without blocking the event loop while it waits."""
        from ..batch.options import checked_prompts
        from .submissions import submission

        checked_prompts(prompts, is_async=True)
        return await submission(self, hours, **arguments).asubmit(prompts)

    def resume_batch(self, id: str, /, schema: Any = None) -> ProviderBatch[Any]:
        """Return the batch that was submitted as *id*; *schema* is that of its prompts, if any.

        Nothing is asked of the provider here. Raises `ConfigurationError` for what is no id.
        """
        from .submissions import batch_service

        return batch_service(self, schema).find(id)
