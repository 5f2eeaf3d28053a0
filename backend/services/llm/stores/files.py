"""Private files that are replaced whole, and damaged ones moved out of the way."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from .protocol import StoreError

_log = logging.getLogger(__name__)


def private(path: str, flags: int) -> int:
    """Open *path* as `open(opener=...)` asks; a file that this creates is its owner's alone."""
    return os.open(path, flags, 0o600)


def waiting_for_nobody(path: str, flags: int) -> int:
    """Open *path* as `open(opener=...)` asks; a pipe without a writer at its other end too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the real, absolute form of *path*, so that neither chdir nor a link moves it later."""
    return Path(path).expanduser().resolve()


def beside(path: Path, suffix: str) -> Path:
    """Return the path next to *path* whose name is longer by *suffix*."""
    return path.with_name(path.name + suffix)


def replace(path: Path, pieces: Iterable[bytes], *, durable: bool = False) -> None:
    """Make *pieces* the content of *path* in one step, mode 0600; hold the path's lock.

    A reader, or a kill at any instant, finds the old content or the new. `durable` also waits
    for the disk, so that a power cut does not leave the new name on an empty file.
    """
    draft = beside(path, ".tmp")
    draft.unlink(missing_ok=True)  # a writer was killed here
    try:
        with open(draft, "xb", opener=private) as file:
            file.writelines(pieces)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def set_aside(path: Path, reason: str, *, companions: Iterable[str] = ()) -> None:
    """Rename *path* to `<name>.damaged-<UTC time>`, and warn; hold the path's lock.

    Files beside it whose names are longer by one of *companions* go first, so that a kill in
    between leaves none of them to a new file. OSError for a device, which is not ours to rename.
    """
    if not path.is_file():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    aside = beside(path, f".damaged-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}")
    for suffix in companions:
        if beside(path, suffix).exists():
            beside(path, suffix).rename(beside(aside, suffix))
    path.rename(aside)
    _log.warning("%s %s; it is now %s and a new file takes its place", path, reason, aside.name)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Translate every OSError inside to StoreError, naming *path*."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error}") from error
