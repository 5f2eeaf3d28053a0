"""Private files that are replaced as a whole, and damaged files that are moved aside."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from .protocol import StoreError

_log = logging.getLogger(__name__)


#: Whoever can create files beside ours must not redirect our writes by a symbolic link.
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)


def open_private(path: str, flags: int) -> int:
    """An opener for `open`: refuse a link, a pipe and a device; create with mode 0600."""
    return _regular(os.open(path, flags | _NO_LINK | _NO_WAIT, 0o600), path)


def open_nonblocking(path: str, flags: int) -> int:
    """An opener for `open`: refuse a symbolic link, a pipe and a device."""
    return _regular(os.open(path, flags | _NO_LINK | _NO_WAIT), path)


def _regular(handle: int, path: str) -> int:
    """Return *handle*; OSError for a pipe, which keeps us waiting, or a device without an end."""
    kind = os.fstat(handle).st_mode
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):  # a folder is refused by whoever opens it
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "no regular file", path)


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """Return *path* with its folder made absolute and resolved, so that a later chdir is no matter.

    The last name is not resolved: if it is a link, opening it is refused. ValueError for a path
    that cannot be a file's.
    """
    try:
        expanded = Path(path).expanduser()
        folder = expanded.parent.resolve()
    except RuntimeError as error:  # the home of nobody, or links that lead in a circle
        raise ValueError(f"{os.fspath(path)!r} cannot be a file's path: {error}") from error
    if expanded.name in ("", ".."):
        raise ValueError(f"{os.fspath(path)!r} is a folder: give a file's path")
    return folder / expanded.name


def sibling(path: Path, suffix: str) -> Path:
    """Return the path next to *path* whose name is longer by *suffix*."""
    return path.with_name(path.name + suffix)


def replace_file(path: Path, pieces: Iterable[bytes], *, durable: bool = False) -> None:
    """Replace the content of *path* by *pieces* in one step, mode 0600; hold the path's lock.

    A reader, or a kill at any instant, finds the old content or the new. `durable` also waits
    for the disk, so that a power cut does not leave the new name on an empty file.
    """
    draft = sibling(path, ".tmp")
    draft.unlink(missing_ok=True)  # of a writer that was killed
    try:
        with open(draft, "xb", opener=open_private) as file:
            file.writelines(pieces)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def move_aside(
    path: Path, reason: str, *, mark: str = "damaged", companions: Iterable[str] = ()
) -> None:
    """Rename *path* to `<name>.<mark>-<UTC time>`, and warn; hold the path's lock.

    Files next to it whose names end in one of *companions* are renamed first, so that a kill in
    between leaves none of them to a new file. OSError for a symbolic link or a device.
    """
    if path.is_symlink() or not path.is_file():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    aside = sibling(path, f".{mark}-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}")
    for suffix in companions:
        if sibling(path, suffix).exists():
            sibling(path, suffix).rename(sibling(aside, suffix))
    path.rename(aside)
    _log.warning("%s %s; it is now %s and a new file takes its place", path, reason, aside.name)


def is_at(path: Path, handle: int) -> bool:
    """Whether the file that *handle* has open is still the one at *path*."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def refuse_links(*paths: Path) -> None:
    """Raise OSError for the first of *paths* that is a link, for who opens them by other means."""
    for path in paths:
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def foreign_file_error(path: Path, what: str) -> OSError:
    """Return the error for a file at *path* that is not *what*, and is left unchanged."""
    reason = f"it is not {what}, and stays as it is: name another path"
    return FileExistsError(errno.EEXIST, reason, str(path))


def describe_os_error(error: BaseException) -> str:
    """Return the reason of a file error as a text that names a symbolic link as one."""
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
        raise StoreError(f"{path} cannot be used: {describe_os_error(error)}") from error
