"""One run of a batch that `bench.batch` kills: `URL CACHE DONE PROMPTS CONCURRENCY`.

It writes the indexes of the answered prompts to the file DONE, once all are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .batch import client_of, prompts

if __name__ == "__main__":
    url, cache, done, number, concurrency = sys.argv[1:]
    with client_of(url, cache) as client:
        batch = client.generate_batch(prompts(int(number)), concurrency=int(concurrency))
        answered = [str(result.index) for result in batch if result.error is None]
    partial = Path(f"{done}.partial")
    partial.write_text(" ".join(answered), encoding="utf-8")
    partial.rename(done)
