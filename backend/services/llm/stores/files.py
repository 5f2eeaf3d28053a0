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


#: Who may write beside our files must not choose, by a link, which file we write to.
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)


def private(path: str, flags: int) -> int:
    """Open *path*, no link, as `open(opener=...)` asks; a file that this creates has mode 0600."""
    return os.open(path, flags | _NO_LINK, 0o600)


def waiting_for_nobody(path: str, flags: int) -> int:
    """Open *path*, no link, as `open(opener=...)` asks; a pipe without a writer to it too."""
    return os.open(path, flags | _NO_LINK | getattr(os, "O_NONBLOCK", 0))


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return *path* below the real, absolute form of its folder, so that no chdir moves it later.

    Its own name stays as it is: a link of that name is refused when it is opened.
    """
    given = Path(path).expanduser()
    return given.parent.resolve() / given.name


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


def set_aside(
    path: Path, reason: str, *, mark: str = "damaged", companions: Iterable[str] = ()
) -> None:
    """Rename *path* to `<name>.<mark>-<UTC time>`, and warn; hold the path's lock.

    Files beside it whose names are longer by one of *companions* go first, so that a kill in
    between leaves none of them to a new file. OSError for a link or a device, which are not ours
    to rename.
    """
    if path.is_symlink() or not path.is_file():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    aside = beside(path, f".{mark}-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}")
    for suffix in companions:
        if beside(path, suffix).exists():
            beside(path, suffix).rename(beside(aside, suffix))
    path.rename(aside)
    _log.warning("%s %s; it is now %s and a new file takes its place", path, reason, aside.name)


def refuse_links(*paths: Path) -> None:
    """Raise OSError for the first of *paths* that is a link, for who opens them by other means."""
    for path in paths:
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def not_ours(path: Path, what: str) -> OSError:
    """The error for a file at *path* that does not begin as *what*, and is left as it is."""
    reason = f"it is not {what}, and stays as it is: name another path"
    return FileExistsError(errno.EEXIST, reason, str(path))


def described(error: BaseException) -> str:
    """What went wrong with a file, in words; a link is called one."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    if error.errno == errno.ELOOP:
        return f"{error.filename} is a link, and no link is followed here: name the file itself"
    return error.strerror


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Translate every OSError inside to StoreError, naming *path*."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {described(error)}") from error
