"""One lock on a path."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from services.llm.runtime import fork
from services.llm.stores import locks
from services.llm.stores.locks import PathLock
from tests.cache.support import mode_of


def test_the_lock_file_is_the_owners_alone_and_stays_empty(tmp_path: Path) -> None:
    with PathLock(tmp_path / "x").held():
        assert (0o600, 0) == (mode_of(tmp_path / "x.lock"), (tmp_path / "x.lock").stat().st_size)


@pytest.mark.parametrize("same", [True, False], ids=["one lock object", "two"])
def test_a_lock_that_is_held_is_given_up_in_time(tmp_path: Path, same: bool) -> None:
    one = PathLock(tmp_path / "x", timeout=0.03)
    two = one if same else PathLock(tmp_path / "x", timeout=0.03)
    with one.held(), pytest.raises(TimeoutError, match=r"x\.lock was held by others for 0\.03 s"):
        two.held().__enter__()
    with two.held():
        pass


def test_a_lock_is_free_after_an_error_inside(tmp_path: Path) -> None:
    lock = PathLock(tmp_path / "x", timeout=0.03)
    with pytest.raises(KeyError), lock.held():
        raise KeyError
    with lock.held():
        pass


def test_a_lock_file_that_an_error_inside_made_is_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), PathLock(tmp_path / "x").held():
        raise KeyError
    assert [] == os.listdir(tmp_path)
    with PathLock(tmp_path / "x").held():
        pass
    with pytest.raises(KeyError), PathLock(tmp_path / "x").held():
        raise KeyError
    assert ["x.lock"] == os.listdir(tmp_path)


def test_a_lock_file_that_was_removed_meanwhile_is_locked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_file, try_lock = tmp_path / "x.lock", locks._try_lock
    removed: list[os.stat_result] = []

    def remove_first(handle: int) -> bool:
        if not removed:
            removed.append(lock_file.stat())
            lock_file.unlink()
        return try_lock(handle)

    monkeypatch.setattr(locks, "_try_lock", remove_first)
    with PathLock(tmp_path / "x").held(), pytest.raises(TimeoutError):
        PathLock(tmp_path / "x", timeout=0.01).held().__enter__()
    assert 1 == len(removed)


def test_stores_on_one_path_share_a_lock_for_as_long_as_one_of_them_lives(tmp_path: Path) -> None:
    one = locks.lock_on(tmp_path / "x")
    assert one is locks.lock_on(tmp_path / "x")
    assert one is not locks.lock_on(tmp_path / "y")
    del one
    assert tmp_path / "x" not in locks._locks


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        lock = PathLock(tmp_path / "x")  # each thread its own, as processes have
        for _ in range(50):
            with lock.held():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == most


def test_an_error_of_the_file_system_is_no_busy_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks, "fcntl", SimpleNamespace(flock=fail, LOCK_EX=2, LOCK_NB=4))
    with pytest.raises(OSError, match="no locks available"):
        PathLock(tmp_path / "x").held().__enter__()


@pytest.mark.usefixtures("forks_of_its_own")
def test_a_forked_child_closes_its_copy_of_a_held_handle(tmp_path: Path) -> None:
    lock = PathLock(tmp_path / "x", timeout=0.03)
    lock._threads.acquire()
    lock._handle = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    handle = lock._handle
    fork._after_fork_in_child()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)
    with lock.held():
        pass
    fork._after_fork_in_child()


@pytest.mark.usefixtures("forks_of_its_own")
def test_a_child_that_is_forked_as_a_handle_is_closed_closes_no_file_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, opened = PathLock(tmp_path / "x"), list[int]()

    def close_amid_threads(handle: int) -> None:
        os.close(handle)
        if not opened:
            opened.append(os.open(tmp_path / "y", os.O_RDWR | os.O_CREAT))
            fork._after_fork_in_child()
            lock._threads.acquire()  # as it is in the parent

    amid_threads = SimpleNamespace(**{**vars(os), "close": close_amid_threads})
    with monkeypatch.context() as patch:
        patch.setattr(locks, "os", amid_threads)
        with lock.held():
            pass
    (other,) = opened
    assert os.fstat(other)
    os.close(other)


class Msvcrt(ModuleType):
    """Windows' locking of bytes, as its manual describes it."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.locked = False

    def locking(self, handle: int, mode: int, size: int) -> None:
        assert (1, 0) == (size, os.lseek(handle, 0, os.SEEK_CUR))
        if mode == self.LK_NBLCK and self.locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.locked = mode == self.LK_NBLCK


def test_windows_locks_through_msvcrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt())
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert locks.__file__ is not None
    spec = importlib.util.spec_from_file_location("services.llm.stores.on_windows", locks.__file__)
    assert spec is not None
    assert spec.loader is not None
    on_windows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(on_windows)
    one = on_windows.PathLock(tmp_path / "x", timeout=0.03)
    two = on_windows.PathLock(tmp_path / "x", timeout=0.03)
    with one.held(), pytest.raises(TimeoutError):
        two.held().__enter__()
    with two.held():
        pass
