"""The files of a provider's batches before they are submitted: written to disk, line by line."""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import dataclass, field
from typing import BinaryIO

from ..errors import ConfigurationError
from ..providers.batch_types import CustomId
from ..types import Mode, Request
from .api import BatchApi


def new_token() -> str:
    """Return a token that no other batch has."""
    return uuid.uuid4().hex


@dataclass
class InputFile:
    """The lines of one batch, all of one *scope*; submitted twice with one `token`, it is one."""

    scope: str
    file: BinaryIO
    lines: int = 0
    bytes: int = 0
    token: str = field(default_factory=new_token)

    def submit(self, api: BatchApi, hours: int) -> str:
        """Submit it from its beginning, and return the batch's id."""
        self.file.seek(0)
        return api.submit(self.file, self.scope, self.lines, self.token, hours)


class InputFiles:
    """Files of as many lines and bytes as the provider takes; closed by a `with` block.

    With the same *token*, the files of the same prompts have the same tokens again.
    """

    def __init__(self, api: BatchApi, token: str = "") -> None:
        self._api = api
        self._token = token or new_token()
        self._open: dict[str, InputFile] = {}
        self.files: list[InputFile] = []
        #: How many prompts were added, or passed over.
        self.prompts = 0

    def __enter__(self) -> InputFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.files:
            each.file.close()

    def add(self, request: Request, mode: Mode | None) -> InputFile:
        """Write the line of the next prompt, asked for in *mode*, and return the file it is in."""
        line = self._api.line(request, CustomId(self.prompts, mode)) + b"\n"
        if len(line) > self._api.max_bytes:
            raise ConfigurationError(
                f"it is longer than a file of a batch: {self._api.max_bytes} bytes"
            )
        target = self._file_for(self._api.scope(request), len(line))
        target.file.write(line)
        target.lines += 1
        target.bytes += len(line)
        self.prompts += 1
        return target

    def _file_for(self, scope: str, size: int) -> InputFile:
        known = self._open.get(scope)
        api = self._api
        if known is None or known.lines >= api.max_lines or known.bytes + size > api.max_bytes:
            token = f"{self._token[:28]}{len(self.files):04x}"
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with us
            known = self._open[scope] = InputFile(scope, file, token=token)
            self.files.append(known)
        return known
