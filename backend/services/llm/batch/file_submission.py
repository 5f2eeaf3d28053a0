"""The submission of one file of a provider's batch, in a thread that goes on after an interrupt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import LLMError

if TYPE_CHECKING:
    from .api import BatchApi
    from .input_files import InputFile

log = logging.getLogger(__name__)


class FileSubmission:
    """Submits a file, and cancels the batch where that begins after the caller has given up."""

    def __init__(self, api: BatchApi, file: InputFile, hours: int) -> None:
        self._api = api
        self._file = file
        self._hours = hours
        self._is_abandoned = False
        #: The batch's id, once it has begun; else empty.
        self.batch_id = ""

    def submit(self) -> str:
        """Begin the batch, and return its id; it may be called again after an LLMError."""
        self.batch_id = self._file.submit(self._api, self._hours)
        if self._is_abandoned:
            try:
                self.cancel()
            except LLMError as error:
                self.warn(error)
        return self.batch_id

    def abandon(self) -> None:
        """Let `submit` cancel the batch where it begins from now on.

        One that begins at this moment may be cancelled by the caller too.
        """
        self._is_abandoned = True

    def cancel(self) -> None:
        """Cancel the batch; raises LLMError."""
        self._api.cancel(self.batch_id)

    def warn(self, error: LLMError) -> None:
        """Log that the batch could not be cancelled."""
        log.warning("the batch %s could not be cancelled, and goes on: %s", self.batch_id, error)
