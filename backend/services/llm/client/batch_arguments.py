"""What the prompts of a batch share: their arguments, and how long their calls may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from ..batch.options import BatchOptions, cache_timeout_of, checked_progress
from ..batch.prompts import arguments_of
from ..batch.runner import Ask
from ..call.call_policy import CallPolicy
from ..call.drivers import arun
from ..effects import Effects
from ..frozen import FrozenDict, dataclass
from ..types import UNSET, Reply, Request
from .arguments import count, flag, tags_of
from .configured import ConfiguredClient
from .requests import make_policy, make_request
from .structured_calls import STRUCTURED_TEMPERATURE

if TYPE_CHECKING:
    from .batch_calls import BatchCalls

Arguments: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class PromptArguments:
    """The arguments of `respond` that all prompts of a batch share, but for their own."""

    client: ConfiguredClient
    system_prompt: str | None = None
    temperature: float | None = UNSET
    model: str | None = None
    max_tokens: int | None = None
    tags: Mapping[str, str] | None = None
    is_structured: bool = False

    def request(self, prompt: Any, options: Arguments) -> tuple[Request, FrozenDict[str, str]]:
        """Return the request for one *prompt*, and its tags; its own arguments come first.

        Raises `ConfigurationError` for what is no prompt.
        """
        shared = {
            "system_prompt": self.system_prompt,
            "temperature": self.temperature,
            "model": self.model,
            "max_tokens": self.max_tokens,
            "messages": None,
        }
        own = {**options, **arguments_of(prompt)}
        tags = tags_of(own.pop("tags", self.tags))
        named = {name: own.pop(name, value) for name, value in shared.items()}
        own.setdefault("priority", "batch")
        request = make_request(self.client, own.pop("prompt", None), **named, options=own)
        if self.is_structured and named["temperature"] is UNSET and request.temperature is not None:
            request = replace(request, temperature=STRUCTURED_TEMPERATURE)
        return request, tags


def batch_policy(
    client: ConfiguredClient, timeout: float | None, max_retries: int | None
) -> CallPolicy:
    """Return the policy of a batch's calls: *timeout* holds for each attempt, and waits are free.

    A batch goes as fast as its limits let it, however long its calls wait for their turn.
    """
    policy = make_policy(client, timeout, max_retries)
    return replace(
        policy,
        timeout=inf,
        attempt_timeout=policy.timeout,
        max_quota_wait=inf,
        cache_timeout=cache_timeout_of(client._knobs),
    )


def ask_and_options(
    client: BatchCalls,
    *,
    schema: Any = None,
    system_prompt: str | None = None,
    temperature: float | None = UNSET,
    model: str | None = None,
    max_tokens: int | None = None,
    ordered: bool = True,
    concurrency: int | None = None,
    progress: Any = None,
    tags: Mapping[str, str] | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> tuple[Ask, BatchOptions]:
    """Return how each prompt is asked, and how the batch is run; raises `ConfigurationError`."""
    structured = schema is not None
    shared = PromptArguments(
        client, system_prompt, temperature, model, max_tokens, tags, structured
    )
    shared.request("-", options)  # an argument that is wrong for all is an error now
    policy = batch_policy(client, timeout, max_retries)
    flow_of = _flow_of(client, schema)

    async def ask(prompt: Any) -> Reply:
        request, own_tags = shared.request(prompt, options)
        own_policy = replace(policy, tags=own_tags) if own_tags else policy
        return await arun(flow_of(request, own_policy), client._transport)

    at_once = client._knobs.LLM_MAX_CONCURRENCY if concurrency is None else concurrency
    return ask, BatchOptions(
        count("concurrency", at_once, least=1),
        flag("ordered", ordered),
        checked_progress(progress),
    )


def _flow_of(client: BatchCalls, schema: Any) -> Callable[[Request, CallPolicy], Effects[Reply]]:
    if schema is None:
        return client._run

    from ..call.output_forms import StructuredSpec  # pays for schemas only where there is one

    StructuredSpec.of(schema, client._knobs)  # raises where it is none
    return lambda request, policy: client._structured(request, schema, policy)
