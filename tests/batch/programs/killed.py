"""A batch whose process is killed again and again, and begun anew with the same cache.

Arguments: the folder of `services`, the sandbox's URL, the cache, how many prompts, how many kills.
Prints the indexes that the last run has answered.
"""

from __future__ import annotations

import os
import signal
import sys
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])

from services import llm_client

CONCURRENCY = 4
url, cache = sys.argv[2:4]
number, kills = map(int, sys.argv[4:])
llm_client.settings = SimpleNamespace(
    GROQ_API_KEY="gsk_test",
    GROQ_BASE_URL=url,
    GROQ_MODEL="sandbox/ok",
    GROQ_REQUESTS_PER_MINUTE=100_000,
    LLM_CACHE_URL=cache,
)


def run(dies_after: int) -> None:
    """Answer all prompts, unless killed after so many."""
    with llm_client.GroqClient() as client:
        prompts = (f"Say {index}." for index in range(number))
        answered = []
        for result in client.generate_batch(prompts, concurrency=CONCURRENCY):
            answered.append(result.index)
            if len(answered) == dies_after:
                os.kill(os.getpid(), signal.SIGKILL)
    print(*answered, flush=True)


for kill in range(1, kills + 1):
    child = os.fork()
    if child == 0:
        run(kill * number // (kills + 1))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
run(-1)
