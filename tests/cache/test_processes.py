"""Several processes on one file, some of them killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from services.llm.stores import BudgetFile
from services.llm.stores.json_log import _LEAST_GARBAGE, JsonStore
from services.llm.stores.opening import _named
from tests.cache.support import key_of, padding, start

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills and forks as POSIX does")


def test_a_writer_killed_200_times_loses_at_most_the_put_in_flight(tmp_path: Path) -> None:
    path, acknowledged, rounds, kept = tmp_path / "cache.json", dict[int, int](), 0, 0
    reader = JsonStore(path, ttl=3600)
    first = 0
    with start("writer_to_kill.py", path, 200) as writer:
        assert writer.stdout is not None
        for rounds, line in enumerate(writer.stdout, 1):
            last = int(line)
            acknowledged.update((n % 40, n) for n in range(first, last + 1))
            kept += max(0, last + 1 - first)
            first = last + 2
            for residue, n in acknowledged.items():
                found = reader.get(key_of(residue))
                assert found is not None, f"round {rounds} lost {n}, last acknowledged {last}"
                assert found["n"] >= n, f"round {rounds} went back from {n} to {found['n']}"
                assert found["padding"] == padding(found["n"])
    assert 0 == writer.returncode
    assert 200 == rounds
    assert kept >= 100
    assert [] == list(tmp_path.glob("*damaged*"))


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_writers_at_once_lose_nothing(tmp_path: Path, kind: str) -> None:
    url = f"{kind}:{tmp_path}/cache"
    writers = [start("writer.py", url, name, 10, 200) for name in ("a", "b", "c")]
    for writer in writers:
        with writer:
            pass
    assert [0, 0, 0] == [writer.returncode for writer in writers]
    store = _named(url, 3600, time.time)
    expected = {(name, n): 190 + n for name in ("a", "b", "c") for n in range(10)}
    assert expected == {
        (name, n): (store.get(key_of(f"{name} {n}")) or {}).get("n") for name, n in expected
    }
    store.close()
    if kind == "json":  # 600 lines of 1.6 KB were put, so that it was compacted many times
        assert (tmp_path / "cache").stat().st_size < 2 * 30 * 1700 + _LEAST_GARBAGE


def test_processes_share_one_budget(tmp_path: Path) -> None:
    spenders = [start("spender.py", tmp_path / "budget", 150) for _ in range(3)]
    for spender in spenders:
        with spender:
            pass
    assert [0, 0, 0] == [spender.returncode for spender in spenders]
    assert 450 == BudgetFile(tmp_path / "budget").used(1_000_000.0)


def test_children_forked_amid_the_work_of_threads_work_on(tmp_path: Path) -> None:
    with start("forking.py", tmp_path) as program:
        assert program.stdout is not None
        said = program.stdout.read()
    assert (0, "[] []\n") == (program.returncode, said)
