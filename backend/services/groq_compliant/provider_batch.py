"""A file of prompts as a batch of Groq's own: submitted, waited for, and reported in order.

What was submitted is noted in a file beside the prompts, so that a second run reads it instead of
paying for it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from ..llm.batch.input_files import new_token
from ..llm.batch.provider_batch import ProviderBatch
from ..llm.batch.results import BatchResult
from ..llm.batch.submission import NothingToSubmitError
from ..llm.errors import LLMError, LLMTimeoutError, ProviderUnavailableError
from ..llm.frozen import dataclass
from ..llm.stores.files import replace_file, sibling
from ..llm.stores.locks import PathLock
from ..llm.types import StructuredReply
from .arguments import Options
from .batch import BatchCounts, BatchLine, error_fields, opened, read
from .client import CompliantClient
from .console import Console
from .session import Answer
from .sources import InputError, UsageError

#: Told of each record in order, and how many there are so far.
Tell = Callable[[str, BatchCounts], None]


@dataclass(frozen=True)
class Submitted:
    """The note of what is submitted: a hash of the prompts and the schema, and the batch's id.

    It is first written without the id, and with a *token* that Groq keeps beside the batch: if the
    process dies in between, the next run finds the batch by it. `refused` has the error of each
    prompt that could not be sent, by its index.
    """

    place: Path
    prompts: str
    id: str = ""
    token: str = field(default_factory=new_token)
    refused: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Path, schema: Any) -> Submitted:
        """Read the note beside *file*; its id is "" where there is none. Raises InputError."""
        digest = hashlib.sha256(json.dumps(schema, sort_keys=True).encode())
        with opened(file) as lines:
            for block in iter(lambda: lines.read(1 << 20), b""):
                digest.update(block)
        place = _note_beside(file)
        if not os.path.lexists(place):
            return cls(place, digest.hexdigest())
        try:
            note = json.loads(_text_in(place))
            known, identity, token = note["prompts"], str(note["id"]), str(note["token"])
            refused = dict(note["refused"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{place}: no note of a batch ({type(error).__name__}): remove this file to submit"
                " the prompts anew"
            ) from error
        if known != digest.hexdigest() and not identity:
            return cls(place, digest.hexdigest())
        if known != digest.hexdigest():
            raise InputError(
                f"{place}: the prompts or the schema are not those that were submitted: put them"
                " back, or remove this file to submit them anew"
            )
        return cls(place, digest.hexdigest(), identity, token, refused)

    def write(self) -> None:
        """Keep the note, in place of the one before; raises InputError."""
        note = {"id": self.id, "token": self.token, "prompts": self.prompts}
        text = json.dumps({**note, "refused": self.refused})
        try:
            replace_file(self.place, [text.encode()], durable=True)
        except OSError as error:
            raise InputError(f"{self.place}: it cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Forget it: all of its results were told."""
        self.place.unlink(missing_ok=True)


def _note_beside(file: Path) -> Path:
    return Path(f"{file}.submitted")


def _check_can_be_read_again(file: Path) -> None:
    """Raise UsageError for what can be read only once; all else is for who opens *file* to tell."""
    with suppress(OSError):
        kind = os.stat(file).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise UsageError(
                f"{file}: no regular file, and --provider-batch reads its prompts again: write them"
                " to one"
            )


@contextmanager
def _submitted_by_no_other(file: Path) -> Iterator[None]:
    """Keep other processes from submitting the same prompts inside.

    Raises UsageError where one does so now, and InputError where that cannot be known.
    """
    place = _note_beside(file)
    with ExitStack() as stack:
        try:
            stack.enter_context(PathLock(place).held(timeout=0.0))
        except TimeoutError as error:
            raise UsageError(f"{file}: another process submits these prompts now") from error
        except OSError as error:
            raise InputError(f"{place}: it cannot be locked: {error.strerror}") from error
        yield
        with suppress(OSError):  # Windows removes no file that is open
            sibling(place, ".lock").unlink()


