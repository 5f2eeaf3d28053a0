"""Rounds of a writer that is killed amid its puts; prints the last number acknowledged in each.

Arguments: the folder of `services`, the log's path, how many rounds. Number n is put under key
n % 40 with a padding that depends on n alone; a round goes on two numbers after the last one
acknowledged, as the number between may or may not have been kept.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time

sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/.."]

from services.llm.stores.json_log import JsonStore  # noqa: E402  the path comes first
from tests.cache.support import key_of, padding  # noqa: E402  the path comes first


def write(path: str, first: int, acknowledge: int) -> None:
    """Put numbers from *first* on, writing each to the pipe when it is kept."""
    store = JsonStore(path, ttl=3600)
    for n in itertools.count(first):
        store.put(key_of(n % 40), {"n": n, "padding": padding(n)})
        os.write(acknowledge, b"%d\n" % n)


def one_round(path: str, first: int, wait: bool) -> int:
    """Let a child write from *first* on, kill it, and return the last number it acknowledged.

    With *wait*, it is killed amid its puts, else perhaps while it still opens the log.
    """
    outlet, inlet = os.pipe()
    child = os.fork()
    if child == 0:
        write(path, first, inlet)
    os.close(inlet)
    with open(outlet) as acknowledged:
        seen = acknowledged.readline() if wait else ""
        time.sleep(random.uniform(0, 0.006))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return max(map(int, [*seen.splitlines(), *acknowledged]), default=first - 2)


def main() -> None:
    """Run the rounds."""
    last = -2
    for number in range(int(sys.argv[3])):
        last = one_round(sys.argv[2], last + 2, wait=number % 2 == 0)
        print(last, flush=True)


main()
