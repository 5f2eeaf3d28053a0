"""A file that is appended to, kept open, and opened anew where another has taken its place."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from .files import foreign_file_error, is_at, open_private

#: Elsewhere a file that is open cannot be replaced.
_KEEPS_OPEN = os.name == "posix"


class AppendedFile:
    """A file of lines that begins with *start*, and is *what* its name says in an error.

    Whoever uses it holds the lock of its path. Each method raises OSError.
    """

    def __init__(self, path: Path, start: bytes, what: str) -> None:
        self._path = path
        self._start = start
        self._what = what
        self._file: FileIO | None = None

    def __del__(self) -> None:
        self.close()

    def append(self, lines: bytes) -> int:
        """Append *lines*, after whatever was torn, and return the size of the file.

        What is not written as a whole is taken back. FileExistsError for a file that is not ours.
        """
        file = self._opened()
        try:
            self.check(file)
            end = file.seek(0, os.SEEK_END)
            if end < len(self._start):  # the first line was torn, and would not begin as ours
                end = file.truncate(0)
            if end and not _ends_a_line(file, end):
                lines = b"\n" + lines
            written = file.write(lines)
            if written != len(lines):
                file.truncate(end)
                raise OSError(f"{written} of {len(lines)} bytes could be written")
            return end + written
        finally:
            if not _KEEPS_OPEN:
                self.close()

    def check(self, file: BinaryIO | FileIO) -> None:
        """Raise OSError for a file that does not begin as ours, nor as one that a crash has left.

        *file* is open and at its beginning afterwards.
        """
        file.seek(0)
        begins = file.read(len(self._start)).lstrip(b"\0\n")
        if not self._start.startswith(begins):
            raise foreign_file_error(self._path, self._what)
        file.seek(0)

    def close(self) -> None:
        """Close it; the next use opens it again."""
        if (file := getattr(self, "_file", None)) is not None:
            self._file = None
            file.close()

    def _opened(self) -> FileIO:
        """The file that is at our path now, which others may have replaced or removed."""
        if self._file is not None and not is_at(self._path, self._file.fileno()):
            self.close()
        if self._file is None:
            self._file = FileIO(self._path, "a+b", opener=open_private)
        return self._file


def _ends_a_line(file: FileIO, end: int) -> bool:
    file.seek(end - 1)
    return file.read(1) == b"\n"
