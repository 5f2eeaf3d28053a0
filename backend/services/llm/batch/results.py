"""What a batch gives back: a result for each prompt, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Generic, TypeVar

from ..errors import LLMError, ModelNotFoundError
from ..frozen import dataclass
from ..providers.completeness import text_of
from ..types import Reply, StructuredReply, Usage

T = TypeVar("T")


@dataclass(frozen=True)
class BatchResult(Generic[T]):
    """What became of one prompt: either `reply` or `error` is there, and the other is None.

    `index` counts the prompts from 0 in the order in which they were read; `prompt` is the prompt
    as it was given, or None where a provider's batch was resumed by its id.
    """

    index: int
    prompt: Any
    reply: Reply | None = None
    error: Exception | None = None

    @property
    def value(self) -> T:
        """The text, or the object where a schema was given; raises `error` where there is none."""
        if self.error is not None:
            raise self.error
        value: Any
        if isinstance(self.reply, StructuredReply):
            value = self.reply.value
        else:
            assert self.reply is not None, "a result has a reply or an error"
            value = text_of(self.reply)
        return value  # type: ignore[no-any-return] # T is the type of the schema

    @property
    def stops_batch(self) -> bool:
        """Whether the same error would meet every further prompt: a key, a budget, the model."""
        if isinstance(self.error, ModelNotFoundError):
            return not (isinstance(self.prompt, Mapping) and "model" in self.prompt)
        return isinstance(self.error, LLMError) and self.error.concerns_all_calls


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch has come: prompts whose results were given, and what they took.

    `total` is the number of prompts where it is known, `elapsed` is in seconds. `cost` is in US
    dollars; what `unpriced` replies have cost is not known, and not in it. `usage` and `cost` are
    those of the replies: what failed attempts used stands in each result.
    """

    done: int = 0
    failed: int = 0
    cached: int = 0
    total: int | None = None
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    unpriced: int = 0
    elapsed: float = 0.0

    def after(self, result: BatchResult[Any], elapsed: float) -> BatchProgress:
        """Return the progress once *result* is given too, *elapsed* seconds after the beginning."""
        reply = result.reply
        return BatchProgress(
            done=self.done + 1,
            failed=self.failed + (result.error is not None),
            cached=self.cached + (reply is not None and reply.cached),
            total=self.total,
            usage=self.usage + reply.usage if reply is not None else self.usage,
            cost=self.cost + ((reply.cost or 0.0) if reply is not None else 0.0),
            unpriced=self.unpriced + (reply is not None and reply.cost is None),
            elapsed=elapsed,
        )


#: Called with the progress after each result.
OnProgress = Callable[[BatchProgress], object]
