"""The results of a provider's batches: downloaded to disk, given in the order of the prompts."""

from __future__ import annotations

import json
import logging
import tempfile
from array import array
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar

from ..errors import LLMError
from ..providers.batch_types import BatchLine, BatchState, BatchStatus, CustomId
from ..types import Reply
from .api import BatchApi

log = logging.getLogger(__name__)

R = TypeVar("R")


class ResultFile:
    """The downloaded lines of one batch, and the ids of its prompts that have none."""

    def __init__(self, api: BatchApi, batch_id: str, status: BatchStatus) -> None:
        self._api = api
        self.batch_id = batch_id
        self._status = status
        self._scope = ""
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        #: Where the line of each prompt begins, by its index; -1 where there is none.
        self.offsets: dict[int, int] = {}

    def download(self) -> None:
        """Fetch the results; and the prompts, unless it is plain that each has a result.

        Raises LLMError where no line is of a prompt of ours, or there is none though the provider
        has answered some: then nothing is known to be lost.
        """
        self._file.seek(0)
        self._file.truncate()
        self._scope = self._api.download(self.batch_id, self._file)
        self._find_answers()
        if self._is_whole:
            return
        if self._status.completed and not self.offsets:
            raise LLMError(
                f"the batch {self.batch_id} has answered {self._status.completed} prompt(s), and no"
                " answer to a prompt of ours is where its results are to be"
            )
        if submitted := self._submitted():
            self.offsets = {index: self.offsets.get(index, -1) for index in submitted}
        elif self.offsets:
            log.warning(
                "the prompts of the batch %s are no longer there: those without a result are not"
                " known",
                self.batch_id,
            )
        else:
            raise LLMError(
                f"the batch {self.batch_id} holds no prompt that was submitted here, or its files"
                " are no longer there"
            )

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

    @property
    def _is_whole(self) -> bool:
        """Whether there are as many results as prompts, and no index is missing between two."""
        total = self._status.total
        if self._status.state != "completed" or not 0 < total == len(self.offsets):
            return False
        return max(self.offsets) - min(self.offsets) == total - 1

    def _find_answers(self) -> None:
        """Find where the line of each prompt begins; of several, the first that is an answer."""
        self.offsets = {}
        again: list[tuple[int, int]] = []
        for custom_id, offset in self._lines(self._file):
            if self.offsets.setdefault(custom_id.index, offset) != offset:
                again.append((custom_id.index, offset))
        for index, offset in again:
            if not isinstance(self.read(index).outcome, Reply):
                self.offsets[index] = offset

    def _submitted(self) -> set[int]:
        """Return the indexes of what was submitted; none where its file is no longer there."""
        with tempfile.TemporaryFile() as prompts:
            try:
                self._api.download_input(self.batch_id, prompts)
            except LLMError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
            return {custom_id.index for custom_id, _ in self._lines(prompts)}

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
    """The results of several batches as one, in the order of the prompts."""

    def __init__(self, files: list[ResultFile]) -> None:
        self._files = files
        # Numbers in an array: a million prompts are 8 MB.
        order = array("q")
        for number, each in enumerate(files):
            order.extend(index * len(files) + number for index in each.offsets)
        self._order = array("q", sorted(order))
        self._taken = 0

    def take(self, read: Callable[[BatchLine], R]) -> R | None:
        """Return what *read* makes of the next line, which is not given again; None at the end."""
        if self._taken == len(self._order):
            return None
        index, number = divmod(self._order[self._taken], len(self._files))
        found = read(self._files[number].read(index))
        self._taken += 1
        return found

    def close(self) -> None:
        """Drop what was downloaded."""
        for each in self._files:
            each.close()


def _row(line: bytes) -> dict[str, Any]:
    """Return the object in a line; an empty one where there is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