def _text_in(place: Path) -> str:
    if not place.is_file():
        raise OSError("no regular file, from which a read might never return")
    return place.read_text(encoding="utf-8")


@dataclass(frozen=True)
class ProviderRun:
    """One run of a file of prompts through Groq's Batch API."""

    client: CompliantClient
    options: Options
    model: str
    schema: Any
    file: Path
    stderr: Console

    async def answer_all(self, tell: Tell) -> BatchCounts:
        """Submit the prompts, or find what was submitted; *tell* each record in order."""
        _check_can_be_read_again(self.file)
        with _submitted_by_no_other(self.file):
            submitted = await self._find_or_submit()
        counts = BatchCounts()
        async for record, failed in self._records(submitted):
            counts.done += 1
            counts.failed += failed
            tell(record, counts)
        submitted.remove()
        return counts

    async def _find_or_submit(self) -> Submitted:
        submitted = Submitted.of(self.file, self.schema)
        if submitted.id and not self.options.resume:
            raise UsageError(
                f"{submitted.place}: these prompts were submitted before: give --resume to read"
                " their answers, or remove this file to submit them anew"
            )
        return submitted if submitted.id else await self._submit(submitted)

    async def _submit(self, submitted: Submitted) -> Submitted:
        """Submit what can be sent; the note's id stays "" where that is nothing."""
        options, refused = self.options, dict[str, Any]()
        submission = replace(
            self.client.submission(
                self.schema, self.model, options.temperature, options.max_tokens
            ),
            token=submitted.token,
            on_refusal=lambda index, error: refused.update({str(index): error_fields(error)}),
        )
        submitted.write()  # where this is impossible, nothing is paid
        try:
            batch = await submission.asubmit(self._prompts())
        except LLMError as error:
            if not isinstance(error, (ProviderUnavailableError, LLMTimeoutError)):
                submitted.remove()  # nothing was submitted, or it has been cancelled
            if not (refused and isinstance(error, NothingToSubmitError)):
                raise
            return replace(submitted, refused=refused)
        submitted = replace(submitted, id=batch.id, refused=refused)
        self.stderr.line(f"submitted as {batch.id}: if this is interrupted, --resume goes on")
        submitted.write()
        return submitted

    def _prompts(self) -> Iterator[dict[str, Any]]:
        with opened(self.file) as lines:
            for line in read(lines):
                if not line.problem:
                    own = {name: value for name, value in line.how.items() if name != "system"}
                    system = line.how.get("system", self.options.system)
                    prompt = {} if "messages" in own else {"prompt": line.prompt}
                    yield {**prompt, "system_prompt": system, **own}

    async def _records(self, submitted: Submitted) -> AsyncIterator[tuple[str, bool]]:
        """Yield the record of each line, and whether it failed."""
        results = self._results(submitted.id)
        index, following = 0, await anext(results, None)
        with opened(self.file) as lines:
            for line in read(lines):
                if line.problem:
                    yield line.refusal(), True
                    continue
                result = following if following and following.index == index else None
                if result is not None:
                    following = await anext(results, None)
                if (refusal := submitted.refused.get(str(index))) is not None:
                    yield line.record(error=refusal), True
                else:
                    yield self._record(line, result)
                index += 1

    async def _results(self, identity: str) -> AsyncIterator[BatchResult[Any]]:
        if not identity:
            return
        batch: ProviderBatch[Any] = self.client.resume_batch(identity, self.schema)
        async for result in batch.aresults(
            lambda status: self.stderr.progress(
                f"{status.state}: {status.completed + status.failed} of {status.total} answered"
            )
        ):
            yield result

    def _record(self, line: BatchLine, result: BatchResult[Any] | None) -> tuple[str, bool]:
        if result is None:
            return line.failure(InputError("the batch has no result for this line")), True
        if result.error is not None:
            return line.failure(result.error), True
        assert result.reply is not None, "a result has a reply or an error"
        is_value = isinstance(result.reply, StructuredReply)
        value = result.value if is_value else None
        answer = Answer(result.reply, value, has_value=is_value)
        return line.record(**answer.fields(whole=self.options.json)), False
