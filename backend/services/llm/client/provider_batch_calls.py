"""The calls for a provider's own batches: the same prompts, answered in its time for less."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from ..batch.input_files import InputFiles
from ..batch.options import checked_prompts
from ..batch.provider_batch import ProviderBatch, check, submit_files
from ..call.call import Call
from ..call.drivers import arun, run
from ..errors import ConfigurationError, LLMError
from ..providers.batch_types import BatchLine
from ..redaction.printable import shown
from ..types import UNSET, Mode, Reply, Request, StructuredReply
from .arguments import count
from .batch_calls import PromptArguments
from .batch_signatures import AsyncPrompts, Prompts
from .configured import ConfiguredClient
from .requests import make_policy

if TYPE_CHECKING:
    from ..call.output_forms import StructuredSpec

#: Hours within which a provider is to have answered: the least and the most of both.
_LEAST, _MOST = 24, 168
#: So many prompts are written before other tasks of the event loop have their turn.
_PAUSE = 100


class ProviderBatchCalls(ConfiguredClient):
    """Submits prompts to the provider's own batches, and finds these again."""

    def submit_batch(
        self, /, prompts: Prompts, *, hours: int = _LEAST, **arguments: Any
    ) -> ProviderBatch[Any]:
        """Submit *prompts* as a batch of the provider's, at half the price; keep its `id`.

        Prompts and *arguments* are those of `generate_batch` that say what is asked: `schema`,
        `system_prompt`, `temperature`, `model`, `max_tokens` and the provider's own options. It is
        answered within *hours*, 24 to 168, or expires. All prompts are written to disk before the
        first is submitted: one that cannot be sent is a `ConfigurationError`, and nothing is.
        """
        checked_prompts(prompts, is_async=False)
        plan = _Plan(self, hours, **arguments)
        run(check(plan.api), self._transport)
        with InputFiles(plan.api) as files:
            for prompt in prompts:
                plan.write(prompt, files)
            plan.check_written(files)
            parts = run(submit_files(plan.api, files.files, plan.hours), self._transport)
        return plan.batch(parts, prompts)

    async def asubmit_batch(
        self, /, prompts: AsyncPrompts, *, hours: int = _LEAST, **arguments: Any
    ) -> ProviderBatch[Any]:
        """Do as `submit_batch` does, without blocking the event loop while it waits."""
        checked_prompts(prompts, is_async=True)
        plan = _Plan(self, hours, **arguments)
        await arun(check(plan.api), self._transport)
        with InputFiles(plan.api) as files:
            async for prompt in _each(prompts):
                plan.write(prompt, files)
            plan.check_written(files)
            parts = await arun(submit_files(plan.api, files.files, plan.hours), self._transport)
        return plan.batch(parts, prompts)

    def resume_batch(self, id: str, /, schema: Any = None) -> ProviderBatch[Any]:
        """Return the batch that was submitted as *id*; *schema* is that of its prompts, if any.

        Nothing is asked of the provider here. Raises `ConfigurationError` for what is no id.
        """
        parts = [part.strip() for part in str(id).split(",")]
        if not all(parts):
            raise ConfigurationError(f"id is {shown(id)}: give the id of a batch")
        api = self._transport.batch_api(self._knobs)
        return ProviderBatch(api, self._transport, parts, _Judge(self, schema))


class _Judge:
    """Makes a reply of what a line of a batch's results holds."""

    def __init__(self, client: ConfiguredClient, schema: Any) -> None:
        # Offline nothing has a deadline.
        policy = replace(make_policy(client, None), timeout=inf)
        self.call = Call(policy, client._account, client._account.now())
        self.spec: StructuredSpec | None = None
        if schema is not None:
            from ..call.output_forms import (
                StructuredSpec,  # pays for schemas only where there is one
            )

            is_stand_in = not client._transport.lender.is_real
            self.spec = StructuredSpec.of(schema, client._knobs, plain=is_stand_in)

    def __call__(self, line: BatchLine) -> Reply:
        """Return the reply, with its value where there is a schema; raises LLMError."""
        if self.spec is None:
            if isinstance(line.outcome, LLMError):
                raise line.outcome
            return line.outcome
        if line.id.mode is None:
            raise ConfigurationError("the batch was submitted without a schema: give none")

        from ..call.offline import value_of

        return StructuredReply.of(*value_of(line.outcome, line.id.mode, self.spec, self.call))


class _Plan:
    """How prompts are written and their answers read, checked at the door."""

    def __init__(
        self,
        client: ConfiguredClient,
        hours: int,
        *,
        schema: Any = None,
        system_prompt: str | None = None,
        temperature: float | None = UNSET,
        model: str | None = None,
        max_tokens: int | None = None,
        **options: Any,
    ) -> None:
        if count("hours", hours, least=_LEAST) > _MOST:
            raise ConfigurationError(f"hours is {hours}: give {_LEAST} to {_MOST}")
        self.hours = hours
        self._client = client
        self._options = options
        self._shared = PromptArguments(
            *(client, system_prompt, temperature, model, max_tokens),
            is_structured=schema is not None,
        )
        self._shared.request("-", options)  # an argument that is wrong for all is an error now
        self._judge = _Judge(client, schema)
        self.api = client._transport.batch_api(client._knobs)

    def write(self, prompt: Any, files: InputFiles) -> None:
        """Write the line of *prompt*; raises LLMError that says which one cannot be sent."""
        try:
            request, _ = self._shared.request(prompt, self._options)
            mode, formed = self._formed(request)
            files.add(self._client._account.fit_request(formed), mode)
        except LLMError as error:
            error.args = (f"prompts[{files.lines}]: {error}",)
            raise

    def _formed(self, request: Request) -> tuple[Mode | None, Request]:
        if self._judge.spec is None:
            return None, request

        from ..call.offline import first_form

        return first_form(request, self._judge.spec, self._judge.call)

    def check_written(self, files: InputFiles) -> None:
        """Raise `ConfigurationError` where there was no prompt."""
        if not files.lines:
            raise ConfigurationError("prompts is empty: there is nothing to submit")

    def batch(self, parts: Sequence[str], prompts: object) -> ProviderBatch[Any]:
        """Return the batch that was submitted as *parts*."""
        kept = prompts if isinstance(prompts, Sequence) else None
        return ProviderBatch(self.api, self._client._transport, parts, self._judge, kept)


async def _each(prompts: AsyncPrompts) -> AsyncIterator[Any]:
    if isinstance(prompts, AsyncIterable):
        async for prompt in prompts:
            yield prompt
        return
    for number, prompt in enumerate(prompts, 1):
        yield prompt
        if number % _PAUSE == 0:
            await asyncio.sleep(0)
