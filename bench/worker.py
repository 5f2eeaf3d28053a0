"""The process of one client: it measures what it is told to, a line of JSON for a line of JSON.

python -m bench.worker CLIENT PROVIDER URL CALLERS
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import warnings
from typing import Any

from . import measures, streaming
from .subjects import Subject, made


def _measured(subject: Subject, loop: asyncio.AbstractEventLoop, order: dict[str, Any]) -> Any:
    name = order.pop("measure")
    if name in ("pieces", "paced", "many"):
        return loop.run_until_complete(getattr(streaming, name)(subject.stream, **order))
    measure: Any = getattr(measures, name)
    if order.pop("blocks", False):
        return measure(subject.ask, **order)
    return loop.run_until_complete(measure(subject.ask_async, **order))


def main() -> None:
    """Make the client, then obey line by line until there are no more."""
    warnings.simplefilter("ignore")
    logging.disable()
    name, provider, url, callers = sys.argv[1:]
    # What a library prints must not stand among the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    # One loop for all rounds, as in a service: clients keep their connections on it.
    loop = asyncio.new_event_loop()
    subject = made(name, provider, url, int(callers))
    for line in sys.stdin:
        try:
            answer = {"figures": _measured(subject, loop, json.loads(line))}
        except Exception as error:  # told to the parent, which leaves this client out
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)  # some of the libraries leave threads that would keep the process


if __name__ == "__main__":
    main()
