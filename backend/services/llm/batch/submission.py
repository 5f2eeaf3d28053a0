"""Submits prompts as a provider's batch: all are written to disk before the first file is sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any

from ..account.account import Account
from ..call.drivers import Transport, arun, run
from ..effects import Effects
from ..errors import ConfigurationError, LLMError
from ..frozen import dataclass
from ..redaction.printable import shown
from ..runtime.coroutines import as_coroutine, run_without_loop
from ..types import Request
from .answer_format import AnswerFormat
from .api import BatchApi
from .input_files import InputFiles
from .provider_batch import ProviderBatch, check, submit_files

if TYPE_CHECKING:
    from .bookkeeping import BatchBookkeeper
    from .reservations import BatchReservations

#: Hours within which a provider is to have answered: the least and the most of both.
LEAST_HOURS, MOST_HOURS = 24, 168
#: So many prompts are written before other tasks of the event loop have their turn.
_PAUSE = 100

#: Groq's ids of batches, and Bedrock's ARNs of jobs.
_ID = r"[A-Za-z0-9_-][A-Za-z0-9_:/-]*"


class NothingToSubmitError(ConfigurationError):
    """There is no prompt, or none that can be sent."""


@dataclass(frozen=True)
class BatchService:
    """A client's way to its provider's batches: its API, and the form of the answers."""

    api: BatchApi
    transport: Transport
    answer_format: AnswerFormat
    bookkeeper: BatchBookkeeper

    def find(self, identity: object) -> ProviderBatch[Any]:
        """Return the batch of that id; raises `ConfigurationError` for what is none."""
        ids = [part.strip() for part in identity.split(",")] if isinstance(identity, str) else []
        # It becomes a part of a URL, and must not lead elsewhere.
        if not ids or not all(re.fullmatch(_ID, each) for each in ids):
            raise ConfigurationError(f"id is {shown(identity)}: give the id of a batch")
        return self.batch(list(dict.fromkeys(ids)))  # one named twice has its results once

    def batch(self, ids: Sequence[str], prompts: object = None) -> ProviderBatch[Any]:
        """Return the batch that consists of the provider's *ids*; *prompts* if they are kept."""
        kept = prompts if isinstance(prompts, Sequence) else None
        read = self.answer_format.read
        return ProviderBatch(self.api, self.transport, ids, read, self.bookkeeper, kept)


@dataclass(frozen=True)
class Submission:
    """Writes the lines of prompts, and submits them; *request_of* gives request and tags of each.

    With a *token* of 32 hexadecimal digits, what was submitted with the same one is found, and not
    submitted again. *on_refusal*, where it is given, is told of each prompt that cannot be sent, by
    its index, and the others are submitted without it.
    """

    service: BatchService
    account: Account
    request_of: Callable[[Any], tuple[Request, Mapping[str, str]]]
    hours: int
    reservations: BatchReservations
    token: str = ""
    on_refusal: Callable[[int, LLMError], object] | None = None

    def submit(self, prompts: Iterable[Any]) -> ProviderBatch[Any]:
        """Submit *prompts*; raises LLMError that says which one cannot be sent."""
        return run_without_loop(self._submit(prompts, as_coroutine(run), _each_at_once(prompts)))

    async def asubmit(self, prompts: Iterable[Any] | AsyncIterable[Any]) -> ProviderBatch[Any]:
        """Do as `submit` does, without blocking the event loop while it waits."""
        return await self._submit(prompts, arun, _each(prompts))

    async def _submit(
        self,
        prompts: Iterable[Any] | AsyncIterable[Any],
        drive: Callable[[Effects[Any], Transport], Awaitable[Any]],
        each: AsyncIterator[Any],
    ) -> ProviderBatch[Any]:
        api, transport = self.service.api, self.service.transport
        await drive(check(api), transport)
        with InputFiles(api, self.token) as files:
            async for prompt in each:
                self._write(prompt, files)
            _check_lines(files)
            ids = await drive(self._submitting(files), transport)
        return self.service.batch(ids, prompts)

    def _write(self, prompt: Any, files: InputFiles) -> None:
        number = files.prompts
        try:
            request, tags = self.request_of(prompt)
            mode, formed = self.service.answer_format.apply(request)
            adapted = self.account.adapt_request(formed)
            max_use = self.reservations.max_use(adapted, tags)
            file = files.add(adapted, mode)
        except LLMError as error:
            if self.on_refusal is None:
                error.args = (f"prompts[{number}]: {error}",)
                raise
            files.prompts += 1
            self.on_refusal(number, error)
        else:
            self.reservations.add(file.token, number, adapted.model, tags, max_use)

    def _submitting(self, files: InputFiles) -> Effects[list[str]]:
        api, bookkeeper = self.service.api, self.service.bookkeeper
        return submit_files(api, files.files, self.hours, self.reservations, bookkeeper)


def checked_hours(hours: object) -> int:
    """Return *hours* if both providers take that many, else raise `ConfigurationError`."""
    if not (isinstance(hours, int) and LEAST_HOURS <= hours <= MOST_HOURS):
        raise ConfigurationError(
            f"hours is {shown(hours)}: give a whole number from {LEAST_HOURS} to {MOST_HOURS}"
        )
    return hours


def _check_lines(files: InputFiles) -> None:
    if not files.files:
        raise NothingToSubmitError("prompts is empty: there is nothing to submit")


async def _each_at_once(prompts: Iterable[Any]) -> AsyncIterator[Any]:
    for prompt in prompts:
        yield prompt


async def _each(prompts: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(prompts, AsyncIterable):
        async for prompt in prompts:
            yield prompt
        return
    for number, prompt in enumerate(prompts, 1):
        yield prompt
        if number % _PAUSE == 0:
            await asyncio.sleep(0)
