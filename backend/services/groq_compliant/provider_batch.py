"""A file of prompts as a batch of Groq's own: submitted, waited for, and reported in order.

What was submitted is noted in a file beside the prompts, so that a second run reads it instead of
paying for it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from ..llm.batch.provider_batch import ProviderBatch
from ..llm.batch.results import BatchResult
from ..llm.frozen import dataclass
from ..llm.stores.files import replace_file
from ..llm.types import StructuredReply
from .arguments import Options
from .batch import BatchCounts, BatchLine, opened, read
from .client import CompliantClient
from .console import Console
from .session import Answer
from .sources import InputError, UsageError

#: Told of each record in order, and how many there are so far.
Tell = Callable[[str, BatchCounts], None]


@dataclass(frozen=True)
class Submitted:
    """The note of what was submitted: the batch's id, and a hash of the prompts and the schema."""

    place: Path
    prompts: str
    id: str = ""

    @classmethod
    def of(cls, file: Path, schema: Any) -> Submitted:
        """Read the note beside *file*; its id is "" where there is none. Raises InputError."""
        digest = hashlib.sha256(json.dumps(schema, sort_keys=True).encode())
        with opened(file) as lines:
            for block in iter(lambda: lines.read(1 << 20), b""):
                digest.update(block)
        place = Path(f"{file}.submitted")
        try:
            note = json.loads(place.read_text(encoding="utf-8"))
            known, identity = note["prompts"], note["id"]
        except FileNotFoundError:
            return cls(place, digest.hexdigest())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{place}: no note of a batch ({type(error).__name__})") from error
        if known != digest.hexdigest():
            raise InputError(
                f"{place}: the prompts or the schema are not those that were submitted: put them"
                " back, or remove this file to submit them anew"
            )
        return cls(place, digest.hexdigest(), str(identity))

    def write(self, identity: str) -> None:
        """Note that the prompts were submitted as *identity*."""
        note = json.dumps({"id": identity, "prompts": self.prompts})
        replace_file(self.place, [note.encode()], durable=True)

    def remove(self) -> None:
        """Forget it: all of its results were told."""
        self.place.unlink(missing_ok=True)


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
        submitted = Submitted.of(self.file, self.schema)
        if submitted.id and not self.options.resume:
            raise UsageError(
                f"{submitted.place}: these prompts were submitted before: give --resume to read"
                " their answers, or remove this file to submit them anew"
            )
        batch = await self._batch(submitted)
        counts = BatchCounts()
        async for record, failed in self._records(batch):
            counts.done += 1
            counts.failed += failed
            tell(record, counts)
        submitted.remove()
        return counts

    async def _batch(self, submitted: Submitted) -> ProviderBatch[Any]:
        if submitted.id:
            return self.client.resume_batch(submitted.id, self.schema)
        batch = await self.client.submit_batch(
            self._prompts(),
            schema=self.schema,
            model=self.model,
            temperature=self.options.temperature,
            max_tokens=self.options.max_tokens,
        )
        submitted.write(batch.id)
        self.stderr.line(f"submitted as {batch.id}: if this is interrupted, --resume goes on")
        return batch

    def _prompts(self) -> Iterator[dict[str, Any]]:
        with opened(self.file) as lines:
            for line in read(lines):
                if not line.problem:
                    own = {name: value for name, value in line.how.items() if name != "system"}
                    system = line.how.get("system", self.options.system)
                    prompt = {} if "messages" in own else {"prompt": line.prompt}
                    yield {**prompt, "system_prompt": system, **own}

    async def _records(self, batch: ProviderBatch[Any]) -> AsyncIterator[tuple[str, bool]]:
        """Yield the record of each line, and whether it failed."""
        results = batch.aresults(
            lambda status: self.stderr.progress(
                f"{status.state}: {status.completed + status.failed} of {status.total} answered"
            )
        )
        index, following = 0, await anext(results, None)
        with opened(self.file) as lines:
            for line in read(lines):
                if line.problem:
                    yield line.refusal(), True
                    continue
                result = following if following and following.index == index else None
                if result is not None:
                    following = await anext(results, None)
                index += 1
                yield self._record(line, result)

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
