"""Groq's Batch API: files of chat completions, answered within a day or more at half the price.

Source: Groq's API reference and its guide to batches (2026-03). A file has 50,000 lines at most,
and 100 MB by the SDK's words, 200 by the guide's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO

from ...errors import ConfigurationError, LLMError
from ...types import Output, Request, Usage
from ..batch_types import (
    BatchLine,
    BatchState,
    BatchStatus,
    CustomId,
    count_of,
    json_line,
    required_text,
    unsendable_in_batch,
)
from ..fields import member, rows, status, text
from .answer import from_chat_completion
from .errors import error_in_ok_body
from .request import to_chat_completion

_ENDPOINT = "/v1/chat/completions"
#: Keywords that say how to send: a line cannot hold them.
_OF_SENDING = ("extra_headers", "extra_query")
_STATES: dict[str, BatchState] = {
    "validating": "waiting",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "cancelling",
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
#: States of a batch whose submission was interrupted: its prompts are submitted again.
_CANCELLED = ("cancelling", "cancelled")
#: The name under which Groq keeps a batch's token, by which the batch is found again.
_TOKEN = "token"
#: For requests that move a file: seconds, and MiB of the largest answer.
BATCH_TIMEOUT, BATCH_LIMIT = 3600.0, 1024.0
#: Seconds for one request that moves no file.
_SHORT = 60.0


class GroqBatchApi:
    """Batches of one key; *lend* gives the SDK's client, *to_error* says what an error means."""

    max_lines = 50_000
    max_bytes = 100_000_000

    def __init__(
        self,
        lend: Callable[[], AbstractContextManager[Any]],
        to_error: Callable[[Exception], LLMError],
    ) -> None:
        self._lend = lend
        self._to_error = to_error

    def check(self) -> None:
        """Raise `ConfigurationError` where batches cannot be asked for."""
        with self._sdk():
            pass

    def scope(self, request: Request) -> str:
        """Return what is the same for all lines of a file: nothing, as each names its model."""
        return ""

    def line(self, request: Request, custom_id: CustomId) -> bytes:
        """Return the line that asks *request*; raises UnsendableError for what it cannot hold."""
        body = to_chat_completion(request)
        if unsendable := [name for name in _OF_SENDING if body.get(name)]:
            raise unsendable_in_batch(unsendable[0], "groq")
        body |= body.pop("extra_body", {})
        line = {"custom_id": str(custom_id), "method": "POST", "url": _ENDPOINT, "body": body}
        return json_line(line)

    def submit(self, file: BinaryIO, scope: str, count: int, token: str, hours: int) -> str:
        """Begin a batch of the *count* lines of *file*, and return its id.

        A batch that was submitted with the same *token* is found, and not begun again.
        """
        with self._sdk() as sdk:
            if (known := self._find(sdk, token)) is not None:
                return known
            uploaded = sdk.files.create(file=(f"{token}.jsonl", file), purpose="batch")
            batch = sdk.batches.create(
                input_file_id=required_text(uploaded, "id", "groq"),
                endpoint=_ENDPOINT,
                completion_window=f"{hours}h",
                metadata={_TOKEN: token},
                timeout=_SHORT,
            )
            return required_text(batch, "id", "groq")

    def _find(self, sdk: Any, token: str) -> str | None:
        listed = rows(sdk.batches.list(timeout=_SHORT), "data")
        found = (each for each in listed if text(member(each, "metadata"), _TOKEN) == token)
        uncancelled = (each for each in found if text(each, "status") not in _CANCELLED)
        return next((text(each, "id") for each in uncancelled), None)

    def status(self, batch_id: str) -> BatchStatus:
        """Return how far the batch of that id is."""
        with self._sdk(batch_id) as sdk:
            batch = sdk.batches.retrieve(batch_id, timeout=_SHORT)
        counts = member(batch, "request_counts")
        problems = rows(member(batch, "errors"), "data")
        return BatchStatus(
            _STATES.get(required_text(batch, "status", "groq"), "running"),
            count_of(member(counts, "total")),
            count_of(member(counts, "completed")),
            count_of(member(counts, "failed")),
            "; ".join(text(each, "message") or "" for each in problems[:3]),
        )

    def cancel(self, batch_id: str) -> None:
        """Have the batch end with what is answered."""
        with self._sdk(batch_id) as sdk:
            sdk.batches.cancel(batch_id, timeout=_SHORT)

    def download(self, batch_id: str, into: BinaryIO) -> str:
        """Write the lines of a batch that has ended *into* a file; return their scope."""
        with self._sdk(batch_id) as sdk:
            batch = sdk.batches.retrieve(batch_id, timeout=_SHORT)
            for name in ("output_file_id", "error_file_id"):
                if file := text(batch, name):
                    _copy(sdk, file, into)
        return ""

    def download_input(self, batch_id: str, into: BinaryIO) -> None:
        """Write the lines that the batch was asked *into* a file."""
        with self._sdk(batch_id) as sdk:
            batch = sdk.batches.retrieve(batch_id, timeout=_SHORT)
            _copy(sdk, required_text(batch, "input_file_id", "groq"), into)

    def custom_id_of(self, row: Mapping[str, Any]) -> CustomId | None:
        """Return the id of a line of either file."""
        return CustomId.of(row.get("custom_id"))

    def read(self, scope: str, row: Mapping[str, Any], custom_id: CustomId) -> BatchLine:
        """Read a line of the results."""
        response = row.get("response")
        body, code = member(response, "body"), status(response, "status_code")
        output = None if custom_id.mode is None else Output(custom_id.mode)
        request = Request(text(body, "model") or "", (), output=output)
        error = error_in_ok_body(body, request.model, code)
        if error is None and row.get("error"):
            error = error_in_ok_body(row, request.model, code)
        if error is not None:
            return BatchLine(custom_id, error)
        try:
            return BatchLine(custom_id, from_chat_completion(body, request, real=True))
        except LLMError as incomplete:
            return BatchLine(custom_id, incomplete)

    def billed(self, usage: Usage) -> Usage:
        """Return what is billed of *usage*, at half the price: no other discount is added to it."""
        return Usage(usage.input_tokens, usage.output_tokens, usage.total_tokens, reported=True)

    @contextmanager
    def _sdk(self, batch_id: str = "") -> Iterator[Any]:
        """Lend the SDK's client for a few requests; raises LLMError for whatever they raise.

        *batch_id* is the batch that they are about, where it exists already.
        """
        try:
            with self._lend() as sdk:
                if not hasattr(sdk, "batches"):
                    raise ConfigurationError(
                        "this release of the groq package has no batches: install a newer one",
                        provider="groq",
                    )
                yield sdk
        except LLMError:
            raise
        except Exception as error:
            translated = self._to_error(error)
            if batch_id and translated.status == 404:
                translated.args = (
                    f"Groq has no batch {batch_id}, or what it held is no longer there (HTTP 404):"
                    " a batch is found with a key of the organisation that submitted it",
                )
            raise translated from error


def _copy(sdk: Any, file: str, into: BinaryIO) -> None:
    with sdk.files.with_streaming_response.content(file) as response:
        for piece in response.iter_bytes():
            into.write(piece)
    into.write(b"\n")
