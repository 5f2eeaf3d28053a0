"""The results of a provider's batches: downloaded to disk, given in the order of the prompts."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..errors import LLMError
from ..providers.batch_types import BatchLine, BatchState, BatchStatus, CustomId
from .api import BatchApi


class ResultFile:
    """The downloaded lines of one batch, and the ids of its prompts that have none."""

    def __init__(self, api: BatchApi, identity: str, status: BatchStatus) -> None:
        self._api = api
        self.batch_id = identity
        self._status = status
        self._scope = ""
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.offsets: dict[int, int] = {}

    def download(self) -> None:
        """Fetch the results; and the prompts, where some of them have no result."""
        self._file.seek(0)
        self._file.truncate()
        self._scope = self._api.download(self.batch_id, self._file)
        self.offsets = {custom_id.index: offset for custom_id, offset in self._lines(self._file)}
        complete = self._status.state == "completed" and len(self.offsets) >= self._status.total
        if not complete:
            with tempfile.TemporaryFile() as prompts:
                self._api.download_input(self.batch_id, prompts)
                for custom_id, _ in self._lines(prompts):
                    self.offsets.setdefault(custom_id.index, -1)

    def read(self, index: int) -> BatchLine:
        """Return the line of a prompt."""
        offset = self.offsets[index]
        if offset < 0:
            return BatchLine(CustomId(index), self._missing())
        self._file.seek(offset)
        row = _row(self._file.readline())
        custom_id = self._api.custom_id_of(row)
        assert custom_id is not None, "it was found by its id"
        return self._api.read(self._scope, row, custom_id)

    @property
    def state(self) -> BatchState:
        """What the batch has ended in."""
        return self._status.state

    def answered(self) -> Iterator[BatchLine]:
        """Yield the lines that there are, in no order."""
        yield from (self.read(index) for index, offset in self.offsets.items() if offset >= 0)

    def close(self) -> None:
        """Drop what was downloaded."""
        self._file.close()

    def _lines(self, file: BinaryIO) -> Iterator[tuple[CustomId, int]]:
        """Yield the id of each line of ours, and where it begins."""
        file.seek(0)
        offset = 0
        for line in file:
            if (custom_id := self._api.custom_id_of(_row(line))) is not None:
                yield custom_id, offset
            offset += len(line)

    def _missing(self) -> LLMError:
        words = {
            "expired": "the batch expired before this prompt was answered",
            "cancelled": "the batch was cancelled before this prompt was answered",
            "failed": f"the batch has failed: {self._status.message or 'nobody said why'}",
        }
        return LLMError(words.get(self._status.state, "the batch holds no answer to this prompt"))


class ResultFiles:
    """The results of several batches as one; closed by a `with` block."""

    def __init__(self, files: list[ResultFile]) -> None:
        self._files = files

    def __enter__(self) -> ResultFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._files:
            each.close()

    def __iter__(self) -> Iterator[BatchLine]:
        """Yield the lines in the order of the prompts."""
        # Numbers in an array: a million prompts are 16 MB.
        order = array("q")
        for number, each in enumerate(self._files):
            order.extend(index * len(self._files) + number for index in each.offsets)
        for entry in sorted(order):
            index, number = divmod(entry, len(self._files))
            yield self._files[number].read(index)


def _row(line: bytes) -> dict[str, Any]:
    """Return the object in a line; an empty one where there is none."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
