"""Forks while threads use stores, single flight and a budget; exits with 1 if a child cannot go on.

Arguments: the folder of `services`, a folder to write in.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings

sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/.."]

from services.llm.account.single_flight import Leader, SingleFlight  # noqa: E402  the path comes first
from services.llm.stores import BudgetFile, open_store  # noqa: E402  the path comes first
from tests.cache.support import key_of  # noqa: E402  the path comes first

CHILDREN = 15


def main() -> int:
    """Fork children amid the parent's work, each of which works too; return the exit code."""
    warnings.simplefilter("ignore", DeprecationWarning)  # that forking amid threads is unwise
    folder = sys.argv[2]
    stores = [
        open_store(url, ttl=3600)
        for url in (f"json:{folder}/log", f"sqlite:{folder}/db", "memory:")
    ]
    budget, single_flight, done = (
        BudgetFile(f"{folder}/budget"),
        SingleFlight[int](),
        threading.Event(),
    )
    single_flight.claim("led by the parent")

    def work(name: str) -> None:
        for store in stores:
            store.put(key_of(name), {"name": name})
            assert store.get(key_of(name)) == {"name": name}, store
        budget.add(1, 1_000_000.0)

    def keep_working() -> None:
        while not done.is_set():
            work("parent")

    threads = [threading.Thread(target=keep_working) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for n in range(CHILDREN):
        child = os.fork()
        if child == 0:
            work(f"child {n}")
            assert isinstance(single_flight.claim("led by the parent"), Leader)
            os._exit(0)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    done.set()
    for thread in threads:
        thread.join()
    lost = [
        (store, n)
        for store in stores[:2]
        for n in range(CHILDREN)
        if store.get(key_of(f"child {n}")) is None
    ]
    print(failed, lost)
    return 1 if failed or lost else 0


sys.exit(main())
