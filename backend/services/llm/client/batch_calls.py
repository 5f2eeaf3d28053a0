"""The calls for many prompts; each prompt becomes a call of its own. `batch_signatures` has their
types, and what makes a batch is imported with the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .structured_calls import StructuredCalls
from .text_calls import TextCalls

if TYPE_CHECKING:
    from ..batch.asynchronous import AsyncBatch
    from ..batch.blocking import Batch
    from . import batch_signatures


class BatchCalls(TextCalls, StructuredCalls):
    """Asks for a reply to each of many prompts."""

    if TYPE_CHECKING:
        generate_batch: batch_signatures.GenerateBatch
        agenerate_batch: batch_signatures.AGenerateBatch
    else:

        def generate_batch(self, /, prompts: Any, **arguments: Any) -> Batch[Any]:
            """Return the results of *prompts*, an iterator: a reply or an error for each.

            A prompt is text, a chat list, or a dict of the arguments of `respond`, which replace
            those given here. With a *schema* each reply has a value that satisfies it. Results come
            in the order of the prompts, or with `ordered=False` as they are there. At most
            *concurrency* calls are made at once, by default `LLM_MAX_CONCURRENCY`. *progress* is
            True, or a function that is called with a `BatchProgress`. *timeout* is in seconds for
            each attempt; the waits for limits have no end. Raises `ConfigurationError` at once.
            """
            from ..batch.blocking import Batch
            from ..batch.options import checked_prompts
            from .batch_arguments import ask_and_options

            checked_prompts(prompts, is_async=False)
            return Batch(prompts, *ask_and_options(self, **arguments))

        def agenerate_batch(self, /, prompts: Any, **arguments: Any) -> AsyncBatch[Any]:
            """Return the results of *prompts*, an async iterator; as `generate_batch` does.

            *prompts* may also be an async iterable. One that is not is read in the event loop.
            """
            from ..batch.asynchronous import AsyncBatch
            from ..batch.options import checked_prompts
            from .batch_arguments import ask_and_options

            checked_prompts(prompts, is_async=True)
            return AsyncBatch(prompts, *ask_and_options(self, **arguments))
