"""What a provider's batches can do; each provider has a class of this form in its room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Protocol

from ..providers.batch_types import BatchLine, BatchStatus, CustomId
from ..types import Request, Usage


class BatchApi(Protocol):
    """Batches of one account; each method blocks, and raises LLMError alone.

    A file has at most `max_lines` lines and `max_bytes` bytes.
    """

    max_lines: int
    max_bytes: int

    def check(self) -> None:
        """Raise `ConfigurationError` where batches cannot be asked for."""

    def scope(self, request: Request) -> str:
        """Return what all requests of one file have in common."""
        ...

    def line(self, request: Request, custom_id: CustomId) -> bytes:
        """Return the line that asks *request*; raises LLMError for what it cannot hold."""
        ...

    def submit(self, file: BinaryIO, scope: str, count: int, token: str, hours: int) -> str:
        """Begin a batch of a file's *count* lines, and return its id; once for each *token*."""
        ...

    def status(self, batch_id: str) -> BatchStatus:
        """Return how far the batch is."""
        ...

    def cancel(self, batch_id: str) -> None:
        """Have the batch end with what is answered."""

    def download(self, batch_id: str, into: BinaryIO) -> str:
        """Write the lines of the results *into* a file, in no order; return their scope."""
        ...

    def download_input(self, batch_id: str, into: BinaryIO) -> None:
        """Write the lines that were asked *into* a file."""

    def custom_id_of(self, row: Mapping[str, Any]) -> CustomId | None:
        """Return the id of a line, of those asked or of the results."""
        ...

    def read(self, scope: str, row: Mapping[str, Any], custom_id: CustomId) -> BatchLine:
        """Read a line of the results."""
        ...

    def billed(self, usage: Usage) -> Usage:
        """Return what is billed of *usage*, at half the price."""
        ...
