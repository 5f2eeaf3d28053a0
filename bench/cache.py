"""Put, get and open of the stores, beside diskcache, LangChain's SQLite cache and one JSON file.

    pip install --no-deps -r bench/langchain.txt
    PYTHONPATH=backend python bench/cache.py [entries ...]

Every store holds the same answers, and each number is the median of single calls, one by one, on a
store that already holds so many entries: put, of a new key; get, of a random one; open, which is
making the store anew and its first get. Files are in the page cache, and no store waits for the
disk: SQLite's runs with the settings that each product chose.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from services.llm.stores.json_log import JsonStore
from services.llm.stores.sqlite import SqliteStore

TTL = 21_600
Answer = dict[str, Any]


class _Cache(Protocol):
    """What is measured."""

    def get(self, key: str) -> object: ...

    def put(self, key: str, value: Answer) -> None: ...

    def close(self) -> None: ...


class _WholeFile:
    """The usual first cache: a dict that is written out whole at every put."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = json.loads(path.read_text()) if path.exists() else {}

    def get(self, key: str) -> object:
        return self._entries.get(key)

    def put(self, key: str, value: Answer) -> None:
        self._entries[key] = value
        self._path.write_text(json.dumps(self._entries))

    def fill(self, entries: Iterable[tuple[str, Answer]]) -> None:
        self._entries.update(entries)
        self._path.write_text(json.dumps(self._entries))

    def close(self) -> None:
        pass


class _DiskCache:
    """diskcache.Cache, with its defaults and our ttl."""

    def __init__(self, path: Path) -> None:
        self._cache = import_module("diskcache").Cache(str(path))

    def get(self, key: str) -> object:
        return self._cache.get(key)

    def put(self, key: str, value: Answer) -> None:
        self._cache.set(key, value, expire=TTL)

    def fill(self, entries: Iterable[tuple[str, Answer]]) -> None:
        with self._cache.transact():
            for key, value in entries:
                self.put(key, value)

    def close(self) -> None:
        self._cache.close()


class _LangChain:
    """langchain_community's SQLiteCache, which has no ttl; the prompt is the key."""

    def __init__(self, path: Path) -> None:
        self._path, self._generation = path, import_module("langchain_core.outputs").Generation
        self._cache = import_module("langchain_community.cache").SQLiteCache(str(path))

    def get(self, key: str) -> object:
        return self._cache.lookup(key, "model")

    def put(self, key: str, value: Answer) -> None:
        self._cache.update(key, "model", [self._generation(text=json.dumps(value))])

    def fill(self, entries: Iterable[tuple[str, Answer]]) -> None:
        key, value = next(iterator := iter(entries))
        self.put(key, value)
        with sqlite3.connect(self._path) as database:  # as `put` wrote it, without its wait
            (pattern,) = database.execute("SELECT response FROM full_llm_cache").fetchone()
            first = json.dumps(json.dumps(value))
            database.executemany(
                "INSERT INTO full_llm_cache VALUES (?, 'model', 0, ?)",
                ((k, pattern.replace(first, json.dumps(json.dumps(v)))) for k, v in iterator),
            )
        database.close()

    def close(self) -> None:
        self._cache.engine.dispose()


STORES: dict[str, Callable[[Path], _Cache]] = {
    "json: (ours)": lambda path: JsonStore(path, ttl=TTL),
    "sqlite: (ours)": lambda path: SqliteStore(path, ttl=TTL),
    "diskcache": _DiskCache,
    "LangChain SQLiteCache": _LangChain,
    "whole-file JSON": _WholeFile,
}


def key_of(n: int) -> str:
    """Return the key of the *n*th answer."""
    return sha256(str(n).encode()).hexdigest()


def answer(n: int) -> Answer:
    """Return an answer of about 900 bytes that differs from every other."""
    return {"text": f"{n} " + "lorem ipsum " * 65, "usage": {"input": n, "output": 200}}


def fill(cache: _Cache, count: int) -> None:
    """Put *count* answers, by the product's own bulk way if it has one."""
    entries = ((key_of(n), answer(n)) for n in range(count))
    if hasattr(cache, "fill"):
        cache.fill(entries)
    else:
        for key, value in entries:
            cache.put(key, value)


def median(calls: Iterable[Callable[[], object]], at_most: float = 2.0) -> float:
    """Return the median seconds of *calls*, stopping after *at_most* seconds in all."""
    taken: list[float] = []
    for call in calls:
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
        if sum(taken) > at_most:
            break
    return statistics.median(taken)


def measure(make: Callable[[Path], _Cache], count: int) -> dict[str, float]:
    """Return the median seconds of put, get and open with *count* entries."""
    with tempfile.TemporaryDirectory() as folder:
        path, pick = Path(folder) / "cache", random.Random(count)
        cache = make(path)
        fill(cache, count)
        numbers = {
            "get": median([partial(found, cache, n) for n in pick.choices(range(count), k=500)]),
            "put": median(
                [partial(cache.put, key_of(n), answer(n)) for n in range(count, count + 500)]
            ),
        }
        cache.close()
        opened: list[_Cache] = []

        def open_and_get() -> None:
            opened.append(make(path))
            found(opened[-1], pick.randrange(count))

        numbers["open"] = median([open_and_get] * 5)
        for each in opened:
            each.close()
        return numbers


def found(cache: _Cache, n: int) -> None:
    """Get the *n*th answer; RuntimeError on a miss, which would not be worth timing."""
    if not cache.get(key_of(n)):
        raise RuntimeError(f"{cache!r} has lost entry {n}")


def show(name: str, count: int, numbers: dict[str, float], ours: dict[str, float]) -> None:
    """Print one line: microseconds, and how many times ours each is."""
    cells = [f"{numbers[what] * 1e6:12,.0f} {numbers[what] / ours[what]:10,.2f}x" for what in ours]
    print(f"{count:>8,} {name:<22}" + "".join(cells), flush=True)


def main() -> None:
    """Measure every store at every size, in one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("entries", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    warnings.simplefilter("ignore")  # deprecations of what we compare with
    print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}; medians of one call")
    print(
        f"{'entries':>8} {'':<22}"
        + "".join(f"{w + ', µs':>12} {'':11}" for w in ("get", "put", "open"))
    )
    for count in parser.parse_args().entries:
        ours: dict[str, float] = {}
        for name, make in STORES.items():
            try:
                numbers = measure(make, count)
            except ImportError as error:
                print(f"{count:>8,} {name:<22} not installed: {error}")
            else:
                ours = ours or numbers
                show(name, count, numbers, ours)


if __name__ == "__main__":
    main()
