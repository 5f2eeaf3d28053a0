"""Variables of the environment, then of each `.env` file that may be trusted.

A `.env` counts in the working directory and beside `config.py`, nowhere above them: these two are
the application's own. One that another user (but root) owns or may write to does not count.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values

from ..errors import ConfigurationError

log = logging.getLogger(__name__)

#: Where `config.py` stands: the folder that holds `services/`.
_BESIDE_CONFIG = Path(__file__).parents[3]

ENVIRONMENT = "the environment"

#: Bytes that a `.env` may have.
_LONGEST = 2**20


class VariableSource(NamedTuple):
    """The variables that are set in one *place*, the environment or a file; none is blank."""

    place: str
    values: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return what *name* is here, in whichever case it is written; "" where it is not set."""
        folded = {each.upper(): value for each, value in self.values.items()}
        return self.values.get(name) or folded.get(name, "")


def variable_sources() -> list[VariableSource]:
    """Return all places where variables are set; the first that holds one counts.

    Raises `ConfigurationError`, which names the file, for a `.env` that cannot be read.
    """
    folders = (_working_directory(), _BESIDE_CONFIG)
    files = dict.fromkeys(folder / ".env" for folder in folders if folder)
    return [variables(), *(VariableSource(str(file), _variables_in(file)) for file in files)]


def variables() -> VariableSource:
    """Return what is set in the environment itself."""
    return VariableSource(ENVIRONMENT, _set(os.environ))


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it has been removed
        return None


def _set(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value and value.strip()}


def _variables_in(file: Path) -> Mapping[str, str]:
    raw = _trusted(file)
    if raw is None:
        return {}
    text = _decoded(file, raw)
    # As written: another variable's value would go wherever the file says.
    return _set(dotenv_values(stream=StringIO(text), interpolate=False))


def _decoded(file: Path, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not valid UTF-8 ({error.reason} at byte {error.start})"
    else:
        # UTF-16 without its mark is UTF-8 with NULs.
        if "\0" not in text:
            return text
        problem = "no text in UTF-8 (it holds NULs)"
    raise ConfigurationError(f"{file} is {problem}: save it as UTF-8")


def _trusted(file: Path) -> bytes | None:
    """Return what *file* holds; None where it is no file, or one that others control."""
    if not os.path.isfile(file):
        return None
    raw = b""
    try:
        # A pipe that has just taken the file's place does not block.
        with open(os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as opened:
            # What is checked is what is read, whatever has the name by now.
            distrust = _reason_to_distrust(os.lstat(file), os.fstat(opened.fileno()))
            raw = raw if distrust else opened.read(_LONGEST + 1)
    except OSError as error:
        distrust = _reason_to_distrust(os.lstat(file), os.stat(file))
        if not distrust:
            raise ConfigurationError(f"{file}: {error.strerror or error}") from error
    if distrust:
        _warn_once(file, distrust)
        return None
    if len(raw) > _LONGEST:
        raise ConfigurationError(f"{file} is longer than 1 MiB: keep only settings in it")
    return raw


def _reason_to_distrust(name: os.stat_result, content: os.stat_result) -> str | None:
    """Return why others control a file: its *name*, which may be a link, or its *content*."""
    if not hasattr(os, "geteuid"):  # Windows has no such owners
        return None
    if not {name.st_uid, content.st_uid} <= {0, os.geteuid()}:
        return "it belongs to another user (chown it to the one that runs this)"
    if content.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it (chmod go-w)"
    return None


@lru_cache(maxsize=256)
def _warn_once(file: Path, reason: str) -> None:
    log.warning("%s is not read: %s", file, reason)
