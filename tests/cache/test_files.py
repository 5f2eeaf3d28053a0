"""Files that are moved out of the way: files, and nothing else that a path may name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.llm.stores.files import move_aside, open_nonblocking, open_private
from tests.cache.support import BACKEND, key_of

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")

_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from services.llm.stores import StoreError
from services.llm.stores.json_log import JsonStore

store = JsonStore(sys.argv[2], ttl=60)
for use in (lambda: store.get(sys.argv[3]), lambda: store.put(sys.argv[3], {})):
    try:
        use()
    except StoreError:
        print("refused")
"""


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Something like a device: a program's, and not ours to rename."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_device_is_left_where_it_is(pipe: Path) -> None:
    with pytest.raises(OSError, match="no regular file"):
        move_aside(pipe, "is no cache")
    assert pipe.is_fifo()
    assert ["pipe"] == [each.name for each in pipe.parent.iterdir()]


@pytest.mark.parametrize("opener", [open_nonblocking, open_private])
def test_what_has_no_end_is_refused(pipe: Path, opener: Callable[[str, int], int]) -> None:
    for path in (pipe, Path(os.devnull)):
        with pytest.raises(OSError, match="no regular file"):
            opener(str(path), os.O_RDWR)


def test_a_pipe_is_refused_and_not_waited_for(pipe: Path) -> None:
    arguments = [str(BACKEND), str(pipe), key_of(1)]
    said = subprocess.check_output(
        [sys.executable, "-c", _PROGRAM, *arguments], text=True, timeout=60
    )
    assert ["refused", "refused"] == said.split()
    assert pipe.is_fifo()
