"""One blocking call in a process of its own: `python -m bench.once CLIENT PROVIDER URL`."""

from __future__ import annotations

import os
import sys

from .subjects import made

if __name__ == "__main__":
    client, provider, url = sys.argv[1:]
    ask = made(client, provider, url, callers=1).ask
    assert ask is not None
    ask()
    os._exit(0)  # what a library does at exit is not part of the first call
