"""A task queue's worker: it asks once as it starts, then forks, and its children do the tasks."""

import json
import multiprocessing
import os
import sys
from collections.abc import Sequence

from services.llm_client import create_llm_client

client = create_llm_client()


def classify(goods: str) -> tuple[int, str]:
    """A task: which process did it, and what the model said."""
    return os.getpid(), client.generate_with_retry(prompt=goods, max_retries=2)


def work(tasks: Sequence[str], processes: int) -> list[tuple[int, str]]:
    """Do *tasks* in children that are forked after the client's first use."""
    client.generate(prompt="Are you there?")
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        done = pool.map(classify, tasks, chunksize=1)
    return [*done, classify("the last")]


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1:], processes=2)))
